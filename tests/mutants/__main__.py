"""Changes the code in small ways, one at a time, and looks whether a test fails.

``python -m tests.mutants lstmcore/training.py experiments/jobs --count 40 --seed 1 --record mutants.jsonl``;
without files those of scoring, training, data sets and the engine's own folder. The record has a line of JSON
for each mutant; what stands in it already isn't tried again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.mutants.campaign import ROOT, Overlay, chosen, drawn, files_of

_USUAL = [f"experiments/{room}" for room in ("scoring", "training", "datasets")]
_USUAL += [f"lstmcore/{path.name}" for path in (ROOT / "lstmcore").glob("*.py")]


def main(words: list[str] | None = None, root: Path = ROOT) -> None:
    """Run the campaign."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="FILES", help="of the tree, or folders")
    parser.add_argument("--count", type=int, default=40, help="how many mutants (40)")
    parser.add_argument("--seed", type=int, default=1, help="of which are drawn (1)")
    parser.add_argument("--record", type=Path, default=Path("mutants.jsonl"), help="(mutants.jsonl)")
    parser.add_argument(
        "--tests", nargs="+", help="test files; else those with a file's name, or that import it"
    )
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for a mutant at least (60)")
    said = parser.parse_args(words)
    try:
        files = files_of(root, said.files or _USUAL)
    except ValueError as error:
        parser.error(str(error))
    if missing := [test for test in said.tests or () if not (root / test.partition("::")[0]).exists()]:
        parser.error(f"{missing[0]}: no such test file in {root}")
    said.record.touch()
    tried = {json.loads(line)["key"] for line in said.record.read_text().splitlines()}
    todo = [one for one in drawn(root, files, said.count, said.seed) if one[1].key not in tried]
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    counted: Counter[str] = Counter()
    try:
        overlay, usual_of = Overlay(root, folder), {}
        for file, mutant in todo:
            tests = tuple(said.tests or chosen(root, file))
            if tests not in usual_of:
                usual_of[tests] = overlay.run(tests, 3600.0, keep=True)
            usual = usual_of[tests]
            if usual.verdict != "survived":
                parser.exit(1, f"{' '.join(tests)}: fails without a mutant ({usual.by or usual.verdict})\n")
            with overlay.changed(file, mutant.source):
                outcome = overlay.run(tests, max(said.limit, 5 * usual.seconds))
            line = {"file": file, **mutant.told(), **outcome._asdict(), "tests": tests}
            counted[line["verdict"]] += 1
            with said.record.open("a") as record:
                record.write(json.dumps(line) + "\n")
            print(f"{line['verdict']}: {file}:{mutant.line} ({mutant.operator}) {line['by']}", flush=True)
            if line["verdict"] == "survived":
                print(f"  - {mutant.before.strip()}\n  + {mutant.after.strip()}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(", ".join(f"{number} {verdict}" for verdict, number in counted.most_common()) or "nothing to try")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the copy is removed, too
    main()
