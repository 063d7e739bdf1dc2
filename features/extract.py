"""Features of one audio file, or of many side by side, by way of the store.

FS1 is computed by openSMILE, whose Python package audEERING licenses for private,
research and educational use only; commercial use needs a licence from audEERING.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lstmcore.features.audio import unreadable
from lstmcore.features.errors import AudioError, ExtractionStopped
from lstmcore.features.fs2 import fs2_version
from lstmcore.features.grid import grid_table
from lstmcore.features.parts import compute_parts, part_version
from lstmcore.features.sets import feature_names, parts_of
from lstmcore.features.settings import DEFAULT, FeatureSettings
from lstmcore.features.smile import has_smile
from lstmcore.features.store import FeatureKey, FeatureStore, digest_of
from lstmcore.features.waiting import SideBySide

if TYPE_CHECKING:
    import pandas


def feature_version(feature_set: str, settings: FeatureSettings = DEFAULT) -> str:
    """Return which code computes a set with which settings, for the names of stored results."""
    return "+".join(part_version(part, settings) for part in parts_of(feature_set))


@dataclass(frozen=True, eq=False)
class Extraction:
    """The result for one file: its features, or the reason why there are none.

    Parameters
    ----------
    path
        The file as it was given.
    features
        Table as `extract_features` gives it, or None.
    error
        What was wrong with the file, or None.
    stored
        Whether the features were found in the store.
    """

    path: Path
    features: pandas.DataFrame | None
    error: AudioError | None
    stored: bool = False


def extract_features(
    path: str | os.PathLike[str],
    feature_set: str = "FS1",
    store: FeatureStore | None = None,
    *,
    settings: FeatureSettings = DEFAULT,
    stop: threading.Event | None = None,
) -> pandas.DataFrame:
    """Features of an audio file, twice a second: from the store, or computed and stored.

    Parameters
    ----------
    path
        Audio file, any rate and number of channels, at least about 1.04 s.
    feature_set
        "FS1": the 260 features of the DEAM data set, computed by openSMILE, which is
        licensed for non-commercial use.  "FS2": these and sensory dissonance, roughness,
        tempo and event density.  "FS3": these and tonality, beyond the paper.  What FS2 and FS3
        add has the names "music" and "tonality", which need no openSMILE; "FS1+tonality" is a set, too.
    store
        Where computed features are kept; None: nowhere.  Each part of a set is kept by itself, and
        only what isn't found there is computed: the same bits either way.
    settings
        Choices; other settings are stored apart.
    stop
        Set it, from any thread, to end the extraction early.

    Returns
    -------
    pandas.DataFrame
        ``frameTime`` (window start, seconds, float64) and the set's features (float32).

    Raises
    ------
    ValueError
        If there is no such feature set.
    AudioError
        If the file cannot be used; it names the file, what was found and what is expected.
    OSError
        If a file cannot be written (disk full, no permission); ``filename`` names it.
    ExtractionStopped
        If `stop` was set.
    """
    parts_of(feature_set)  # refuses unknown sets
    return _found_or_computed(path, feature_set, store, settings, stop)[0]


def _found_or_computed(
    path: str | os.PathLike[str],
    feature_set: str,
    store: FeatureStore | None,
    settings: FeatureSettings,
    stop: threading.Event | None,
) -> tuple[pandas.DataFrame, bool]:
    """Return the table, and whether all of it comes from the store."""
    parts = parts_of(feature_set)
    keys: dict[str, FeatureKey] = {}
    found: dict[str, NDArray[np.float32]] = {}
    if store is not None:
        keys = keys_of(digest_of(path), feature_set, settings)
        known = {part: _stored(store, key, settings) for part, key in keys.items()}
        found = {part: rows for part, rows in known.items() if rows is not None}
    missing = [part for part in parts if part not in found]
    if missing:
        found |= compute_parts(path, missing, settings, stop=stop)
    if store is not None:
        for part in missing:
            table = grid_table(found[part], feature_names(part), settings.hop_seconds)
            store.save(keys[part], table)
    values = np.hstack([found[part] for part in parts])
    return grid_table(values, feature_names(feature_set), settings.hop_seconds), not missing


def keys_of(digest: str, feature_set: str, settings: FeatureSettings) -> dict[str, FeatureKey]:
    """Return what each part of a set is found by, of the file of this digest."""
    parts = parts_of(feature_set)
    return {part: _key(digest, part, part_version(part, settings), settings) for part in parts}


def is_stored(digest: str, feature_set: str, settings: FeatureSettings, store: FeatureStore) -> bool:
    """Whether all of a set is in a store, readable, of the file of this digest."""
    keys = keys_of(digest, feature_set, settings)
    return all(_stored(store, key, settings) is not None for key in keys.values())


def _key(digest: str, feature_set: str, version: str, settings: FeatureSettings) -> FeatureKey:
    return FeatureKey(digest, feature_set, version, settings.hop_seconds)


def _stored(store: FeatureStore, key: FeatureKey, settings: FeatureSettings) -> NDArray[np.float32] | None:
    """Look for a part by itself, and then in the whole of FS2, as stores of before have it."""
    names = list(feature_names(key.feature_set))
    table = store.load(key)
    if table is None and {*names} <= {*feature_names("FS2")} and has_smile():
        table = store.load(_key(key.digest, "FS2", fs2_version(settings), settings))
    return None if table is None else table[names].to_numpy()


def extract_many(
    paths: Iterable[str | os.PathLike[str]],
    feature_set: str = "FS1",
    store: FeatureStore | None = None,
    *,
    settings: FeatureSettings = DEFAULT,
    workers: int | None = None,
    on_done: Callable[[Extraction], None] | None = None,
    stop: threading.Event | None = None,
) -> AbstractContextManager[Iterator[Extraction]]:
    """Features of many files, several at a time, in the order of the files.

    The features are the same bits whatever the number of workers.  Threads are enough:
    openSMILE and our kernels release the interpreter's lock.  Memory does not grow with the number of
    files.

    Parameters
    ----------
    paths
        Audio files.
    feature_set, store, settings
        As in `extract_features`.
    workers
        Files computed side by side; None: one per processor.
    on_done
        Called in the caller's thread with each result as soon as it is there, before
        those of earlier files if need be: for a progress display.
    stop
        Set it to end: running files are abandoned and no more results come.

    Returns
    -------
    context manager of an iterator of Extraction
        One per file, in input order.  A file that cannot be used, for whatever reason, yields its
        error.  The threads live from ``with`` to its end, which abandons running files.

    Raises
    ------
    ValueError
        If there is no such feature set or `workers` is less than 1; at once.
    OSError
        If a file cannot be written (disk full): while iterating.
    ImportError
        If a package is missing: while iterating.

    Examples
    --------
    >>> with extract_many(["a.mp3", "b.mp3"], "FS2") as results:  # doctest: +SKIP
    ...     tables = {result.path: result.features for result in results}
    """
    parts_of(feature_set)

    def one(path: str | os.PathLike[str], closing: threading.Event) -> Extraction:
        return extract_one(path, feature_set, store, settings, closing)

    return _on_one_thread_each(SideBySide(paths, one, workers, on_done, stop))


@contextmanager
def _on_one_thread_each(
    results: AbstractContextManager[Iterator[Extraction]],
) -> Iterator[Iterator[Extraction]]:
    """Keep NumPy's products from threads of their own: those of several files wait for each other."""
    with threadpool_limits(1, user_api="blas"), results as each:
        yield each


def extract_one(
    path: str | os.PathLike[str],
    feature_set: str,
    store: FeatureStore | None,
    settings: FeatureSettings,
    stop: threading.Event,
) -> Extraction:
    """Extract the features of one of many files, as `extract_many` does with each.

    Raises
    ------
    OSError, ImportError, ExtractionStopped
        What isn't about this file.
    """
    try:
        table, stored = _found_or_computed(path, feature_set, store, settings, stop)
    except Exception as error:  # noqa: BLE001 - whatever one file does to a decoder, others go on
        return Extraction(Path(path), None, error_of_file(path, error))
    return Extraction(Path(path), table, None, stored)


def error_of_file(path: str | os.PathLike[str], error: Exception) -> AudioError:
    """Return what is wrong with a file whose analysis failed; raise an error that isn't about it."""
    if isinstance(error, AudioError):
        return error
    if isinstance(error, OSError):
        name, full = error.filename, error.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or (name is not None and Path(name).absolute() != Path(path).absolute()):
            raise error  # a file of ours
        return unreadable(path, error)
    if isinstance(error, (ExtractionStopped, ImportError)):
        raise error
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    failed = AudioError(path, f"its analysis fails, {said}; a file that can be decoded is expected")
    failed.__cause__ = error
    return failed
