"""What happens within LSTM layers: gates, cell states and outputs over time, as arrays with names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmcore.backends.reference import ReferenceBackend
from lstmcore.batches import pack
from lstmcore.checks import kind
from lstmcore.errors import EngineError
from lstmcore.fit import check_fit
from lstmcore.layers import BLSTM, LSTM
from lstmcore.network import Network
from lstmcore.sequences import SequenceSet


@dataclass(frozen=True)
class GateActivations:
    """One direction of one LSTM layer over a sequence; each array has shape (frames, units), float64.

    Row t is of frame t in both directions.  The names are those of the equations in `LSTM`.

    Parameters
    ----------
    layer
        Which layer of the network, counted from 0, as in ``network.parameters``.
    direction
        ``"forwards"`` or ``"backwards"`` in time.
    z
        Cell input, from -1 to 1.
    i, f, o
        Input, forget and output gate, from 0 to 1.
    c
        Cell state after the frame.
    h
        Output.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import LSTM, Linear, gates, initial_network
    >>> [layer] = gates(initial_network(3, [LSTM(2), Linear(1)], 1), np.zeros((9, 3)))
    >>> layer.f.shape
    (9, 2)
    """

    layer: int
    direction: Literal["forwards", "backwards"]
    z: NDArray[np.float64]
    i: NDArray[np.float64]
    f: NDArray[np.float64]
    o: NDArray[np.float64]
    c: NDArray[np.float64]
    h: NDArray[np.float64]

    @property
    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """The arrays by name, of which `numpy.savez` makes a file."""
        return {name: getattr(self, name) for name in ("z", "i", "f", "o", "c", "h")}

    def __repr__(self) -> str:
        frames, units = self.c.shape
        return f"<GateActivations of layer {self.layer}, {self.direction}: {frames} frames, {units} units>"


def gates(network: Network, x: ArrayLike) -> list[GateActivations]:
    """Compute the activations of every gate and cell of a network over a sequence.

    Parameters
    ----------
    network
        With at least one LSTM layer, in any precision.
    x
        The inputs of one sequence, shape (frames, inputs).

    Returns
    -------
    list of GateActivations
        From the input to the output, one for each LSTM layer; for a bidirectional one two, forwards first.
        They are the reference backend's, in float64.

    Raises
    ------
    EngineError
        If the network has no LSTM layer, or `x` doesn't fit it.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import LSTM, Linear, gates, initial_network
    >>> network = initial_network(3, [LSTM(4), Linear(1)], 1)
    >>> [layer] = gates(network, np.zeros((10, 3)))
    >>> layer
    <GateActivations of layer 0, forwards: 10 frames, 4 units>
    >>> layer.f.shape  # the forget gate of each unit at each frame
    (10, 4)
    """
    kind("network", network, Network)
    double = Network(network.architecture, network.weights.astype(np.float64))
    sequence = SequenceSet.from_lists([x], dtype=np.float64)
    check_fit(double, sequence, "the")
    layers = network.architecture.layers
    if not any(isinstance(layer, LSTM | BLSTM) for layer in layers):
        kinds = ", ".join(layer.kind for layer in layers)
        raise EngineError(
            f"the network has no lstm or blstm layer, but {kinds}; expected one whose gates there are"
        )
    backend = ReferenceBackend()
    workspace = backend.workspace(double)
    backend.forward(double, pack(sequence, np.array([0])), workspace)
    found = []
    for number, trace in enumerate(workspace.traces[0]):
        for direction, back in zip(trace.directions, (False, True), strict=False):
            time = slice(None, None, -1 if back else 1)
            z, i, f, o = np.moveaxis(direction.gates[time], 1, 0)
            c, h = direction.c[1:][time], direction.h[1:][time]
            arrays = (np.ascontiguousarray(a, np.float64) for a in (z, i, f, o, c, h))
            found.append(GateActivations(number, "backwards" if back else "forwards", *arrays))
    return found
