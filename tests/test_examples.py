"""The examples of docstrings run as they stand, and what `lstmcore` lets its users call has one."""

import doctest
import importlib
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import lstmcore

ROOT = Path(__file__).parent.parent
# Nobody calls these: what others inherit from or promise, and errors.
NOT_CALLED = {"Backend", "Layer", "Objective", "Workspace"}
FINDER = doctest.DocTestFinder(exclude_empty=True, recurse=True)


def modules():
    """Names of all modules of the package that have an example."""
    names = []
    for room, prefix in (("lstmcore", ()), ("features", ("lstmcore",)), ("experiments", ("lstmcore",))):
        for file in sorted((ROOT / room).rglob("*.py")):  # links are not followed: each room once
            if ">>>" in file.read_text():
                parts = file.relative_to(ROOT).with_suffix("").parts
                names.append(".".join((*prefix, *parts)).removesuffix(".__init__"))
    return list(dict.fromkeys(names))


@pytest.mark.parametrize("name", modules())
def test_the_examples_of_a_module_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    time = np.arange(5 * 44100) / 44100
    soundfile.write("song.mp3", 0.3 * np.sin(2 * np.pi * 220 * time) * (time % 0.5 < 0.2), 44100)
    module = importlib.import_module(name)
    tests = [t for t in FINDER.find(module, name) if t.examples]
    assert tests
    for test in tests:
        test.globs = {}  # what an example needs it imports
        told = []
        result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append)
        assert not result.failed, "".join(told)


def callables():
    for name in lstmcore.__all__:
        value = getattr(lstmcore, name)
        if callable(value) and name not in NOT_CALLED and not name.endswith("Error"):
            yield pytest.param(value, id=name)


@pytest.mark.parametrize("value", list(callables()))
def test_what_the_engine_offers_has_an_example(value):
    assert ">>> " in (value.__doc__ or "")


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize(
    "block", [b for page in PAGES for b in re.findall(r"^```py\n(.*?)^```", page.read_text(), re.M | re.S)]
)
def test_what_takes_minutes_names_what_there_is(block):
    """Blocks of `python` are run (test_readme.py); of those of `py`, what they import is looked for."""
    lines = [line for line in block.splitlines() if re.match(r"(from|import) lstmcore\b", line)]
    exec("\n".join(lines), {})
    compile(block, "block", "exec")


def formulas():
    """The code beside the formulas, with the file that it is said to stand in."""
    text = (ROOT / "docs" / "mathematics.md").read_text()
    return re.findall(r'^```python title="(.*?)"\n(.*?)^```', text, re.M | re.S)


@pytest.mark.parametrize(("file", "block"), formulas())
def test_the_code_beside_a_formula_is_the_engines(file, block):
    lines = [line.strip() for line in (ROOT / file).read_text().splitlines()]
    wanted = block.splitlines()
    assert any(lines[k : k + len(wanted)] == wanted for k in range(len(lines))), block


def test_no_equation_of_the_cell_is_left_out():
    shown = "\n".join(block for _, block in formulas())
    code = (ROOT / "lstmcore" / "cell.py").read_text()
    for equation in re.findall(r"^    ((?:z|i|f|c|o|delta_o|epsilon|d_\w) = .*|return .*)$", code, re.M):
        assert equation in shown, equation
