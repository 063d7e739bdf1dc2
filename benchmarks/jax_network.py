"""The same network in JAX, with our weights and our peepholes: what the benchmarks compare with.

Written as one writes a recurrent network there: a layer multiplies all its inputs at once, ``lax.scan`` goes
through the steps, and a whole step of training, or all outputs of a batch, is one compiled function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from lstmcore import SGD, Network

Array = Any
Weights = list[dict[str, Array]]


def _arrays(views: list[dict[str, NDArray[np.floating]]]) -> Weights:
    """Copy our pieces: gates z, i, f, o side by side, as [4E, …]."""
    return [
        {k: jnp.asarray(v.copy() if k == "p" else v.reshape(-1, *v.shape[2:])) for k, v in w.items()}
        for w in views[:-1]
    ] + [{k: jnp.asarray(v.copy()) for k, v in views[-1].items()}]


def outputs(weights: Weights, x: Array) -> Array:
    """Compute the outputs [T, n, O] from the inputs [T, n, P]."""
    for w in weights[:-1]:
        x = _lstm(w, x)
    return x @ weights[-1]["W"].T + weights[-1]["b"]


def _lstm(w: dict[str, Array], x: Array) -> Array:
    recurrent, p = w["R"].T, w["p"]

    def step(state: tuple[Array, Array], net: Array) -> tuple[tuple[Array, Array], Array]:
        c, h = state
        z, i, f, o = jnp.split(net + h @ recurrent, 4, axis=1)
        c, before = jnp.tanh(z) * jax.nn.sigmoid(i + p[0] * c), c
        c = c + before * jax.nn.sigmoid(f + p[1] * before)
        h = jnp.tanh(c) * jax.nn.sigmoid(o + p[2] * c)
        return (c, h), h

    zeros = jnp.zeros((x.shape[1], p.shape[1]), x.dtype)
    return lax.scan(step, (zeros, zeros), x @ w["W"].T + w["b"])[1]


def _loss(weights: Weights, x: Array, targets: Array) -> Array:
    return 0.5 * jnp.square(outputs(weights, x) - targets).sum()


class JaxTraining:
    """Steps of gradient descent with momentum; weights and momentum are written over in place.

    Parameters
    ----------
    network
        LSTM layers under a linear one, their factors of the bias 1; its weights are copied.
    inputs, targets
        Of the batch, [T, n, …].
    sgd
        The step.
    """

    def __init__(
        self, network: Network, inputs: NDArray[np.floating], targets: NDArray[np.floating], sgd: SGD
    ) -> None:
        self._network = network
        self._weights = _arrays(network.parameters)
        self._velocity = jax.tree.map(jnp.zeros_like, self._weights)
        self._batch = jnp.asarray(inputs), jnp.asarray(targets)

        def step(weights: Weights, velocity: Weights, x: Array, targets: Array) -> tuple[Weights, Weights]:
            gradient = jax.grad(_loss)(weights, x, targets)
            velocity = jax.tree.map(lambda v, g: sgd.momentum * v - sgd.learning_rate * g, velocity, gradient)
            return jax.tree.map(jnp.add, weights, velocity), velocity

        self._step = jax.jit(step, donate_argnums=(0, 1))

    def step(self) -> None:
        """Take a step, and wait for it."""
        self._weights, self._velocity = self._step(self._weights, self._velocity, *self._batch)
        jax.block_until_ready(self._weights)

    def gradient(self) -> NDArray[np.floating]:
        """Return the gradient in our order, shape (parameters,)."""
        vector = np.zeros_like(self._network.weights)
        found = jax.jit(jax.grad(_loss))(self._weights, *self._batch)
        for pieces, theirs in zip(self._network.architecture.views(vector), found, strict=True):
            for name, piece in pieces.items():
                piece[...] = np.asarray(theirs[name]).reshape(piece.shape)
        return vector


def jax_outputs(network: Network, inputs: NDArray[np.floating]) -> Callable[[], NDArray[np.floating]]:
    """Return a call that computes a batch's outputs [T, n, O] from its inputs [T, n, P]."""
    weights, x, forward = _arrays(network.parameters), jnp.asarray(inputs), jax.jit(outputs)
    return lambda: np.asarray(forward(weights, x))
