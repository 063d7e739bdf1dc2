"""Has the jobs done that aren't done yet, and keeps their results."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from lstmcore import EpochReport, get_backend
from lstmcore.experiments.errors import Diverged
from lstmcore.experiments.jobs.executor import Executor
from lstmcore.experiments.jobs.job import DIVERGED, Computation, Job, JobFolder, Named, Result
from lstmcore.experiments.jobs.work import Computing, Trainings, Work
from lstmcore.experiments.terminal.progress import Progress, describe


class JobRunner:
    """Runs jobs.

    That a training diverges is a result like others: it follows from the job's inputs, and it is kept.

    Parameters
    ----------
    folder
        Where results are kept.
    executor
        Spreads the jobs.
    progress
        Called with stages, epochs, results and notes.
    stop
        Set it to end early.
    patient
        Whether the other jobs are finished when one diverges; else all ends at once.
    backend
        Name of the backend the networks are computed on.
    threads
        How many threads compute a network together; None: as many as a worker has to itself.
    """

    def __init__(
        self,
        folder: JobFolder,
        executor: Executor,
        progress: Progress,
        stop: threading.Event,
        *,
        patient: bool = False,
        backend: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self.folder, self.executor, self.progress, self.stop = folder, executor, progress, stop
        self.patient, self._backend, self._threads = patient, backend, threads
        self.computed = 0
        """How many jobs were computed, not found done."""

    def run(self, stage: str, jobs: list[Job]) -> list[Result]:
        """Return the results of all jobs, in order.

        Raises
        ------
        Diverged
            If a training diverged, now or before.
        Interrupted
            If the run was stopped.
        """
        results = self._done_before(stage, jobs)
        if not self.patient:
            _see_that_none_diverged(jobs, results)
        left = [job for job in jobs if job.name not in results]
        if left:
            together = get_backend(self._backend).trains_together  # not before: what is done needs none
            groups = [left] if together else [[job] for job in left]
            work = [Trainings(tuple(group), self._backend, self._threads) for group in groups]
            self._do(stage, work, results)
        _see_that_none_diverged(jobs, results)
        return [results[job.name] for job in jobs]

    def compute(self, stage: str, computations: list[Computation]) -> list[Result]:
        """Return the results of all computations, in order.

        Raises
        ------
        Interrupted
            If the run was stopped.
        """
        results = self._done_before(stage, computations)
        self._do(stage, [Computing(one) for one in computations if one.name not in results], results)
        return [results[one.name] for one in computations]

    def _do(self, stage: str, work: Sequence[Work], results: dict[str, Result]) -> None:
        """Have work done, and put its results to those that are there."""
        here = _Here(self, stage, results)
        if work:
            self.executor.do(work, here, self.stop)
        self.computed += sum(len(piece.jobs) for piece in work) - here.by_others

    def _done_before(self, stage: str, jobs: Sequence[Named]) -> dict[str, Result]:
        """Begin a stage, and return what of it is there, by name."""
        self.progress.stage(stage, len(jobs))
        results: dict[str, Result] = {}
        for job in jobs:
            damaged: list[Path] = []
            result = self.folder.load(job, damaged.append)
            what = "computed anew" if result is None else "taken from another folder"
            for file in damaged:
                self.progress.note(f"{file}: damaged; {job.title} is {what}")
            if result is not None:
                results[job.name] = result
                self.progress.advance(f"{job.title}: done before", fresh=False)
        return results


class _Here:
    """The site of this process: results go into the runner's folder, and its progress hears of them."""

    def __init__(self, runner: JobRunner, stage: str, results: dict[str, Result]) -> None:
        self._runner, self.stage, self._results = runner, stage, results
        self._found: set[str] = set()

    @property
    def by_others(self) -> int:
        """How many results were found, not computed."""
        return len(self._found)

    @property
    def stopped(self) -> bool:
        return self._runner.stop.is_set()

    @property
    def threads(self) -> int:
        return self._runner.executor.threads

    def checkpoint(self, job: Named) -> Path:
        return self._runner.folder.checkpoint(job)

    def epoch(self, job: Named, report: EpochReport) -> None:
        self._runner.progress.epoch(job.title, report)

    def note(self, text: str) -> None:
        self._runner.progress.note(text)

    def found(self, job: Named) -> bool:
        """Look for a result that another process has kept in the same folder."""
        if job.name in self._results:
            return True
        result = self._runner.folder.load(job)
        if result is None:
            return False
        self._found.add(job.name)
        self._results[job.name] = result
        self._runner.progress.advance(f"{job.title}: done by another process", fresh=False)
        return True

    def keep(self, job: Named, result: Result) -> None:
        """Keep a result, and hold of it what is to be held."""
        held = self._results[job.name] = self._runner.folder.save(job, result)
        if not self._runner.patient:
            _see_that_none_diverged([job], {job.name: result})
        self._runner.progress.advance(f"{job.title}: {_told(held)}")


def _told(result: Result) -> str:
    """Say in a line what came out."""
    if DIVERGED in result.facts:
        return str(result.facts[DIVERGED])
    history = result.facts.get("history")
    return describe(EpochReport(**history[-1])) if history else "done"


def _see_that_none_diverged(jobs: Sequence[Named], results: dict[str, Result]) -> None:
    for job in jobs:
        if job.name in results and DIVERGED in results[job.name].facts:
            raise Diverged(f"{job.title}: {results[job.name].facts[DIVERGED]}")
