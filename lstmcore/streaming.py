"""Streaming: a network that holds its state and takes a frame at a time.

For sound that is still being played: the outputs of a frame are there as soon as its inputs are.
They are those that `predict` gives for the whole sequence, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmcore.checks import kind, numbers, shown, whole, writable
from lstmcore.errors import EngineError
from lstmcore.layers import BLSTM, BlockLayer
from lstmcore.network import Network


class StreamingNetwork:
    """A network that takes a frame at a time and remembers what came before.

    The first one of a precision takes some seconds, the first time on a machine: the kernel is
    compiled.  A step allocates nothing but the array it returns.  One object belongs to one thread;
    it can be copied (``copy.copy``) and pickled, and goes on from the same state.

    Parameters
    ----------
    network
        Layers that run forwards in time, none of which sees a block.  Its weights are copied.
    streams
        So many sequences side by side, each with a state of its own, in one step; None for one,
        whose arrays then lack the first axis.

    Raises
    ------
    EngineError
        If a layer runs backwards in time or sees a block, or there are no streams.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import LSTM, Linear, StreamingNetwork, initial_network
    >>> network = initial_network(260, [LSTM(200), Linear(2)], np.random.default_rng(1))
    >>> stream = StreamingNetwork(network)
    >>> frames = np.zeros((3, 260), np.float32)
    >>> np.array([stream.step(frame) for frame in frames]).shape
    (3, 2)
    >>> state = stream.state
    >>> ahead = stream.step(frames[0])
    >>> stream.state = state
    >>> np.array_equal(stream.step(frames[0]), ahead)
    True
    """

    def __init__(self, network: Network, streams: int | None = None) -> None:
        kind("network", network, Network)
        for number, layer in enumerate(network.architecture.layers, 1):
            if isinstance(layer, BLSTM):
                raise EngineError(
                    f"layer {number} of {len(network.architecture.layers)} is a blstm layer: half of its "
                    "units run backwards in time and need the frames to come; "
                    "a network that takes a frame at a time has lstm layers only"
                )
            if isinstance(layer, BlockLayer):
                raise EngineError(
                    f"layer {number} of {len(network.architecture.layers)} is a {layer.kind} layer, which "
                    "`predict` computes; a network that takes a frame at a time has no such layers"
                )
        if streams is not None:
            streams = whole("streams", streams)
        # Numba takes a while to import.
        from lstmcore.backends.cpu.stream import CpuStream

        self._network, self._streams = network.copy(), streams
        self._cpu = CpuStream(self._network, streams or 1)
        self._inputs, self._outputs = self._cpu.inputs, self._cpu.outputs
        if streams is None:
            self._inputs, self._outputs = self._inputs[0], self._outputs[0]
        self._cpu.step()  # compiled now, not when the first frame is waiting
        self.reset()

    def step(self, x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Compute the outputs of the next frame.

        Parameters
        ----------
        x
            Inputs, shape (inputs,), or (streams, inputs) if there are several.
        out
            Where the outputs are written instead of to a new array.

        Returns
        -------
        ndarray
            Outputs in the network's precision, shape (outputs,) or (streams, outputs); `out` if given.

        Raises
        ------
        EngineError
            If `x` or `out` has another shape or type, or an input is not a finite number in the network's
            precision.  The state is then what it was.
        """
        dtype = self._inputs.dtype
        frame = x if type(x) is np.ndarray and x.dtype == dtype else numbers("frame", x, dtype)
        if frame.shape != self._inputs.shape:
            raise EngineError(f"frame has shape {frame.shape}; expected {self._inputs.shape}")
        if out is not None:
            self._check_out(out)
        self._inputs[...] = frame
        bad = self._cpu.step()
        if bad >= 0:
            stream, number = divmod(bad, self._network.architecture.input_size)
            where = f"input {number}" if self._streams is None else f"stream {stream}, input {number}"
            raise EngineError(
                f"{where}: {np.asarray(x).flat[bad]}; expected a finite {self._network.dtype} number"
            )
        if out is None:
            return self._outputs.copy()
        out[...] = self._outputs
        return out

    def _check_out(self, out: Any) -> None:
        if np.shape(out) != self._outputs.shape:
            raise EngineError(f"out has shape {np.shape(out)}; expected {self._outputs.shape}")
        if not isinstance(out, np.ndarray) or not np.can_cast(self._outputs.dtype, out.dtype):
            raise EngineError(
                f"out is {shown(out)}; expected an array that holds {self._outputs.dtype} numbers"
            )
        writable("out", out)

    def reset(self) -> None:
        """Forget all frames: the next one is the first of a sequence."""
        for state in self._cpu.states:
            state[:] = 0

    @property
    def state(self) -> NDArray[Any]:
        """What is remembered, as a copy, shape (2 · LSTM units,) or (streams, 2 · LSTM units).

        From the first LSTM layer to the last, its cell states c and then its block outputs h.  May be
        set, to go on from there; a row of zeros is what `reset` leaves.
        """
        nothing = np.empty((self._streams or 1, 0), self._network.dtype)
        state = np.concatenate([nothing, *self._cpu.states], axis=1)
        return state[0] if self._streams is None else state

    @state.setter
    def state(self, state: ArrayLike) -> None:
        values, present = numbers("state", state, self._network.dtype), self.state
        if values.shape != present.shape:
            raise EngineError(f"state has shape {values.shape}; expected {present.shape}")
        if not np.isfinite(values).all():
            raise EngineError(
                f"{int((~np.isfinite(values)).sum())} values of the state are not finite numbers"
            )
        values, start = values.reshape(self._streams or 1, -1), 0
        for part in self._cpu.states:
            part[:] = values[:, start : start + part.shape[1]]
            start += part.shape[1]

    def __reduce__(self) -> tuple[Any, ...]:
        # Copied one by one, the arrays would no longer be views of the kernel's memory.
        return _resumed, (self._network, self._streams, self.state)


def _resumed(network: Network, streams: int | None, state: NDArray[Any]) -> StreamingNetwork:
    stream = StreamingNetwork(network, streams)
    stream.state = state
    return stream
