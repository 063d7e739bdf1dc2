"""Injects faults into a tiny experiment and sees that the same command comes to the same bytes.

``python -m tests.faults.campaign --count 500 --seed 1 --record faults.jsonl``; the record has a line of JSON
for each fault: its number, kind and place, how each command ended, and the outcome. Fault N of a seed is the
same whenever it is tried, but for what happens at the moment of a signal.
"""

from __future__ import annotations

import argparse
import errno
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.faulty import (
    ERROR_FROM_THEN_ON,
    ERROR_ONCE,
    SIGNAL,
    Command,
    End,
    Injector,
    begin_with_injector,
)

SAME = "same"
_SHORTER = ["folds.count=3", "folds.team_test=2", "ensemble.trials=1", "training.max_epochs=4"]
_SIGNALS = {"killed": signal.SIGKILL, "terminated": signal.SIGTERM, "interrupted": signal.SIGINT}
_CODES = {signal.SIGKILL: {-9}, signal.SIGTERM: {143, -15}, signal.SIGINT: {130}}


class Broken(Exception):
    """Something was lost, or is different."""


@dataclass
class Place:
    """Where one fault is tried.

    Parameters
    ----------
    source
        Folder with the experiment and its data.
    root
        Folder for runs.
    whole
        Folder of an undisturbed run.
    changes
        How many changes of files an undisturbed run makes.
    seconds
        How long it takes.
    injector
        Makes changes of files fail.
    random
        Gives where.
    """

    source: Path
    root: Path
    whole: Path
    changes: int
    seconds: float
    injector: Injector
    random: random.Random
    ends: list[End] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def run(self) -> Path:
        """Folder of the run that meets the fault."""
        return self.root / "run"

    def start(self, prepare: Callable[[], object] = lambda: None, *, out: Path | None = None) -> Command:
        """Start the command."""
        return start(self.source, out or self.run, self.root / f"log{len(self.ends)}", prepare)

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

    def half(self) -> None:
        """Leave a run that was killed somewhere, or, as often, a finished one."""
        if self.random.random() < 0.5:
            shutil.copytree(self.whole, self.run)
            return
        at = self.random.randint(self.changes // 10, self.changes)  # there are files by then
        self.about["killed_at"] = at
        armed = self.start(lambda: self.injector.arm(self.run, at, SIGNAL, signal.SIGKILL))
        self.finish(armed, {-9, 0})

    def the_same_command_comes_to_the_same(self, out: Path | None = None) -> None:
        """Run it once more and compare."""
        self.finish(self.start(out=out), {0})
        compare(self.whole, out or self.run)


def start(source: Path, out: Path, log: Path, prepare: Callable[[], object] = lambda: None) -> Command:
    """Start the tiny experiment."""
    sets = [word for one in _SHORTER for word in ("--set", one)]
    line = [str(source / "tiny.toml"), "--set", f"data.root={source / 'data'}", "--workers", "2"]
    return Command([*line, *sets, "--out", str(out)], log, prepare)


def compare(whole: Path, run: Path) -> None:
    """See that what a run leaves is what an undisturbed one left."""
    names = ["predictions.csv", "metrics.json", "ensemble.json"]
    names += [f"model/{file.name}" for file in sorted((whole / "model").iterdir())]
    for name in names:
        if not (run / name).is_file():
            raise Broken(f"{name} is lost")
        if (run / name).read_bytes() != (whole / name).read_bytes():
            raise Broken(f"{name} is different")
    left = [str(file.relative_to(run)) for file in run.rglob("*.tmp")]
    if left:
        raise Broken(f"left behind: {', '.join(left)}")


def _signal_at_a_change(name: str) -> Callable[[Place], None]:
    number = _SIGNALS[name]

    def fault(place: Place) -> None:
        at = place.random.randint(1, place.changes)
        place.about["at"] = at
        armed = place.start(lambda: place.injector.arm(place.run, at, SIGNAL, number))
        place.finish(armed, _CODES[number] | {0})
        place.the_same_command_comes_to_the_same()

    return fault


def _signal_at_a_moment(name: str) -> Callable[[Place], None]:
    number = _SIGNALS[name]

    def fault(place: Place) -> None:
        after = place.random.uniform(0, place.seconds)
        place.about["after"] = round(after, 3)
        command = place.start()
        if not command.ends_within(after):
            command.kill(number)
        place.finish(command, _CODES[number] | {0})
        place.the_same_command_comes_to_the_same()

    return fault


def _error(number: int, kind: int) -> Callable[[Place], None]:
    def fault(place: Place) -> None:
        at = place.random.randint(1, place.changes)
        place.about["at"] = at
        armed = place.start(lambda: place.injector.arm(place.run, at, kind, number))
        # 0: what is there for people only may be left away.
        place.finish(armed, {0, 2})
        place.the_same_command_comes_to_the_same()

    return fault


def _damaged(change: Callable[[bytes, random.Random], bytes]) -> Callable[[Place], None]:
    def fault(place: Place) -> None:
        place.half()
        files = sorted(file for file in place.run.rglob("*") if file.is_file() and file.stat().st_size)
        file = place.random.choice(files)
        content = file.read_bytes()
        place.about["file"] = str(file.relative_to(place.run))
        changed = change(content, place.random)
        file.write_bytes(changed)
        same = (a == b for a, b in zip(content, changed, strict=False))
        place.about["at"] = next((at for at, it_is in enumerate(same) if not it_is), len(changed))
        _see_that_a_damaged_model_is_refused(place.run, file)
        place.the_same_command_comes_to_the_same()

    return fault


def _see_that_a_damaged_model_is_refused(run: Path, file: Path) -> None:
    from lstmcore.experiments.errors import InputError
    from lstmcore.experiments.prediction.model import load_model

    if file.parent.name != "model" or file.suffix == ".md":
        return
    try:
        load_model(file.parent)
    except InputError:
        return
    raise Broken(f"a damaged {file.name} is taken for a model")


def _flipped(content: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :]


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def _moved(place: Place) -> None:
    place.half()
    other = place.root / "another place" / "run"
    other.parent.mkdir()
    place.run.rename(other)
    place.the_same_command_comes_to_the_same(other)


def _copied(place: Place) -> None:
    place.half()
    shutil.copytree(place.run, place.root / "copy")
    place.the_same_command_comes_to_the_same(place.root / "copy")
    place.the_same_command_comes_to_the_same()


def _two_at_once(place: Place) -> None:
    commands = [place.start()]
    commands[0].ends_within(place.random.uniform(0, place.seconds))
    commands.append(start(place.source, place.run, place.root / "log1"))
    for command in commands:
        place.finish(command, {0})
    compare(place.whole, place.run)


def _clock(place: Place) -> None:
    most = place.random.choice([2, 3600, 86400 * 400])
    place.about["seconds"] = most
    place.finish(place.start(lambda: place.injector.clock(most)), {0})
    compare(place.whole, place.run)
    place.the_same_command_comes_to_the_same()


FAULTS: dict[str, Callable[[Place], None]] = {
    **{f"{name} at a change": _signal_at_a_change(name) for name in _SIGNALS},
    **{f"{name} at a moment": _signal_at_a_moment(name) for name in _SIGNALS},
    "disk full": _error(errno.ENOSPC, ERROR_FROM_THEN_ON),
    "input/output error": _error(errno.EIO, ERROR_ONCE),
    "read-only": _error(errno.EROFS, ERROR_FROM_THEN_ON),
    "file cut off": _damaged(_cut),
    "bit flipped": _damaged(_flipped),
    "moved": _moved,
    "copied": _copied,
    "two at once": _two_at_once,
    "clock jumps": _clock,
}


def tried(name: str, place: Place) -> dict[str, Any]:
    """Try a fault; return its line of the record."""
    try:
        FAULTS[name](place)
        outcome = SAME
    except Broken as broken:
        outcome = str(broken)
    except (OSError, ValueError) as error:  # of the harness itself, or of a product in this process
        outcome = f"{type(error).__name__}: {error}"
    line = {"fault": name, **place.about, "codes": [end.code for end in place.ends], "outcome": outcome}
    if outcome != SAME and place.ends:
        line["said"] = place.ends[-1].said[:3000]
    return line


def campaign(folder: Path, seed: int, numbers: range, record: Path | None) -> Counter[str]:
    """Try faults; return how many had each outcome."""
    from lstmcore.experiments.jobs import checkpoint
    from tests.experiments.conftest import EXPERIMENT, write_tiny_deam

    checkpoint.CHECKPOINT_SECONDS, checkpoint.CHECKPOINT_SHARE = 0.0, 1e9  # a state after each epoch
    source = folder / "source"
    write_tiny_deam(source / "data")
    (source / "tiny.toml").write_text(EXPERIMENT)
    injector, whole = Injector(), folder / "whole"
    _warm(source, folder / "warm")
    counted = folder / "count"
    counting = start(source, whole, folder / "log", lambda: _count_at_end(injector, whole, counted)).end()
    if counting.code != 0:
        sys.exit(f"the undisturbed run failed: {counting.said}")
    changes = int(counted.read_text())
    outcomes: Counter[str] = Counter()
    print(f"an undisturbed run: {changes} changes of files in {counting.seconds:.2f} s", flush=True)
    names = list(FAULTS)
    for number in numbers:
        name = names[number % len(names)]
        root = folder / "place"
        root.mkdir()
        draw = random.Random(f"{seed}-{number}")
        line = tried(name, Place(source, root, whole, changes, counting.seconds, injector, draw))
        shutil.rmtree(root)
        outcomes[line["outcome"]] += 1
        text = json.dumps({"seed": seed, "number": number, **line})
        if record is not None:
            with record.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
        if line["outcome"] != SAME:
            print(text, flush=True)
    return outcomes


def _count_at_end(injector: Injector, folder: Path, file: Path) -> None:
    """Have this process tell, when the command has ended, how many changes it made."""
    from lstmcore.experiments import cli

    injector.arm(folder)
    main = cli.main_run

    def counted() -> None:
        try:
            main()
        finally:
            file.write_text(str(injector.count()))

    cli.main_run = counted


def _warm(source: Path, out: Path) -> None:
    """Have everything imported and compiled, so that a fork of this process need not."""
    from lstmcore.experiments.config import load_experiment
    from lstmcore.experiments.run import Session, run_experiment

    sets = [f"data.root={source / 'data'}", *_SHORTER]
    run_experiment(load_experiment(source / "tiny.toml", sets), Session(out, 1))


def main() -> None:
    """Run a campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="how many faults")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", type=Path, help="file that a line is added to for each fault")
    chosen = parser.parse_args()
    begin_with_injector("tests.faults.campaign")
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        numbers = range(chosen.first, chosen.first + chosen.count)
        outcomes = campaign(Path(folder), chosen.seed, numbers, chosen.record)
    for outcome, count in outcomes.most_common():
        print(f"{count} {outcome}")
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(outcomes.keys() != {SAME})


if __name__ == "__main__":
    main()
