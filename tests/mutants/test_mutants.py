"""The campaign of mutants, on a tree of two files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.mutants.__main__ import main
from tests.mutants.campaign import ROOT, chosen, drawn, files_of
from tests.mutants.operators import mutants

SOURCE = '''
"""Of songs."""
from numba import njit
import lstmcore as lc

@njit
def kernel(x):
    return x + 1

def louder(songs: list[int], by: int = 2) -> list[int]:
    """Add."""
    if not songs:
        raise ValueError(f"{songs}: no songs")
    return [(song + by)
            for song in songs if song > 3]
'''


def changes(source):
    return {(one.line, one.operator, one.after.strip()) for one in mutants(source)}


def test_numbers_conditions_and_comparisons_are_changed_and_nothing_else():
    head = "def louder(songs: list[int], by: int = 2) -> list[int]:"
    assert changes(SOURCE) == {
        (10, "number", head.replace("2", "3")),
        (12, "condition", "if (not not songs):"),
        (12, "sign", "if songs:"),
        (14, "result", "return None"),
        (14, "operator", "return [((song - by))"),
        (15, "comparison", "for song in songs if (song >= 3)]"),
        (15, "number", "for song in songs if song > 4]"),
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "x = f(1, b='é')",
            {"x = None", "x = f(None, b='é')", "x = f(b='é')", "x = f(1, b=None)", "x = f(1)"},
        ),
        ("x -= y", {"x += y"}),
        ("go()", {"pass"}),
        ("z = 'a sentence' is None", {"z = None", "z = ('a sentence' is not None)"}),
        (
            "while a and b: break",
            {"while (a or b): break", "while (not (a and b)): break", "while a and b: continue"},
        ),
    ],
)
def test_a_line_is_changed(line, expected):
    assert expected <= {one.source for one in mutants(line)}
    assert all(one.source != line for one in mutants(line))


def test_each_file_has_its_share_of_the_draw_and_more_only_add():
    files = files_of(ROOT, ["experiments/jobs/turns.py", "experiments/jobs/executor.py"])
    few, many = drawn(ROOT, files, 10, 1), drawn(ROOT, files, 20, 1)
    assert many[:10] == few
    assert {file for file, _ in few} == set(files)
    assert drawn(ROOT, files, 10, 2) != few


def test_tests_are_those_of_a_files_name_and_those_that_import_it():
    assert "tests/experiments/jobs/test_executor.py" in chosen(ROOT, "experiments/jobs/executor.py")
    assert "tests/experiments/jobs/test_threads_of_jobs.py" in chosen(ROOT, "experiments/jobs/work.py")


def test_what_tests_notice_and_what_they_do_not_is_told(tmp_path: Path, capsys):
    tree, record = tmp_path / "tree", tmp_path / "record.jsonl"
    files = {
        "experiments/__init__.py": "",
        "experiments/loud.py": "def louder(x):\n    x += x\n    yield x\n\n\ndef unused():\n    louder()\n",
        "tests/experiments/test_loud.py": "from experiments.loud import louder\n\n\n"
        "def test_twice():\n    assert [*louder(3)] == [6]\n",
    }
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    words = ["experiments", "--count", "99", "--record", str(record)]
    main(words, tree)
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert {line["after"].strip(): (line["verdict"], line["by"]) for line in lines} == {
        "x -= x": ("noticed", "tests/experiments/test_loud.py::test_twice"),
        "pass": ("survived", ""),
    }
    assert {name: (tree / name).read_text() for name in files} == files
    assert "survived: experiments/loud.py:7" in capsys.readouterr().out
    main(words, tree)
    assert capsys.readouterr().out == "nothing to try\n"
    with pytest.raises(SystemExit):
        main(["experiments/nothing.py"], tree)
    assert "experiments/nothing.py: no Python file" in capsys.readouterr().err
