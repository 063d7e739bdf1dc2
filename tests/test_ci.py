"""What an outsider's continuous integration skips, and what binds where the shared data lie."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import shared_data

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(("there", "required", "skipped"), [(0, 0, True), (0, 1, False), (1, 0, False)])
def test_shared_data_bind_where_they_are_required(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: int, required: int, skipped: bool
) -> None:
    monkeypatch.setattr(shared_data, "SHARED", tmp_path / "shared")
    monkeypatch.setattr(shared_data, "REQUIRED", bool(required))
    if there:
        (tmp_path / "shared" / "deam").mkdir(parents=True)
    mark = shared_data.needs_shared("deam").mark
    assert mark.args == (skipped,)
    assert str(tmp_path / "shared" / "deam") in mark.kwargs["reason"]


def test_no_test_looks_for_shared_data_by_itself() -> None:
    """A skip of its own would not bind: `needs_shared` is asked."""
    for file in (ROOT / "tests").rglob("test_*.py"):
        text = file.read_text()
        if file != Path(__file__) and re.search(r"\bSHARED\b", text):
            assert "needs_" in text, file
            assert "LSTMCORE_SHARED" not in text, file
