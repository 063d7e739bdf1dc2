"""What a backend is given: a wrong shape would let a kernel read and write memory that isn't its own.

A few comparisons per batch; nothing here looks at all numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.batches import Batch
from lstmcore.checks import kind, real, shaped, writable
from lstmcore.errors import EngineError
from lstmcore.network import Architecture, Network
from lstmcore.sgd import SGD

Array = NDArray[np.floating]


def check_workspace(workspace: Any, expected: type, network: Network) -> None:
    """Check that a workspace is of this backend, and of a network of this architecture and precision."""
    kind("network", network, Network)
    kind("workspace", workspace, expected, ": what this backend's `workspace` returns")
    made_for: Architecture = workspace.architecture
    ours = network.architecture
    if (made_for is not ours and made_for != ours) or workspace.dtype != network.dtype:
        raise EngineError(
            f"the workspace was made for {made_for} in {workspace.dtype}; "
            f"the network is {ours} in {network.dtype}"
        )


def check_forward(network: Network, batch: Batch) -> None:
    """Check that a batch has the network's inputs and precision."""
    kind("batch", batch, Batch)
    inputs, dtype = batch.input_kind
    if inputs != network.architecture.input_size or dtype != network.dtype:
        raise EngineError(
            f"the batch has {inputs} inputs in {dtype}; "
            f"the network needs {network.architecture.input_size} inputs in {network.dtype}"
        )


def check_backward(
    network: Network,
    batch: Batch,
    computed: Batch | None,
    signal: Array,
    gradient: Array,
    delta_limit: float,
) -> None:
    """Check that the batch is that of the last forward pass, and that signal and gradient fit."""
    if computed is not batch:
        raise EngineError("the workspace's last forward pass was not of this batch; expected `forward` first")
    a = network.architecture
    if np.shape(signal) != (batch.frames, a.output_size):
        raise EngineError(f"signal has shape {np.shape(signal)}; expected {(batch.frames, a.output_size)}")
    shaped("gradient", gradient, (a.parameter_count,), network.dtype)
    writable("gradient", gradient)
    if not real("delta_limit", delta_limit) > 0:
        raise EngineError(f"delta_limit is {delta_limit}; expected a number above 0")


def check_update(weights: Array, velocity: Array, gradient: Array, sgd: SGD) -> None:
    """Check that weights, momentum and gradient are vectors of one length and precision."""
    kind("sgd", sgd, SGD)
    if not isinstance(weights, np.ndarray) or weights.ndim != 1:
        raise EngineError(f"weights have shape {np.shape(weights)}; expected a vector")
    for name, vector in (("weights", weights), ("velocity", velocity), ("gradient", gradient)):
        shaped(name, vector, weights.shape, weights.dtype)
    writable("weights", weights)
    writable("velocity", velocity)
