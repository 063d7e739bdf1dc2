"""The gradient check: back-propagation against central differences, parameter by parameter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmcore.backends import Backend, as_backend
from lstmcore.batches import pack
from lstmcore.checks import from_zero
from lstmcore.errors import EngineError
from lstmcore.fit import check_fit
from lstmcore.network import Network
from lstmcore.objective import SSE, Objective
from lstmcore.sequences import SequenceSet


@dataclass(frozen=True)
class GradientCheck:
    """Result of a gradient check.

    Parameters
    ----------
    errors
        Largest relative error of each piece of parameters, by "layer.piece".

    Examples
    --------
    >>> from lstmcore import GradientCheck
    >>> check = GradientCheck({"0.W": 1e-9, "0.p": 3e-8})
    >>> check.largest, check.worst
    (3e-08, '0.p')
    """

    errors: dict[str, float]

    @property
    def largest(self) -> float:
        """Largest relative error of all."""
        return max(self.errors.values())

    @property
    def worst(self) -> str:
        """The piece it is in."""
        return max(self.errors, key=self.errors.__getitem__)


def gradient_check(
    network: Network,
    sequences: SequenceSet,
    *,
    backend: Backend | str = "cpu",
    objective: Objective = SSE,
    step: float = 2e-3,
) -> GradientCheck:
    """Compare back-propagation with central differences for every parameter.

    The differences (L(w+h) − L(w−h)) / 2h at h and h/2 are extrapolated to h = 0
    (Richardson), which leaves an error of order h⁴.  The limit on the deltas is taken off,
    because with it the signal is not the derivative.

    Parameters
    ----------
    network
        In float64.
    sequences
        All of them are computed as one batch.
    backend
        A backend or its name: its own kernels are checked.
    objective
        One whose signal is the derivative of its error.
    step
        h; weights should be of the order of 1 or below.

    Returns
    -------
    GradientCheck
        For each piece the largest of |a − n| / max(|a|, |n|, g / 10⁴), with a the
        back-propagated and n the numerical derivative and g the largest derivative of the
        network: below g / 10⁴ the differences have no six digits to compare with.

    Raises
    ------
    EngineError
        If the network is not in float64, or something doesn't fit it.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import LSTM, Linear, SequenceSet, gradient_check, initial_network
    >>> frames = np.random.default_rng(1).standard_normal((9, 3))
    >>> songs = SequenceSet.from_lists([frames], [frames[:, :1]], dtype=np.float64)
    >>> network = initial_network(3, [LSTM(2), Linear(1)], 1, dtype=np.float64)
    >>> gradient_check(network, songs).largest < 1e-6
    True
    """
    check_fit(network, sequences, "the", objective)
    if network.dtype != np.float64:
        raise EngineError(f"the gradient check needs a float64 network, not {network.dtype}")
    if not (math.isfinite(from_zero("step", step)) and step > 0):
        raise EngineError(f"step is {step}; expected a number above 0")
    backend = as_backend(backend)
    network = network.copy()
    workspace = backend.workspace(network)
    batch = pack(sequences, np.arange(len(sequences)))
    outputs = backend.forward(network, batch, workspace)
    analytic = np.full_like(network.weights, np.nan)
    signal = objective.signal(outputs, batch.targets, batch.sequence)
    backend.backward(network, batch, workspace, signal, analytic, math.inf)

    def loss() -> float:
        return objective.error(backend.forward(network, batch, workspace), batch.targets, batch.sequence)

    return GradientCheck(_errors(network, analytic, _differences(loss, network.weights, step)))


def _differences(
    loss: Callable[[], float], weights: NDArray[np.floating], step: float
) -> NDArray[np.floating]:
    """Return the numerical derivative for each weight, which is moved and put back."""
    numeric = np.empty_like(weights)
    for k, weight in enumerate(weights.copy()):
        slopes = []
        for h in (step, step / 2):
            weights[k] = weight + h
            above = loss()
            weights[k] = weight - h
            slopes.append((above - loss()) / (2 * h))
        weights[k] = weight
        numeric[k] = (4 * slopes[1] - slopes[0]) / 3
    return numeric


def _errors(
    network: Network, analytic: NDArray[np.floating], numeric: NDArray[np.floating]
) -> dict[str, float]:
    floor = np.abs(numeric).max() / 1e4
    scale = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), floor)
    error = np.abs(analytic - numeric) / np.where(scale > 0, scale, 1)
    error[np.isnan(error)] = math.inf
    views = network.architecture.views(error)
    return {f"{k}.{name}": float(part.max()) for k, layer in enumerate(views) for name, part in layer.items()}
