"""Annotations of people's own: over time or one per song, averaged already or by rater."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.config import Columns
from lstmcore.experiments.datasets.agreement import agreement_of
from lstmcore.experiments.datasets.annotations import Raters, read_dynamic, read_raters
from lstmcore.experiments.datasets.deam_layout import sample_stamp
from lstmcore.experiments.datasets.song import Agreement
from lstmcore.experiments.datasets.song_rows import Files, Rows, check_rows_once, find_files, read_rows
from lstmcore.experiments.datasets.table_file import TableFile
from lstmcore.experiments.datasets.timing import Stamps
from lstmcore.experiments.errors import InputError, all_told

Array = NDArray[np.float64]

_FEWEST_RANKS = 5  # of fewer, ratings in whole numbers may be all different by chance


@dataclass(frozen=True)
class Rating:
    """The annotation of a song.

    Parameters
    ----------
    times
        Seconds of the frames, shape (frames,); None: the song was rated once, as a whole.
    values
        Shape (frames, targets); of a song that was rated once, one frame.
    where
        File and line of a frame.
    agreement
        Of the raters, by target, if their answers are there.
    texts
        Columns of text that were asked for.
    """

    times: Array | None
    values: Array
    where: Callable[[int], str] = field(repr=False)
    agreement: dict[str, Agreement] | None = None
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def stamps(self) -> Stamps | None:
        """Time stamps, if the song was rated over time."""
        return None if self.times is None else Stamps(self.times, self.where)


@dataclass(frozen=True)
class RatingColumns:
    """What is read of annotations.

    Parameters
    ----------
    columns
        What the columns are called.
    scale
        Lowest and highest value.
    raters
        Whether each table is of one rater.
    texts
        Columns of text that say the same in all rows of a song.
    """

    columns: Columns
    scale: tuple[float, float]
    raters: bool = False
    texts: tuple[str, ...] = ()


def read_ratings(
    root: Path, annotations: list[str] | dict[str, list[str]], wanted: RatingColumns
) -> dict[str, Rating]:
    """Read the annotations of all songs.

    Parameters
    ----------
    root
        Folder that the files are relative to.
    annotations
        Files, or those of each target.
    wanted
        What is read of them.

    Returns
    -------
    dict
        Song, as it is written, to its annotation.

    Raises
    ------
    InputError
        If files are missing or malformed, values are outside the scale or ranks, or a song's rows don't fit
        together; file and line are named.
    """
    columns = wanted.columns
    if not isinstance(annotations, dict):
        files = find_files(root, annotations, f"{columns.section}.annotations")
        if wanted.raters:
            files = replace(files, named_by_song=False)
        texts = [*([] if columns.rater is None else [columns.rater]), *wanted.texts]
        return ratings_of(read_rows(files, columns, list(columns.column_of.values()), texts), wanted)
    parts = {}
    for target, names in annotations.items():
        files = find_files(root, names, f"{columns.section}.annotations.{target}")
        if _is_wide(files.paths[0]):
            by_song = "song_id" in TableFile(files.paths[0]).columns
            parts[target] = (
                _read_wide(files, wanted.scale) if by_song else _read_by_rater(files, wanted.scale, target)
            )
            continue
        header, own = TableFile(files.paths[0]).columns, columns.column_of[target]
        value = own if own in header and columns.value not in header else columns.value
        alone = columns.model_copy(update={"targets": [target], "columns": {target: value}})
        texts = [] if columns.rater is None else [columns.rater]
        rows = read_rows(files, alone, [value], texts)
        parts[target] = ratings_of(rows, replace(wanted, columns=alone, texts=()))
    return _side_by_side({target: parts[target] for target in columns.targets})


def _is_wide(path: Path) -> bool:
    """Whether a table has one row per song or per rater and a column a time stamp, as DEAM has them."""
    return any(sample_stamp(name) is not None for name in TableFile(path).columns)


def _read_wide(files: Files, scale: tuple[float, float]) -> dict[str, Rating]:
    found: dict[str, Rating] = {}
    for path in files.paths:
        for song, curve in read_dynamic(path, scale).items():
            times, values = np.array([*curve]) / 1000, np.array([*curve.values()])[:, None]
            found[str(song)] = Rating(times, values, partial(_in_file, f"{path}, song {song}"))
    return found


def _read_by_rater(files: Files, scale: tuple[float, float], target: str) -> dict[str, Rating]:
    """Read files called as their songs, with a row per rater: their mean, wherever anybody answered."""
    found: dict[str, Rating] = {}
    for path in files.paths:
        if path.stem in found:
            raise InputError(f"{path}: a second file of song {path.stem}; expected one of each song")
        raters = read_raters(path, scale)
        some = ~np.isnan(raters.answers).all(0) if len(raters.answers) else np.zeros(0, bool)
        if not some.any():
            continue  # nobody has rated it yet
        times = np.array(raters.stamps)[some] / 1000
        order = np.argsort(times, kind="stable")
        if (np.diff(times[order]) <= 0).any():
            raise InputError(f"{path}, line 1: two columns of the same time stamp; expected each once")
        means = np.nanmean(raters.answers[:, some], axis=0)[order, None]
        place = partial(_in_file, f"{path}, song {path.stem}")
        found[path.stem] = Rating(times[order], means, place, {target: agreement_of(raters)})
    return found


def _in_file(place: str, _: int) -> str:
    return place


def _side_by_side(parts: Mapping[str, dict[str, Rating]]) -> dict[str, Rating]:
    """Join the targets of each song by time stamp; a frame that not all of them have is left out."""
    songs = sorted({song for ratings in parts.values() for song in ratings})
    wrong, found = [], {}
    for song in songs:
        lacking = [target for target, ratings in parts.items() if song not in ratings]
        if lacking:
            has = next(target for target in parts if target not in lacking)
            wrong.append(
                f"{parts[has][song].where(0)}: song {song} has {has} annotations and no {lacking[0]} "
                "annotations"
            )
            continue
        found[song] = _joined(song, {target: ratings[song] for target, ratings in parts.items()})
    if wrong:
        raise all_told(wrong, "songs aren't annotated in all targets")
    return found


def _joined(song: str, targets: dict[str, Rating]) -> Rating:
    first = next(iter(targets.values()))
    if first.times is None or any(one.times is None for one in targets.values()):
        if any(one.times is not None for one in targets.values()):
            raise InputError(f"{first.where(0)}: song {song} is rated over time in some targets only")
        values = np.hstack([one.values for one in targets.values()])
        return replace(first, values=values, agreement=_agreements(targets))
    stamps = [
        np.round(1000 * one.times).astype(np.int64) for one in targets.values() if one.times is not None
    ]
    common = stamps[0]
    for other in stamps[1:]:
        common = np.intersect1d(common, other)
    if not len(common):
        raise InputError(f"{first.where(0)}: song {song}: its targets have no time stamp in common")
    rows = [np.searchsorted(own, common) for own in stamps]
    values = np.hstack([one.values[k] for one, k in zip(targets.values(), rows, strict=True)])
    places = rows[0]
    return Rating(
        first.times[places], values, lambda k: first.where(int(places[k])), _agreements(targets), first.texts
    )


def _agreements(targets: dict[str, Rating]) -> dict[str, Agreement] | None:
    parts = [one.agreement for one in targets.values()]
    known = [part for part in parts if part is not None]
    return {t: a for part in known for t, a in part.items()} if len(known) == len(parts) else None


def ratings_of(songs: Mapping[str, Rows], wanted: RatingColumns) -> dict[str, Rating]:
    """Make annotations of rows whose columns of numbers are the targets.

    A row without any of them is a frame without an annotation, and a song of such rows alone has none.

    Raises
    ------
    InputError
        If values are outside the scale or ranks, or a song's rows don't fit together.
    """
    rated = {}
    for song, rows in songs.items():
        missing = np.isnan(rows.numbers)
        some = missing.any(1) & ~missing.all(1)
        if some.any():
            row = int(some.argmax())
            lacks = list(wanted.columns.column_of.values())[int(missing[row].argmax())]
            raise InputError(
                f"{rows.where(row)}: column {lacks} is empty and others of the targets aren't; "
                "expected all or none"
            )
        if not missing.all():
            rated[song] = rows.some(np.flatnonzero(~missing.all(1)))
    _check_values(rated, wanted)
    return {song: _rating(song, rows, wanted) for song, rows in rated.items()}


def _check_values(songs: Mapping[str, Rows], wanted: RatingColumns) -> None:
    low, high = wanted.scale
    rounding = 1e-9 * (high - low)
    for k, column in enumerate(wanted.columns.column_of.values()):
        _check_no_ranks(column, k, songs, wanted)
        for song, rows in songs.items():
            values = rows.numbers[:, k]
            outside = (values < low - rounding) | (values > high + rounding)
            if outside.any():
                row = int(outside.argmax())
                raise InputError(
                    f"{rows.where(row)}: song {song}: {column} is {values[row]:g}; expected {low:g} to "
                    f"{high:g}, the scale of annotations that data.scale says"
                )


def _check_no_ranks(column: str, k: int, songs: Mapping[str, Rows], wanted: RatingColumns) -> None:
    """Refuse values that are the whole numbers from 1 on, each once, of the songs or of a song's frames."""
    groups: dict[tuple[str, str], list[Array]] = {}
    over_time = any(rows.times is not None for rows in songs.values())
    for song, rows in songs.items():
        for rater, own in _by_rater(rows, wanted).items():
            groups.setdefault((rater, song if over_time else ""), []).append(own.numbers[:, k])
    ranked = [np.sort(np.concatenate(values)) for values in groups.values()]
    most = max(map(len, ranked), default=0)
    if most < _FEWEST_RANKS or not all(np.array_equal(v, np.arange(1, len(v) + 1)) for v in ranked):
        return
    of = "a frame of each song" if over_time else "a song"
    first = next(iter(songs.values()))
    raise InputError(
        f"{first.path(0)}: column {column} has each whole number from 1 to {most} once, one {of}: that is a "
        "ranking; expected ratings, how much there is of it on the scale that data.scale says"
    )


def _by_rater(rows: Rows, wanted: RatingColumns) -> dict[str, Rows]:
    """Part a song's rows by rater; all are of one, "", where raters aren't told."""
    if wanted.raters:
        names = np.array([str(file.path) for file in rows.files], object)[rows.places[:, 0]]
    elif wanted.columns.rater is not None:
        names = rows.texts[wanted.columns.rater]
    else:
        return {"": rows}
    words = names.astype(str)
    if (words == "").any():
        row = int((words == "").argmax())
        raise InputError(f"{rows.where(row)}: column {wanted.columns.rater} is empty; expected who rated")
    return {str(word): rows.some(np.flatnonzero(words == word)) for word in np.unique(words)}


def _rating(song: str, rows: Rows, wanted: RatingColumns) -> Rating:
    texts = {name: _one_text(song, rows, name) for name in wanted.texts}
    raters = _by_rater(rows, wanted)
    for rater, own in raters.items():
        check_rows_once(song, own, wanted.columns, f" of rater {rater!r}" if rater else "")
    if not wanted.raters and wanted.columns.rater is None:
        return Rating(rows.times, rows.numbers, rows.where, None, texts)
    stamps = np.zeros(len(rows)) if rows.times is None else np.round(1000 * rows.times)
    frames, first = np.unique(stamps, return_index=True)
    answers = np.full((len(raters), len(frames), rows.numbers.shape[1]), np.nan)
    for answer, own in zip(answers, raters.values(), strict=True):
        times = np.zeros(len(own)) if own.times is None else np.round(1000 * own.times)
        answer[np.searchsorted(frames, times)] = own.numbers
    stamps_ms = [int(stamp) for stamp in frames]
    agreement = {
        target: agreement_of(Raters(stamps_ms, answers[:, :, k], tuple(raters)))
        for k, target in enumerate(wanted.columns.targets)
    }
    averaged = None if rows.times is None else rows.times[first]
    return Rating(averaged, np.nanmean(answers, axis=0), partial(_where, rows, first), agreement, texts)


def _where(rows: Rows, places: NDArray[np.int64], frame: int) -> str:
    return rows.where(int(places[frame]))


def _one_text(song: str, rows: Rows, name: str) -> str:
    """Return what a column says of a song, which must be the same in all its rows."""
    column = rows.texts[name]
    other = np.flatnonzero(column != column[0])
    if len(other):
        raise InputError(
            f"{rows.where(int(other[0]))}: song {song}: column {name} is {column[other[0]]!r}, and "
            f"{column[0]!r} in "
            "rows before it; expected the same in all rows of a song"
        )
    return str(column[0])
