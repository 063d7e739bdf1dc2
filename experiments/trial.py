"""Trial jobs: one network, trained on the other folds and stopped by its own.

Inputs and targets are standardised to the training songs of the fold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.config import Experiment
from experiments.datasets import Dataset, Song
from experiments.folds import Split
from experiments.jobs import Job, JobContext, Result, Tensors, name_of
from experiments.training import history_of, sequence_set, settings_of, standardiser_of, train_in_job
from lstmcore import (
    LSTM,
    Architecture,
    Linear,
    Network,
    SequenceSet,
    Standardiser,
    Trainer,
    TrainingState,
    initial_network,
    new_autoencoder,
    predict,
    start_from_autoencoder,
    stream,
)

VERSION = 1  # changes when the same inputs would give another result
# The groups of songs that a network is applied to, and the arrays its predictions are in.
GROUPS = ("validation", "team_test", "official_test")


@dataclass(frozen=True)
class TrialData:
    """What the jobs of an experiment share.

    Parameters
    ----------
    experiment, dataset, split
        Configuration, songs and folds.
    autoencoders
        Weights of the pre-trained auto-encoder of each trial, and the name of its job;
        empty without pre-training.
    """

    experiment: Experiment
    dataset: Dataset
    split: Split
    autoencoders: list[tuple[str, NDArray[np.floating]]]

    def groups(self, fold: int) -> dict[str, list[Song]]:
        """Songs that the networks of a fold are applied to, none of which they were trained on."""
        songs = (self.split.validation(fold), self.split.team_test_songs, self.dataset.official_test)
        return dict(zip(GROUPS, songs, strict=True))


def network_seed(experiment: Experiment, fold: int, trial: int) -> np.random.SeedSequence:
    """Root of all random numbers of one network."""
    return np.random.SeedSequence(experiment.seed, spawn_key=(1, fold, trial))


def architecture_of(experiment: Experiment, inputs: int) -> Architecture:
    """Hidden LSTM layers and a linear output for arousal and valence together."""
    config = experiment.network
    return Architecture(inputs, (*(LSTM(n, config.bias) for n in config.hidden), Linear(2, config.bias)))


def network_jobs(data: TrialData) -> list[Job]:
    """Make a job for each fold that validates and each trial."""
    trials = range(data.experiment.ensemble.trials)
    return [_job(data, fold, trial) for fold in data.split.cross_validation for trial in trials]


def _job(data: TrialData, fold: int, trial: int) -> Job:
    experiment = data.experiment
    inputs: dict[str, Any] = {
        "version": VERSION,
        "seed": [experiment.seed, fold, trial],
        "network": experiment.network.model_dump(),
        "training": experiment.training.model_dump(),
        "engine": [experiment.engine.backend, experiment.engine.dtype],
        "autoencoder": data.autoencoders[trial][0] if data.autoencoders else None,
        "trained_on": [song.digest for song in data.split.training(fold)],
        "applied_to": [[song.digest for song in songs] for songs in data.groups(fold).values()],
    }
    name = name_of(f"network-fold{fold:02}-trial{trial}", inputs)
    return Job(f"fold {fold}, trial {trial}", name, lambda context: _train(data, fold, trial, context))


def _start(data: TrialData, fold: int, trial: int, inputs: int) -> Network:
    """Random weights; the first layer from the auto-encoder if there is one."""
    experiment = data.experiment
    architecture = architecture_of(experiment, inputs)
    generator = stream(network_seed(experiment, fold, trial), "weights")
    dtype = experiment.engine.dtype
    network = initial_network(inputs, architecture.layers, generator, dtype=dtype)
    if not data.autoencoders:
        return network
    hidden = LSTM(experiment.network.hidden[0], experiment.network.bias)
    empty = new_autoencoder(inputs, hidden, np.random.default_rng(0), dtype=dtype)
    autoencoder = Network(empty.architecture, data.autoencoders[trial][1])
    return start_from_autoencoder(network, autoencoder)


def _train(data: TrialData, fold: int, trial: int, context: JobContext) -> Result:
    experiment, dtype = data.experiment, data.experiment.engine.dtype
    songs = data.split.training(fold)
    inputs = standardiser_of(songs)
    targets = Standardiser.fit(np.concatenate([song.annotation for song in songs]))
    training = sequence_set(songs, inputs, targets, dtype)
    validation = sequence_set(data.split.validation(fold), inputs, targets, dtype)
    start = _start(data, fold, trial, training.inputs.shape[1])
    settings, seed = settings_of(experiment.training), network_seed(experiment, fold, trial)

    def new_trainer(state: TrainingState | None) -> Trainer:
        return Trainer(
            start, training, validation, settings, seed=seed, backend=experiment.engine.backend, state=state
        )

    network, reports = train_in_job(new_trainer, context)
    tensors: Tensors = {
        "weights": network.weights,
        "input_mean": inputs.mean,
        "input_scale": inputs.scale,
        "target_mean": targets.mean,
        "target_scale": targets.scale,
    }
    for group, members in data.groups(fold).items():
        tensors[group] = _predict(network, members, inputs, targets, experiment)
    return Result(tensors, {"fold": fold, "trial": trial, "history": history_of(reports)})


def _predict(
    network: Network, songs: list[Song], inputs: Standardiser, targets: Standardiser, experiment: Experiment
) -> NDArray[np.float64]:
    """Arousal and valence of all frames of some songs in the annotation's scale, shape (frames, 2)."""
    if not songs:
        return np.empty((0, 2))
    sequences: SequenceSet = sequence_set(songs, inputs, targets, experiment.engine.dtype)
    return targets.invert(predict(network, sequences, backend=experiment.engine.backend))
