"""What to generate: the sizes of a procedural collection, its songs and their lengths."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

Section = Literal["development", "unlabelled", "test"]

FIRST_ID: dict[Section, int] = {"development": 1, "unlabelled": 1001, "test": 2001}
MOST_SONGS = 1000  # of each section, so that the ids of the sections stay apart
SHORTEST, LONGEST = 20.0, 1800.0  # seconds
SHORTEST_TEST_SHARE = 0.6  # of test_seconds


class CollectionMismatchError(ValueError):
    """The folder holds something other than the collection that was asked for."""


@dataclass(frozen=True)
class SongPlan:
    """One song to generate: its id, its section, and the length in seconds that is annotated."""

    song_id: int
    section: Section
    seconds: float


@dataclass(frozen=True)
class ProceduralPlan:
    """How large a procedural collection is; two equal plans give the same bytes.

    Attributes
    ----------
    development : annotated songs, ids from 1; 1 to 1000
    unlabelled : songs without annotations, ids from 1001; 0 to 1000
    test : annotated and longer songs, ids from 2001; 0 to 1000
    seconds : length of development and unlabelled songs; 20 to 1800, a multiple of 0.5
    test_seconds : length of the longest possible test song, likewise; each lasts 60 to 100 % of it
    raters : how many annotate each song, 2 to 100
    seed : root of all chance, 0 to 2**63 - 1

    Raises
    ------
    ValueError
        A number is out of range; the message names the field, what was found and what is allowed.
    """

    development: int = 60
    unlabelled: int = 60
    test: int = 12
    seconds: float = 45.0
    test_seconds: float = 90.0
    raters: int = 10
    seed: int = 2015

    def __post_init__(self) -> None:
        whole = {
            "development": (1, MOST_SONGS),
            "unlabelled": (0, MOST_SONGS),
            "test": (0, MOST_SONGS),
            "raters": (2, 100),
            "seed": (0, 2**63 - 1),
        }
        for name, (least, most) in whole.items():
            found = getattr(self, name)
            if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
                raise ValueError(f"{name}: found {found!r}, allowed are whole numbers from {least} to {most}")
        for name in ("seconds", "test_seconds"):
            found = getattr(self, name)
            number = isinstance(found, int | float) and not isinstance(found, bool)
            if not number or not SHORTEST <= found <= LONGEST or (2 * found) % 1:
                allowed = f"multiples of 0.5 from {SHORTEST:g} to {LONGEST:g}"
                raise ValueError(f"{name}: found {found!r}, allowed are {allowed}")
            object.__setattr__(self, name, float(found))

    def songs(self) -> tuple[SongPlan, ...]:
        """Return every song of the collection in the order of the ids."""
        counts: tuple[tuple[Section, int], ...] = (
            ("development", self.development),
            ("unlabelled", self.unlabelled),
            ("test", self.test),
        )
        return tuple(
            SongPlan(song_id, section, self._length(song_id, section))
            for section, count in counts
            for song_id in range(FIRST_ID[section], FIRST_ID[section] + count)
        )

    def as_dict(self) -> dict[str, int | float]:
        """Return the fields by name, as `plan.json` holds them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def _length(self, song_id: int, section: Section) -> float:
        if section != "test":
            return self.seconds
        share = np.random.default_rng(song_seed(self.seed, song_id, "length")).uniform(
            SHORTEST_TEST_SHARE, 1.0
        )
        return float(max(SHORTEST, np.round(2.0 * share * self.test_seconds) / 2.0))


PURPOSES = ("length", "trajectories", "style", "composition", "sound", "raters")


def song_seed(seed: int, song_id: int, purpose: str) -> np.random.SeedSequence:
    """Return the seed of one kind of chance within one song, independent of all other songs.

    Parameters
    ----------
    seed : root seed of the collection
    song_id : the song
    purpose : one of `PURPOSES`
    """
    return np.random.SeedSequence(seed, spawn_key=(song_id, PURPOSES.index(purpose)))
