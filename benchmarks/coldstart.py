"""How long one waits: for --help, for the first epoch of a first and of a later run, for kernels.

    python -m benchmarks.coldstart

Every row is a process started anew, the rows in turn.  The run is a small experiment on a table
of features (16 + 8 units, an auto-encoder and three networks); its auto-encoder trains for one
epoch, and the line that says so is what is waited for.  In a first run Numba's cache is empty.
The last table says which kernels the compilation's time goes to, when all of them are compiled.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import publish

EXPERIMENT = """
name = "coldstart"
seed = 1
[data]
source = "deam"
root = "data"
features = "song_means"
[folds]
count = 4
team_test = 3
[network]
hidden = [16, 8]
[training]
learning_rate = 1e-4
max_epochs = 5
patience = 5
[pretraining]
learning_rate = 1e-4
max_epochs = 1
[ensemble]
trials = 1
"""
SONGS = {"annotated": range(1, 13), "others": range(101, 113)}
PARTS = ("starts", "kernels")
FEATURES, FRAMES = 260, 60
COMMAND = "from lstmcore.experiments.cli import main_run; main_run()"
COMPILE = """
import json
from lstmcore.experiments.machine.warmup import Display, warm_up
with Display(quiet=True) as display:
    print(json.dumps([[one.kernel, one.seconds] for one in warm_up(display).compiled]))
"""


@dataclass(frozen=True)
class Start:
    """One process, in seconds.

    Parameters
    ----------
    whole
        From its start to its end.
    processor
        Processor time of all its threads.
    first_epoch, first_epoch_processor
        From its start to the line that tells of an epoch, and the processor time until then; None
        if there is none, or if the system doesn't tell.
    """

    whole: float
    processor: float
    first_epoch: float | None
    first_epoch_processor: float | None


def write_data(root: Path) -> None:
    """Write a small data set in DEAM's layout: annotations, and one row of features per song."""
    random = np.random.default_rng(1)
    dynamic = root / "annotations/annotations averaged per song/dynamic (per second annotations)"
    dynamic.mkdir(parents=True)
    header = ",".join(f"sample_{15000 + 500 * k}ms" for k in range(FRAMES))
    for target in ("arousal", "valence"):
        rows = [f"{song},{_cells(random.uniform(-1, 1, FRAMES))}" for song in SONGS["annotated"]]
        (dynamic / f"{target}.csv").write_text("\n".join([f"song_id,{header}", *rows]) + "\n")
    names = ",".join(f"f{k}" for k in range(FEATURES))
    everyone = [*SONGS["annotated"], *SONGS["others"]]
    rows = [f"{song},{_cells(random.standard_normal(FEATURES))}" for song in everyone]
    (root / "song_mean_features.csv").write_text("\n".join([f"song_id,{names}", *rows]) + "\n")


def _cells(values: Any) -> str:
    return ",".join(f"{value:.5f}" for value in values)


def start(arguments: list[str], folder: Path, kernels: Path | None = None) -> Start:
    """Start Python and wait for its end.

    Parameters
    ----------
    arguments
        After the interpreter.
    folder
        Where it runs.
    kernels
        Folder for Numba's cache, instead of the usual one.
    """
    place = {"NUMBA_CACHE_DIR": str(kernels)} if kernels else {}
    environment = {**os.environ, **place}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    first_epoch, epoch_processor, told = None, None, []
    with subprocess.Popen([sys.executable, *arguments], cwd=folder, env=environment, **pipes) as process:
        assert process.stderr is not None
        for line in process.stderr:
            told.append(line)
            if first_epoch is None and ": epoch 1," in line:
                first_epoch, epoch_processor = time.perf_counter() - started, _processor_time(process.pid)
    whole, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{''.join(told)}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Start(whole, used, first_epoch, epoch_processor)


def _processor_time(process: int) -> float | None:
    """Processor time of a running process, s; None where there is no /proc."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # user, system


def measure(rounds: int, first_runs: int) -> list[dict[str, Any]]:
    """Start everything in turn, and return a row each."""
    found: dict[str, list[Start]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="lstmcore-") as name:
        folder, kernels = Path(name), Path(name) / "kernels"
        write_data(folder / "data")
        (folder / "coldstart.toml").write_text(EXPERIMENT)

        def run(out: str, cache: Path) -> Start:
            return start(["-c", COMMAND, "coldstart.toml", "--out", out, "--workers", "1"], folder, cache)

        for k in range(first_runs):
            found["first run"].append(run(f"first-{k}", kernels if k == 0 else folder / f"kernels-{k}"))
            print(f"first run {k + 1} of {first_runs}: {found['first run'][-1].whole:.1f} s", flush=True)
        plain = {"python -c pass": "pass", "import numpy": "import numpy", "import numba": "import numba"}
        if importlib.util.find_spec("torch"):
            plain["import torch"] = "import torch"
        for k in range(rounds):
            for title, code in plain.items():
                found[title].append(start(["-c", code], folder))
            found["lstmcore-run --help"].append(start(["-c", COMMAND, "--help"], folder))
            found["later run"].append(run(f"later-{k}", kernels))
    order = [*plain, "lstmcore-run --help", "first run", "later run"]
    return [_row(title, found[title]) for title in order]


def _row(title: str, starts: list[Start]) -> dict[str, Any]:
    epochs = [one.first_epoch for one in starts if one.first_epoch is not None]
    processor = [one.first_epoch_processor for one in starts if one.first_epoch_processor is not None]
    whole = [one.whole for one in starts]
    return {
        "process": title,
        "times": len(starts),
        "first epoch s, best": min(epochs) if epochs else None,
        "median": statistics.median(epochs) if epochs else None,
        "processor until then, best": min(processor) if processor else None,
        "whole s, best": min(whole),
        "whole, median": statistics.median(whole),
        "processor s, best": min(one.processor for one in starts),
        "processor, median": statistics.median(one.processor for one in starts),
    }


def compile_times(most: int = 20) -> list[dict[str, Any]]:
    """Compile all kernels into an empty cache; return those that take the most processor time."""
    with tempfile.TemporaryDirectory(prefix="lstmcore-") as kernels:
        environment = {**os.environ, "NUMBA_CACHE_DIR": kernels}
        command = [sys.executable, "-c", COMPILE]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    seconds: dict[str, list[float]] = defaultdict(list)
    for kernel, taken in json.loads(done.stdout):
        seconds["(Numba's own functions)" if kernel.startswith("numba.") else kernel].append(taken)
    total = sum(map(sum, seconds.values()))
    ranked = sorted(seconds.items(), key=lambda item: -sum(item[1]))
    rows = [
        {"kernel": name, "versions": len(taken), "processor s": sum(taken), "share": sum(taken) / total}
        for name, taken in ranked[:most]
    ]
    versions = sum(map(len, seconds.values()))
    return [*rows, {"kernel": "all", "versions": versions, "processor s": total, "share": 1.0}]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Cold start.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--first-runs", type=int, default=3)
    parser.add_argument("--part", choices=PARTS, action="append", help="not all of it")
    arguments = parser.parse_args()
    parts = arguments.part or PARTS
    if "starts" in parts:
        publish("coldstart", "Cold start", measure(arguments.rounds, arguments.first_runs), ["torch"])
    if "kernels" in parts:
        publish("coldstart_kernels", "Compiling all kernels", compile_times())


if __name__ == "__main__":
    main()
