"""What a mistaken key or value of a configuration should perhaps have been."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import get_args

from pydantic import BaseModel

EXPECTED = {"bool": "true or false", "model": "a section"}
"""What is expected, by the first word of the type of pydantic's error, where it has no plain words."""


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
    return f"; did you mean {' or '.join(map(repr, places[near[0]]))}?" if near else ""


def _paths(section: type[BaseModel], above: str = "") -> Iterator[str]:
    """Name all keys of a section and of those in it, with dots."""
    for name, field in section.model_fields.items():
        yield f"{above}{name}"
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _paths(kind, f"{above}{name}.")
