"""Commands on a bench, places where faults happen to them, and the comparison with what nothing disturbed."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.faulty import Command, End, Injector
from tests.faults.subjects import CACHE, OUT, SUBJECTS, Subject, write_source


class Broken(Exception):
    """Something was lost, or is different."""


@dataclass(frozen=True)
class Undisturbed:
    """A command that nothing disturbed.

    Parameters
    ----------
    place
        Folder of its results and of its cache.
    results
        What must be the same.
    changes
        How many changes of files it made there.
    seconds
        How long it took.
    """

    place: Path
    results: dict[str, bytes]
    changes: int
    seconds: float


class Bench:
    """Commands and their data; each is first run undisturbed when it is needed.

    Parameters
    ----------
    folder
        For all of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.source, self.injector = folder, folder / "source", Injector()
        self._known: dict[str, Undisturbed] = {}
        write_source(self.source)

    def undisturbed(self, name: str) -> Undisturbed:
        """Return how a command ends that nothing disturbs."""
        if name not in self._known:
            if name == "prediction":
                of_run = self.undisturbed("run from audio").place / OUT / "model"
                shutil.copytree(of_run, self.source / "model")
            self._known[name] = self._run(name)
        return self._known[name]

    def _run(self, name: str) -> Undisturbed:
        self._warm(name)
        place, counted = self.folder / "whole" / name, self.folder / "count"
        place.mkdir(parents=True)
        command = self.start(name, place, self.folder / "log", lambda: self._count_at_end(place, counted))
        end = command.end()
        if end.code != 0:
            sys.exit(f"the undisturbed {name} failed: {end.said}")
        results = SUBJECTS[name].bytes_of(place)
        assert results
        changes = int(counted.read_text())
        print(f"an undisturbed {name}: {changes} changes of files in {end.seconds:.2f} s", flush=True)
        return Undisturbed(place, results, changes, end.seconds)

    def start(
        self, name: str, place: Path, log: Path, prepare: Callable[[], object] = lambda: None
    ) -> Command:
        """Start a command."""

        def begin() -> None:
            os.environ["LSTMCORE_CACHE"] = str(place / CACHE)
            prepare()

        subject = SUBJECTS[name]
        return Command(subject.program, subject.line(self.source, place), log, begin)

    def _warm(self, name: str) -> None:
        """Have everything imported and compiled, so that a fork of this process need not."""
        from typer.testing import CliRunner

        from lstmcore.experiments.cli import app, run_app

        place, subject = self.folder / "warm" / name, SUBJECTS[name]
        place.mkdir(parents=True)
        program = run_app if subject.program == "lstmcore-run" else app
        line = subject.line(self.source, place)
        warmed = CliRunner(env={"LSTMCORE_CACHE": str(place / CACHE)}).invoke(program, line)
        if warmed.exit_code != 0:
            sys.exit(f"{name} fails: {warmed.output}")

    def _count_at_end(self, folder: Path, file: Path) -> None:
        """Have this process tell, when the command has ended, how many changes it made."""
        from lstmcore.experiments import cli

        self.injector.arm(folder)
        for name in ("main", "main_run"):
            setattr(cli, name, self._counted(getattr(cli, name), file))

    def _counted(self, main: Callable[[], None], file: Path) -> Callable[[], None]:
        def counted() -> None:
            try:
                main()
            finally:
                file.write_text(str(self.injector.count()))

        return counted


@dataclass
class Place:
    """Where one fault is tried.

    Parameters
    ----------
    bench
        Has the commands.
    name
        Of the one that meets the fault.
    root
        A folder for all that it leaves.
    random
        Gives where.
    """

    bench: Bench
    name: str
    root: Path
    random: random.Random
    ends: list[End] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    started: int = 0

    @property
    def work(self) -> Path:
        """Folder of results and cache."""
        return self.root / "work"

    @property
    def run(self) -> Path:
        """Folder of the results."""
        return self.work / OUT

    @property
    def whole(self) -> Undisturbed:
        """The same command, undisturbed."""
        return self.bench.undisturbed(self.name)

    @property
    def subject(self) -> Subject:
        """The command."""
        return SUBJECTS[self.name]

    @property
    def injector(self) -> Injector:
        """Makes changes of files fail."""
        return self.bench.injector

    def start(self, prepare: Callable[[], object] = lambda: None, *, work: Path | None = None) -> Command:
        """Start the command."""
        self.started += 1
        log = self.root / f"log{self.started}"
        return self.bench.start(self.name, work or self.work, log, prepare)

    def armed(self, at: int, kind: int, number: int) -> Command:
        """Start the command with a fault at a change of a file."""
        return self.start(lambda: self.injector.arm(self.work, at, kind, number))

    def finish(self, command: Command, codes: set[int]) -> End:
        """See that a command ends as it should."""
        end = command.end()
        self.ends.append(end)
        if end.code is None:
            raise Broken("a command hangs")
        if "Traceback" in end.said:
            raise Broken("a traceback")
        if end.code not in codes:
            raise Broken(f"exit code {end.code}; expected {sorted(codes)}")
        return end

    def change(self) -> int:
        """Draw a change of a file."""
        return self.random.randint(1, self.whole.changes)

    def the_same_command_comes_to_the_same(self, work: Path | None = None) -> None:
        """Run it once more and compare."""
        self.finish(self.start(work=work), {0})
        self.compare(work)

    def compare(self, work: Path | None = None) -> None:
        """See that what the command leaves is what an undisturbed one left."""
        place = work or self.work
        self.compare_results(place)
        if self.subject.has_a_folder:
            left = [file for end in ("tmp", "lease") for file in (place / OUT).rglob(f".*.{end}")]
            if left:
                raise Broken(f"left behind: {', '.join(str(file.relative_to(place)) for file in left)}")

    def compare_results(self, work: Path | None = None) -> None:
        """See that the results are there and the same, whatever else is left."""
        found = self.subject.bytes_of(work or self.work)
        for name, content in self.whole.results.items():
            if name not in found:
                raise Broken(f"{name} is lost")
            if found[name] != content:
                raise Broken(f"{name} is different")
