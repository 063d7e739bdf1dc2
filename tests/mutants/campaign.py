"""Puts mutants into a copy of the tree, one after the other, and runs the tests of the file on each."""

from __future__ import annotations

import ast
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tests.mutants.operators import Mutant, mutants

ROOT = Path(__file__).parent.parent.parent
# Their functions are put into kernels by others.
EQUATIONS = {f"lstmcore/{name}.py" for name in ("activations", "cell", "objective_terms", "update")}
_COPIED = (
    "lstmcore",
    "features",
    "experiments",
    "tests",
    "benchmarks",
    "docs",
    "README.md",
    "pyproject.toml",
)
_OPTIONS = (
    *("-x", "-q", "-n0", "-pno:cacheprovider", "--tb=no", "-rfE", "-mnot slow and not gpu"),
    "-otmp_path_retention_policy=none",
)
# Kernels are those of the tree: the change is none of theirs, and to compile them anew would take minutes.
_SAME_KERNELS = """

def digest_of(folder, *others, of=digest_of):
    here, there = Path({here!r}), Path({there!r})
    return of(*(there / path.resolve().relative_to(here) for path in (folder, *others)))
"""


class Outcome(NamedTuple):
    """What the tests said."""

    verdict: str  # noticed, survived, out of time
    by: str  # the first test that failed
    seconds: float


def files_of(root: Path, names: Iterable[str]) -> list[str]:
    """Python files that are named, or lie in named folders; ValueError names what isn't there."""
    found: set[str] = set()
    for name in names:
        path = root / name
        below = [path] if path.suffix == ".py" and path.is_file() else sorted(path.rglob("*.py"))
        if not below:
            raise ValueError(f"{name}: no Python file and no folder of any in {root}")
        found |= {str(one.resolve().relative_to(root.resolve())) for one in below}
    return sorted(found - EQUATIONS)


def drawn(root: Path, files: Sequence[str], count: int, seed: int) -> list[tuple[str, Mutant]]:
    """So many mutants, of each file in proportion to how many it has; more only add to them."""
    order = []
    for file in files:
        all_of = mutants((root / file).read_text())
        draw = random.Random(f"{seed} {file}")
        draw.shuffle(all_of)
        offset = draw.random()
        order += [((k + offset) / len(all_of), file, one) for k, one in enumerate(all_of)]
    order.sort(key=lambda one: one[:2])
    return [(file, one) for _, file, one in order[:count]]


def chosen(root: Path, file: str) -> list[str]:
    """Test files of the room that have a file's name or import it; if there are none, all of its folder."""
    path = Path(file)
    folder, room = root / "tests" / path.parent, root / "tests" / path.parts[0]
    dotted = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    dotted = dotted if dotted.startswith("lstmcore") else f"lstmcore.{dotted}"
    found = {*folder.rglob(f"test_*{path.stem}*.py")} if path.stem != "__init__" else set()
    for test in room.rglob("test_*.py"):
        names = _imported(test)
        if dotted in names or any(name.startswith(f"{dotted}.") for name in names):
            found.add(test)
    while not found and folder != root / "tests":
        found, folder = set(folder.glob("test_*.py")), folder.parent
    return sorted(str(test.relative_to(root)) for test in found)


@cache
def _imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _not_python(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder, name).is_file() and not name.endswith(".py")]


class Overlay:
    """A copy of the tree, in an empty folder, in which tests are run."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.tree, self._unchanged, self._temporary = (
            folder / name for name in ("tree", "as_is", "temporary")
        )
        for place in (self.tree, self._unchanged, self._temporary):
            place.mkdir()
        for name in _COPIED:
            if (root / name).is_dir():
                shutil.copytree(root / name, self.tree / name, symlinks=True)
            elif (root / name).is_file():
                shutil.copy2(root / name, self.tree / name)
        for name in ("lstmcore", "features", "experiments"):  # somebody may go on writing in the tree
            if (root / name).is_dir():
                shutil.copytree(root / name, self._unchanged / name, symlinks=True, ignore=_not_python)
        sources = self.tree / "lstmcore" / "kernel_sources.py"
        if sources.is_file():
            with sources.open("a") as file:
                file.write(
                    _SAME_KERNELS.format(here=str(self.tree.resolve()), there=str(self._unchanged.resolve()))
                )

    @contextmanager
    def changed(self, file: str, source: str) -> Iterator[None]:
        """Have another text in a file's place."""
        path = self.tree / file
        original = path.read_bytes()
        added = original[len((self._unchanged / file).read_bytes()) :]
        self._write(path, source.encode() + added)
        try:
            yield
        finally:
            self._write(path, original)

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        path.write_bytes(data)
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()  # one of the same second and length would be taken for this text's

    def run(self, tests: Sequence[str], limit: float, keep: bool = False) -> Outcome:
        """Run test files until one test fails; ``keep`` lets Python keep what it has compiled."""
        line = [sys.executable, "-m", "pytest", *_OPTIONS, *tests]
        surroundings = {**os.environ, "PYTHONPATH": str(self.tree), "TMPDIR": str(self._temporary)}
        surroundings |= {"COLUMNS": "200"} | ({} if keep else {"PYTHONDONTWRITEBYTECODE": "1"})
        begun = time.monotonic()
        log = self._temporary.parent / "log"
        out: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": log.open("w"),
            "stderr": subprocess.STDOUT,
        }
        with (
            out["stdout"],
            subprocess.Popen(line, cwd=self.tree, env=surroundings, start_new_session=True, **out) as process,
        ):
            try:
                code: int | None = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
            finally:  # what tests have started, too
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        seconds = round(time.monotonic() - begun, 1)
        if code is None:
            return Outcome("out of time", "", seconds)
        if not code:
            return Outcome("survived", "", seconds)
        told = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", log.read_text(errors="replace"), re.MULTILINE)
        return Outcome("noticed", told[1] if told else f"exit code {code}", seconds)
