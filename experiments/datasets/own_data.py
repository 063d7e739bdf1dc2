"""Data in no layout of ours: annotations and features joined by song and time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.config import Data
from lstmcore.experiments.datasets.agreement import Agreements, Selection, select
from lstmcore.experiments.datasets.delay import delay_frames, delayed
from lstmcore.experiments.datasets.metadata import check_groups
from lstmcore.experiments.datasets.ratings import Array, Rating
from lstmcore.experiments.datasets.song import Dataset, Metadata, Song, SongId, song_order
from lstmcore.experiments.datasets.table_file import Part, TableFile
from lstmcore.experiments.datasets.timing import common_hop, nearest
from lstmcore.experiments.errors import InputError, all_told, did_you_mean
from lstmcore.experiments.files import whole_in

_ROUNDING = 1e-3  # of seconds


@dataclass(frozen=True)
class Features:
    """Features of a song.

    Parameters
    ----------
    times
        Seconds, shape (frames,); None: one row that holds for the whole song.
    values
        Shape (frames, features).
    """

    times: Array | None
    values: Array


class Source(Protocol):
    """Gives the features of songs."""

    name: str
    names: list[str]

    def songs(self) -> set[str]:
        """Songs that there are features of, or could be."""

    def features(self, song: str) -> Features:
        """Features of a song, or an InputError."""

    def beyond(self, song: str, rating: Rating, frame: int, features: Features) -> InputError | None:
        """Return what is wrong with an annotated frame that has no features; None: it is left out."""


@dataclass(frozen=True)
class Chosen:
    """Annotated songs by what they are for, and how well the raters of all agree.

    Parameters
    ----------
    development
        Kept and dropped by ``data.quality``.
    test
        Nothing is chosen on them.
    agreements
        By song.
    ids
        What the data set calls each song, by what files do.
    """

    development: Selection[SongId]
    test: list[SongId]
    agreements: Agreements
    ids: dict[str, SongId]

    def unlabelled(self, config: Data, songs: set[str]) -> list[SongId]:
        """Return the songs, of those with features, that the auto-encoder learns from."""
        if config.unlabelled == "none":
            return []
        others = {self.ids[name] for name in songs} - set(self.test)
        used = set(self.development.kept) if config.unlabelled == "others" else set()
        return sorted(others - used, key=song_order)

    def needed(self, config: Data, songs: set[str]) -> list[str]:
        """Return all songs whose features are needed."""
        wanted = {*self.development.kept, *self.test, *self.unlabelled(config, songs)}
        return [name for name in sorted(songs) if self.ids[name] in wanted]


def ids_of(songs: Iterable[str]) -> dict[str, SongId]:
    """Return what a data set calls its songs: numbers if all are whole ones, else their names."""
    names = sorted(set(songs))
    numbers = {name: number for name in names if (number := whole_in(name)) is not None}
    if all(str(numbers.get(name)) == name for name in names):
        return dict(numbers)
    return dict(zip(names, names, strict=True))


def choose_songs(root: Path, config: Data, ratings: Mapping[str, Rating], songs: set[str]) -> Chosen:
    """Tell which annotated songs are for what.

    Raises
    ------
    InputError
        If songs that the configuration names aren't annotated, or none is left.
    """
    ids = ids_of([*ratings, *songs])
    annotated = {ids[song] for song in ratings}
    test = _listed(root, config, "test_songs", annotated, ids)
    development = _listed(root, config, "development_songs", annotated, ids)
    candidates = (annotated if development is None else development) - (test or set())
    if not candidates:
        raise InputError(
            f"{root}: no annotated songs for development: all {len(annotated)} are data.test_songs"
        )
    agreements = {ids[song]: one.agreement for song, one in ratings.items() if one.agreement is not None}
    ordered = sorted(candidates, key=song_order)
    kept = Selection(ordered, [])
    if config.quality is not None:
        kept = select(ordered, agreements, config.quality)
    return Chosen(kept, sorted(test or set(), key=song_order), agreements, ids)


def _listed(
    root: Path, config: Data, key: str, annotated: set[SongId], ids: dict[str, SongId]
) -> set[SongId] | None:
    """Songs that a key names, or a file that it names; None if it isn't there."""
    value = getattr(config, key)
    if value is None:
        return None
    where, names = f"data.{key}", [str(song) for song in value]
    if isinstance(value, str):
        where, names = str(root / value), list(_song_table(root / value, config, f"data.{key}"))
    unknown = [name for name in names if ids.get(name) not in annotated]
    if unknown:
        more = f" ({len(unknown)} such songs)" if len(unknown) > 1 else ""
        raise InputError(
            f"{where}: song {unknown[0]} has no annotations{more}{did_you_mean(unknown[0], list(ids))}"
        )
    return {ids[name] for name in names}


def _song_table(path: Path, config: Data, key: str) -> dict[str, dict[str, str]]:
    """Read a table with a row per song: what its columns say of each."""
    assert config.own is not None
    file = TableFile(path)
    column = next((name for name in (*config.own.song, "song", "song_id") if name in file.columns), None)
    if column is None:
        raise file.no_column(config.own.song[0], f"{key}, or {config.own.section}.song,")
    found: dict[str, dict[str, str]] = {}

    def take(part: Part) -> None:
        for row, song in enumerate(part.texts[column]):
            if song in found or not song:
                wrong = f"song {song} appears a second time" if song else f"column {column} is empty"
                raise InputError(f"{file.where(part.first + row)}: {wrong}; expected a row per song")
            found[song] = {name: str(words[row]) for name, words in part.texts.items()}

    file.read(file.columns, [], take)
    return found


def metadata_of(
    root: Path, config: Data, ratings: Mapping[str, Rating], chosen: Chosen, group: str | None
) -> Metadata:
    """Return what is known of songs beside their features and annotations.

    Parameters
    ----------
    root
        Folder that files are relative to.
    config
        The ``data`` section.
    ratings
        Annotations, with columns of text if these are the metadata.
    chosen
        Which songs there are.
    group
        Column that ``folds.group`` names; None: no group is needed.

    Raises
    ------
    InputError
        If a file can't be used, or the group of a development song isn't known.
    """
    own = config.own
    assert own is not None
    key = f"{own.section}.metadata"
    if own.metadata is None:
        if group is not None:
            raise InputError(
                f"folds.group is {group!r} and there is no {key}; expected a file with a row per song, or a "
                "list of columns of the annotations"
            )
        return {}
    if isinstance(own.metadata, str):
        path = root / own.metadata
        rows = _song_table(path, config, key)
        found = {chosen.ids[song]: row for song, row in rows.items() if song in chosen.ids}
        if not found:
            raise InputError(
                f"{path}: none of its {len(rows)} songs is one of the data's; expected the same names"
            )
    else:
        path = Path(key)
        found = {chosen.ids[song]: rating.texts for song, rating in ratings.items()}
    if group is not None:
        check_groups(path, found, group, chosen.development.kept)
    return found


def assemble(
    config: Data, ratings: Mapping[str, Rating], source: Source, chosen: Chosen, notes: list[str]
) -> Dataset:
    """Join annotations and features into a data set.

    Parameters
    ----------
    config
        The ``data`` section.
    ratings, source
        The two sides of the join.
    chosen
        Which songs are for what.
    notes
        Sentences for the report; more may be added.

    Raises
    ------
    InputError
        If songs that are asked for have no usable features, none at the times of their annotations, or frames
        of different hops; all such songs are named.  An unlabelled song that can't be used is left out with
        a note.
    """
    names = {song: name for name, song in chosen.ids.items()}
    hop = common_hop({song: one.stamps for song, one in ratings.items() if one.stamps is not None})
    joined: dict[SongId, Song] = {}
    wrong, missing = [], 0
    for song in [*chosen.development.kept, *chosen.test]:
        try:
            rating = ratings[names[song]]
            joined[song], lost = _join(song, names[song], rating, source, hop, config)
            missing += lost
        except InputError as error:
            wrong.append(str(error))
    if wrong:
        raise all_told(wrong, "annotated songs can't be used")
    hop = hop or _hop_of(joined.values())
    unlabelled, left_out = [], []
    for song in chosen.unlabelled(config, source.songs()):
        try:
            unlabelled.append(_without_targets(song, source.features(names[song]), hop))
        except InputError as error:
            left_out.append(f"A song without annotations was left out: {error}.")
    if missing:
        notes = [*notes, f"{missing} annotated frames have no features and were left out."]
    dropped = chosen.development.dropped
    if dropped and config.quality is not None:
        rule = config.quality
        notes = [
            *notes,
            f"{len(dropped)} of {len(dropped) + len(chosen.development.kept)} songs were dropped from "
            f"development (fewer than {rule.min_raters} raters, or α below {rule.min_alpha:g}, in a target): "
            f"{', '.join(map(str, dropped))}.",
        ]
    return Dataset(
        [joined[song] for song in chosen.development.kept],
        unlabelled,
        [joined[song] for song in chosen.test],
        source.names,
        source.name,
        [*notes, f"Annotations go from {config.scale[0]:g} to {config.scale[1]:g}; so do errors.", *left_out],
        chosen.agreements,
        dropped,
        hop_seconds=hop,
        scale=(config.scale[0], config.scale[1]),
        targets=config.target_names,
    )


def _join(
    song: SongId, name: str, rating: Rating, source: Source, hop: float | None, config: Data
) -> tuple[Song, int]:
    """Join one song, and tell how many of its annotated frames have no features."""
    if name not in source.songs():
        raise InputError(f"{rating.where(0)}: song {name} is annotated, but there are no features of it")
    features, lead_in = source.features(name), config.lead_in
    if rating.times is None:
        times = np.zeros(1) if features.times is None else features.times
        targets = np.repeat(rating.values, len(times), axis=0)
        return Song(song, times, features.values, targets, rated_once=True), 0
    if features.times is None:
        before = _before(rating.times[0], lead_in, hop)
        rows = np.repeat(features.values, len(before) + len(rating.times), axis=0)
        heard = rows[: len(before)] if lead_in else None
        return Song(song, rating.times, rows[len(before) :], rating.values, heard), 0
    clock, values = features.times, features.values
    frames = delay_frames(config.annotation_delay, hop)
    if frames and hop is not None:
        stamps = [round(1000 * time) for time in clock]
        values = delayed(stamps, values, frames, 1000 * hop)
    tolerance = _ROUNDING if hop is None else hop / 2
    found = nearest(rating.times, clock, tolerance)
    kept = np.flatnonzero(found >= 0)
    for frame in np.flatnonzero(found < 0):
        error = source.beyond(name, rating, int(frame), features)
        if error is not None:
            raise error
    if not len(kept):
        raise InputError(
            f"{rating.where(0)}: song {name}: none of its {len(rating.times)} annotated frames has features "
            f"at its time; annotated from {rating.times[0]:g} s on, features end at {clock[-1]:g} s"
        )
    times = rating.times[kept]
    heard = None
    if lead_in:
        earlier = nearest(_before(times[0], lead_in, hop), clock, tolerance)
        heard = values[earlier[earlier >= 0]]
    rows = _rows(values, found[kept])
    return Song(song, times, rows, rating.values[kept], heard), len(rating.times) - len(kept)


def _rows(values: Array, rows: NDArray[np.int64]) -> Array:
    """Return some rows, or all without a copy."""
    return values if np.array_equal(rows, np.arange(len(values))) else values[rows]


def _before(first: float, lead_in: float, hop: float | None) -> Array:
    """Return the times before the first, so many seconds at most and none below 0."""
    if not lead_in or hop is None:
        return np.empty(0)
    count = int(min(lead_in, first + _ROUNDING) / hop + 1e-6)
    return np.asarray(first - hop * np.arange(count, 0, -1), np.float64)


def _hop_of(songs: Iterable[Song]) -> float | None:
    """Return the distance of the frames of songs that were rated once: that of the features."""
    steps = [float(np.median(np.diff(song.times))) for song in songs if song.frames > 1]
    if steps and any(abs(b - a) > _ROUNDING for a, b in pairwise(steps)):
        raise InputError(
            f"features are {min(steps):g} s apart in some songs and {max(steps):g} s in others; "
            "expected the same"
        )
    return round(steps[0], 9) if steps else None


def _without_targets(song: SongId, features: Features, hop: float | None) -> Song:
    """Make an unlabelled song of frames that are as far apart as those of the annotated songs."""
    times = features.times
    if times is None or hop is None:
        return Song(song, np.zeros(1) if times is None else times, features.values)
    wanted = np.arange(times[0], times[-1] + hop / 2, hop)
    found = nearest(wanted, times, hop / 2)
    if (found < 0).any() or (np.diff(found) == 0).any():
        raise InputError(
            f"song {song}: its features are {float(np.median(np.diff(times))):g} s apart; expected "
            f"{hop:g} s, as the "
            "frames of the annotated songs are"
        )
    return Song(song, times[found], _rows(features.values, found))
