"""The stages of training on one feature set: pre-training, then the networks of all folds and trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lstmcore.experiments.config import Experiment
from lstmcore.experiments.datasets import Dataset
from lstmcore.experiments.jobs.job import Job, Result
from lstmcore.experiments.jobs.runner import JobRunner
from lstmcore.experiments.training.apart import check_unlabelled
from lstmcore.experiments.training.balance import with_note_on_balance
from lstmcore.experiments.training.folds import Split
from lstmcore.experiments.training.long_songs import in_windows, with_note_on_lengths
from lstmcore.experiments.training.pretraining import pretrain, with_left_over, with_note
from lstmcore.experiments.training.smoothing import check_smoothing
from lstmcore.experiments.training.trial import TrialData, network_jobs
from lstmcore.experiments.training.windows import check_lengths, frames_in


@dataclass(frozen=True)
class Trained:
    """What training leaves.

    Parameters
    ----------
    data
        Configuration, songs and folds.
    jobs, results
        Of pre-training, then networks.
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
    """Pre-train and train networks, or find them trained.

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
        If predictions are to be smoothed and can't be, songs are too short for the pre-training, songs
        can't be balanced, a length of excerpts, sequences or windows doesn't fit the songs, or a song would
        stand on both sides.
    """
    check_smoothing(experiment.predictions.smoothing, dataset.hop_seconds)
    check_lengths(experiment, dataset.hop_seconds)
    split = of_excerpts(experiment, dataset, split)
    dataset = with_note(experiment, with_left_over(experiment, dataset, split))
    dataset = with_note_on_balance(experiment, with_note_on_lengths(experiment, dataset, split), split)
    check_unlabelled(experiment, dataset, split)
    stages = _Stages(runner, f", {which}" if which else "")
    starts = pretrain(experiment, dataset, stages.run)
    data = TrialData(experiment, dataset, split, starts)
    networks = stages.run("networks (folds × trials)", network_jobs(data, folds))
    before = stages.results[: len(stages.results) - len(networks)]
    networks = in_windows(data, networks, runner, stages.behind)
    return Trained(data, stages.jobs, [*before, *networks], networks)


def of_excerpts(experiment: Experiment, dataset: Dataset, split: Split) -> Split:
    """Return folds of which excerpts are learnt, as long as ``training.excerpt_seconds`` says."""
    seconds = experiment.training.excerpt_seconds
    return replace(split, excerpt=frames_in("training.excerpt_seconds", seconds, dataset.hop_seconds, 2))


@dataclass
class _Stages:
    """Runs stage after stage, and has all their jobs and results."""

    runner: JobRunner
    behind: str
    jobs: list[Job] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    def run(self, stage: str, jobs: list[Job]) -> list[Result]:
        named = [replace(job, title=f"{job.title}{self.behind}") for job in jobs]
        found = self.runner.run(f"{stage}{self.behind}", named)
        self.jobs += named
        self.results += found
        return found
