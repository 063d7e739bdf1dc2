"""Compiles, as a process of its own, the kernels by which a stack of layers learns (see `lstmcore.ahead`).

    python -m lstmcore.backends.cpu.compile_ahead float32

The order is that of what a process misses first that begins with a forward pass: what both passes consist
of, the walk back through time, the pass that validates; then what does many updates at once, without which
one can learn.  What such a process has compiled meanwhile is found in the end.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import numpy as np

from lstmcore.ahead import note
from lstmcore.backends.cpu.backend import CpuBackend
from lstmcore.backends.cpu.feedforward import affine_forward
from lstmcore.backends.cpu.gemm import (
    block_size,
    column_sums,
    pack,
    packed_size,
    panel_width,
    product,
    product_over_frames,
)
from lstmcore.backends.cpu.lstm import Scratch, States, Steps, steps_backward
from lstmcore.batches import pack as batch_of
from lstmcore.layers import LSTM, Linear, Logistic, Softmax, Tanh
from lstmcore.network import Architecture, Network
from lstmcore.noise import InputNoise
from lstmcore.sequences import SequenceSet
from lstmcore.sgd import SGD

_INPUTS, _UNITS, _LENGTHS = 3, 4, (5, 3, 1)


def compile_all(precision: str) -> None:
    """Compile all kernels of a precision that a network of LSTM and feed-forward layers learns by."""
    real = np.dtype(precision).type
    layers = (
        LSTM(_UNITS),
        *(kind(_UNITS) for kind in (Tanh, Logistic, Softmax)),
        LSTM(_UNITS),
        Linear(_UNITS),
    )
    architecture = Architecture(_INPUTS, layers)
    network = Network(architecture, np.zeros(architecture.parameter_count, real))
    inputs = [np.zeros((length, _INPUTS)) for length in _LENGTHS]
    targets = [np.zeros((length, _UNITS)) for length in _LENGTHS]
    songs = SequenceSet.from_lists(inputs, targets, dtype=precision)
    order = np.arange(len(_LENGTHS))
    batch, backend, sgd, noise = batch_of(songs, order), CpuBackend(), SGD(1e-9), InputNoise(1, 1, 1e-9)
    velocity, gradient = np.zeros_like(network.weights), np.zeros_like(network.weights)

    _products(real)
    _steps_backward(real)
    with backend.outputs(network, [batch]) as computed:
        list(computed)
    backend.update(network.weights, velocity, gradient, sgd)
    updates = backend.updates(network, songs, len(_LENGTHS), [(slice(0, len(velocity)), sgd)], 1.0)
    if updates is not None:
        list(updates.run(network, velocity, gradient, order, noise))
    workspace, batch = backend.workspace(network), batch_of(songs, order, noise)
    backend.forward(network, batch, workspace)
    backend.backward(network, batch, workspace, batch.targets, gradient)


def _products(real: Any) -> None:
    """Compile what all layers have in common."""
    width, one = panel_width(real, 1), np.ones((1, 1), real)
    panels, row = np.zeros((1, 1, width), real), np.zeros(1, real)
    product(one, panels, row, np.zeros((1, 1), real))
    product_over_frames(
        one, one, np.zeros(block_size(1, 1, width), real), width, True, True, 0, 1, one.copy()
    )
    column_sums(one, real(1), 0, 1, row)
    packed = np.zeros(packed_size(1, 1, width), real)
    pack(one, packed, width)
    affine_forward(one, one, row, real(1), width, packed, row.copy(), one.copy())


def _steps_backward(real: Any) -> None:
    """Compile the walk back through time, which the backward pass of a layer waits for."""

    def zeros(*shape: int) -> Any:
        return np.zeros(shape, real)

    sizes = np.ones(1, np.int64)
    states, scratch = States(zeros(1, 4), zeros(2, 1), zeros(2, 1)), Scratch(zeros(1, 1), zeros(1, 1))
    steps, recurrent = Steps(sizes, 0, 1, 0, 1, 0, 1), zeros(1, 4, 16)
    steps_backward(
        zeros(1, 1), steps, recurrent, zeros(4, 1), zeros(3, 1), real(1), states, scratch, zeros(3, 1)
    )


def _end_with_parent() -> None:
    """End when whoever started us is gone: then there is no more to come, and nothing to come from."""
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> None:
    """Compile what the first argument names."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    compile_all(sys.argv[1])
    note(sys.argv[1])
    os._exit(0)  # the thread reads on


if __name__ == "__main__":
    main()
