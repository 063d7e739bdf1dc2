"""Features of songs on the workers of a Dask cluster, which read the audio at the same paths."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path

from lstmcore.experiments.errors import InputError, Interrupted
from lstmcore.experiments.jobs.cluster.connection import ClusterLost, Connection
from lstmcore.experiments.jobs.cluster.worker import Outcome, place_here
from lstmcore.features import Extraction, FeatureSettings, FeatureStore
from lstmcore.features.errors import printable
from lstmcore.features.extract import extract_one
from lstmcore.features.waiting import InOrder

_AHEAD = 3  # songs under way for each that is computed: the network is no hindrance then
_COUNT_SECONDS = 2.0  # how often workers are counted


class DaskSongs(AbstractContextManager[Iterator[Extraction]]):
    """Features of many files, computed on a cluster; results come in the order of the files.

    Parameters
    ----------
    connection
        The cluster.
    paths
        Audio files.
    feature_set, store, settings, on_done, stop
        As for `lstmcore.features.extract_many`.  A worker that sees no such folder as the store's keeps what
        it computes in a store of its own.
    """

    def __init__(
        self,
        connection: Connection,
        paths: Iterable[Path],
        feature_set: str,
        store: FeatureStore | None,
        settings: FeatureSettings,
        on_done: Callable[[Extraction], None],
        stop: threading.Event | None = None,
    ) -> None:
        self._connection, self._stop = connection, stop or threading.Event()
        self._what = feature_set, None if store is None else store.folder.absolute(), settings
        self._group = f"{feature_set} features-{secrets.token_hex(4)}"
        self._counted, self._threads = 0.0, 0
        self._outcomes = InOrder(paths, self._submit, self._ahead, self._done, self._stop, self._again)
        self._on_done = on_done

    def __enter__(self) -> Iterator[Extraction]:
        return map(self._extraction, self._outcomes)

    def __exit__(self, *_: object) -> None:
        self._outcomes.close()

    def _submit(self, path: Path) -> Future[Outcome]:
        """Send a song, or send it again when the cluster was lost."""
        while True:
            try:
                self._connection.client(self._stop.is_set)
                key = self._group, f"{printable(path.name)} [{secrets.token_hex(4)}]"
                return self._connection.call(key, _extracted, path.absolute(), path, *self._what)
            except ClusterLost as lost:
                self._connection.lost(lost)

    def _again(self, path: Path, error: Exception) -> Future[Outcome]:
        if not isinstance(error, ClusterLost):
            raise error
        self._connection.lost(error)
        return self._submit(path)

    def _ahead(self) -> int:
        now = time.monotonic()
        if now - self._counted > _COUNT_SECONDS:
            self._connection.client(self._stop.is_set)
            self._counted, self._threads = now, self._connection.threads()
        return _AHEAD * max(1, self._threads)

    def _done(self, outcome: Outcome) -> None:
        self._connection.alive()
        self._on_done(self._extraction(outcome))

    def _extraction(self, outcome: Outcome) -> Extraction:
        if outcome.error is not None:
            raise outcome.error
        found: Extraction | _Unseen = outcome.value
        if isinstance(found, Extraction):
            return found
        if not found.path.exists():  # nor here: a song that can't be used, as without a cluster
            return extract_one(found.path, self._what[0], None, self._what[2], self._stop)
        raise InputError(
            f"{printable(found.path)}: {found.place} doesn't see this file; expected sound at the same path "
            "on every worker, in storage that all share"
        )


class _Unseen:
    """A file that isn't where a worker looks for it."""

    def __init__(self, path: Path, place: str) -> None:
        self.path, self.place = path, place


def _extracted(
    file: Path,
    path: Path,
    feature_set: str,
    folder: Path | None,
    settings: FeatureSettings,
    unwanted: threading.Event,
) -> Extraction | _Unseen:
    """Extract features on a worker; the result is that of the path as the command named it."""
    if not file.exists():
        return _Unseen(path, place_here())
    found = extract_one(file, feature_set, None if folder is None else _store(folder), settings, unwanted)
    if unwanted.is_set():
        raise Interrupted
    error = found.error
    if error is not None:
        error.path, error.args = path, (str(path), *error.args[1:])
    return Extraction(path, found.features, error, found.stored)


def _store(folder: Path) -> FeatureStore:
    """Return the command's store where it is seen, else one of this machine's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return FeatureStore()
    return FeatureStore(folder)
