"""Pieces of work: jobs that are computed together at one place, here or on another machine.

A piece of work holds what is to be computed, and nothing of the place where that is done: this is its `Site`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from lstmcore import Backend, DivergedError, EpochReport, Network, Trainer, get_backend, train
from lstmcore.experiments.errors import Diverged, Interrupted
from lstmcore.experiments.jobs.checkpoint import Checkpoint
from lstmcore.experiments.jobs.job import DIVERGED, Computation, Job, Named, Result


class Site(Protocol):
    """Where work is done: who hears of it, and where its results go.  Called from any thread."""

    @property
    def stage(self) -> str:
        """What the work is part of: "networks (folds × trials)"."""

    @property
    def stopped(self) -> bool:
        """Whether work is to end early."""

    @property
    def threads(self) -> int:
        """How many threads may compute a network together now."""

    def checkpoint(self, job: Named) -> Path | None:
        """File of a job's state while it runs; None: there is no place for it."""

    def epoch(self, job: Named, report: EpochReport) -> None:
        """Hear of an epoch."""

    def note(self, text: str) -> None:
        """Hear what the user should read."""

    def keep(self, job: Named, result: Result) -> None:
        """Keep a result; Diverged if the training diverged and that ends the run."""


class Home(Site, Protocol):
    """The site of the process that wants the results."""

    def found(self, job: Named) -> bool:
        """Tell whether there is a result, by whomever; it is taken then."""


class Work(Protocol):
    """Jobs that are computed together."""

    @property
    def jobs(self) -> Sequence[Named]:
        """What there is a result of afterwards, each."""

    def of(self, jobs: Sequence[Named]) -> Work:
        """Return some of its jobs as a piece of work."""

    def do(self, site: Site) -> None:
        """Compute and keep each result as soon as it is there; Interrupted if the site was stopped."""


def use_threads(backend: Backend, threads: int) -> None:
    """Have so many threads compute a network together, where the backend has any; no number depends on it."""
    if hasattr(backend, "threads"):
        backend.threads = threads


@dataclass(frozen=True)
class Trainings:
    """Networks that are trained together: by a backend that one would leave idle several, else one.

    Parameters
    ----------
    jobs
        The trainings.
    backend
        Name of what computes them.
    threads
        How many threads compute a network together; None: as many as the site says, epoch by epoch.
    """

    jobs: tuple[Job, ...]
    backend: str
    threads: int | None = None

    def of(self, jobs: Sequence[Named]) -> Trainings:
        """Return some of the trainings."""
        return replace(self, jobs=tuple(job for job in self.jobs if job in jobs))

    def do(self, site: Site) -> None:
        """Train, from the state of each training where there is one."""
        if site.stopped:
            raise Interrupted
        jobs, left, backend = self.jobs, set(range(len(self.jobs))), get_backend(self.backend)
        trainings = [job.training() for job in jobs]
        checkpoints = [
            Checkpoint(site.checkpoint(job), training, len(jobs))
            for job, training in zip(jobs, trainings, strict=True)
        ]
        for job, checkpoint in zip(jobs, checkpoints, strict=True):
            if checkpoint.damage is not None:
                why = f"{checkpoint.path}: {checkpoint.damage}"
                site.note(f"{why}; {job.title} is trained from the start")

        def finish(place: int, result: Result) -> None:
            left.remove(place)
            site.keep(jobs[place], result)

        def conclude(place: int, network: Network) -> None:
            finish(place, jobs[place].conclude(network, checkpoints[place].reports))

        def on_epoch(place: int, report: EpochReport, trainer: Trainer) -> None:
            site.epoch(jobs[place], report)
            checkpoints[place].on_epoch(report, trainer)
            if trainer.finished:
                conclude(place, trainer.best_network())
            if left and site.stopped:
                raise Interrupted
            use_threads(backend, self.threads or site.threads)

        def on_diverged(place: int, error: DivergedError) -> None:
            finish(place, Result({}, {DIVERGED: str(error)}))

        use_threads(backend, self.threads or site.threads)
        states = [checkpoint.state for checkpoint in checkpoints]
        try:
            networks = train(
                trainings,
                backend=backend,
                states=states,
                on_epoch=on_epoch,
                on_diverged=on_diverged,
            )
        except (Interrupted, Diverged):
            for place in left:
                checkpoints[place].save()
            raise
        for place in sorted(left):  # killed before the result was kept
            conclude(place, networks[place])


@dataclass(frozen=True)
class Computing:
    """A computation by itself.

    Parameters
    ----------
    job
        What is computed.
    """

    job: Computation

    @property
    def jobs(self) -> tuple[Computation]:
        """The one job."""
        return (self.job,)

    def of(self, jobs: Sequence[Named]) -> Computing:
        """Return itself: there is one job."""
        return self

    def do(self, site: Site) -> None:
        """Compute."""
        if site.stopped:
            raise Interrupted
        site.keep(self.job, self.job.compute())
