"""A scheduler and workers of Dask's as processes on the loopback, as they run on other machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[3]
SECONDS = 60.0  # for what takes two


class Cluster:
    """Processes that end with the block, however they are."""

    def __init__(self, folder: Path, protocol: str = "tcp", **environment: str) -> None:
        self._protocol = ["--protocol", protocol]
        self._folder, self._environment = folder, os.environ | environment
        self._processes: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def __enter__(self) -> Cluster:
        self.start_scheduler()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        """Start a scheduler: anywhere the first time, and then where the last one was."""
        file = self._folder / "scheduler.json"
        file.unlink(missing_ok=True)
        port = self.address.rpartition(":")[2] or "0"
        line = ["-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
        self.scheduler = self._start([*line, *self._protocol, "--scheduler-file", str(file)], "scheduler.log")
        wait_for(file.exists, self.log)
        wait_for(lambda: file.read_text().rstrip().endswith("}"), self.log)
        self.address = json.loads(file.read_text())["address"]
        return self.scheduler

    def start_worker(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        """Start a worker of one thread; it is there a little later."""
        line = ["-m", "dask", "worker", self.address, "--host", "127.0.0.1", "--nthreads", "1"]
        line += ["--no-nanny", "--name", name]
        line += ["--no-dashboard", "--memory-limit", "0", "--local-directory", str(self._folder / name)]
        return self._start([*line, *self._protocol, *options], f"{name}.log")

    def go_far_away(self, seconds: float) -> None:
        """Have all that is said to the scheduler from now on take so long, there and back."""
        file, port = self._folder / "delay.txt", self.address.rpartition(":")[2]
        module = "tests.experiments.jobs.delay"
        self._start(["-m", module, port, str(seconds), str(file)], "delay.log", cwd=ROOT)
        wait_for(file.exists, self.log)
        self.address = file.read_text()

    def log(self) -> str:
        """Return all that the processes said."""
        return "\n".join(file.read_text() for file in sorted(self._folder.glob("*.log")))

    def _start(self, line: list[str], log: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        with (self._folder / log).open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, *line],
                cwd=cwd or self._folder,
                env=self._environment,
                stdout=file,
                stderr=file,
            )
        self._processes.append(process)
        return process


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children at once, as a power cut does."""
    for child in psutil.Process(process.pid).children(recursive=True):
        child.kill()
    process.kill()
    process.wait()


def wait_for(what: Callable[[], Any], log: Callable[[], str] = str) -> None:
    """Wait until something is so."""
    until = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < until, f"not so after {SECONDS:g} s\n{log()}"
        time.sleep(0.02)
