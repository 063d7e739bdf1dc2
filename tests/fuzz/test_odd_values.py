"""Well-made files with values that nobody would write: hypothesis draws them by the structure."""

from __future__ import annotations

import datetime
import math
import types
import typing
from pathlib import Path
from typing import Any

import tomli_w
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import BaseModel

from lstmcore.experiments.config import Experiment
from tests.fuzz.target import targets
from tests.fuzz.watching import Watch

_WORDS = [
    "",
    "a",
    "none",
    "all",
    "auto",
    "FS2",
    "lstm",
    "best_k",
    "../..",
    "~nobody",
    "é\u202e",
    "[",
    "x" * 300,
    "0.5",
]
_NUMBERS = [0, 1, -1, 2, 3, 12, 2**31, 2**63 - 1, -(2**63)]
_FLOATS = [0.0, -0.0, 0.5, -1.5, 1e-320, 1e308, math.inf, -math.inf, math.nan]
_SIMPLE = (
    st.sampled_from(_NUMBERS)
    | st.sampled_from(_FLOATS)
    | st.sampled_from(_WORDS)
    | st.booleans()
    | st.just(datetime.date(1979, 5, 27))
    | st.just(datetime.time(7, 32))
)
_VALUES = st.recursive(
    _SIMPLE,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS[1:6]), inner, max_size=2)
    ),
    max_leaves=5,
)


def _sections(annotation: Any) -> list[tuple[type[BaseModel], bool]]:
    """Return the sections that a field may hold, and whether in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(annotation, False)]
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType, typing.Annotated):
        return [found for part in parts for found in _sections(part)]
    if origin is list:
        return [(section, True) for section, _ in _sections(parts[0])]
    return []


def _keys(section: type[BaseModel], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the paths of all keys; ``*`` stands for the sections of a list."""
    found = []
    for name, field in section.model_fields.items():
        found.append((*above, name))
        for inner, in_list in _sections(field.annotation):
            if len(above) > 6:  # sections in themselves
                continue
            found += _keys(inner, (*above, name, *(("*",) if in_list else ())))
    return found


KEYS = _keys(Experiment)


def _set(place: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    name, *below = path
    if not below:
        place[name] = value
        return
    if below[0] == "*":
        rows = place.get(name)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or not rows:
            rows = place[name] = [{}]
        _set(rows[0], tuple(below[1:]), value)
        return
    if not isinstance(place.get(name), dict):
        place[name] = {}
    _set(place[name], tuple(below), value)


_CHANGES = st.lists(st.tuples(st.sampled_from(KEYS), _VALUES), min_size=1, max_size=3)


def test_the_keys_of_all_sections_are_tried() -> None:
    assert {
        ("data", "table", "song"),
        ("search", "steps", "*", "range", "log"),
        ("systems", "*", "sees"),
    } <= {*KEYS}
    assert len(KEYS) > 150


@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=[*HealthCheck])
@given(changes=_CHANGES, base=st.integers(0, 4))
def test_an_experiment_with_odd_values_is_read_or_its_key_is_named(tmp_path_factory, changes, base) -> None:
    import tomllib

    target = targets()["experiment-toml"]
    folder: Path = tmp_path_factory.mktemp("odd")
    content = tomllib.loads(target.seeds(folder)[base].decode())
    for path, value in changes:
        _set(content, path, value)
    finding = Watch(target, folder).look(tomli_w.dumps(content).encode("utf-8", "surrogatepass"))
    assert finding is None, (finding.key, finding.told)


_CELLS = st.sampled_from(
    [
        *_WORDS,
        "nan",
        "NaN",
        "inf",
        "-1e400",
        "1e39",
        "9" * 400,
        "1_0",
        "0x1",
        "1,5",
        "١",
        "a\nb",
        '"',
        "\x00",
        "True",
    ]
)


@settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=[*HealthCheck])
@given(cells=st.lists(st.tuples(st.integers(0, 10), st.integers(0, 5), _CELLS), min_size=1, max_size=3))
def test_a_table_with_odd_cells_is_read_or_its_line_is_named(tmp_path_factory, cells) -> None:
    import csv
    import io

    target = targets()["tidy-csv"]
    folder: Path = tmp_path_factory.mktemp("odd")
    rows = list(csv.reader(io.StringIO(target.seeds(folder)[0].decode())))
    for row, column, cell in cells:
        rows[row][column] = cell
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    finding = Watch(target, folder).look(text.getvalue().encode())
    assert finding is None, (finding.key, finding.told)
