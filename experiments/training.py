"""What the trainings of all jobs have in common: layers, settings, and sets of sequences from songs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.config import Experiment, Pretraining, Training
from experiments.datasets import TARGETS, Song
from experiments.frame_wise import frame_wise_sizes
from lstmcore import (
    BLSTM,
    LSTM,
    OBJECTIVES,
    SGD,
    EpochReport,
    Objective,
    SequenceSet,
    Standardiser,
    Tanh,
    TrainingSettings,
)
from lstmcore.layers import Layer


def hidden_layers(experiment: Experiment, inputs: int) -> tuple[Layer, ...]:
    """Hidden layers of a network, from the input on."""
    config = experiment.network
    if config.cell == "feedforward":
        outputs = len(TARGETS) if config.targets == "joint" else 1
        return tuple(Tanh(size, config.bias) for size in frame_wise_sizes(config.hidden, inputs, outputs))
    kind = BLSTM if config.bidirectional else LSTM
    return tuple(kind(size, config.bias) for size in config.hidden)


def settings_of(config: Training | Pretraining) -> TrainingSettings:
    """Translate a section of the configuration into the engine's settings."""
    return TrainingSettings(
        sgd=SGD(config.learning_rate, config.momentum),
        parallel_sequences=config.parallel_sequences,
        stochastic=config.stochastic,
        shuffle=config.shuffle,
        input_noise=config.input_noise,
        max_epochs=config.max_epochs,
        patience=config.patience,
    )


def history_of(reports: list[EpochReport]) -> list[dict[str, Any]]:
    """Return the reports as JSON can hold them."""
    return [asdict(r) for r in reports]


def sequence_set(
    songs: list[Song],
    inputs: Standardiser,
    targets: Standardiser | None,
    dtype: str,
    columns: slice = slice(None),
) -> SequenceSet:
    """Standardise songs into a set of sequences.

    Parameters
    ----------
    songs
        The songs.
    inputs
        Standardises the features.
    targets
        Standardises the targets; None where there are none (an unlabelled set is its own target).
    dtype
        Precision of the set.
    columns
        Which targets.

    Returns
    -------
    SequenceSet
        A sequence a song, in order; of songs with a lead-in, targets have weights, as `objective_of` wants.
    """
    x = [inputs.apply(song.heard) for song in songs]
    if targets is None:
        return SequenceSet.from_lists(x, x, dtype=dtype)
    y = [targets.apply(song.annotation[:, columns]) for song in songs]
    if songs[0].lead_in is not None:
        y = [_with_weights(song.frames_before, values) for song, values in zip(songs, y, strict=True)]
    return SequenceSet.from_lists(x, y, dtype=dtype)


def _with_weights(frames: int, targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return targets and their weights, interleaved as ``weightedsse`` has them, after frames of weight 0."""
    weighted = np.stack([targets, np.ones_like(targets)], axis=2).reshape(len(targets), -1)
    return np.concatenate([np.zeros((frames, weighted.shape[1])), weighted])


def objective_of(experiment: Experiment) -> Objective:
    """Return what networks minimise; with a lead-in, the same with a weight of 0 there."""
    return OBJECTIVES["weightedsse" if experiment.data.lead_in else experiment.training.objective]


def standardiser_of(songs: list[Song]) -> Standardiser:
    """Means and scales of the features of all frames of some songs."""
    return Standardiser.fit(np.concatenate([song.features for song in songs]))
