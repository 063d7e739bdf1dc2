"""Pre-training jobs: a de-noising auto-encoder a trial, on the unlabelled songs.

The auto-encoders don't depend on the folds: they see no target, no song of the official test
set and, unless ``data.unlabelled`` is "all", none of the development songs.  Their inputs are standardised to
the unlabelled training songs, as the paper's are to the training set of each model.
Every ``VALIDATE_EVERY``-th unlabelled song is kept out and watched for early stopping.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from lstmcore import (
    Architecture,
    EpochReport,
    Layer,
    Linear,
    Network,
    Sets,
    Training,
    new_autoencoder,
    stream,
)
from lstmcore.experiments.config import Experiment
from lstmcore.experiments.datasets import Dataset, Song
from lstmcore.experiments.jobs.job import Job, Result, name_of
from lstmcore.experiments.seeds import seed_for
from lstmcore.experiments.training.sets import (
    Shared,
    heard_by,
    hidden_layers,
    history_of,
    settings_of,
    standardiser_of,
)

VALIDATE_EVERY = 10
VERSION = 3  # changes when the same inputs would give another result


def autoencoder_seed(experiment: Experiment, trial: int) -> np.random.SeedSequence:
    """Root of all random numbers of one auto-encoder."""
    return seed_for(experiment.seed, "auto-encoder", trial)


def autoencoder_architecture(experiment: Experiment, inputs: int) -> Architecture:
    """First hidden layer of the networks and a linear output of the input's size."""
    return Architecture(inputs, (hidden_layers(experiment, inputs)[0], Linear(inputs)))


@dataclass(frozen=True)
class _Data:
    """What the auto-encoders share."""

    experiment: Experiment
    songs: list[Song]
    _sets: Shared[Sets] = field(default_factory=Shared, init=False, repr=False, compare=False)

    @property
    def hidden(self) -> Layer:
        """The layer that is trained."""
        return hidden_layers(self.experiment, self.songs[0].features.shape[1])[0]

    def sets(self) -> Sets:
        """Return what all are trained on; no validation set if there are too few songs for one."""
        return self._sets.get("all", lambda: _make_sets(self.songs, self.experiment.engine.dtype))


def with_note(experiment: Experiment, dataset: Dataset) -> Dataset:
    """Return the data set, with a note if an auto-encoder can't be trained on it."""
    if not experiment.pretraining.enabled or dataset.unlabelled:
        return dataset
    why = "data.unlabelled is 'none'" if experiment.data.unlabelled == "none" else "all songs are annotated"
    note = (
        f"There are no songs for the auto-encoder ({why}): the networks begin with random weights. "
        "Expected songs without annotations, data.unlabelled = 'all', or pretraining.enabled = false."
    )
    return dataset if note in dataset.notes else replace(dataset, notes=[*dataset.notes, note])


def autoencoder_jobs(experiment: Experiment, unlabelled: list[Song]) -> list[Job]:
    """Make a job a trial; none if pre-training is off or there is no unlabelled song."""
    if not experiment.pretraining.enabled or not unlabelled:
        return []
    data, digests = _Data(experiment, unlabelled), [song.digest for song in unlabelled]
    return [_job(data, digests, trial) for trial in range(experiment.ensemble.trials)]


def _job(data: _Data, digests: list[str], trial: int) -> Job:
    experiment, layer = data.experiment, data.hidden
    inputs: dict[str, Any] = {
        "version": VERSION,
        "seed": experiment.seed,
        "trial": trial,
        "hidden": layer.size,
        "cell": experiment.network.cell,
        "bidirectional": experiment.network.bidirectional,
        "bias": layer.bias,
        "pretraining": experiment.pretraining.model_dump(),
        "engine": [experiment.engine.backend, experiment.engine.dtype],
        "songs": digests,
    }
    if experiment.network.forget_bias:
        inputs["forget_bias"] = experiment.network.forget_bias
    name = name_of(f"autoencoder-trial{trial}", inputs)
    return Job(
        f"auto-encoder, trial {trial}", name, partial(_training, data, trial), partial(_conclude, trial)
    )


def _make_sets(songs: list[Song], dtype: str) -> Sets:
    kept_out = songs[VALIDATE_EVERY - 1 :: VALIDATE_EVERY]
    chosen = {song.song_id for song in kept_out}
    training = [song for song in songs if song.song_id not in chosen]
    inputs = standardiser_of(training)
    sets = [heard_by(part, inputs, dtype) for part in (training, kept_out) if part]
    return Sets(*sets)


def _training(data: _Data, trial: int) -> Training:
    experiment, seed, sets = data.experiment, autoencoder_seed(data.experiment, trial), data.sets()
    inputs, dtype = sets.training.input_size, experiment.engine.dtype
    network = new_autoencoder(
        inputs, data.hidden, stream(seed, "weights"), dtype=dtype, forget_bias=experiment.network.forget_bias
    )
    return Training(network, sets, settings_of(experiment.pretraining), seed)


def _conclude(trial: int, network: Network, reports: list[EpochReport]) -> Result:
    return Result({"weights": network.weights}, {"trial": trial, "history": history_of(reports)})
