"""Recordings of another collection, to learn from without labels."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np

from lstmcore.experiments.datasets.feature_tables import settings_at
from lstmcore.experiments.datasets.from_audio import features_from_audio
from lstmcore.experiments.datasets.song import Dataset, Song
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.extraction.folders import sound_files
from lstmcore.experiments.terminal.progress import Progress

KEY = "data.unlabelled_folder"


def recordings_in(folder: str) -> dict[str, Path]:
    """List the recordings in a folder and below it, by name: the folder's, then their path in it.

    Raises
    ------
    InputError
        If there is no such folder, or nothing that looks like sound in it.
    """
    place = Path(folder)
    if not place.is_dir():
        found = "is a file" if place.exists() else "no such folder"
        raise InputError(f"{KEY}: {place}: {found}; expected a folder of recordings")
    files = [Path(file) for file in sound_files(place)]
    if not files:
        raise InputError(
            f"{KEY}: {place}: no audio in it or below it; expected WAV, FLAC, Ogg or MP3 files, say"
        )
    return {f"{place.resolve().name}/{file.relative_to(place).as_posix()}": file for file in files}


def with_recordings(
    dataset: Dataset, files: dict[str, Path], workers: int, progress: Progress, stop: threading.Event
) -> Dataset:
    """Return a data set with recordings among its unlabelled songs.

    Parameters
    ----------
    dataset
        Its features and the distance of its frames are those of the recordings.
    files
        By name, as `recordings_in` gives them; one that can't be read is left out with a note.
    workers, progress, stop
        As in `features_from_audio`.

    Raises
    ------
    InputError
        If no file can be read, or features can't be as far apart as the data set's frames.
    Interrupted
        If `stop` was set.
    """
    settings = settings_at(KEY, dataset.hop_seconds)
    computed, failed = features_from_audio(files, dataset.feature_set, settings, workers, progress, stop)
    if not computed:
        raise InputError(f"{KEY}: none of {len(files)} recordings can be read; {next(iter(failed.values()))}")
    songs = [
        Song(name, np.array(stamps) / 1000, rows.astype(np.float64))
        for name, (stamps, rows) in computed.items()
    ]
    notes = [f"A song without annotations was left out: {error}." for error in failed.values()]
    return replace(dataset, unlabelled=[*dataset.unlabelled, *songs], notes=[*dataset.notes, *notes])
