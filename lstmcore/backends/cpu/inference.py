"""A forward pass that keeps nothing for a backward pass.

Weights are packed once for all batches of a set, or once for all (`PackedWeights`).  Gates are there for
some steps at a time, in memory that stays in the cache, and only cell states and block outputs are written.
A large batch is cut by sequences into parts, whose rows of a step fit the cache; several threads share out
the parts, each with memory of its own.  No part is a part of a sum: the outputs have the bits of
`CpuBackend.forward`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lstmcore.backends.cpu.blocks import CpuConvolution, CpuPool
from lstmcore.backends.cpu.feedforward import logistic_forward, softmax_forward, tanh_forward
from lstmcore.backends.cpu.gemm import add_product, kernel_packed, pack_transposed, panel_width, product
from lstmcore.backends.cpu.math import cell_forward
from lstmcore.backends.cpu.memory import Memory
from lstmcore.backends.cpu.team import Team, product_with_packed
from lstmcore.batches import Batch
from lstmcore.cell import Gates, Peepholes
from lstmcore.errors import EngineError
from lstmcore.jit import kernel
from lstmcore.layers import BLSTM, LSTM, Convolution, Feedforward, Layer, Linear, Pool
from lstmcore.network import Architecture, Network

Array = Any
Pieces = dict[str, Array]

_PORTION = 96  # frames whose gates are there at a time
_SIDE_BY_SIDE = 64  # sequences of a part, at most
_KEPT = 64 << 20  # bytes: what a thread keeps until its next pass, at most
_ALONE = Team(1)


@kernel
def cells_forward(
    net: Array,  # net inputs of the gates z, i, f, o [n, 4, E]
    c: Array,  # cell states, become those of this step [n, E]
    p: Array,  # peepholes [3, E]
    h: Array,  # out: block outputs [n, E]
) -> None:
    """Compute one step of some sequences' units."""
    for s in range(c.shape[0]):
        for j in range(c.shape[1]):
            gates = Gates(net[s, 0, j], net[s, 1, j], net[s, 2, j], net[s, 3, j])
            _, c[s, j], h[s, j] = cell_forward(gates, c[s, j], Peepholes(p[0, j], p[1, j], p[2, j]))


@kernel
def lstm_outputs(
    x: Array,  # inputs [N, P]
    batch_sizes: Array,  # sequences alive at each step [T]
    p: Array,  # peepholes [3, E]
    width: Any,  # of a panel of the input weights
    recurrent_width: Any,  # of a panel of the recurrent weights
    memory: Array,  # input weights, transposed and packed
    recurrent_memory: Array,  # recurrent weights, transposed and packed
    begin: Array,  # what net inputs begin with [4E]
    gates: Array,  # scratch: net inputs of some steps [at least n, 4E]
    c: Array,  # scratch: cell states [n, E]
    h: Array,  # out: block outputs, initial state first [n+N, E]
) -> None:
    """Compute the block outputs of an LSTM layer from zero states."""
    units = c.shape[1]
    panels = kernel_packed(memory, x.shape[1], 4 * units, width)
    recurrent = kernel_packed(recurrent_memory, units, 4 * units, recurrent_width)
    for s in range(c.shape[0]):
        c[s] = 0
        h[s] = 0
    first, start, before = 0, 0, 0
    while first < batch_sizes.shape[0]:
        last, end = first, start
        while last < batch_sizes.shape[0] and end + batch_sizes[last] - start <= gates.shape[0]:
            end += batch_sizes[last]
            last += 1
        product(x[start:end], panels, begin, gates[: end - start])
        now = start
        for t in range(first, last):
            rows, after = batch_sizes[t], c.shape[0] + now
            net = gates[now - start : now - start + rows]
            add_product(h[before : before + rows], recurrent, net, t)
            cells_forward(net.reshape((rows, 4, units)), c[:rows], p, h[after : after + rows])
            before = after
            now += rows
        first, start = last, end


class _Layer(Protocol):
    """The weights of a layer, packed."""

    def pack(self, w: Pieces, width: int) -> None:
        """Take the weights; panels of what a single step is multiplied with have this width."""

    def scratch(self) -> Any:
        """Make the memory that one thread computes in."""

    def outputs(self, x: Array, batch: Batch, scratch: Any) -> Array:
        """Compute the outputs [N, L] from the inputs [N, P]; valid until the next call with this memory."""


class _Lstm:
    """One direction of an LSTM layer."""

    def __init__(self, inputs: int, units: int, bias: float, dtype: DTypeLike) -> None:
        self._inputs, self._units, self._memory = inputs, units, Memory(dtype)
        self._bias = self._memory.number(bias)

    def pack(self, w: Pieces, width: int) -> None:
        memory, inputs, units = self._memory, self._inputs, self._units
        widths = memory.width, width
        panels = (
            memory.panels("inputs", inputs, 4 * units, widths[0]),
            memory.panels("recurrent", units, 4 * units, widths[1]),
        )
        pack_transposed(w["W"].reshape(4 * units, inputs), panels[0], widths[0])
        pack_transposed(w["R"].reshape(4 * units, units), panels[1], widths[1])
        begin = memory.flat("begin", 4 * units)
        np.multiply(w["b"].reshape(-1), self._bias, out=begin)
        self._weights = w["p"], *widths, *panels, begin

    def scratch(self) -> Memory:
        return Memory(self._memory.dtype)

    def outputs(self, x: Array, batch: Batch, scratch: Memory) -> Array:
        frames, sequences, units = batch.frames, batch.sequences, self._units
        gates = scratch.rows("gates", max(_PORTION, sequences), 4 * units)
        c, h = scratch.rows("c", sequences, units), scratch.rows("h", sequences + frames, units)
        lstm_outputs(x, batch.batch_sizes, *self._weights, gates, c, h)
        return h[sequences:]


class _Blstm:
    """Two directions; the second sees each sequence reversed in time."""

    def __init__(self, inputs: int, layer: BLSTM, dtype: DTypeLike) -> None:
        self._half = layer.size // 2
        self._directions = [_Lstm(inputs, self._half, layer.bias, dtype) for _ in range(2)]

    def pack(self, w: Pieces, width: int) -> None:
        for k, direction in enumerate(self._directions):
            units = slice(k * self._half, (k + 1) * self._half)
            direction.pack({n: np.ascontiguousarray(a[:, units]) for n, a in w.items()}, width)

    def scratch(self) -> list[Memory]:
        return [direction.scratch() for direction in self._directions]

    def outputs(self, x: Array, batch: Batch, scratch: list[Memory]) -> Array:
        (forwards, backwards), (there, back) = self._directions, scratch
        y = there.rows("y", batch.frames, 2 * self._half)
        y[:, : self._half] = forwards.outputs(x, batch, there)
        y[:, self._half :] = backwards.outputs(x[batch.reverse], batch, back)[batch.reverse]
        return y


_ACTIVATIONS = {"tanh": tanh_forward, "logistic": logistic_forward, "softmax": softmax_forward}


class _Feedforward:
    """A layer without memory in time."""

    def __init__(self, inputs: int, layer: Feedforward, dtype: DTypeLike) -> None:
        self._inputs, self._layer, self._memory = inputs, layer, Memory(dtype)
        self._bias = self._memory.number(layer.bias)

    def pack(self, w: Pieces, width: int) -> None:
        memory = self._memory
        panels = memory.panels("inputs", self._inputs, self._layer.size, memory.width)
        pack_transposed(w["W"], panels, memory.width)
        begin = memory.flat("begin", self._layer.size)
        np.multiply(w["b"], self._bias, out=begin)
        self._weights = panels, memory.width, begin

    def scratch(self) -> Memory:
        return Memory(self._memory.dtype)

    def outputs(self, x: Array, batch: Batch, scratch: Memory) -> Array:
        y = scratch.rows("y", batch.frames, self._layer.size)
        product_with_packed(x, *self._weights, y)
        if not isinstance(self._layer, Linear):
            _ACTIVATIONS[self._layer.kind](y)
        return y


class _Block:
    """A layer that sees a step as a block: it keeps little for the backward pass."""

    def __init__(self, layer: Convolution | Pool, dtype: DTypeLike) -> None:
        self._layer, self._dtype = layer, dtype

    def pack(self, w: Pieces, width: int) -> None:
        self._weights = w

    def scratch(self) -> CpuConvolution | CpuPool:
        if isinstance(self._layer, Convolution):
            return CpuConvolution(self._layer, self._dtype)
        return CpuPool(self._layer, self._dtype)

    def outputs(self, x: Array, batch: Batch, scratch: CpuConvolution | CpuPool) -> Array:
        return scratch.forward(x, batch, self._weights, _ALONE)


def _new_layer(layer: Layer, inputs: int, dtype: DTypeLike) -> _Layer:
    match layer:
        case LSTM():
            return _Lstm(inputs, layer.size, layer.bias, dtype)
        case BLSTM():
            return _Blstm(inputs, layer, dtype)
        case Feedforward():
            return _Feedforward(inputs, layer, dtype)
        case Convolution() | Pool():
            return _Block(layer, dtype)
    raise EngineError(f"the cpu backend has no {layer.kind} layer")


def _new_layers(architecture: Architecture, dtype: DTypeLike) -> list[_Layer]:
    pairs = zip(architecture.layers, architecture.input_sizes, strict=True)
    return [_new_layer(layer, inputs, dtype) for layer, inputs in pairs]


def _pack(layers: list[_Layer], network: Network, width: int) -> list[_Layer]:
    for layer, w in zip(layers, network.parameters, strict=True):
        layer.pack(w, width)
    return layers


class PackedWeights:
    """The weights of a network that doesn't change, packed once for each width of panels that is asked for.

    Several threads may use it side by side: what a pass writes lies elsewhere.

    Parameters
    ----------
    network
        Nobody may change it.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._by_width: dict[int, list[_Layer]] = {}

    def layers(self, width: int) -> list[_Layer]:
        """Return the layers with panels of this width."""
        found = self._by_width.get(width)
        if found is None:
            new = _new_layers(self._network.architecture, self._network.dtype)
            # Two threads may both have packed: the same numbers.
            found = self._by_width[width] = _pack(new, self._network, width)
        return found


class CpuInference:
    """The memory of forward passes for networks of one architecture and precision.

    Parameters
    ----------
    architecture
        The layers.
    dtype
        The precision.
    """

    def __init__(self, architecture: Architecture, dtype: np.dtype[np.floating]) -> None:
        self.architecture, self.dtype = architecture, dtype
        self._layers = _new_layers(architecture, dtype)
        self._scratch: list[list[Any]] = []  # of each thread, of each layer
        self._x: list[Memory] = []  # of each thread
        self._y = Memory(dtype)
        self._frames = 0  # of the largest part so far

    def outputs(
        self,
        network: Network,
        batches: Iterable[Batch],
        team_for: Callable[[Batch], Team],
        packed_before: PackedWeights | None = None,
    ) -> Iterator[tuple[Batch, NDArray[np.floating]]]:
        """Compute batches one after the other, with the weights that the network has at the first.

        Parameters
        ----------
        network
            Of this architecture and precision.
        batches
            Of its inputs.
        team_for
            Returns the threads that compute a batch.
        packed_before
            Its weights; None: they are packed now, for they may have changed.

        Yields
        ------
        batch, outputs
            Packed outputs, shape (frames, outputs); valid until the next.
        """
        packed_for, layers = 0, self._layers
        for batch in batches:
            team = team_for(batch)
            parts = _parts(batch, team.size)
            width = panel_width(self.dtype, parts[0][1])  # wider where a step has few rows
            if packed_before is not None:
                layers = packed_before.layers(width)
            elif width != packed_for:
                packed_for = width
                _pack(layers, network, width)
            yield batch, self._of_parts(batch, layers, parts, team)

    @property
    def is_small(self) -> bool:
        """Whether a thread may keep it: a song of hours takes much."""
        columns = self.architecture.input_size + sum(layer.size for layer in self.architecture.layers)
        return self._frames * columns * self.dtype.itemsize <= _KEPT

    def _of_parts(
        self, batch: Batch, layers: list[_Layer], parts: list[tuple[int, int]], team: Team
    ) -> Array:
        while len(self._scratch) < team.size:
            self._scratch.append([layer.scratch() for layer in self._layers])
            self._x.append(Memory(self.dtype))
        if len(parts) == 1:
            return self._through(batch, layers, 0)
        y = self._y.rows("y", batch.frames, self.architecture.output_size)
        _ = batch.sequence  # once for all threads

        def share(thread: int) -> None:
            for left, right in parts[thread :: team.size]:
                rows, part = batch.part(left, right)
                y[rows] = self._through(part, layers, thread)

        team.run(share)
        return y

    def _through(self, batch: Batch, layers: list[_Layer], thread: int) -> Array:
        self._frames = max(self._frames, batch.frames)
        x = self._inputs_of(batch, thread)
        for layer, scratch in zip(layers, self._scratch[thread], strict=True):
            x = layer.outputs(x, batch, scratch)
        return x

    def _inputs_of(self, batch: Batch, thread: int) -> Array:
        if batch.is_put_together:
            return batch.inputs
        x = self._x[thread].rows("x", batch.frames, batch.input_kind[0])
        batch.write_inputs(x, 0, batch.frames)
        return x


def _parts(batch: Batch, threads: int) -> list[tuple[int, int]]:
    """Cut a batch's sequences into parts: as many for each thread, none of too many sequences."""
    parts = threads * -(-batch.sequences // (threads * _SIDE_BY_SIDE))
    if parts == 1:
        return [(0, batch.sequences)]
    return [(left, right) for left, right in Team(parts).cut_sequences(batch) if left < right]


_kept = threading.local()


@contextmanager
def kept_inference(network: Network) -> Iterator[CpuInference]:
    """Lend the memory of the thread's last pass if it fits: the system gives fresh memory slowly."""
    found: CpuInference | None = getattr(_kept, "memory", None)
    _kept.memory = None  # who calls from within this pass gets memory of its own
    a, dtype = network.architecture, network.dtype
    if found is None or found.dtype != dtype or (found.architecture is not a and found.architecture != a):
        found = CpuInference(a, dtype)
    yield found
    _kept.memory = found if found.is_small else None
