"""Features of one audio file, or of many side by side, by way of the store.

FS1 is computed by openSMILE, whose Python package audEERING licenses for private,
research and educational use only; commercial use needs a licence from audEERING.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from features.compare import extract_fs1, fs1_version
from features.errors import AudioError
from features.music import extract_fs2, fs2_version
from features.sets import columns, feature_names
from features.settings import DEFAULT, FeatureSettings
from features.store import FeatureKey, FeatureStore, digest_of

if TYPE_CHECKING:
    import pandas


_POLL_SECONDS = 0.05
_AHEAD = 4  # files a worker may be ahead of the caller: bounds the memory of a long list


@dataclass(frozen=True, eq=False)
class Extraction:
    """What became of one file: either its features or the reason why there are none.

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
        WAV, FLAC, OGG or MP3 file, any rate and number of channels, at least about 1.04 s.
    feature_set
        "FS1": the 260 features of the DEAM data set, computed by openSMILE, which is
        licensed for non-commercial use.  "FS2": these and sensory dissonance, roughness,
        tempo and event density.
    store
        Where computed features are kept; None: nowhere.  Of FS2 only what FS1, found there,
        lacks is computed, and FS1 is taken from FS2: the same bits either way.
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
    """Give the table, and whether all of it comes from the store."""
    if store is None:
        return _compute(path, feature_set, settings, None, stop), False
    digest = digest_of(path)
    fs1 = FeatureKey(digest, "FS1", fs1_version(settings), settings.hop_seconds)
    fs2 = FeatureKey(digest, "FS2", fs2_version(settings), settings.hop_seconds)
    key, other = (fs1, fs2) if feature_set == "FS1" else (fs2, fs1)
    table = store.load(key)
    if table is not None:
        return table, True
    related = store.load(other)
    if related is not None and feature_set == "FS1":
        return related[list(columns("FS1"))], True
    table = _compute(path, feature_set, settings, related, stop)
    store.save(key, table)
    return table, False


def _compute(
    path: str | os.PathLike[str],
    feature_set: str,
    settings: FeatureSettings,
    fs1: pandas.DataFrame | None,
    stop: threading.Event | None,
) -> pandas.DataFrame:
    if feature_set == "FS1":
        return extract_fs1(path, settings=settings, stop=stop)
    return extract_fs2(path, settings=settings, fs1=fs1, stop=stop)


def extract_many(
    paths: Iterable[str | os.PathLike[str]],
    feature_set: str = "FS1",
    store: FeatureStore | None = None,
    *,
    settings: FeatureSettings = DEFAULT,
    workers: int | None = None,
    on_done: Callable[[Extraction], None] | None = None,
    stop: threading.Event | None = None,
) -> Generator[Extraction, None, None]:
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
        Files computed side by side; None: one a processor.
    on_done
        Called in the caller's thread with each result as soon as it is there, before
        those of earlier files if need be: for a progress display.
    stop
        Set it to end: running files are abandoned and no more results come.

    Returns
    -------
    Generator of Extraction
        One a file, in input order.  A file that cannot be used yields its error.  Closing
        it early abandons the running files.

    Raises
    ------
    ValueError
        If there is no such feature set or `workers` is less than 1; at once.
    OSError
        If a file cannot be written (disk full): while iterating; running files are abandoned.
    """
    feature_names(feature_set)
    count = (os.cpu_count() or 1) if workers is None else workers
    if count < 1:
        raise ValueError(f"{count} workers; 1 or more are expected")
    closing = threading.Event()

    def one(path: str | os.PathLike[str]) -> Extraction:
        try:
            table, stored = _found_or_computed(path, feature_set, store, settings, closing)
        except AudioError as error:
            return Extraction(Path(path), None, error)
        return Extraction(Path(path), table, None, stored)

    return _in_order(iter(paths), one, count, on_done, stop or threading.Event(), closing)


def _in_order(
    paths: Iterator[str | os.PathLike[str]],
    one: Callable[[str | os.PathLike[str]], Extraction],
    workers: int,
    on_done: Callable[[Extraction], None] | None,
    stop: threading.Event,
    closing: threading.Event,
) -> Generator[Extraction, None, None]:
    """Yield results in order; sets `closing` when it ends, for whatever reason."""
    with ThreadPoolExecutor(workers, "features") as pool:
        queue: deque[Future[Extraction]] = deque()
        ended: set[Future[Extraction]] = set()
        # Not `concurrent.futures.wait`: interrupted by Ctrl-C, it may keep the locks that workers wait for.
        ends: SimpleQueue[Future[Extraction]] = SimpleQueue()

        def submit(number: int) -> None:
            for path in islice(paths, number):
                queue.append(pool.submit(one, path))
                queue[-1].add_done_callback(ends.put)

        try:
            submit(_AHEAD * workers)
            while queue and not stop.is_set():
                try:
                    future = ends.get(timeout=_POLL_SECONDS)
                except Empty:
                    continue
                ended.add(future)
                result = future.result()  # a full disk, say, ends it all at once
                if on_done is not None:
                    on_done(result)
                while queue and queue[0] in ended and not stop.is_set():
                    ended.remove(queue[0])
                    yield queue.popleft().result()
                    submit(1)
        finally:
            closing.set()
            pool.shutdown(wait=False, cancel_futures=True)
