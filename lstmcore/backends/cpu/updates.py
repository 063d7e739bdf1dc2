"""Many updates of a network in one call: batches are put together, computed and learnt from in compiled code.

Where a network is small, Python's share of an update is as long as the arithmetic, and networks that are
trained side by side wait for each other's share, since the interpreter has one lock.  So a stack of LSTM and
feed-forward layers that learns from the sum of squared errors goes this way: the walk over layers stands here
once more, over a table of numbers instead of objects.  What is called on the way is what `CpuBackend` calls
pass by pass, and so are the bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmcore.ahead import in_progress
from lstmcore.backends.cpu import feedforward, lstm
from lstmcore.backends.cpu.descent import momentum_update
from lstmcore.backends.cpu.feedforward import (
    logistic_backward,
    logistic_forward,
    softmax_backward,
    softmax_forward,
    tanh_backward,
    tanh_forward,
)
from lstmcore.backends.cpu.gemm import block_size, packed_size, panel_width
from lstmcore.backends.cpu.memory import CACHE_LINE, Memory
from lstmcore.jit import inlined, kernel, woven
from lstmcore.layers import LSTM
from lstmcore.network import Network
from lstmcore.noise import InputNoise, add_gaussian, room_for_noise
from lstmcore.objective_terms import residual
from lstmcore.sequences import SequenceSet
from lstmcore.sgd import SGD

Array = Any

_KINDS = ("lstm", "linear", "tanh", "logistic", "softmax")
_LSTM, _LINEAR, _TANH, _LOGISTIC, _SOFTMAX = range(5)
_AT_ONCE = 2_000_000_000  # multiplications of a call, about: some 50 ms, after which Ctrl-C is heard
_LARGE = 1_000_000_000  # multiplications of a pass: Python's share is nothing then, and memory is much

# Columns of the table of layers: what a layer is, where its parameters lie in the vector, and where in memory
# what its forward pass leaves.
_KIND, _INPUTS, _SIZE, _W, _B, _R, _P, _GATES, _C, _H = range(10)

kernel_residual = inlined(residual)
layer_forward, layer_backward = woven(lstm.layer_forward.py_func), woven(lstm.layer_backward.py_func)
affine_forward = woven(feedforward.affine_forward.py_func)
affine_backward = woven(feedforward.affine_backward.py_func)


class Stack(NamedTuple):
    """The layers of a network as numbers."""

    layers: Array  # a row of `_KIND` and so on for each [L, 10]
    biases: Array  # [L]
    widths: Array  # of panels of recurrent weights, by the number of sequences of a batch [1 + most]
    width: Any  # of all other panels


class Songs(NamedTuple):
    """Sequences of a set, in the order in which they are learnt from."""

    inputs: Array  # of the set [frames, P]
    targets: Array  # of the set [frames, O]
    starts: Array  # first row of each sequence [S]
    lengths: Array  # its frames, falling within a batch [S]
    bounds: Array  # where batches begin, and where the last ends [batches + 1]


class Noise(NamedTuple):
    """What is added to the inputs of a batch."""

    k0: Any
    k1: Any
    sigma: Any
    rest: Array  # to work in, `room_for_noise`


class Descent(NamedTuple):
    """How weights are updated."""

    limit: Any  # of the deltas
    parts: Array  # bounds of parts of the vector that have a learning rate each [R, 2]
    rates: Array  # [R]
    momentum: Any


class Room(NamedTuple):
    """Memory for the largest batch, flat: it is cut to each."""

    kept: Array  # what the forward pass of each layer leaves
    x: Array
    rows: Array
    batch_sizes: Array
    errors: Array  # of the outputs of a layer, and ...
    errors_below: Array  # ... of its inputs, in turn
    carry: Array
    h_before: Array
    panels: Array
    recurrent: Array
    begin: Array
    begin_below: Array
    block: Array  # of the gradient of input weights, and ...
    recurrent_block: Array  # ... of recurrent ones


@woven
def _matrix(
    memory: Array,  # [at least start + rows · columns]
    start: Any,
    rows: Any,
    columns: Any,
) -> Any:
    return memory[start : start + rows * columns].reshape((rows, columns))


@woven
def gather(
    songs: Any,  # Songs
    first: Any,  # sequence of the batch
    last: Any,  # behind the last
    rows: Array,  # out: which row of the set each packed row is [at least N]
    batch_sizes: Array,  # out: sequences alive at each step [at least T]
    x: Array,  # out: inputs [at least N · P]
) -> Any:
    """Put a batch together, time-major by falling length; return the number of its frames."""
    columns, n = songs.inputs.shape[1], 0
    for t in range(songs.lengths[first]):
        alive = 0
        while first + alive < last and songs.lengths[first + alive] > t:
            row = songs.starts[first + alive] + t
            source, target = songs.inputs[row], x[n * columns : (n + 1) * columns]
            for j in range(columns):
                target[j] = source[j]
            rows[n] = row
            n += 1
            alive += 1
        batch_sizes[t] = alive
    return n


@woven
def stack_forward(
    stack: Any,  # Stack
    weights: Array,  # [parameters]
    x: Array,  # inputs [N, P]
    batch_sizes: Array,  # [T]
    room: Any,  # Room
) -> Any:
    """Compute the outputs of all layers; return those of the last."""
    n, sequences = x.shape[0], batch_sizes[0]
    for k in range(stack.layers.shape[0]):
        row = stack.layers[k]
        inputs, size = row[_INPUTS], row[_SIZE]
        if row[_KIND] == _LSTM:
            layer_forward(
                x,
                batch_sizes,
                _matrix(weights, row[_W], 4 * size, inputs),
                weights[row[_B] : row[_B] + 4 * size],
                _matrix(weights, row[_R], 4 * size, size),
                _matrix(weights, row[_P], 3, size),
                stack.biases[k],
                stack.width,
                stack.widths[sequences],
                room.panels,
                room.recurrent,
                room.begin[: 4 * size],
                _matrix(room.kept, row[_GATES], n, 4 * size),
                _matrix(room.kept, row[_C], n + sequences, size),
                _matrix(room.kept, row[_H], n + sequences, size),
            )
            x = _matrix(room.kept, row[_H] + sequences * size, n, size)
            continue
        y = _matrix(room.kept, row[_H], n, size)
        w, b = _matrix(weights, row[_W], size, inputs), weights[row[_B] : row[_B] + size]
        affine_forward(x, w, b, stack.biases[k], stack.width, room.panels, room.begin[:size], y)
        if row[_KIND] == _TANH:
            tanh_forward(y)
        elif row[_KIND] == _LOGISTIC:
            logistic_forward(y)
        elif row[_KIND] == _SOFTMAX:
            softmax_forward(y)
        x = y
    return x


@woven
def stack_backward(
    stack: Any,  # Stack
    weights: Array,  # [parameters]
    x: Array,  # inputs of the first layer [N, P]
    batch_sizes: Array,  # [T]
    limit: Any,  # of the deltas
    room: Any,  # Room, whose `errors` are those of the outputs
    gradient: Array,  # out [parameters]
) -> None:
    """Take errors back through all layers."""
    n, sequences = x.shape[0], batch_sizes[0]
    above, below = room.errors, room.errors_below
    for k in range(stack.layers.shape[0] - 1, -1, -1):
        row = stack.layers[k]
        inputs, size = row[_INPUTS], row[_SIZE]
        e, wanted = _matrix(above, 0, n, size), n if k > 0 else 0
        e_below, source = _matrix(below, 0, wanted, inputs), x
        if k > 0:
            under = stack.layers[k - 1]
            initial = sequences * inputs if under[_KIND] == _LSTM else 0
            source = _matrix(room.kept, under[_H] + initial, n, inputs)
        if row[_KIND] == _LSTM:
            layer_backward(
                e,
                source,
                batch_sizes,
                _matrix(weights, row[_W], 4 * size, inputs),
                _matrix(weights, row[_R], 4 * size, size),
                _matrix(weights, row[_P], 3, size),
                stack.biases[k],
                limit,
                stack.width,
                stack.widths[sequences],
                room.panels,
                room.recurrent,
                room.block,
                room.recurrent_block,
                room.begin_below[:inputs],
                _matrix(room.kept, row[_GATES], n, 4 * size),
                _matrix(room.kept, row[_C], n + sequences, size),
                _matrix(room.kept, row[_H], n + sequences, size),
                _matrix(room.carry, 0, sequences, size),
                _matrix(room.h_before, 0, n, size),
                e_below,
                _matrix(gradient, row[_W], 4 * size, inputs),
                gradient[row[_B] : row[_B] + 4 * size],
                _matrix(gradient, row[_R], 4 * size, size),
                _matrix(gradient, row[_P], 3, size),
            )
        else:
            y = _matrix(room.kept, row[_H], n, size)
            if row[_KIND] == _TANH:
                tanh_backward(e, y)
            elif row[_KIND] == _LOGISTIC:
                logistic_backward(e, y)
            elif row[_KIND] == _SOFTMAX:
                softmax_backward(e, y)
            affine_backward(
                e,
                source,
                _matrix(weights, row[_W], size, inputs),
                stack.biases[k],
                stack.width,
                room.panels,
                room.block,
                room.begin_below[:inputs],
                e_below,
                _matrix(gradient, row[_W], size, inputs),
                gradient[row[_B] : row[_B] + size],
            )
        above, below = below, above


@kernel
def run_updates(
    stack: Any,  # Stack
    songs: Any,  # Songs
    noise: Any,  # Noise
    descent: Any,  # Descent
    room: Any,  # Room
    weights: Array,  # updated [parameters]
    velocity: Array,  # updated [parameters]
    gradient: Array,  # scratch [parameters]
    residuals: Array,  # out: outputs less targets, batch after batch, in double precision [frames, O]
) -> None:
    """Learn from batches, one after the other."""
    inputs, outputs, done = songs.inputs.shape[1], songs.targets.shape[1], 0
    for g in range(songs.bounds.shape[0] - 1):
        first, last = songs.bounds[g], songs.bounds[g + 1]
        n = gather(songs, first, last, room.rows, room.batch_sizes, room.x)
        x, rows = _matrix(room.x, 0, n, inputs), room.rows[:n]
        batch_sizes = room.batch_sizes[: songs.lengths[first]]
        if noise.sigma > 0:
            add_gaussian(x, rows, noise.k0, noise.k1, noise.sigma, noise.rest)
        y = stack_forward(stack, weights, x, batch_sizes, room)
        e = _matrix(room.errors, 0, n, outputs)
        for s in range(n):
            for j in range(outputs):
                target = songs.targets[rows[s], j]
                residuals[done + s, j] = kernel_residual(np.float64(y[s, j]), np.float64(target))
                e[s, j] = kernel_residual(y[s, j], target)
        stack_backward(stack, weights, x, batch_sizes, descent.limit, room, gradient)
        for r in range(descent.parts.shape[0]):
            top, end = descent.parts[r, 0], descent.parts[r, 1]
            momentum_update(
                weights[top:end], velocity[top:end], gradient[top:end], descent.rates[r], descent.momentum
            )
        done += n


class Updates:
    """Does many updates of a network in one call.

    The memory is for one thread, and for networks of this one's architecture and precision.

    Parameters
    ----------
    computes_alone
        Says whether one thread computes a batch of so many frames.
    network
        The network.
    songs
        What is learnt from.
    parallel_sequences
        Sequences of a batch.
    rates
        Parts of the vector of parameters, and how each is updated.
    delta_limit
        Limit of the deltas.
    """

    def __init__(
        self,
        computes_alone: Callable[[int, Network], bool],
        network: Network,
        songs: SequenceSet,
        parallel_sequences: int,
        rates: Sequence[tuple[slice, SGD]],
        delta_limit: float,
    ) -> None:
        self._computes_alone, self._network = computes_alone, network
        self._songs, self._parallel = songs, parallel_sequences
        memory = Memory(network.dtype)
        longest = np.sort(songs.lengths)[::-1][:parallel_sequences]
        self._frames = int(longest.sum())
        self._stack, kept = _stack_of(network, self._frames, len(longest), memory)
        self._room = _room_of(network, self._frames, longest, memory, self._stack, kept)
        self._descent = Descent(
            memory.number(delta_limit),
            np.array([(part.start, part.stop) for part, _ in rates], np.int64),
            np.array([sgd.learning_rate for _, sgd in rates], network.dtype),
            memory.number(rates[0][1].momentum),
        )
        self._residuals = np.empty((0, songs.targets.shape[1]))

    @staticmethod
    def suit(network: Network, songs: SequenceSet, parallel_sequences: int) -> bool:
        """Tell whether a network can be trained so on a set, and is better trained so."""
        longest = np.sort(songs.lengths)[::-1][:parallel_sequences].sum()
        return (
            all(layer.kind in _KINDS for layer in network.architecture.layers)
            and songs.context == (0, 0)
            and songs.noisy is None
            and songs.inputs.flags.writeable  # kernels are compiled for such arrays
            and songs.targets.flags.writeable
            and longest * len(network.weights) < _LARGE
        )

    @property
    def fit(self) -> bool:
        """Whether one thread is to compute each batch; several go through the passes.

        So does one for as long as the kernel of many updates is still being compiled beside it.
        """
        return not in_progress() and self._computes_alone(self._frames, self._network)

    def run(
        self,
        network: Network,
        velocity: NDArray[np.floating],
        gradient: NDArray[np.floating],
        order: NDArray[np.integer],
        noise: InputNoise,
    ) -> Iterator[NDArray[np.float64]]:
        """Learn from all sequences in an order; yield of each batch outputs less targets.

        What is yielded is overwritten later.
        """
        songs, parallel, dtype = self._songs, self._parallel, network.dtype
        # Within a batch by falling length, equal lengths in their order.
        by_length = np.lexsort((-songs.lengths[order], np.arange(len(order)) // parallel))
        lengths, starts = songs.lengths[order][by_length], songs.starts[order][by_length]
        ends = np.concatenate([[0], np.cumsum(lengths)])
        of_noise = Noise(noise.key[0], noise.key[1], dtype.type(noise.sigma), room_for_noise())
        bounds = np.append(np.arange(0, len(order), parallel), len(order))
        batches = max(1, _AT_ONCE // (self._frames * len(network.weights) * 3))
        for first in range(0, len(bounds) - 1, batches):
            some = bounds[first : first + batches + 1]
            frames = ends[some] - ends[some[0]]
            if len(self._residuals) < frames[-1]:
                self._residuals = np.empty((frames[-1], self._residuals.shape[1]))
            run_updates(
                self._stack,
                Songs(songs.inputs, songs.targets, starts, lengths, some),
                of_noise,
                self._descent,
                self._room,
                network.weights,
                velocity,
                gradient,
                self._residuals,
            )
            for start, end in pairwise(frames):
                yield self._residuals[start:end]


def _stack_of(network: Network, frames: int, sequences: int, memory: Memory) -> tuple[Stack, int]:
    """Make the table of layers; return it, and how much memory their forward pass fills."""
    a = network.architecture
    table, size = np.zeros((len(a.layers), 10), np.int64), 0
    line = CACHE_LINE // memory.dtype.itemsize

    def place(count: int) -> int:
        nonlocal size
        start, size = size, size + -(-count // line) * line
        return start

    for k, (layer, inputs) in enumerate(zip(a.layers, a.input_sizes, strict=True)):
        units = layer.size
        table[k, :3] = _KINDS.index(layer.kind), inputs, units
        if isinstance(layer, LSTM):
            rows = frames + sequences
            table[k, _GATES:] = place(4 * units * frames), place(units * rows), place(units * rows)
        else:
            table[k, _H] = place(units * frames)
    for parameter in a.parameters:
        table[parameter.layer, _W + "WbRp".index(parameter.name)] = parameter.offset
    biases = np.array([layer.bias for layer in a.layers], memory.dtype)
    widths = np.array([panel_width(memory.dtype, n) for n in range(1 + sequences)], np.int64)
    return Stack(table, biases, widths, memory.width), size


def _room_of(
    network: Network, frames: int, lengths: NDArray[np.int64], memory: Memory, stack: Stack, kept: int
) -> Room:
    """Make the memory for the largest batch."""
    a, sequences = network.architecture, len(lengths)
    width, units = memory.width, max(layer.size for layer in a.layers)
    sides = [
        (inputs, (4 if isinstance(layer, LSTM) else 1) * layer.size)
        for layer, inputs in zip(a.layers, a.input_sizes, strict=True)
    ]
    largest = max(max(packed_size(*side, width), packed_size(*side[::-1], width)) for side in sides)
    recurrent = max(
        max(packed_size(units, 4 * units, w), packed_size(4 * units, units, w)) for w in stack.widths
    )
    return Room(
        memory.flat("kept", kept),
        memory.flat("x", frames * a.input_size),
        np.empty(frames, np.int64),
        np.empty(int(lengths[0]), np.int64),
        memory.flat("errors", frames * units),
        memory.flat("errors below", frames * units),
        memory.flat("carry", sequences * units),
        memory.flat("h_before", frames * units),
        memory.flat("panels", largest),
        memory.flat("recurrent", recurrent),
        memory.flat("begin", 4 * units),
        memory.flat("begin_below", max(a.input_sizes)),
        memory.flat("block", max(block_size(rows, inputs, width) for inputs, rows in sides)),
        memory.flat("recurrent block", block_size(4 * units, units, width)),
    )
