"""Which tables of a folder are ratings, and how an experiment names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lstmcore.experiments.config import DEAM_TARGETS
from lstmcore.experiments.errors import listed
from lstmcore.experiments.starting.tables import Table, describes_songs, listed_files, rating_like

_MOST_GUESSED = 8  # columns that are taken for ratings though their names don't say so


@dataclass(frozen=True)
class Ratings:
    """Annotations: one table with all targets, or one of each.

    Parameters
    ----------
    columns
        Column of each target.
    table
        The one table; None if each target has its own.
    parts
        Tables by target.
    is_guess
        Whether names didn't say that these are ratings.
    """

    columns: dict[str, str]
    table: Table | None = None
    parts: dict[str, Table] = field(default_factory=dict)
    is_guess: bool = False

    @property
    def targets(self) -> list[str]:
        """Names of the targets."""
        return list(self.columns)

    @property
    def tables(self) -> list[Table]:
        """All tables."""
        return [self.table] if self.table is not None else list(self.parts.values())

    @property
    def timed(self) -> bool:
        """Whether songs are rated over time."""
        return all(table.is_wide or table.time is not None for table in self.tables)

    @property
    def has_raters(self) -> bool:
        """Whether what each rater said is there."""
        return any(table.rater is not None or table.is_by_rater for table in self.tables)

    @property
    def named(self) -> str:
        """Its files, for a sentence."""
        return listed_files([name for table in self.tables for name in table.names])

    @property
    def form(self) -> str:
        """What the tables look like, and whose they are."""
        first = self.tables[0]
        if first.is_by_rater:
            return "a file per song, with a row per rater and a column per time stamp, as DEAM has them"
        if first.is_wide:
            return "a row per song and a column per time stamp, as DEAM and emoMusic have them"
        by = " and rater" if self.has_raters else ""
        what = f"a row per song and time stamp{by}" if self.timed else f"a row per song{by}"
        if first.song is None:
            what = f"a file per song, and in it {'a row per time stamp' if self.timed else 'one row'}{by}"
        if first.song == "musicId" and any("(mean)" in column for column in self.columns.values()):
            return f"{what}, as PMEmo has them"
        if first.time == "timestamp" and self.parts and "value" in self.columns.values():
            return f"{what}, as MuSe has them"
        return what

    def keys(self) -> dict[str, Any]:
        """Return the keys of an experiment that say which files and columns these are."""
        if self.table is not None:
            found: dict[str, Any] = {"annotations": _one_or_list(self.table.names)}
        else:
            found = {"annotations": {t: _one_or_list(table.names) for t, table in self.parts.items()}}
        found |= song_and_time(self.tables)
        if self.targets != [*DEAM_TARGETS]:
            found["targets"] = self.targets
        if self.table is None:
            values = {self.columns[t] for t, table in self.parts.items() if not table.is_wide}
            if len(values) == 1 and values != {"value"}:
                found["value"] = values.pop()
            elif len(values) > 1:
                found["columns"] = {t: c for t, c in self.columns.items() if t != c}
        else:
            found["columns"] = {t: c for t, c in self.columns.items() if t != c}
        if self.tables[0].rater is not None:
            found["rater"] = self.tables[0].rater
        return {key: value for key, value in found.items() if value != {}}


def song_and_time(tables: Sequence[Table]) -> dict[str, Any]:
    """Return the keys that say what tables' columns of songs and times are called."""
    found: dict[str, Any] = {}
    narrow = [table for table in tables if not table.is_wide]
    for key, names in (("song", [t.song for t in narrow]), ("time", [t.time for t in narrow])):
        different = list(dict.fromkeys(name or key for name in names))
        if different and different != [key]:
            found[key] = _one_or_list(different)
    if any(table.time is not None and table.time_unit == "ms" for table in narrow):
        found["time_unit"] = "ms"
    return found


def _one_or_list(names: list[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else names


def find_ratings(tables: Sequence[Table], aside: dict[str, str]) -> list[Ratings]:
    """Find all annotations, the best first; what looks like some and isn't is put aside."""
    found: list[Ratings] = []
    parts: dict[tuple[object, ...], dict[str, tuple[Table, str]]] = {}
    for table in tables:
        why = _unfit(table)
        if why is not None:
            aside[table.named] = why
            continue
        part = _part(table)
        if part is None and table.targets:
            found.append(Ratings(table.targets, table))
        if part is not None:
            kind, target, column = part
            others = parts.setdefault(kind, {})
            if target in others:
                aside[table.named] = f"{target} once more, beside {others[target][0].named}"
            else:
                others[target] = table, column
    for by_target in parts.values():
        ordered = sorted(by_target, key=lambda t: (t != "arousal", t != "valence"))
        single = len(by_target) == 1 and bool(by_target[ordered[0]][0].targets)
        columns = {target: by_target[target][1] for target in ordered}
        if single:
            found.append(Ratings(columns, by_target[ordered[0]][0]))
        else:
            found.append(Ratings(columns, None, {target: by_target[target][0] for target in ordered}))
    return sorted(found or _guessed(tables), key=_rank)


def _rank(ratings: Ratings) -> tuple[object, ...]:
    known = {*DEAM_TARGETS} <= {*ratings.targets}
    depth = ratings.tables[0].files[0].count("/")
    return (not ratings.timed, not known, -len(ratings.targets), ratings.has_raters, depth, ratings.named)


def _unfit(table: Table) -> str | None:
    """Why a table that is like ratings can't be used as such; None: it can, or isn't like them."""
    if table.is_wide:
        if table.of_spreads:
            return "spreads of ratings (its name says so), not ratings"
        return None if table.about else "its name says no target, such as arousal or valence"
    if table.per_rater:
        return (
            f"a column per rater ({listed_files(table.per_rater)}); expected a row per rater, and a column "
            "rater that names them"
        )
    if table.targets and not table.has_songs:
        return "no column says which song a row is of; expected one called song"
    if not table.targets and table.spreads:
        return "spreads of ratings, not ratings"
    return None


def _part(table: Table) -> tuple[tuple[object, ...], str, str] | None:
    """Take a table for one target's ratings: the kind that it shares with others, the target, its column."""
    if table.is_wide and table.about is not None:
        return ("wide", table.is_by_rater), table.about, ""
    if not table.has_songs or table.is_wide:
        return None
    timed = table.time is not None
    if len(table.targets) == 1 and not table.numbers:
        [(target, column)] = table.targets.items()
        return ("named", timed, table.rater), target, column
    lone = len(table.numbers) == 1 and not table.targets and not table.of_spreads
    if lone and table.about is not None:
        return ("value", timed, table.rater, table.numbers[0]), table.about, table.numbers[0]
    return None


def _guessed(tables: Sequence[Table]) -> list[Ratings]:
    """Take tables with a few columns of numbers for ratings, where no name says any."""
    found = []
    for table in tables:
        columns = rating_like(table)
        few = 0 < len(columns) <= _MOST_GUESSED and not table.is_wide and table.has_songs
        if few and not table.spreads and not describes_songs(table):
            found.append(Ratings({name: name for name in columns}, table, is_guess=True))
    return found


def sentence(ratings: Ratings) -> str:
    """Say what these ratings are."""
    what = "ratings over time" if ratings.timed else "one rating a song"
    guess = " (a guess: no column is called like an emotion)" if ratings.is_guess else ""
    return f"{ratings.named}: {what} of {listed(ratings.targets)}{guess}; {ratings.form}"
