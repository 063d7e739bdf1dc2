"""One frame through a whole network in one call, for a network that holds its state.

A call from Python costs about a microsecond, and each array it takes a tenth of one.  So there is
one call per frame: all weights lie in one vector, all that changes lies in another, and a table says
where.  Products and cells are those of the layers': the outputs have the bits that the same frames have
as a whole sequence.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.backends.cpu.feedforward import logistic_forward, softmax_forward, tanh_forward
from lstmcore.backends.cpu.gemm import (
    add_product,
    kernel_packed_size,
    pack_transposed,
    packed_size,
    panel_width,
)
from lstmcore.backends.cpu.inference import cells_forward
from lstmcore.backends.cpu.memory import CACHE_LINE, aligned
from lstmcore.jit import kernel, woven
from lstmcore.layers import LSTM, Layer, Linear, Logistic, Softmax, Tanh
from lstmcore.network import Network

Array = Any

_KINDS: tuple[type[Layer], ...] = (LSTM, Linear, Tanh, Logistic, Softmax)
_LSTM, _TANH, _LOGISTIC, _SOFTMAX = (_KINDS.index(kind) for kind in (LSTM, Tanh, Logistic, Softmax))


@woven
def _matrix(memory: Array, start: Any, rows: Any, columns: Any) -> Any:
    return memory[start : start + rows * columns].reshape((rows, columns))


@woven
def _panels(weights: Array, start: Any, steps: Any, columns: Any, width: Any) -> Any:
    return weights[start : start + kernel_packed_size(steps, columns, width)].reshape((-1, steps, width))


@kernel
def stream_step(
    n: Any,  # streams side by side
    width: Any,  # of a panel
    table: Array,  # of each layer the kind, inputs, outputs, place in weights and in memory [layers, 5]
    weights: Array,  # of each layer W in panels, of LSTM R in panels, bias, of LSTM the peepholes
    memory: Array,  # inputs [n, P]; of each layer c and h if it is LSTM, and the net inputs
) -> Any:
    """Take the inputs in `memory` through all layers.

    Returns the place of the first input that is not a finite number, having changed nothing, or -1.
    """
    for k in range(n * table[0, 1]):
        if not np.isfinite(memory[k]):
            return k
    x_at = 0
    for layer in range(table.shape[0]):
        kind, inputs, outputs, w_at, at = table[layer]
        recurrent = kind == _LSTM
        columns = 4 * outputs if recurrent else outputs
        r_at = w_at + kernel_packed_size(inputs, columns, width)
        b_at = r_at + (kernel_packed_size(outputs, columns, width) if recurrent else 0)
        net = _matrix(memory, at + 2 * n * outputs if recurrent else at, n, columns)
        for s in range(n):
            for j in range(columns):
                net[s, j] = weights[b_at + j]
        add_product(
            _matrix(memory, x_at, n, inputs), _panels(weights, w_at, inputs, columns, width), net, layer
        )
        x_at = at  # the outputs
        if recurrent:
            x_at = at + n * outputs
            c, h = _matrix(memory, at, n, outputs), _matrix(memory, x_at, n, outputs)
            add_product(h, _panels(weights, r_at, outputs, columns, width), net, layer)
            cells_forward(net.reshape((n, 4, outputs)), c, _matrix(weights, b_at + columns, 3, outputs), h)
        elif kind == _TANH:
            tanh_forward(net)
        elif kind == _LOGISTIC:
            logistic_forward(net)
        elif kind == _SOFTMAX:
            softmax_forward(net)
    return -1


class CpuStream:
    """The packed weights of a network, and its memory for some streams side by side.

    Parameters
    ----------
    network
        Has no layer that runs backwards in time.  Its weights are copied.
    streams
        How many, n.

    Attributes
    ----------
    inputs, outputs
        Where a frame is put, shape (n, inputs), and where its outputs are found, (n, outputs).
    states
        Of each LSTM layer the cell states, then the block outputs, shape (n, units) each.
    """

    def __init__(self, network: Network, streams: int) -> None:
        a, dtype = network.architecture, network.dtype
        self._streams, self._width = streams, panel_width(dtype, streams)
        rows, parts = [], []
        weights_taken, taken = 0, streams * a.input_size
        for layer, inputs, w in zip(a.layers, a.input_sizes, network.parameters, strict=True):
            rows.append((_KINDS.index(type(layer)), inputs, layer.size, weights_taken, taken))
            parts.append(_packed(layer, w, self._width, dtype))
            weights_taken += len(parts[-1])
            taken += streams * layer.size * (6 if isinstance(layer, LSTM) else 1)
        self._table = np.array(rows)
        self._weights = aligned(weights_taken, dtype)
        np.concatenate(parts, out=self._weights)
        self._memory = np.zeros(taken, dtype)
        self.inputs = self._view(0, a.input_size)
        self.states: list[NDArray[np.floating]] = []
        for kind, _, units, _, at in rows:
            self.outputs = self._view(at, units)
            if kind == _LSTM:
                self.outputs = self._view(at + streams * units, units)
                self.states += [self._view(at, units), self.outputs]

    def _view(self, start: int, columns: int) -> NDArray[np.floating]:
        return self._memory[start : start + self._streams * columns].reshape(self._streams, columns)

    def step(self) -> int:
        """Compute a frame; return the place in `inputs` of a number that is not finite, or -1."""
        place: int = stream_step(self._streams, self._width, self._table, self._weights, self._memory)
        return place


def _packed(
    layer: Layer, w: dict[str, NDArray[np.floating]], width: int, dtype: np.dtype[np.floating]
) -> NDArray[np.floating]:
    """Lay a layer's weights out as the kernel wants them, up to the end of a line of the cache."""
    parts: list[NDArray[np.floating]] = []
    for name in ("W", "R"):
        if name in w:
            matrix = w[name].reshape(-1, w[name].shape[-1])
            memory = np.empty(packed_size(matrix.shape[1], matrix.shape[0], width), dtype)
            pack_transposed(matrix, memory, width)
            parts.append(memory)
    parts.append(dtype.type(layer.bias) * w["b"].ravel())
    if "p" in w:
        parts.append(w["p"].ravel())
    parts.append(np.zeros(-sum(map(len, parts)) % (CACHE_LINE // dtype.itemsize), dtype))
    return np.concatenate(parts)
