"""Runs the jobs that aren't done yet, and keeps their results."""

from __future__ import annotations

import threading
from functools import partial

from experiments.errors import Diverged, Interrupted
from experiments.executor import Executor
from experiments.jobs import Job, JobContext, JobFolder, Result
from experiments.progress import Progress, describe
from lstmcore import DivergedError, EpochReport

_DIVERGED = "diverged"


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
        Hears how it goes.
    stop
        Set it to end early.
    patient
        Whether the other jobs are finished when one diverges; else all ends at once.
    """

    def __init__(
        self,
        folder: JobFolder,
        executor: Executor,
        progress: Progress,
        stop: threading.Event,
        *,
        patient: bool = False,
    ) -> None:
        self.folder, self.executor, self.progress, self.stop = folder, executor, progress, stop
        self.patient = patient
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
        self.progress.stage(stage, len(jobs))
        results: dict[str, Result] = {}
        for job in jobs:
            result = self.folder.load(job)
            if result is not None:
                results[job.name] = result
                self.progress.advance(f"{job.title}: done before", fresh=False)
        if not self.patient:
            _see_that_none_diverged(jobs, results)
        left = [job for job in jobs if job.name not in results]
        computed = self.executor.run([partial(self._compute, job) for job in left], self.stop)
        self.computed += len(left)
        results |= {job.name: result for job, result in zip(left, computed, strict=True)}
        _see_that_none_diverged(jobs, results)
        return [results[job.name] for job in jobs]

    def _compute(self, job: Job) -> Result:
        if self.stop.is_set():
            raise Interrupted

        def on_epoch(report: EpochReport) -> None:
            self.progress.epoch(job.title, report)

        try:
            result = job.compute(JobContext(self.folder.checkpoint(job), on_epoch, self.stop))
        except DivergedError as error:
            result = Result({}, {_DIVERGED: str(error)})
        self.folder.save(job, result)
        if not self.patient:
            _see_that_none_diverged([job], {job.name: result})
        said = result.facts.get(_DIVERGED) or describe(EpochReport(**result.facts["history"][-1]))
        self.progress.advance(f"{job.title}: {said}")
        return result


def _see_that_none_diverged(jobs: list[Job], results: dict[str, Result]) -> None:
    for job in jobs:
        if job.name in results and _DIVERGED in results[job.name].facts:
            raise Diverged(f"{job.title}: {results[job.name].facts[_DIVERGED]}")
