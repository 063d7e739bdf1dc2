"""docs/threats.md: each threat is held by tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = "\n".join(file.read_text("utf-8") for file in (ROOT / "tests").rglob("*.py"))
TESTS = set(re.findall(r"^def (test_\w+)", CODE, re.M))


def threats() -> list[str]:
    lines = (ROOT / "docs" / "threats.md").read_text("utf-8").splitlines()
    return [line for line in lines if line.startswith("| ") and not line.startswith(("| threat", "| ---"))]


def test_there_are_threats() -> None:
    assert len(threats()) >= 20


@pytest.mark.parametrize("line", threats(), ids=lambda line: line.split("|")[1].strip())
def test_each_is_held_by_tests_that_are_there(line: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", line.split("|")[3]))
    assert named
    assert named <= TESTS
