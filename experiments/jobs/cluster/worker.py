"""What runs on a worker of a Dask cluster.

What goes wrong with a task is part of its outcome; an error that Dask itself tells of is the cluster's.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import pickle
import platform
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import lstmcore
from lstmcore import EngineError, EpochReport
from lstmcore.experiments.errors import InputError, Interrupted
from lstmcore.experiments.jobs.job import JobFolder, Named, Result
from lstmcore.experiments.jobs.parcels import Packed, Parcel, Unpacker
from lstmcore.experiments.jobs.work import Work
from lstmcore.experiments.terminal.environment import version_of
from lstmcore.features import AudioError, SmileError
from lstmcore.kernel_sources import digest_of

TELL_SECONDS = 1.0
"""How often, at most, a training tells of its epochs."""

_DASKS_TRIM_BYTES = "65536"  # its default for workers that a nanny watches over
# M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h, and where glibc's own adjusting of them ends.
_KEPT_BYTES = {-1: 64 << 20, -3: 32 << 20}
_PACKAGES = ("lstmcore", "numpy", "numba", "scipy")
_unpacker = Unpacker()


@dataclass(frozen=True)
class Order:
    """What all tasks of a command have in common.

    Parameters
    ----------
    versions
        Of what computes, where the command runs.
    topic
        Under which the command hears of epochs and notes.
    folder
        Of the jobs' results, where the command runs.
    seen_by
        Name of a file in it, and what is in there: who reads it sees the same folder.
    """

    versions: dict[str, str]
    topic: str
    folder: Path
    seen_by: tuple[str, str]

    @property
    def is_shared(self) -> bool:
        """Whether the command's folder is seen from here."""
        name, token = self.seen_by
        try:
            return (self.folder / name).read_text(encoding="utf-8") == token
        except (OSError, ValueError):
            return False


@dataclass
class Outcome:
    """What came of a task.

    Parameters
    ----------
    results
        By the job's name.
    value
        What a function returned.
    error
        What went wrong.
    """

    results: list[tuple[str, Result]] = field(default_factory=list)
    value: Any = None
    error: BaseException | None = None


@cache
def versions() -> dict[str, str]:
    """Return the versions of what results depend on, in the last digits at least."""
    package = Path(lstmcore.__file__).parent
    rooms = [package, package / "features", package / "experiments"]
    code = hashlib.sha256("".join(map(digest_of, rooms)).encode()).hexdigest()[:8]
    python = ".".join(platform.python_version_tuple()[:2])
    packages = {name: version_of(name) or "none" for name in _PACKAGES}
    return {"Python": python} | packages | {"code of lstmcore": code}


def place_here() -> str:
    """Name the worker that this runs on."""
    from distributed import get_worker

    return f"worker {get_worker().address} ({platform.node()})"


class _Task:
    """The task that this thread does, and its worker."""

    def __init__(self) -> None:
        from distributed import get_worker

        self._worker = get_worker()
        self._key = self._worker.get_current_task()
        self.place = place_here()

    @property
    def is_wanted(self) -> bool:
        """Whether anybody still waits for it.

        Dask can't end a thread: it forgets the task of a command that was interrupted or killed.
        """
        task = self._worker.state.tasks.get(self._key)
        return task is not None and task.state not in ("cancelled", "released", "forgotten")

    @property
    def threads(self) -> int:
        """How many of the worker's threads each of its tasks has now."""
        state = self._worker.state
        return max(1, state.nthreads // max(1, len(state.executing)))

    def tell(self, topic: str, message: dict[str, Any]) -> None:
        """Send a message to the command."""
        self._worker.log_event(topic, message)


def work_done(order: Order, packed: Packed, parcels: Sequence[Parcel]) -> Outcome:
    """Do a piece of work here, and return all its results."""
    task, outcome = _Task(), Outcome()

    def do() -> None:
        work: Work = _unpacker.unpack(packed, parcels)
        work.do(_There(order, task, outcome))

    return _guarded(order, task, do, outcome)


def function_called(order: Order, function: Callable[..., Any], *arguments: Any) -> Outcome:
    """Call a function here; its last argument is an event that is set when nobody waits any more."""
    task, outcome = _Task(), Outcome()

    def do() -> None:
        with _Watch(task) as unwanted:
            outcome.value = function(*arguments, unwanted)

    return _guarded(order, task, do, outcome)


def _guarded(order: Order, task: _Task, do: Callable[[], None], outcome: Outcome) -> Outcome:
    """Do something, and note in the outcome what goes wrong."""
    try:
        _check_versions(order.versions, task.place)
        _prepare()
        do()
    except (InputError, EngineError, AudioError, SmileError, Interrupted, OSError, MemoryError) as error:
        outcome.error = error
    except Exception as error:  # noqa: BLE001 - a fault of ours, to be told where the command runs
        said = "".join(traceback.format_exception(error))
        outcome.error = RuntimeError(f"on {task.place}: {error!r}\n{said}")
    if outcome.error is not None and not _can_travel(outcome.error):
        outcome.error = RuntimeError(f"on {task.place}: {outcome.error}")
    return outcome


def _can_travel(error: BaseException) -> bool:
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)  # our own bytes
    except Exception:  # noqa: BLE001 - whatever somebody's class does
        return False


def _check_versions(wanted: dict[str, str], place: str) -> None:
    """Refuse to compute with other versions: results would differ without anybody's noticing."""
    own = versions()
    differing = [f"{name} {own.get(name)}, not {of}" for name, of in wanted.items() if own.get(name) != of]
    if differing:
        raise InputError(
            f"{place} has {'; '.join(differing)}, and results could differ; expected the versions of the "
            "command in the environment of every worker"
        )


@cache
def _prepare() -> object:
    """Prepare this process for tasks, for good: they are what runs side by side, each on one thread."""
    import scipy.linalg  # noqa: F401 - a BLAS of its own, which couldn't be limited later
    from threadpoolctl import threadpool_limits

    if os.environ.get("MALLOC_TRIM_THRESHOLD_") == _DASKS_TRIM_BYTES:
        _keep_memory()
    return threadpool_limits(1)


def _keep_memory() -> None:
    """Have glibc keep freed memory for what asks next, as it does by itself where nobody told it otherwise.

    Dask has its workers give it back at once; fetching it again took a fifth of a song's time.
    """
    with suppress(AttributeError, OSError, TypeError):  # where there is no glibc
        mallopt = ctypes.CDLL(None).mallopt
        for option, most in _KEPT_BYTES.items():
            mallopt(option, most)


class _There:
    """The site of a worker: epochs and notes are told to the command, and results go there in the end."""

    def __init__(self, order: Order, task: _Task, outcome: Outcome) -> None:
        self.stage = ""
        self._order, self._task, self._outcome = order, task, outcome
        self._folder = JobFolder(order.folder) if order.is_shared else None
        self._told: dict[str, float] = {}

    @property
    def stopped(self) -> bool:
        return not self._task.is_wanted

    @property
    def threads(self) -> int:
        return self._task.threads

    def checkpoint(self, job: Named) -> Path | None:
        return None if self._folder is None else self._folder.checkpoint(job)

    def epoch(self, job: Named, report: EpochReport) -> None:
        """Tell of an epoch, unless one was told of right before."""
        now = time.monotonic()
        if now - self._told.get(job.name, -TELL_SECONDS) >= TELL_SECONDS:
            self._told[job.name] = now
            self._task.tell(self._order.topic, {"job": job.name, "epoch": asdict(report)})

    def note(self, text: str) -> None:
        self._task.tell(self._order.topic, {"note": f"{self._task.place}: {text}"})

    def keep(self, job: Named, result: Result) -> None:
        self._outcome.results.append((job.name, result))


class _Watch:
    """An event that is set when nobody waits for a task any more."""

    _SECONDS = 0.5

    def __init__(self, task: _Task) -> None:
        self._task, self._unwanted, self._ended = task, threading.Event(), threading.Event()

    def __enter__(self) -> threading.Event:
        threading.Thread(target=self._look, name="watch", daemon=True).start()
        return self._unwanted

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _look(self) -> None:
        while not self._ended.wait(self._SECONDS):
            if not self._task.is_wanted:
                self._unwanted.set()
                return
