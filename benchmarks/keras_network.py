"""The same network in Keras, with our weights: what the benchmarks compare with.

Its own layers and its own step, ``train_on_batch``, on JAX unless ``KERAS_BACKEND`` says otherwise.
``keras.layers.LSTM`` has no peepholes and counts its gates i, f, c (our z), o; ours are 0 where results are
compared.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from numpy.typing import NDArray

from lstmcore import SGD, Network

Array = NDArray[np.floating]
_OUR_ROW = [1, 2, 0, 3]  # of its gates i, f, c, o


def keras_model(network: Network, sgd: SGD) -> Any:
    """Make LSTM layers under a linear one for songs [n, T, P]; weights are copied, but for the peepholes."""
    a = network.architecture
    *hidden, output = zip(a.layers, network.parameters, strict=True)
    model = keras.Sequential([keras.Input((None, a.input_size))])
    for layer, w in hidden:
        lstm = keras.layers.LSTM(layer.size, return_sequences=True)
        model.add(lstm)
        lstm.set_weights([_columns(w["W"]), _columns(w["R"]), _columns(w["b"])])
    layer, w = output
    dense = keras.layers.Dense(layer.size)
    model.add(dense)
    dense.set_weights([w["W"].T, w["b"]])
    model.compile(keras.optimizers.SGD(sgd.learning_rate, sgd.momentum), _loss)
    return model


def keras_step(network: Network, inputs: Array, targets: Array, sgd: SGD) -> Callable[[], Any]:
    """Return a call that learns from a batch, [n, T, …]."""
    model = keras_model(network, sgd)
    return lambda: model.train_on_batch(inputs, targets)


def keras_gradient(network: Network, inputs: Array, targets: Array) -> Array:
    """Return what a step of rate 1 takes from the weights, in our order, shape (parameters,)."""
    model = keras_model(network, SGD(1.0, 0.0))
    before = [layer.get_weights() for layer in model.layers]
    model.train_on_batch(inputs, targets)
    vector = np.zeros_like(network.weights)
    for pieces, old, layer in zip(network.architecture.views(vector), before, model.layers, strict=True):
        found = [a - b for a, b in zip(old, layer.get_weights(), strict=True)]
        for name, piece in zip("WRb" if "R" in pieces else "Wb", found, strict=True):
            if "R" in pieces:
                pieces[name][_OUR_ROW] = piece.T.reshape(pieces[name].shape)
            else:
                pieces[name][:] = piece.T
    return vector


def keras_outputs(network: Network, inputs: Array) -> Callable[[], Array]:
    """Return a call that computes a batch's outputs [n, T, O] from its inputs [n, T, P]."""
    model = keras_model(network, SGD(1.0, 0.0))
    return lambda: np.asarray(model.predict_on_batch(inputs))


def _loss(targets: Any, outputs: Any) -> Any:
    return 0.5 * keras.ops.sum(keras.ops.square(outputs - targets))


def _columns(piece: Array) -> Array:
    """Turn a piece [4, E, …] into its columns […, 4E]."""
    return piece[_OUR_ROW].reshape(-1, *piece.shape[2:]).T.copy()
