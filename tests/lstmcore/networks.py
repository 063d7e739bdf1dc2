"""Random small networks and sequences for tests."""

from __future__ import annotations

import numpy as np

from lstmcore import LSTM, Linear, Network, SequenceSet, initial_network
from lstmcore.layers import Layer


def random_sequences(
    lengths: list[int], inputs: int, outputs: int, seed: int = 0, dtype: str = "float64"
) -> SequenceSet:
    rng = np.random.default_rng(seed)
    return SequenceSet.from_lists(
        [rng.standard_normal((n, inputs)) for n in lengths],
        [rng.standard_normal((n, outputs)) for n in lengths],
        dtype=dtype,
    )


def random_network(
    inputs: int,
    hidden: list[tuple[int, float]],
    outputs: int,
    seed: int = 0,
    dtype: str = "float64",
    size: float = 0.8,
) -> Network:
    """Hidden LSTM layers as (units, bias value), then a linear output with bias value 1.3."""
    layers = [*(LSTM(units, bias) for units, bias in hidden), Linear(outputs, 1.3)]
    return initial_network(inputs, layers, np.random.default_rng(seed), dtype=dtype, low=-size, high=size)


def random_mixture(
    inputs: int, layers: list[Layer], seed: int = 0, dtype: str = "float64", size: float = 0.8
) -> Network:
    """A network of any layers."""
    return initial_network(inputs, layers, np.random.default_rng(seed), dtype=dtype, low=-size, high=size)


def run_all(trainers, on_epoch=None, on_diverged=None):
    """Run trainers of one backend to their end, as `lstmcore.train` does with those that it makes."""
    on_epoch = on_epoch or (lambda place, report: None)
    if trainers[0].backend.trains_together:
        trainers[0].backend.train_ensemble(trainers, on_epoch, on_diverged)
        return
    for place, trainer in enumerate(trainers):
        while not trainer.finished:
            on_epoch(place, trainer.run_epoch())
