"""docs/serving.md: each threat is held by tests that are there."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "serving.md"


def threats() -> list[str]:
    table = PAGE.read_text().partition("| threat |")[2]
    return [line for line in table.splitlines()[2:] if line.startswith("| ")]


def test_there_are_threats():
    assert len(threats()) >= 15


@pytest.mark.parametrize("line", threats(), ids=lambda line: line.split("|")[1].strip())
def test_each_is_held_by_tests_that_are_there(line):
    there = set(re.findall(r"^def (test_\w+)", "".join(f.read_text() for f in HERE.glob("*.py")), re.M))
    named = set(re.findall(r"`(test_\w+)`", line.split("|")[3]))
    assert named
    assert named <= there
