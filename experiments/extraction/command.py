"""Many songs through the features room into tables."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.extraction.tables import Tables
from lstmcore.experiments.terminal.progress import Progress, duration
from lstmcore.features import AudioError, Extraction, FeatureSettings, FeatureStore, extract_many
from lstmcore.features.errors import printable
from lstmcore.features.sets import parts_of, set_of

# What is wrong with the name of one table, not with the disk.
_OF_THE_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)


@dataclass
class Summary:
    """How many songs were analysed, found stored, or can't be used.

    Parameters
    ----------
    feature_set
        Which features.
    rows
        Of all tables.
    computed, stored
        Songs whose features were computed now, and found in the store.
    music_seconds
        Music that the computed rows cover.
    seconds
        How long it took.
    errors
        One error for each song that can't be used.
    """

    feature_set: str
    rows: int = 0
    computed: int = 0
    stored: int = 0
    music_seconds: float = 0.0
    seconds: float = 0.0
    errors: list[AudioError] = field(default_factory=list)

    @property
    def songs(self) -> int:
        """How many songs there are features of."""
        return self.computed + self.stored

    def line(self) -> str:
        """Return all of it as one line of text."""
        songs = f"{self.songs} {'song' if self.songs == 1 else 'songs'}"
        text = f"{songs}, {self.rows} rows of {self.feature_set} in {duration(self.seconds)}"
        if self.computed:
            speed = self.music_seconds / self.seconds
            text += f"; {duration(self.music_seconds)} of music computed, {speed:.3g} × real time"
        return text + (f"; {self.stored} from the store" if self.stored else "")


def feature_set(given: str) -> str:
    """Name the set that a user asks for, by names with + or commas between them.

    Raises
    ------
    InputError
        If there is no such set.
    """
    try:
        return set_of(parts_of("+".join(name.strip() for name in given.replace(",", "+").split("+"))))
    except ValueError as error:
        raise InputError(f"--set {given}: {error}") from None


def feature_settings(**choices: Any) -> FeatureSettings:
    """Make settings of what a user chose.

    Raises
    ------
    InputError
        If a choice is refused; the message names its option.
    """
    try:
        return FeatureSettings(**choices)
    except ValueError as error:
        name, _, rest = str(error).partition(" ")
        option = name.removesuffix("_seconds") if name in ("window_seconds", "hop_seconds") else name
        raise InputError(f"--{option.replace('_', '-')} {rest}") from None


def extract_songs(
    songs: dict[Path, str],
    feature_set: str,
    tables: Tables,
    *,
    store: FeatureStore | None,
    settings: FeatureSettings,
    workers: int,
    progress: Progress,
    extract: Callable[..., AbstractContextManager[Iterator[Extraction]]] = extract_many,
) -> Summary:
    """Extract the features of songs and write them.

    Parameters
    ----------
    songs
        From `lstmcore.experiments.extraction.find_songs`.
    feature_set
        Name of a set, as in `lstmcore.features.feature_names`.
    tables
        Where to.
    store
        Where computed features are kept; None: nowhere.
    settings
        Choices.
    workers
        Songs analysed side by side.
    progress
        Advanced after each song.
    extract
        Computes them, as `lstmcore.features.extract_many` does.

    Returns
    -------
    Summary
        With the errors of songs that can't be used: they don't keep the others from being written.

    Raises
    ------
    OSError
        If a file can't be written.
    """
    summary, begin = Summary(feature_set), time.monotonic()

    unwritten: dict[Path, AudioError] = {}

    def write(result: Extraction) -> None:
        if result.features is None:
            return
        try:
            tables.add(result.path, result.features)
        except OSError as error:
            if error.errno not in _OF_THE_NAME:
                raise
            where = printable(error.filename or "its table")
            reason = (
                f"{where} can't be written, {error.strerror}; another name or one table for all is expected"
            )
            unwritten[result.path] = AudioError(result.path, reason)

    def note(result: Extraction) -> None:
        if not tables.in_order:
            write(result)
        progress.advance(fresh=result.features is not None and not result.stored)

    progress.stage(f"{feature_set} features", len(songs))
    with extract(songs, feature_set, store, settings=settings, workers=workers, on_done=note) as results:
        for result in results:
            if tables.in_order:
                write(result)
            error = result.error or unwritten.pop(result.path, None)
            if error is None:
                _count(summary, result, settings)
            else:
                summary.errors.append(error)
    summary.seconds = time.monotonic() - begin
    return summary


def _count(summary: Summary, result: Extraction, settings: FeatureSettings) -> None:
    assert result.features is not None
    rows = len(result.features)
    summary.rows += rows
    if result.stored:
        summary.stored += 1
    else:
        summary.computed += 1
        summary.music_seconds += (rows - 1) * settings.hop_seconds + settings.window_seconds
