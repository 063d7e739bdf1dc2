"""The one command for a day with a GPU, with every part stubbed: order, limits, failures, what it leaves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# Stands for Python: makes an environment of itself, notes what it is asked for; fails or hangs when told.
STUB = """#!/bin/sh
case "$*" in
  *base_prefix*) word=environment ;;
  "-m venv "*) for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python"; word=venv ;;
  *" -e "*|*--no-index*) word=install ;;
  *"pip install"*) word=torch-install ;;
  *pytest*) word=tests ;;
  *doctor*) word=doctor; echo '{"stub": true}' ;;
  *"import torch"*) word=torch ;;
  *"--frames 60 "*) word=benchmark-60 ;;
  *"--frames 600 "*) word=benchmark-600 ;;
esac
echo "$word" >>"$NOTES"
echo "$LSTMCORE_RESULTS $*" >>"$NOTES.all"
echo "the last line of $word"
case " $HANGS " in *" $word "*) sleep 60 ;; esac
case " $FAILS " in *" $word "*) exit 3 ;; esac
"""
PARTS = [
    "nvidia-smi",
    "environment",
    "venv",
    "install",
    "tests",
    "doctor",
    "torch",
    "benchmark-60",
    "benchmark-600",
]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs GNU's timeout")


def run(folder: Path, **settings: str) -> tuple[dict[str, str], list[str]]:
    """Run the script with stubs; return the summary by part, and what was asked for, in order."""
    bin = folder / "bin"
    bin.mkdir()
    for name in ("python", "nvidia-smi"):
        (bin / name).write_text(STUB if name == "python" else "#!/bin/sh\necho a card\n")
        (bin / name).chmod(0o755)
    environment = os.environ | {
        **{
            "PATH": f"{bin}:{os.environ['PATH']}",
            "PYTHON": str(bin / "python"),
            "NOTES": str(folder / "notes"),
        },
        **{"HANGS": "", "FAILS": "", "LSTMCORE_RESULTS": "", **settings},
    }
    command = ["bash", str(ROOT / "benchmarks" / "gpu_day.sh"), "out"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = (folder / "out" / "summary.txt").read_text().splitlines()
    assert done.stdout.splitlines()[:-1] == lines
    return dict(line.split(": ", 1) for line in lines), (folder / "notes").read_text().split()


def test_all_parts_run_in_order_and_leave_their_logs(tmp_path: Path) -> None:
    summary, asked = run(tmp_path, FAILS="environment")  # as where there is no virtual environment
    assert list(summary) == PARTS
    assert asked == PARTS[1:]
    told = [summary[part].split(" after")[0] for part in PARTS if part != "environment"]
    assert told == ["exit code 0"] * len(told)
    assert summary["tests"].endswith("s of 230: the last line of tests")
    out = tmp_path / "out"
    assert {f"{part}.log" for part in PARTS} <= {file.name for file in out.iterdir()}
    assert (out / "doctor.json").read_text().startswith('{"stub": true}\n')
    notes = (tmp_path / "notes.all").read_text().splitlines()
    assert notes[-2].startswith(f"{out}/frames_60 -m benchmarks.cuda --frames 60 ")
    assert notes[-1].startswith(f"{out}/frames_600 -m benchmarks.cuda --frames 600 ")


def test_no_part_that_fails_stops_the_next(tmp_path: Path) -> None:
    summary, asked = run(tmp_path, FAILS=" ".join([*PARTS, "torch-install"]))
    parts = [*PARTS[:-2], "torch-install", *PARTS[-2:]]
    assert list(summary) == parts
    assert asked == parts[1:]
    assert all(told.startswith("exit code 3 ") for part, told in summary.items() if part != "nvidia-smi")


def test_wheels_are_installed_without_a_registry(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "a.whl").touch()
    summary, _ = run(tmp_path, WHEELS=str(tmp_path / "wheels"), FAILS="torch")
    left_out = {"venv", "torch-install"}  # PYTHON is an environment's; no registry is asked for PyTorch
    assert list(summary) == [part for part in PARTS if part not in left_out]
    notes = (tmp_path / "notes.all").read_text()
    assert f"-m pip install --quiet --no-index --no-deps {tmp_path}/wheels/a.whl\n" in notes


def test_what_hangs_is_ended_and_all_keep_to_the_limit(tmp_path: Path) -> None:
    began = time.monotonic()
    summary, _ = run(tmp_path, HANGS=" ".join(PARTS[3:]), LIMIT="9")
    assert time.monotonic() - began < 9 + 10
    assert re.match(r"exit code 124 after \d+ s of 2: ", summary["tests"])
    assert summary["benchmark-60"].startswith("exit code 124"), "its share is left"
    assert summary["benchmark-600"].startswith("exit code 124")
