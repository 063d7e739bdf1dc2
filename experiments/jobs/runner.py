"""Runs the jobs that aren't done yet, and keeps their results."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lstmcore import Backend, DivergedError, EpochReport, Network, Trainer, get_backend, train
from lstmcore.experiments.errors import Diverged, Interrupted
from lstmcore.experiments.jobs.checkpoint import Checkpoint
from lstmcore.experiments.jobs.executor import Executor
from lstmcore.experiments.jobs.job import Computation, Job, JobFolder, Named, Result
from lstmcore.experiments.terminal.progress import Progress, describe

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
        Called with stages, epochs, results and notes.
    stop
        Set it to end early.
    patient
        Whether the other jobs are finished when one diverges; else all ends at once.
    backend
        Name of the backend the networks are computed on.
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
        self.patient, self._backend = patient, backend
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
            engine = get_backend(self._backend)  # not before: what is done needs none
            groups = [left] if engine.trains_together else [[job] for job in left]
            tasks = [partial(self._compute, group, engine) for group in groups]
            for group in self.executor.run(tasks, self.stop):
                results |= group
        self.computed += len(left)
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
        left = [one for one in computations if one.name not in results]

        def computed(one: Computation) -> Result:
            if self.stop.is_set():
                raise Interrupted
            held = self.folder.save(one, one.compute())
            self.progress.advance(f"{one.title}: done")
            return held

        found = self.executor.run([partial(computed, one) for one in left], self.stop) if left else []
        self.computed += len(left)
        results |= {one.name: result for one, result in zip(left, found, strict=True)}
        return [results[one.name] for one in computations]

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

    def _compute(self, jobs: list[Job], backend: Backend) -> dict[str, Result]:
        """Train some jobs and keep each result as soon as it is there."""
        if self.stop.is_set():
            raise Interrupted
        trainings = [job.training() for job in jobs]
        checkpoints = [
            Checkpoint(self.folder.checkpoint(job), training, len(jobs))
            for job, training in zip(jobs, trainings, strict=True)
        ]
        for job, checkpoint in zip(jobs, checkpoints, strict=True):
            if checkpoint.damage is not None:
                why = f"{checkpoint.path}: {checkpoint.damage}"
                self.progress.note(f"{why}; {job.title} is trained from the start")
        results: dict[str, Result] = {}
        left = set(range(len(jobs)))

        def finish(place: int, result: Result) -> None:
            left.remove(place)
            results[jobs[place].name] = self._keep(jobs[place], result)

        def conclude(place: int, network: Network) -> None:
            finish(place, jobs[place].conclude(network, checkpoints[place].reports))

        def on_epoch(place: int, report: EpochReport, trainer: Trainer) -> None:
            self.progress.epoch(jobs[place].title, report)
            checkpoints[place].on_epoch(report, trainer)
            if trainer.finished:
                conclude(place, trainer.best_network())
            if left and self.stop.is_set():
                raise Interrupted

        def on_diverged(place: int, error: DivergedError) -> None:
            finish(place, Result({}, {_DIVERGED: str(error)}))

        states = [checkpoint.state for checkpoint in checkpoints]
        try:
            networks = train(
                trainings, backend=backend, states=states, on_epoch=on_epoch, on_diverged=on_diverged
            )
        except (Interrupted, Diverged):
            for place in left:
                checkpoints[place].save()
            raise
        for place in sorted(left):  # killed before the result was kept
            conclude(place, networks[place])
        return results

    def _keep(self, job: Job, result: Result) -> Result:
        """Keep a result, return what is to be held of it; Diverged if there is none and nobody is patient."""
        held = self.folder.save(job, result)
        if not self.patient:
            _see_that_none_diverged([job], {job.name: result})
        text = result.facts.get(_DIVERGED) or describe(EpochReport(**result.facts["history"][-1]))
        self.progress.advance(f"{job.title}: {text}")
        return held


def _see_that_none_diverged(jobs: list[Job], results: dict[str, Result]) -> None:
    for job in jobs:
        if job.name in results and _DIVERGED in results[job.name].facts:
            raise Diverged(f"{job.title}: {results[job.name].facts[_DIVERGED]}")
