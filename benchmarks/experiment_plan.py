"""What the candidates of `benchmarks.experiment` train on what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Plan:
    """What is trained on what; all candidates keep to it.

    Parameters
    ----------
    hidden
        Units of the LSTM layers.
    parallel_sequences
        Songs in a batch.
    folds, trials
        So many times so many networks are trained.
    songs, frames
        Songs in all folds together, and frames of each.
    epochs
        Of each network.
    input_noise
        Standard deviation of the noise on the inputs.
    shuffle
        Whether songs come in a new order in each epoch.
    """

    hidden: tuple[int, ...]
    parallel_sequences: int
    folds: int
    trials: int
    songs: int
    frames: int
    epochs: int
    input_noise: float = 0.6
    shuffle: bool = True
    learning_rate: float = 1e-5
    momentum: float = 0.9
    inputs: int = 260
    outputs: int = 2

    def data(self) -> tuple[Array, Array]:
        """Return inputs [songs, frames, inputs] and targets [songs, frames, outputs]."""
        return _random_songs(self.songs, self.frames, self.inputs, self.outputs)

    def split(self, fold: int) -> tuple[list[int], list[int]]:
        """Return the numbers of the training and of the validation songs."""
        songs = range(self.songs)
        return [s for s in songs if s % self.folds != fold], [s for s in songs if s % self.folds == fold]

    def networks(self) -> list[tuple[int, int]]:
        """Return trial and fold of each network."""
        return [(trial, fold) for trial in range(self.trials) for fold in range(self.folds)]


@cache
def _random_songs(songs: int, frames: int, inputs: int, outputs: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(1)
    x = generator.standard_normal((songs, frames, inputs), np.float32)
    return x, generator.uniform(-1, 1, (songs, frames, outputs)).astype(np.float32)
