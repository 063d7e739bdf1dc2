"""Features of many recordings, computed side by side or found computed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

import numpy as np

from lstmcore.experiments.datasets.feature_tables import Computed, checked_table
from lstmcore.experiments.errors import InputError, Interrupted
from lstmcore.experiments.terminal.progress import Progress
from lstmcore.features import Extraction, FeatureSettings

Name = TypeVar("Name", int, str)

_extract: ContextVar[Callable[..., AbstractContextManager[Iterator[Extraction]]] | None] = ContextVar(
    "extract", default=None
)


@contextmanager
def extracting_by(
    extract: Callable[..., AbstractContextManager[Iterator[Extraction]]],
) -> Iterator[None]:
    """Have features of songs computed by something else than this process's threads, within the block.

    Parameters
    ----------
    extract
        As `lstmcore.features.extract_many`, whose parameters and results it has.
    """
    token = _extract.set(extract)
    try:
        yield
    finally:
        _extract.reset(token)


def features_from_audio(
    files: Mapping[Name, Path],
    feature_set: str,
    settings: FeatureSettings,
    workers: int,
    progress: Progress,
    stop: threading.Event,
) -> tuple[dict[Name, Computed], dict[Name, str]]:
    """Compute the features of songs, or find them in the store.

    Parameters
    ----------
    files
        The songs' audio, in the order in which they are done.
    feature_set, settings
        What is computed.
    workers
        Files side by side.
    progress
        Is told of each file.
    stop
        Ends it early when it is set.

    Returns
    -------
    computed
        Features by song.
    failed
        What is wrong with the audio of the others, by song.

    Raises
    ------
    InputError
        If the annotations' frames are another distance apart than the sound's can be.
    SmileError
        If openSMILE, which computes FS1, is missing or fails.
    Interrupted
        If `stop` was set.
    """
    from lstmcore.features import FeatureStore, extract_many
    from lstmcore.features.sets import feature_names, is_sound
    from lstmcore.features.sound_names import steps_of

    if is_sound(feature_set):
        try:
            steps_of(feature_set, settings)
        except ValueError as error:
            raise InputError(f"annotations: {error}") from None
    names = list(feature_names(feature_set))
    computed: dict[Name, Computed] = {}
    failed: dict[Name, str] = {}
    progress.stage(f"{feature_set} features from audio", len(files))
    extract = _extract.get() or extract_many
    with extract(
        list(files.values()),
        feature_set,
        FeatureStore(),
        settings=settings,
        workers=workers,
        on_done=lambda done: progress.advance(fresh=not done.stored),
        stop=stop,
    ) as results:
        for song, result in zip(files, results, strict=False):
            try:
                if result.features is None:
                    raise InputError(str(result.error))
                stamps, rows = checked_table(result.path, names, result.features.to_numpy(np.float64))
                computed[song] = stamps, rows.astype(np.float32)
            except InputError as error:
                failed[song] = str(error)
    if stop.is_set():
        raise Interrupted
    return computed, failed
