"""Where and how experiments are run: the same for one of them, for searches and for ablations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from lstmcore import get_backend
from lstmcore.experiments.config import Data, Engine, Execution, Experiment
from lstmcore.experiments.datasets import Dataset, load_dataset
from lstmcore.experiments.datasets.from_audio import extracting_by
from lstmcore.experiments.jobs.executor import Executor
from lstmcore.experiments.jobs.job import JobFolder
from lstmcore.experiments.jobs.leases import Leases
from lstmcore.experiments.jobs.runner import JobRunner
from lstmcore.experiments.run.engines import check_engine, open_engine
from lstmcore.experiments.run.folder import opened
from lstmcore.experiments.run.written import is_written, note_written
from lstmcore.experiments.terminal.environment import processors
from lstmcore.experiments.terminal.one_thread import one_thread
from lstmcore.experiments.terminal.progress import Progress, Quiet

JOBS = "jobs"
"""Where in a folder the results of jobs are."""

Datasets = Callable[[Experiment], Dataset]
"""Gives the songs of an experiment."""


@dataclass(frozen=True)
class Session:
    """Where and how an experiment is run, a search or ablations; no result depends on the how.

    Parameters
    ----------
    folder
        Where results go; None: a folder in ``runs``, named after the experiment and its configuration.
    workers
        Jobs computed side by side; None: one per processor.
    progress
        Is told what is done; by default nobody is.
    stop
        Set it, from any thread, to end early: what runs raises Interrupted, and what is finished is kept.
    execution
        What does the jobs, here or elsewhere; None: what the experiment's section ``execution`` says.
    """

    folder: Path | str | None = None
    workers: int | None = None
    progress: Progress = field(default_factory=Quiet)
    stop: threading.Event = field(default_factory=threading.Event)
    execution: Execution | None = None

    @contextmanager
    def opened(
        self, experiment: Experiment, default: Path, config: str, others: list[Path]
    ) -> Iterator[Workplace]:
        """Open the folder: make it, or see that it is this configuration's.

        Nobody else works in it then, or, with the engine "folder", those that say so, too.

        Parameters
        ----------
        experiment
            What is to be run.
        default
            The folder where none was given.
        config
            All that its results depend on, as ``config.toml`` has it.
        others
            Folders with jobs that may be finished already.

        Returns
        -------
        context manager of Workplace
            Libraries compute on one thread within: parallel work is one network per core, and results don't
            depend on the number of cores.

        Raises
        ------
        InputError
            If the folder holds something else or is another configuration's, or the engine isn't there.
        EngineError
            If the backend can't be used here; this is told before anything is written.
        Interrupted
            If the session was stopped while another process worked in the folder.
        """
        get_backend(experiment.engine.backend)
        execution = self.execution or experiment.execution
        folder = default if self.folder is None else Path(self.folder)
        check_engine(execution, experiment.engine.backend)
        workers = self.workers or processors()
        shared = execution.engine == "folder"
        with (
            opened(folder, config, self.progress, self.stop, shared=shared) as leases,
            one_thread(),
            open_engine(execution, workers, folder / JOBS, self.progress, leases) as executor,
            extracting_by(executor.extract),
        ):
            engine = experiment.engine
            yield Workplace(folder, others, workers, self.progress, self.stop, engine, executor, leases)


@dataclass(frozen=True)
class Workplace:
    """An open folder, and what does the work in it.

    Parameters
    ----------
    folder
        Where results go.
    others
        Folders with jobs that may be finished already.
    workers, progress, stop
        As in `Session`.
    engine
        What computes the networks.
    executor
        Does the jobs.
    leases
        By what the work is shared with others in the folder, if it is.
    """

    folder: Path
    others: list[Path]
    workers: int
    progress: Progress
    stop: threading.Event
    engine: Engine
    executor: Executor
    leases: Leases | None = None

    def load(self, experiment: Experiment) -> Dataset:
        """Load the songs of an experiment."""
        return self._load(experiment.data, experiment.folds.group)

    def _load(self, data: Data, group: str | None) -> Dataset:
        return load_dataset(data, workers=self.workers, progress=self.progress, stop=self.stop, group=group)

    def datasets(self, keep: int | None = None) -> Datasets:
        """Return what loads the songs of experiments that differ, each kind once, or keeps some of them only.

        Parameters
        ----------
        keep
            How many are kept, of those that were asked for last; None: all.
        """

        @lru_cache(keep)
        def found(data: str, group: str | None) -> Dataset:
            return self._load(Data.model_validate_json(data), group)

        return lambda experiment: found(experiment.data.model_dump_json(), experiment.folds.group)

    def job_runner(self, *, patient: bool = False) -> JobRunner:
        """Return what does the jobs that are left; if patient, one that diverges ends nothing but itself."""
        kept = JobFolder(self.folder / JOBS, self.others)
        return JobRunner(
            kept,
            self.executor,
            self.progress,
            self.stop,
            patient=patient,
            backend=self.engine.backend,
            threads=self.engine.threads,
        )

    def turn(self, what: str) -> AbstractContextManager[None]:
        """Be, for a block, the only one of those that share the work who does something in the folder."""
        if self.leases is None:
            return nullcontext()
        return self.leases.turn(self.folder / what, lambda _: None, self.stop.is_set)

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Be the only one who writes what comes of the jobs; hear whether it must be written.

        It need not, where another process that shares the work has written it meanwhile, and it is whole.
        """
        if self.leases is None:
            yield True
            return

        def tell(who: str) -> None:
            self.progress.note(f"{who} writes the results; waiting until they are there")

        with self.leases.turn(self.folder / "results", tell, self.stop.is_set):
            needed = not is_written(self.folder, self.leases)
            if needed:
                yield True
                note_written(self.folder)
        if not needed:
            yield False
