"""Pre-training jobs: a de-noising auto-encoder a trial, on the unlabelled songs.

The auto-encoders don't depend on the folds: they see no target, no song of the official test
set and, unless ``data.unlabelled`` is "all", none of the development songs.  Their inputs are standardised to
the unlabelled training songs, as the paper's are to the training set of each model.
Every ``VALIDATE_EVERY``-th unlabelled song is kept out and watched for early stopping.
"""

from __future__ import annotations

import numpy as np

from experiments.config import Experiment
from experiments.datasets import Song
from experiments.jobs import Job, JobContext, Result, name_of
from experiments.training import (
    hidden_layers,
    history_of,
    sequence_set,
    settings_of,
    standardiser_of,
    train_in_job,
)
from lstmcore import (
    Architecture,
    Linear,
    SequenceSet,
    Trainer,
    TrainingState,
    as_autoencoder_set,
    new_autoencoder,
    stream,
)

VALIDATE_EVERY = 10
VERSION = 3  # changes when the same inputs would give another result


def autoencoder_seed(experiment: Experiment, trial: int) -> np.random.SeedSequence:
    """Root of all random numbers of one auto-encoder."""
    return np.random.SeedSequence(experiment.seed, spawn_key=(0, trial))


def autoencoder_architecture(experiment: Experiment, inputs: int) -> Architecture:
    """First hidden layer of the networks and a linear output of the input's size."""
    return Architecture(inputs, (hidden_layers(experiment, inputs)[0], Linear(inputs)))


def autoencoder_jobs(experiment: Experiment, unlabelled: list[Song]) -> list[Job]:
    """Make a job a trial; none if pre-training is off or there is no unlabelled song."""
    if not experiment.pretraining.enabled or not unlabelled:
        return []
    digests = [song.digest for song in unlabelled]
    return [_job(experiment, unlabelled, digests, trial) for trial in range(experiment.ensemble.trials)]


def _job(experiment: Experiment, unlabelled: list[Song], digests: list[str], trial: int) -> Job:
    layer = hidden_layers(experiment, unlabelled[0].features.shape[1])[0]
    inputs = {
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
    title = f"auto-encoder, trial {trial}"
    return Job(
        title,
        name_of(f"autoencoder-trial{trial}", inputs),
        lambda c: _train(experiment, unlabelled, trial, c),
    )


def _sets(songs: list[Song], dtype: str) -> tuple[SequenceSet, SequenceSet | None]:
    """Training and validation set; no validation set if there are too few songs for one."""
    kept_out = songs[VALIDATE_EVERY - 1 :: VALIDATE_EVERY]
    chosen = {song.song_id for song in kept_out}
    training = [song for song in songs if song.song_id not in chosen]
    inputs = standardiser_of(training)
    sets = [
        as_autoencoder_set(sequence_set(part, inputs, None, dtype)) for part in (training, kept_out) if part
    ]
    return sets[0], sets[1] if len(sets) > 1 else None


def _train(experiment: Experiment, songs: list[Song], trial: int, context: JobContext) -> Result:
    dtype, seed = experiment.engine.dtype, autoencoder_seed(experiment, trial)
    training, validation = _sets(songs, dtype)
    hidden = hidden_layers(experiment, training.input_size)[0]
    start = new_autoencoder(training.input_size, hidden, stream(seed, "weights"), dtype=dtype)
    settings = settings_of(experiment.pretraining)

    def new_trainer(state: TrainingState | None) -> Trainer:
        return Trainer(
            start, training, validation, settings, seed=seed, backend=experiment.engine.backend, state=state
        )

    network, reports = train_in_job(new_trainer, context)
    return Result({"weights": network.weights}, {"trial": trial, "history": history_of(reports)})
