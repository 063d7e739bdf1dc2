"""Whether backends agree, on this machine: computed here, small and at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstmcore import (
    LAYERS,
    LSTM,
    SGD,
    Convolution,
    Layer,
    Linear,
    MaxPool,
    MeanPool,
    Network,
    SequenceSet,
    Sets,
    Training,
    TrainingSettings,
    get_backend,
    initial_network,
    pack,
    train,
)

LIMITS = {"float32": 1e-4, "float64": 1e-10}
"""Of outputs, gradients and weights from another backend's, relative to their largest value."""


def largest_difference(backend: str, precision: str) -> float:
    """Compare a backend with the reference on one network of all kinds of layer that it has.

    Parameters
    ----------
    backend, precision
        What is compared.

    Returns
    -------
    float
        Largest difference from the reference of the outputs, and of the gradient of each piece
        of the parameters, relative to the largest value of these.
    """
    random = np.random.default_rng(1)
    lengths, inputs, units = (7, 5, 5, 2), 5 * 4, 6
    layers: list[Layer] = [kind(units) for kind in LAYERS.values()]
    if backend != "cuda":
        layers = [*_blocks(), *layers]
    network = initial_network(inputs, layers, random, dtype="float64")
    sequences = [random.standard_normal((n, inputs)) for n in lengths]
    signals = [random.standard_normal((n, units)) for n in lengths]  # any error of the outputs will do

    def compute(name: str, dtype: str) -> list[Any]:
        computed = Network(network.architecture, network.weights.astype(dtype))
        batch = pack(SequenceSet.from_lists(sequences, signals, dtype=dtype), np.arange(len(lengths)))
        engine, gradient = get_backend(name), np.full_like(computed.weights, np.nan)
        memory = engine.workspace(computed)
        outputs = engine.forward(computed, batch, memory).copy()
        engine.backward(computed, batch, memory, batch.targets.copy(), gradient)
        return [
            outputs,
            *(part for pieces in computed.architecture.views(gradient) for part in pieces.values()),
        ]

    pairs = zip(compute(backend, precision), compute("reference", "float64"), strict=True)
    return max(float(np.abs(ours - theirs).max() / np.abs(theirs).max()) for ours, theirs in pairs)


def _blocks() -> list[Layer]:
    """Layers that see a step as a block, of 5 times and 4 bands."""
    first = Convolution(shape=(5, 4, 1), window=(2, 2), filters=4, activation="tanh")
    pool = MaxPool(shape=first.output_shape, window=(2, 1))
    second = Convolution(shape=pool.output_shape, window=(1, 2), filters=6)
    return [first, pool, second, MeanPool(shape=second.output_shape, window=(2, 1))]


def training_difference(backend: str, precision: str) -> float:
    """Train three networks together, of which one stops before the others, and compare with the CPU.

    Parameters
    ----------
    backend, precision
        What is compared.

    Returns
    -------
    float
        Largest difference of weights from those of the backend cpu, relative to the largest weight.
    """
    random = np.random.default_rng(2)
    inputs = [random.standard_normal((n, 3)) for n in (7, 5, 2, 4)]
    targets = [random.uniform(-1, 1, (len(x), 2)) for x in inputs]
    data = SequenceSet.from_lists(inputs, targets, dtype=precision)
    networks = [
        initial_network(3, [LSTM(6), LSTM(4), Linear(2)], np.random.default_rng(k), dtype=precision)
        for k in range(3)
    ]

    def trained(name: str) -> list[Network]:
        settings = [
            TrainingSettings(SGD(1e-2, 0.9), parallel_sequences=2, input_noise=0.3, max_epochs=epochs)
            for epochs in (4, 2, 4)
        ]
        trainings = [
            Training(network, Sets(data, data), how, k)
            for k, (network, how) in enumerate(zip(networks, settings, strict=True))
        ]
        return train(trainings, backend=name)

    pairs = zip(trained(backend), trained("cpu"), strict=True)
    return max(
        float(np.abs(ours.weights - theirs.weights).max() / np.abs(theirs.weights).max())
        for ours, theirs in pairs
    )
