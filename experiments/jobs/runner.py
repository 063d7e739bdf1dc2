"""Runs the jobs that aren't done yet, and keeps their results."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

from lstmcore import DivergedError, EpochReport, train_together
from lstmcore.experiments.errors import Diverged, Interrupted
from lstmcore.experiments.jobs.checkpoint import JobTraining
from lstmcore.experiments.jobs.executor import Executor
from lstmcore.experiments.jobs.job import Job, JobFolder, Result
from lstmcore.experiments.progress import Progress, describe

TOGETHER = ("cuda",)
"""Backends that are given all jobs of a stage at once, being filled by many networks only."""

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
    backend
        What computes the networks.
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
    ) -> None:
        self.folder, self.executor, self.progress, self.stop = folder, executor, progress, stop
        self.patient, self._together = patient, backend in TOGETHER
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
            damaged: list[Path] = []
            result = self.folder.load(job, damaged.append)
            what = "computed anew" if result is None else "taken from another folder"
            for file in damaged:
                self.progress.note(f"{file}: damaged; {job.title} is {what}")
            if result is not None:
                results[job.name] = result
                self.progress.advance(f"{job.title}: done before", fresh=False)
        if not self.patient:
            _see_that_none_diverged(jobs, results)
        left = [job for job in jobs if job.name not in results]
        groups = [left] if self._together and left else [[job] for job in left]
        for group in self.executor.run([partial(self._compute, group) for group in groups], self.stop):
            results |= group
        self.computed += len(left)
        _see_that_none_diverged(jobs, results)
        return [results[job.name] for job in jobs]

    def _compute(self, jobs: list[Job]) -> dict[str, Result]:
        """Train a group of jobs and keep each result as soon as it is there."""
        if self.stop.is_set():
            raise Interrupted
        trainings = [JobTraining(job, self.folder.checkpoint(job), len(jobs)) for job in jobs]
        for note in filter(None, (training.note for training in trainings)):
            self.progress.note(note)
        return _Group(self, trainings).run()

    def finish(self, job: Job, result: Result) -> Result:
        """Keep a result, return what is to be held of it; Diverged if there is none and nobody is patient."""
        held = self.folder.save(job, result)
        if not self.patient:
            _see_that_none_diverged([job], {job.name: result})
        said = result.facts.get(_DIVERGED) or describe(EpochReport(**result.facts["history"][-1]))
        self.progress.advance(f"{job.title}: {said}")
        return held


class _Group:
    """Jobs that are trained together, perhaps only one."""

    def __init__(self, runner: JobRunner, trainings: list[JobTraining]) -> None:
        self._runner, self._trainings = runner, trainings
        self._left = dict(enumerate(trainings))
        self._results: dict[str, Result] = {}

    def run(self) -> dict[str, Result]:
        """Train all to the end, and return the results by the jobs' names."""
        for place, training in enumerate(self._trainings):
            if training.trainer.finished:  # killed before the result was kept
                self._conclude(place, training.result())
        try:
            train_together([t.trainer for t in self._trainings], self._on_epoch, self._on_diverged)
        except (Interrupted, Diverged):
            for training in self._left.values():
                training.save()
            raise
        return self._results

    def _on_epoch(self, place: int, report: EpochReport) -> None:
        training = self._trainings[place]
        training.hear(report)
        self._runner.progress.epoch(training.job.title, report)
        if training.trainer.finished:
            self._conclude(place, training.result())
        else:
            training.save_if_due()
        if self._left and self._runner.stop.is_set():
            raise Interrupted

    def _on_diverged(self, place: int, error: DivergedError) -> None:
        self._conclude(place, Result({}, {_DIVERGED: str(error)}))

    def _conclude(self, place: int, result: Result) -> None:
        job = self._left.pop(place).job
        self._results[job.name] = self._runner.finish(job, result)


def _see_that_none_diverged(jobs: list[Job], results: dict[str, Result]) -> None:
    for job in jobs:
        if job.name in results and _DIVERGED in results[job.name].facts:
            raise Diverged(f"{job.title}: {results[job.name].facts[_DIVERGED]}")
