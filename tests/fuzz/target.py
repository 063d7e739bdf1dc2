"""What is fuzzed: readers by name, each with good files to begin from."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Target:
    """One reader.

    Parameters
    ----------
    name
        Of the reader, as the campaign and the docs have it.
    seeds
        Makes good files, in a folder that may be used for that; all of them must be read without an error.
    read
        Gets the bytes of one input and an empty folder of its own. It writes them as the file that the reader
        expects, reads it by the function that a user's command calls, and sees that what came is right
        (finite, of the shape that is said). It returns, or raises one of the house's errors.
    words
        What the format is made of; mutations put it anywhere.
    names
        One of these stands in each error: the file, the option or the key that is wrong. None: not looked at.
    short
        How many inputs the test suite tries.
    more
        Inputs to begin from that needn't be good ones.
    """

    name: str
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[bytes, Path], None]
    words: tuple[bytes, ...] = ()
    names: tuple[str, ...] = ()
    short: int = 100
    more: Callable[[], list[bytes]] = list


def targets() -> dict[str, Target]:
    """Return the targets of all modules in `tests.fuzz.targets`, by name."""
    from tests.fuzz import targets as room

    found: dict[str, Target] = {}
    for module in pkgutil.iter_modules(room.__path__):
        for target in importlib.import_module(f"{room.__name__}.{module.name}").TARGETS:
            assert target.name not in found, target.name
            found[target.name] = target
    return found
