"""The two stages of training on one feature set: auto-encoders, then the networks of all folds and trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lstmcore.experiments.config import Experiment
from lstmcore.experiments.datasets import Dataset
from lstmcore.experiments.jobs.job import Job, Result
from lstmcore.experiments.jobs.runner import JobRunner
from lstmcore.experiments.training.balance import with_note_on_balance
from lstmcore.experiments.training.folds import Split
from lstmcore.experiments.training.pretraining import autoencoder_jobs, with_note
from lstmcore.experiments.training.smoothing import check_smoothing
from lstmcore.experiments.training.trial import TrialData, network_jobs


@dataclass(frozen=True)
class Trained:
    """What training leaves.

    Parameters
    ----------
    data
        Configuration, songs and folds.
    jobs, results
        Auto-encoders, then networks.
    networks
        Results of the network jobs.
    """

    data: TrialData
    jobs: list[Job]
    results: list[Result]
    networks: list[Result]


def train_stages(
    experiment: Experiment,
    dataset: Dataset,
    split: Split,
    runner: JobRunner,
    *,
    which: str = "",
    folds: Sequence[int] | None = None,
) -> Trained:
    """Train auto-encoders and networks, or find them trained.

    Parameters
    ----------
    experiment
        Says what to train, and how many trials.
    dataset, split
        The songs and their folds.
    runner
        Runs the jobs.
    which
        Says which of several trainings this is; put behind the names of stages and jobs.
    folds
        Folds whose networks are wanted; all that validate if None.

    Returns
    -------
    Trained
        All results.

    Raises
    ------
    InputError
        If predictions are to be smoothed and can't be, or training songs to be balanced and can't be.
    """
    check_smoothing(experiment.predictions.smoothing, dataset.hop_seconds)
    dataset = with_note_on_balance(experiment, with_note(experiment, dataset), split)
    behind = f", {which}" if which else ""
    first = _named(autoencoder_jobs(experiment, dataset.unlabelled), behind)
    pretrained = runner.run(f"auto-encoders{behind}", first)
    weights = [(job.name, r.tensors["weights"]) for job, r in zip(first, pretrained, strict=True)]
    data = TrialData(experiment, dataset, split, weights)
    second = _named(network_jobs(data, folds), behind)
    networks = runner.run(f"networks (folds × trials){behind}", second)
    return Trained(data, [*first, *second], [*pretrained, *networks], networks)


def _named(jobs: list[Job], behind: str) -> list[Job]:
    return [replace(job, title=f"{job.title}{behind}") for job in jobs]
