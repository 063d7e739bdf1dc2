"""Jobs on the workers of a Dask cluster; what is no job is done by threads here.

The scheduler may go and come back, and workers may die and join: what a command has kept is kept, and the
rest is sent again.
"""

from __future__ import annotations

import hashlib
import pickle
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmcore import EpochReport
from lstmcore.experiments.errors import InputError, Interrupted
from lstmcore.experiments.jobs.cluster.connection import ClusterLost, Connection
from lstmcore.experiments.jobs.cluster.worker import Outcome, work_done
from lstmcore.experiments.jobs.executor import Threads
from lstmcore.experiments.jobs.job import Named
from lstmcore.experiments.jobs.parcels import Packed, Packer, Parcel
from lstmcore.experiments.jobs.work import Site, Work
from lstmcore.features.waiting import Ends

if TYPE_CHECKING:
    from lstmcore.features import Extraction, FeatureSettings, FeatureStore

_POLL_SECONDS = 0.2  # how long Ctrl-C may go unnoticed
_KEPT = 8  # parcels that stay with the workers: a search comes back to its songs with every candidate


class DaskJobs(Threads):
    """Does work on a Dask cluster.

    Parameters
    ----------
    connection
        The cluster.
    workers
        How many tasks that are no jobs are done here, side by side.
    """

    def __init__(self, connection: Connection, workers: int) -> None:
        super().__init__(workers)
        self._connection = connection
        self._sent: OrderedDict[str, Any] = OrderedDict()  # Dask's futures of parcels
        self._where: dict[str, str] = {}  # parcel of each song's digest

    def do(self, work: Sequence[Work], site: Site, stop: threading.Event) -> None:
        """Do all work; when this returns, each result is kept by the site."""
        packer = Packer()
        left = {number: (piece, packer.pack(piece)) for number, piece in enumerate(work)}
        named = {job.name: job for piece in work for job in piece.jobs}
        self._connection.on_message = lambda message: _hear(message, named, site)
        while left:
            try:
                self._attempt(left, packer, site, stop)
            except ClusterLost as lost:
                self._sent.clear()
                self._where.clear()
                self._connection.lost(lost)
        while len(self._sent) > _KEPT:
            gone, _ = self._sent.popitem(last=False)
            self._where = {digest: name for digest, name in self._where.items() if name != gone}

    def extract(
        self,
        paths: Iterable[Path],
        feature_set: str,
        store: FeatureStore | None,
        *,
        settings: FeatureSettings,
        workers: int,
        on_done: Callable[[Extraction], None],
        stop: threading.Event | None = None,
    ) -> AbstractContextManager[Iterator[Extraction]]:
        """Extract the features of songs on the cluster, as many side by side as it has threads."""
        from lstmcore.experiments.jobs.cluster.dask_songs import DaskSongs

        return DaskSongs(self._connection, paths, feature_set, store, settings, on_done, stop)

    def _attempt(
        self, left: dict[int, tuple[Work, Packed]], packer: Packer, site: Site, stop: threading.Event
    ) -> None:
        """Send what is left, and take what is done out of it."""
        client = self._connection.client(stop.is_set)
        if any(future.cancelled() for future in self._sent.values()):
            raise ClusterLost("what was sent before is gone", self._connection.number)
        numbers, packed = list(left), [one for _, one in left.values()]
        self._send(client, packed, packer)
        needs = [[self._sent[name] for name in self._parcels_of(one)] for one in packed]
        orders = [self._connection.order] * len(packed)
        keys = _keys(site.stage, [piece for piece, _ in left.values()])
        with self._connection.told():
            futures = client.map(work_done, orders, packed, needs, key=keys, pure=False)
        ends: Ends[Outcome] = Ends()
        waiting = {
            ends.watch(self._connection.outcome(future)): (number, future)
            for number, future in zip(numbers, futures, strict=True)
        }
        try:
            while waiting:
                if stop.is_set():
                    raise Interrupted
                ended = ends.next(_POLL_SECONDS)
                if ended is None:
                    continue
                number, future = waiting.pop(ended)
                piece, _ = left[number]
                outcome = _result(ended, piece)
                self._connection.alive()
                if isinstance(outcome.error, Interrupted):
                    raise ClusterLost("a worker gave a job back", self._connection.number)
                if outcome.error is not None:
                    raise outcome.error
                jobs = {job.name: job for job in piece.jobs}
                for name, result in outcome.results:
                    site.keep(jobs[name], result)
                del left[number]
                future.release()
        except BaseException as error:
            if not isinstance(error, ClusterLost):
                stop.set()
            with suppress(Exception):  # of a scheduler that is gone nothing can be taken back
                client.cancel(futures, force=True)
            raise

    def _send(self, client: Any, packed: Sequence[Packed], packer: Packer) -> None:
        """Send what work lacks and no worker has, to all workers."""
        new = {f"shared-{name}": Parcel({name: one}) for name, one in packer.common.items()}
        lacked = sorted(set[str]().union(*(one.bulky for one in packed)) - self._where.keys())
        if lacked:
            name = f"songs-{hashlib.sha256(''.join(lacked).encode()).hexdigest()[:16]}"
            new[name] = Parcel((digest, packer.bulky[digest]) for digest in lacked)
            self._where |= dict.fromkeys(lacked, name)
        new = {name: parcel for name, parcel in new.items() if name not in self._sent}
        if new:
            with self._connection.told():
                self._sent |= client.scatter(new, broadcast=True)
        for name in sorted(set[str]().union(*map(self._parcels_of, packed))):
            self._sent.move_to_end(name)

    def _parcels_of(self, packed: Packed) -> list[str]:
        """Name the parcels that have what a piece of work lacks."""
        common = [f"shared-{name}" for name in sorted(packed.common)]
        return [*common, *sorted({self._where[digest] for digest in packed.bulky})]


def _keys(stage: str, work: Sequence[Work]) -> list[tuple[str, str]]:
    """Return the keys of tasks: the dashboard shows the stage for all, and what each is by its title.

    Dask plans by stages: it gives workers their tasks one by one, so that one that joins late gets some, and
    one that dies takes few along.  It cuts names at hyphens.
    """
    whole = stage.replace("-", "\N{NON-BREAKING HYPHEN}")
    group = f"{whole}-{secrets.token_hex(4)}"
    keys = []
    for number, piece in enumerate(work):
        titles = [job.title for job in piece.jobs]
        title = titles[0] if len(titles) == 1 else f"{titles[0]} to {titles[-1]}"
        keys.append((group, f"{title} ({number + 1} of {len(work)})"))
    return keys


def _result(ended: Future[Outcome], work: Work) -> Outcome:
    """Return what came of a task; what Dask says of it is told in words."""
    try:
        return ended.result()
    except (ClusterLost, InputError):
        raise
    except (ImportError, AttributeError, pickle.UnpicklingError) as error:
        raise InputError(
            f"a worker, or the scheduler, can't import what computes {work.jobs[0].title} ({error}); "
            "expected the command's version of lstmcore where the scheduler and every worker run"
        ) from None
    except Exception as error:
        if type(error).__name__ == "KilledWorker":
            raise InputError(
                f"{work.jobs[0].title}: the workers that computed it died one after the other ({error}). "
                "Expected workers with enough memory and time; the same command goes on with what is left"
            ) from None
        raise


def _hear(message: dict[str, Any], jobs: dict[str, Named], site: Site) -> None:
    """Pass on what a worker tells."""
    if "note" in message:
        site.note(message["note"])
    elif message.get("job") in jobs:
        site.epoch(jobs[message["job"]], EpochReport(**message["epoch"]))
