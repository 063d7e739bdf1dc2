"""Training inside a job: with a state on disk, so that a killed job goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from experiments.config import Experiment, Pretraining, Training
from experiments.datasets import TARGETS, Song
from experiments.errors import Interrupted
from experiments.frame_wise import frame_wise_sizes
from experiments.jobs import JobContext, Result, load_result, save_result
from lstmcore import (
    BLSTM,
    LSTM,
    SGD,
    EpochReport,
    Network,
    SequenceSet,
    Standardiser,
    Tanh,
    Trainer,
    TrainingSettings,
    TrainingState,
)
from lstmcore.layers import Layer

CHECKPOINT_SECONDS = 20.0

_ARRAYS = ("weights", "deltas", "best_weights")


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


def train_in_job(
    new_trainer: Callable[[TrainingState | None], Trainer], context: JobContext
) -> tuple[Network, list[EpochReport]]:
    """Train to the end, from the checkpoint if there is one.

    Parameters
    ----------
    new_trainer
        Makes the trainer, from the start (None) or from a state.
    context
        Where the checkpoint is, who hears of epochs, what stops the job.

    Returns
    -------
    network, reports
        The best network and a report for each epoch since the start.

    Raises
    ------
    Interrupted
        If the job was stopped; its state is on disk.
    """
    state, reports = _load_checkpoint(context.checkpoint)
    trainer = new_trainer(state)
    saved = time.monotonic()
    while not trainer.finished:
        if context.stop.is_set():
            _save_checkpoint(context.checkpoint, trainer.state, reports)
            raise Interrupted
        reports.append(trainer.run_epoch())
        context.on_epoch(reports[-1])
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            _save_checkpoint(context.checkpoint, trainer.state, reports)
            saved = time.monotonic()
    return trainer.best_network(), reports


def _save_checkpoint(path: Path, state: TrainingState, reports: list[EpochReport]) -> None:
    facts: dict[str, Any] = {f.name: getattr(state, f.name) for f in fields(state) if f.name not in _ARRAYS}
    facts["reports"] = [asdict(r) for r in reports]
    save_result(path, Result({name: getattr(state, name) for name in _ARRAYS}, facts))


def _load_checkpoint(path: Path) -> tuple[TrainingState | None, list[EpochReport]]:
    found = load_result(path)
    if found is None:
        return None, []
    reports = [EpochReport(**r) for r in found.facts.pop("reports")]
    values: dict[str, Any] = {**found.tensors, **found.facts}
    return TrainingState(**values), reports


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
        A sequence a song, in order.
    """
    x = [inputs.apply(song.features) for song in songs]
    y = [targets.apply(song.annotation[:, columns]) for song in songs] if targets is not None else x
    return SequenceSet.from_lists(x, y, dtype=dtype)


def standardiser_of(songs: list[Song]) -> Standardiser:
    """Means and scales of the features of all frames of some songs."""
    return Standardiser.fit(np.concatenate([song.features for song in songs]))
