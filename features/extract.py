"""Features of one audio file, or of many side by side, by way of the store.

FS1 is computed by openSMILE, whose Python package audEERING licenses for private,
research and educational use only; commercial use needs a licence from audEERING.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lstmcore.features.audio import unreadable
from lstmcore.features.errors import AudioError, ExtractionStopped
from lstmcore.features.fs1 import extract_fs1, fs1_version
from lstmcore.features.fs2 import extract_fs2, fs2_version
from lstmcore.features.fs3 import extract_fs3, fs3_version
from lstmcore.features.sets import FEATURE_SETS, columns, feature_names
from lstmcore.features.settings import DEFAULT, FeatureSettings
from lstmcore.features.store import FeatureKey, FeatureStore, digest_of
from lstmcore.features.waiting import SideBySide

if TYPE_CHECKING:
    import pandas


def feature_version(feature_set: str, settings: FeatureSettings = DEFAULT) -> str:
    """Return which code computes a set with which settings, for the names of stored results."""
    versions = {"FS1": fs1_version, "FS2": fs2_version, "FS3": fs3_version}
    return versions[feature_set](settings)


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
        tempo and event density.  "FS3": these and tonality, beyond the paper.
    store
        Where computed features are kept; None: nowhere.  Only what a smaller set, found there,
        lacks is computed, and a set is taken from a larger one: the same bits either way.
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
    feature_names(feature_set)  # refuses unknown sets
    return _found_or_computed(path, feature_set, store, settings, stop)[0]


def _found_or_computed(
    path: str | os.PathLike[str],
    feature_set: str,
    store: FeatureStore | None,
    settings: FeatureSettings,
    stop: threading.Event | None,
) -> tuple[pandas.DataFrame, bool]:
    """Return the table, and whether all of it comes from the store."""
    if store is None:
        return _compute(path, feature_set, settings, None, stop), False
    digest = digest_of(path)
    names = list(FEATURE_SETS)
    smaller, larger = names[: names.index(feature_set)], names[names.index(feature_set) + 1 :]
    key = _key(digest, feature_set, settings)
    table = store.load(key)
    if table is not None:
        return table, True
    for other in larger:
        found = store.load(_key(digest, other, settings))
        if found is not None:
            return found[list(columns(feature_set))], True
    parts = (store.load(_key(digest, other, settings)) for other in reversed(smaller))
    known = next((part for part in parts if part is not None), None)
    table = _compute(path, feature_set, settings, known, stop)
    store.save(key, table)
    return table, False


def _key(digest: str, feature_set: str, settings: FeatureSettings) -> FeatureKey:
    return FeatureKey(digest, feature_set, feature_version(feature_set, settings), settings.hop_seconds)


def _compute(
    path: str | os.PathLike[str],
    feature_set: str,
    settings: FeatureSettings,
    known: pandas.DataFrame | None,
    stop: threading.Event | None,
) -> pandas.DataFrame:
    if feature_set == "FS1":
        return extract_fs1(path, settings=settings, stop=stop)
    if feature_set == "FS2":
        return extract_fs2(path, settings=settings, fs1=known, stop=stop)
    return extract_fs3(path, settings=settings, known=known, stop=stop)


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
    feature_names(feature_set)

    def one(path: str | os.PathLike[str], closing: threading.Event) -> Extraction:
        try:
            table, stored = _found_or_computed(path, feature_set, store, settings, closing)
        except Exception as error:  # noqa: BLE001 - whatever one file does to a decoder, others go on
            return Extraction(Path(path), None, error_of_file(path, error))
        return Extraction(Path(path), table, None, stored)

    return SideBySide(paths, one, workers, on_done, stop)


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
