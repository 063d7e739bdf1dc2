"""What is wrong with a configuration, in words: key, what was found, what is expected or perhaps meant."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

_EXPECTED = {"bool": "true or false", "model": "a section"}
"""What is expected, by the first word of the type of pydantic's error, where it has no plain words."""

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
RUN = r"^[A-Za-z0-9][A-Za-z0-9 .-]*$"
ONE_LINE = r"^[^:\n]+$"
IMPORT_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"
_PATTERNS = {
    IMPORT_PATH: "a module, a colon and a name in it, such as 'sklearn.svm:SVR'",
    NAME: "letters, digits, dots, dashes and underscores, beginning with a letter or digit",
    RUN: "letters, digits, spaces, dots and dashes, beginning with a letter or digit",
    ONE_LINE: "one line without a colon",
}
"""What is expected, by the pattern of a name."""


def explain(error: ValidationError, whole: type[BaseModel]) -> str:
    """Say all that is wrong with a configuration, one line for each error.

    Parameters
    ----------
    error
        Of pydantic's.
    whole
        The whole configuration.
    """
    lines = []
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            lines.append(f"unknown key {key!r}{nearest_key(whole, key, keys_at(whole, item['loc'][:-1]))}")
        elif item["type"] == "missing":
            lines.append(f"key {key!r} is missing")
        elif item["type"] == "value_error":
            said = str(item["ctx"]["error"])
            joint = ": " if said.startswith("unknown key") else "."
            lines.append(f"{key}{joint}{said}" if key else said)
        else:
            told = item["msg"].removeprefix("Input should be ")
            if item["type"] in ("too_short", "too_long"):
                told = "at least {min_length}" if item["type"] == "too_short" else "at most {max_length}"
                told = told.format_map(item["ctx"])
            told = _PATTERNS.get(item.get("ctx", {}).get("pattern", ""), told)
            expected = _EXPECTED.get(item["type"].partition("_")[0], told)
            found = str(item["input"]).lower() if isinstance(item["input"], bool) else repr(item["input"])
            lines.append(f"{key} is {found}; expected {expected}")
    return "\n  ".join(lines)


def keys_at(whole: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the names of the keys that the section at a place of the configuration may have."""
    model: Any = whole
    for part in location:
        if isinstance(part, int):  # a place in a list, whose items have the keys
            continue
        field = model.model_fields.get(part)
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())] if field else []
        model = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
        if model is None:
            return []
    return list(model.model_fields)


def nearest_key(whole: type[BaseModel], key: str, known: list[str]) -> str:
    """Return "; did you mean 'x'?" for an unknown key, or nothing.

    Parameters
    ----------
    whole
        The whole configuration.
    key
        The unknown key, perhaps with its sections before it.
    known
        Keys of the section that it stands in; those of other sections are named with theirs.
    """
    places: dict[str, list[str]] = {word: [word] for word in known}
    for path in _paths(whole):
        word = path.rpartition(".")[2]
        if word not in known:
            places.setdefault(word, []).append(path)
    near = get_close_matches(key.rpartition(".")[2], places, 1, 0.5)
    if not near:
        return ""
    found = sorted(places[near[0]], key=lambda path: path.count("."))  # sections before their parts
    return f"; did you mean {' or '.join(map(repr, found))}?"


def _paths(section: type[BaseModel], above: str = "") -> Iterator[str]:
    """Name all keys of a section and of those in it, but of its own kind, with dots."""
    for name, field in section.model_fields.items():
        yield f"{above}{name}"
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not section:
                yield from _paths(kind, f"{above}{name}.")
