"""A Dask cluster as a command sees it: reached by its address, or started and ended with the command."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lstmcore.experiments.errors import InputError, Interrupted
from lstmcore.experiments.jobs.cluster.worker import Order, Outcome, function_called, versions
from lstmcore.installing import install_extra

_JOB_QUEUES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "htcondor": "HTCondorCluster",
    "moab": "MoabCluster",
    "oar": "OARCluster",
}
_SILENT = logging.CRITICAL + 1
_CANCELLED = (CancelledError, asyncio.CancelledError)
_POLL_SECONDS = 0.2
_CLOSE_SECONDS = 5.0
_TRY_SECONDS = 5.0  # for one try to reach a scheduler
_FIRST_SECONDS = 30.0  # for the first answer of a scheduler
_AGAIN_SECONDS = 600.0  # for the return of one that was there
_SILENT_SECONDS = 3.0  # without a worker, before that is told


class ClusterLost(Exception):
    """The scheduler, or what workers held for all, is gone; the message says what is known of it.

    Parameters
    ----------
    text
        What is known.
    connection
        Number of the connection that is of no use any more.
    """

    def __init__(self, text: str, connection: int) -> None:
        super().__init__(text)
        self.connection = connection


@dataclass(frozen=True)
class Place:
    """Where a cluster is, or how one is started.

    Parameters
    ----------
    scheduler
        Address of a running scheduler; None: one is started.
    kind
        What starts one: ``local``, or a job queue.
    workers
        How many are started.
    options
        Passed on to what starts them.
    """

    scheduler: str | None = None
    kind: str = "local"
    workers: int = 1
    options: dict[str, Any] = field(default_factory=dict)


def check_dask(place: Place) -> None:
    """Raise InputError if Dask isn't installed, or there isn't what starts the workers or reaches them."""
    try:
        import distributed  # noqa: F401

        if place.kind in _JOB_QUEUES:
            import dask_jobqueue  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"execution.engine is 'dask', and {error.name} is not installed; {install_extra('dask')}"
        ) from None
    if place.scheduler is None and place.kind in _JOB_QUEUES:
        job = _job_queue(place.kind).job_cls
        command = shlex.split(job.submit_command)[0]
        if shutil.which(command) is None:
            raise InputError(
                f"execution.cluster.kind is {place.kind!r}, and there is no {command} here; expected a "
                "machine that submits jobs to that queue"
            )
    if place.scheduler is not None and place.scheduler.startswith("tls:"):
        _check_certificates(place.scheduler)


def _check_certificates(address: str) -> None:
    """Raise InputError if Dask's configuration has no certificates for a scheduler that wants some."""
    from distributed import Security

    wrong = "no certificates for it are in Dask's configuration"
    try:
        if Security().get_connection_args("client")["ssl_context"] is not None:  # type: ignore[no-untyped-call]
            return
    except (OSError, ValueError) as error:
        wrong = f"the certificates that Dask's configuration names for it can't be used ({_said(error)})"
    raise InputError(
        f"execution.scheduler is {address!r}, and {wrong}; expected files under "
        "distributed.comm.tls.ca-file and .client.cert and .key, or in DASK_DISTRIBUTED__COMM__TLS__CA_FILE, "
        "…__CLIENT__CERT and …__CLIENT__KEY"
    )


def new_cluster(place: Place) -> Any:
    """Start a scheduler in this process, and what starts its workers; none of them yet, of a job queue.

    Raises
    ------
    InputError
        If the options aren't those of what starts them.
    """
    options = dict(place.options)
    try:
        if place.kind in _JOB_QUEUES:
            # One process of many threads: songs are sent once, and shared.
            return _job_queue(place.kind)(**({"processes": 1} | options))
        from distributed import LocalCluster

        usual = {"threads_per_worker": 1, "dashboard_address": "localhost:0", "processes": True}
        usual |= {"silence_logs": _SILENT}  # what matters of them is told by what becomes of a task
        return LocalCluster(n_workers=place.workers, **(usual | options))  # type: ignore[no-untyped-call]
    except (TypeError, ValueError, OSError, RuntimeError, ImportError) as error:
        raise InputError(f"execution.cluster: no {place.kind} cluster with these options: {error}") from None


def _job_queue(kind: str) -> Any:
    import dask_jobqueue

    return getattr(dask_jobqueue, _JOB_QUEUES[kind])


class Connection(AbstractContextManager["Connection"]):
    """A cluster that is reached when it is first needed; it ends with the block, if it was started for it.

    Parameters
    ----------
    place
        Where it is.
    folder
        Of the jobs' results; None: there are none.
    note
        Hears what a person should know.
    """

    def __init__(self, place: Place, folder: Path | None, note: Callable[[str], None]) -> None:
        self.place, self._folder, self._note = place, folder, note
        self._stack = ExitStack()
        self._cluster: Any = None
        self._client: Any = None
        self._lost_since: float | None = None
        self.number = 0
        """Of the connection there is: another one after each loss."""
        token = secrets.token_hex(8)
        self._seen_by = f".seen-{token}", token
        self.order = Order(versions(), f"lstmcore-{token}", folder or Path(), self._seen_by)
        self.on_message: Callable[[dict[str, Any]], None] = lambda message: None

    def __enter__(self) -> Connection:
        self._stack.enter_context(_Quiet())
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        with suppress(Exception):  # a cluster that can't be closed is no reason to fail
            if self._cluster is not None:
                self._cluster.close(timeout=_CLOSE_SECONDS)
        if self._folder is not None:
            with suppress(OSError):
                (self._folder / self._seen_by[0]).unlink(missing_ok=True)
        self._stack.close()

    def client(self, stop: Callable[[], bool]) -> Any:
        """Return a client of Dask's that is connected, and has at least one worker.

        Raises
        ------
        InputError
            If nobody answers.
        Interrupted
            If `stop` said so meanwhile.
        """
        if self._client is None:
            self._show_folder()
            self._client = self._connected(stop)
            self._client.subscribe_topic(self.order.topic, lambda event: self.on_message(event[1]))
        self._wait_for_workers(self._client, stop)
        return self._client

    def lost(self, why: ClusterLost) -> None:
        """Note that the connection is of no use any more: the next `client` is a new one."""
        if why.connection != self.number:
            return  # there is another one by now
        self._leave()
        self.number += 1
        time.sleep(_POLL_SECONDS)
        if self._lost_since is None:
            self._lost_since = time.monotonic()
            where = self.place.scheduler or f"the {self.place.kind} cluster"
            self._note(
                f"{where}: scheduler or workers are gone ({why}); what is left is sent again as soon as "
                "there are some"
            )
        if time.monotonic() - self._lost_since > _AGAIN_SECONDS:
            raise self._gone(why)

    def call(self, key: tuple[str, str], function: Callable[..., Any], *arguments: Any) -> Future[Outcome]:
        """Have a worker call a function of a module; its outcome has the value.

        Raises
        ------
        ClusterLost
            If there is no connection (`client` makes one).
        """
        with self.told():
            future = self._client.submit(
                function_called, self.order, function, *arguments, key=key, pure=False
            )
        return self.outcome(future)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn what Dask raises where it can send nothing into `ClusterLost`."""
        from distributed.client import ClosedClientError

        try:
            yield
        except (*_CANCELLED, OSError, ClosedClientError) as error:
            raise ClusterLost(_said(error), self.number) from None

    def threads(self) -> int:
        """Return how many tasks the cluster does side by side, as far as is known."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        return sum(worker["nthreads"] for worker in workers)

    def alive(self) -> None:
        """Note that the cluster does its work."""
        self._lost_since = None

    def outcome(self, future: Any) -> Future[Outcome]:
        """Return a future of this process for one of Dask's, whose end needn't be waited for in a thread.

        Its error is a `ClusterLost`, or what keeps Dask from running the task.
        """
        client, number = self._client, self.number

        async def gathered() -> Outcome:
            # Cancelled itself, Dask's part would leave errors behind that nobody hears of but from asyncio.
            gathering = asyncio.ensure_future(client.gather([future], asynchronous=True))
            gathering.add_done_callback(lambda done: done.cancelled() or done.exception())
            try:
                [outcome] = await asyncio.shield(gathering)
            except (*_CANCELLED, OSError) as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():  # nobody waits for it: no loss that is to be told
                    raise asyncio.CancelledError from None
                raise ClusterLost(_said(error), number) from None
            return outcome  # type: ignore[no-any-return]

        return asyncio.run_coroutine_threadsafe(gathered(), client.loop.asyncio_loop)

    def _connected(self, stop: Callable[[], bool]) -> Any:
        from distributed import Client

        if self.place.scheduler is None and self._cluster is None:
            self._cluster = new_cluster(self.place)
            if self.place.kind in _JOB_QUEUES:
                self._cluster.scale(self.place.workers)
        address = self.place.scheduler or self._cluster
        begun, patience = time.monotonic(), _FIRST_SECONDS if self._lost_since is None else _AGAIN_SECONDS
        while True:
            try:
                return Client(  # type: ignore[no-untyped-call]
                    address, timeout=_TRY_SECONDS, set_as_default=False, name="lstmcore"
                )
            except OSError as error:
                if time.monotonic() - begun > patience:
                    raise self._gone(error) from None
            except Exception as error:  # noqa: BLE001 - whatever Dask makes of an address
                raise self._gone(error) from None
            if stop():
                raise Interrupted
            time.sleep(_POLL_SECONDS)

    def _gone(self, error: Exception) -> InputError:
        return InputError(
            f"execution.scheduler is {self.place.scheduler!r}, and no scheduler of Dask's answers there "
            f"({_said(error)}); expected the address of one that runs, such as tcp://node1:8786. What is "
            "finished is kept: the same command goes on"
        )

    def _wait_for_workers(self, client: Any, stop: Callable[[], bool]) -> None:
        begun, told = time.monotonic(), False
        while not client.scheduler_info(n_workers=1)["workers"]:
            if client.status not in ("running", "connecting"):
                raise ClusterLost("the connection to the scheduler ended", self.number)
            if stop():
                raise Interrupted
            if not told and time.monotonic() - begun > _SILENT_SECONDS:
                told = True
                self._note(f"{client.scheduler.address}: no worker is there yet; waiting for one")
            time.sleep(_POLL_SECONDS)

    def _show_folder(self) -> None:
        """Leave something in the folder by which workers know it."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / self._seen_by[0]).write_text(self._seen_by[1], encoding="utf-8")

    def _leave(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):  # it may be gone
                client.close(timeout=_CLOSE_SECONDS)


def _said(error: BaseException) -> str:
    """First line of what Dask says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class _Quiet(AbstractContextManager[None]):
    """Keep Dask's log out of a command's messages, which say what matters of it."""

    def __enter__(self) -> None:
        self._log = logging.getLogger("distributed")
        self._level = self._log.level
        self._log.setLevel(_SILENT)

    def __exit__(self, *_: object) -> None:
        self._log.setLevel(self._level)
