"""Injects faults into commands and sees that the same command comes to the same bytes.

``python -m tests.faults.campaign --count 500 --seed 1 --record faults.jsonl``; the record has a line of JSON
for each fault: its number, kind and place, how each command ended, and the outcome. Fault N of a seed, of the
same kinds (``--group``, ``--kind``), is the same whenever it is tried, but for what happens at the moment of
a signal.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.faults.bench import Bench, Broken, Place
from tests.faults.faulty import begin_with_injector
from tests.faults.kinds import GROUPS, KINDS

SAME = "same"


def tried(kind: str, bench: Bench, root: Path, draw: random.Random) -> dict[str, Any]:
    """Try a fault; return its line of the record."""
    subject, fault = KINDS[kind]
    place = Place(bench, subject, root, draw)
    place.work.mkdir()
    try:
        fault(place)
        outcome = SAME
    except Broken as broken:
        outcome = str(broken)
    except (OSError, ValueError) as error:  # of the harness itself, or of a product in this process
        outcome = f"{type(error).__name__}: {error}"
    line = {"fault": kind, **place.about, "codes": [end.code for end in place.ends], "outcome": outcome}
    if outcome != SAME and place.ends:
        line["said"] = place.ends[-1].said[:3000]
    return line


def campaign(folder: Path, kinds: list[str], seed: int, numbers: range, record: Path | None) -> Counter[str]:
    """Try faults of some kinds in turn; return how many had each outcome."""
    from lstmcore.experiments.jobs import checkpoint, leases

    checkpoint.CHECKPOINT_SECONDS, checkpoint.CHECKPOINT_SHARE = 0.0, 1e9  # a state after each epoch
    leases.LEASE_SECONDS = 10.0
    bench = Bench(folder)
    outcomes: Counter[str] = Counter()
    for number in numbers:
        root = folder / "place"
        root.mkdir()
        line = tried(kinds[number % len(kinds)], bench, root, random.Random(f"{seed}-{number}"))
        shutil.rmtree(root)
        outcomes[line["outcome"]] += 1
        text = json.dumps({"seed": seed, "number": number, **line})
        if record is not None:
            with record.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
        if line["outcome"] != SAME:
            print(text, flush=True)
    return outcomes


def main() -> None:
    """Run a campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, help="how many faults; by default one of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--group", action="append", default=[], choices=[*GROUPS], help="some kinds")
    parser.add_argument("--kind", action="append", default=[], choices=[*KINDS], help="one kind")
    parser.add_argument("--record", type=Path, help="file that a line is added to for each fault")
    chosen = parser.parse_args()
    begin_with_injector("tests.faults.campaign")
    kinds = [kind for group in chosen.group for kind in GROUPS[group]] + chosen.kind or [*KINDS]
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        numbers = range(chosen.first, chosen.first + (chosen.count or len(kinds)))
        outcomes = campaign(Path(folder), kinds, chosen.seed, numbers, chosen.record)
    for outcome, count in outcomes.most_common():
        print(f"{count} {outcome}")
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(outcomes.keys() != {SAME})


if __name__ == "__main__":
    main()
