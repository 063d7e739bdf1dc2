"""What the trainings of all jobs have in common: layers, settings, and sets of sequences from songs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, replace
from threading import Lock
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from lstmcore import (
    BLSTM,
    LSTM,
    OBJECTIVES,
    SGD,
    DecorrelatedSquaredErrors,
    EpochReport,
    Layer,
    Objective,
    SequenceSet,
    Standardiser,
    Tanh,
    TrainingSettings,
)
from lstmcore.experiments.config import Experiment, Pretraining, Training
from lstmcore.experiments.datasets import Song
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.training.frame_wise import frame_wise_sizes

T = TypeVar("T")

_COLUMNS = 16  # standardised at once: many songs' are large in double precision


def hidden_layers(experiment: Experiment, inputs: int) -> tuple[Layer, ...]:
    """Hidden layers of a network, from the input on."""
    config = experiment.network
    if config.cell == "feedforward":
        outputs = len(experiment.data.target_names) if config.targets == "joint" else 1
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


def heard_by(songs: list[Song], inputs: Standardiser, dtype: str) -> SequenceSet:
    """Standardise the inputs that networks get from songs.

    Song by song into the set's own matrix: a collection in double precision, and lists of its parts, take
    several times the memory of the set.

    Parameters
    ----------
    songs
        The songs, at least one.
    inputs
        Standardises the features.
    dtype
        Precision of the set.

    Returns
    -------
    SequenceSet
        One sequence per song, in order, lead-in included; its targets are its inputs.

    Raises
    ------
    InputError
        If a value is too large for the precision.
    """
    lengths = np.array([song.frames_before + song.frames for song in songs], np.int64)
    rows = np.empty((lengths.sum(), songs[0].features.shape[1]), dtype)
    for song, part in zip(songs, np.split(rows, np.cumsum(lengths)[:-1]), strict=True):
        values = inputs.apply(song.heard)
        with np.errstate(over="ignore"):  # reported below
            part[:] = values
        if not np.isfinite(part).all():
            frame, column = np.argwhere(~np.isfinite(part))[0]
            raise InputError(
                f"song {song.song_id}, frame {frame}, feature {column}: {values[frame, column]:g} once "
                f"standardised; expected a number that {dtype} holds"
            )
    return SequenceSet(rows, rows, lengths)


def with_targets(
    heard: SequenceSet,
    songs: list[Song],
    targets: Standardiser,
    columns: slice = slice(None),
    weights: Sequence[float] | NDArray[np.float64] | None = None,
) -> SequenceSet:
    """Give a set of `heard_by` its targets; the inputs are shared, not copied.

    Parameters
    ----------
    heard, songs
        The set, and the songs that it was made of.
    targets
        Standardises the targets.
    columns
        Which targets.
    weights
        How much the frames of each song count, but those of a lead-in, which don't; None: without weights.

    Returns
    -------
    SequenceSet
        With weights, its targets are interleaved with them, as `objective_of` wants.
    """
    y = [targets.apply(song.annotation[:, columns]) for song in songs]
    if weights is not None:
        y = [_with_weights(*each) for each in zip(songs, y, weights, strict=True)]
    return replace(heard, targets=np.concatenate(y).astype(heard.inputs.dtype))


def put_together(sequences: SequenceSet, frames: int | None) -> SequenceSet:
    """Make one sequence of several that follow each other, until it has so many frames; None: leave them."""
    if frames is None:
        return sequences
    lengths: list[int] = []
    for length in sequences.lengths.tolist():
        if lengths and lengths[-1] < frames:
            lengths[-1] += length
        else:
            lengths.append(length)
    return replace(sequences, lengths=np.array(lengths, np.int64))


def joined(sets: list[SequenceSet]) -> SequenceSet:
    """Put the sequences of several sets into one; of a single one nothing is copied."""
    if len(sets) == 1:
        return sets[0]
    return SequenceSet(
        np.concatenate([one.inputs for one in sets]),
        np.concatenate([one.targets for one in sets]),
        np.concatenate([one.lengths for one in sets]),
    )


def _with_weights(song: Song, targets: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Return targets and their weights, interleaved as ``weightedsse`` has them, after frames of weight 0."""
    weighted = np.stack([targets, np.full_like(targets, weight)], axis=2).reshape(len(targets), -1)
    return np.concatenate([np.zeros((song.frames_before, weighted.shape[1])), weighted])


def is_weighted(experiment: Experiment) -> bool:
    """Whether some frames count more than others, so that targets have weights."""
    training = experiment.training
    return bool(experiment.data.lead_in or training.balance != "none" or training.decorrelate)


def objective_of(experiment: Experiment) -> Objective:
    """Return what networks minimise; of squared errors the same with weights, where frames have some.

    The signal of ``weightedsse``, w (y − t), is the derivative of ½ Σ w (y − t)²: that is what is minimised,
    though the error that it tells of training songs is CURRENNT's ½ Σ (w (y − t))².
    """
    if experiment.training.decorrelate:
        return DecorrelatedSquaredErrors(experiment.training.decorrelate)
    return OBJECTIVES["weightedsse" if is_weighted(experiment) else experiment.training.objective]


def features_of(song: Song, columns: slice) -> NDArray[np.float64]:
    """Return some columns of a song's features."""
    return song.features[:, columns]


def standardiser_of(
    songs: list[Song], values: Callable[[Song, slice], NDArray[np.float64]] = features_of
) -> Standardiser:
    """Means and scales of the features of all frames of some songs.

    Some columns at a time, which gives the same bits as all at once: the rows of a matrix are added one after
    the other, column by column, as long as there are two columns.

    Parameters
    ----------
    songs
        At least one.
    values
        Makes as many columns of some of a song's features.
    """
    width = songs[0].features.shape[1]
    parts = []
    for columns in np.array_split(np.arange(width), max(1, width // _COLUMNS)):
        some = slice(columns[0], columns[-1] + 1)
        parts.append(Standardiser.fit(np.concatenate([values(song, some) for song in songs])))
    return Standardiser(np.concatenate([p.mean for p in parts]), np.concatenate([p.scale for p in parts]))


class Shared(Generic[T]):
    """Values that several jobs need, each kept as long as somebody holds it.

    Jobs that run at the same time share it, and those that come later make it again.
    """

    def __init__(self) -> None:
        self._values: WeakValueDictionary[Hashable, T] = WeakValueDictionary()
        self._locks: dict[Hashable, Lock] = {}

    def __reduce__(self) -> tuple[type[Shared[T]], tuple[()]]:
        """Elsewhere all is made again: what is kept follows from what goes along."""
        return Shared, ()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, made now if nobody holds it; who wants it meanwhile waits."""
        with self._locks.setdefault(key, Lock()):
            value = self._values.get(key)
            if value is None:
                value = self._values[key] = make()
            return value
