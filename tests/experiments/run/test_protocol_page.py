"""docs/protocol.md: whatever key, file of code and test it names is there."""

import re
from functools import cache
from pathlib import Path

import pytest

from lstmcore.experiments.config import load_experiment
from tests.shared_data import CONFIGURATIONS

ROOT = Path(__file__).parent.parent.parent.parent
PAGE = (ROOT / "docs" / "protocol.md").read_text()
EXPERIMENT = load_experiment(CONFIGURATIONS / "mediaeval2015.toml", ["data.root=."])


def rows():
    """Rows of the tables that name keys, code and tests, without their first cell."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    tables = [row for row in cells if len(row) == 4 and row[3] not in ("test", "---")]
    assert len(tables) > 50
    return tables


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:40])
def test_what_a_row_names_is_there(row):
    _, keys, code, tests = row
    for key in quoted(keys):
        assert _is_key(key), key
    for file in quoted(code):
        paths = (ROOT / "experiments" / file, ROOT / file)
        assert any(path.is_file() for path in paths) or "." not in file, file
    for test in tests.split(";"):
        if test.strip() != "the same":
            place, _, words = test.partition(": ")
            (file,) = quoted(place) or ["run/test_protocol.py"]
            assert _name(words) in _tests(file)


def _is_key(key):
    place = EXPERIMENT
    for part in key.split("."):
        place = place[0] if isinstance(place, list) else place
        fields = type(place).model_fields
        if part not in fields:
            return False
        place = getattr(place, part)
        if place is None:  # a section that this experiment hasn't got
            return True
    return True


def _name(words):
    assert words.strip(), "no words of a test's name"
    return re.sub(r"[^a-z0-9]+", "_", words.strip().lower().replace("'", ""))


@cache
def _tests(file):
    places = (ROOT / "tests" / "experiments" / file, ROOT / "tests" / file)
    text = next(place for place in places if place.is_file()).read_text()
    return " ".join(re.findall(r"^def (test_\w+)", text, re.MULTILINE))
