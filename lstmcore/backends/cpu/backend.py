"""The CPU backend: walks the layers; the kernels do the mathematics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lstmcore.backends.checks import check_backward, check_forward, check_update, check_workspace
from lstmcore.backends.cpu.blocks import CpuConvolution, CpuPool
from lstmcore.backends.cpu.descent import momentum_update
from lstmcore.backends.cpu.feedforward import CpuFeedforward
from lstmcore.backends.cpu.inference import CpuInference, PackedWeights, kept_inference
from lstmcore.backends.cpu.lstm_layers import CpuBlstm, CpuLstm
from lstmcore.backends.cpu.memory import Memory
from lstmcore.backends.cpu.team import Team
from lstmcore.backends.cpu.updates import Updates
from lstmcore.batches import Batch
from lstmcore.checks import kind, whole
from lstmcore.errors import EngineError
from lstmcore.layers import BLSTM, LSTM, Convolution, Feedforward, Layer, Pool
from lstmcore.network import Network
from lstmcore.sequences import SequenceSet
from lstmcore.sgd import SGD

Array = NDArray[np.floating]
Pieces = dict[str, Array]


# Below these two threads were slower than one: handing work around takes longer (docs/performance.md).
_MUCH_TO_UPDATE = 1_000_000  # parameters
_MUCH_TO_COMPUTE = 250_000_000  # multiplications of a pass


class CpuLayer(Protocol):
    """A layer with its memory.

    `forward` and `backward` are called in turn for the same batch; before each, where several threads
    compute it, `pack`.  These threads may have a pass's work still before them when it returns: a thread
    computes the sequences that `Team.cut_sequences` gives it; who needs other sequences' rows waits.
    """

    def pack(self, batch: Batch, w: Pieces, team: Team, back: bool, below: bool) -> None:
        """Pack the weights for `forward`, or for `backward` with or without errors of the inputs.

        It is done in the team's next phase.
        """

    def forward(self, x: Array, batch: Batch, w: Pieces, team: Team) -> Array:
        """Compute the outputs [N, L] from the inputs [N, P]; valid until the next call."""

    def backward(
        self,
        error: Array,
        x: Array,
        batch: Batch,
        w: Pieces,
        dw: Pieces,
        limit: float,
        below: bool,
        team: Team,
    ) -> Array:
        """Overwrite the gradient; return the error of the inputs [N, P], empty unless wanted.

        The error of the outputs [N, L] may be overwritten, but neither inputs nor outputs, nor may the next
        layer overwrite what this one needs for its gradient, which may be summed up when this has returned.
        """


def new_layer(layer: Layer, inputs: int, dtype: DTypeLike) -> CpuLayer:
    """Make the memory of a layer."""
    match layer:
        case LSTM():
            return CpuLstm(inputs, layer.size, layer.bias, dtype)
        case BLSTM():
            return CpuBlstm(inputs, layer, dtype)
        case Feedforward():
            return CpuFeedforward(inputs, layer, dtype)
        case Convolution():
            return CpuConvolution(layer, dtype)
        case Pool():
            return CpuPool(layer, dtype)
    raise EngineError(f"the cpu backend has no {layer.kind} layer")


class CpuWorkspace:
    """The layers with their memory, and what each got in the last forward pass.

    Parameters
    ----------
    network
        Gives layers and precision.
    """

    def __init__(self, network: Network) -> None:
        self.architecture = a = network.architecture
        self.dtype = network.dtype
        self.layers: list[CpuLayer] = [
            new_layer(layer, inputs, network.dtype)
            for layer, inputs in zip(a.layers, a.input_sizes, strict=True)
        ]
        self.inputs: list[Array] = []
        self.batch: Batch | None = None
        self._memory = Memory(network.dtype)
        self._gradient: Array | None = None
        self._views: list[dict[str, Array]] = []

    @cached_property
    def inference(self) -> CpuInference:
        """The memory of passes that nothing is learnt from."""
        return CpuInference(self.architecture, self.dtype)

    def put_together(self, batch: Batch, team: Team) -> Array:
        """Return a batch's inputs, which are there after the team's next phase."""
        if batch.is_put_together:
            return batch.inputs
        x = self._memory.rows("x", batch.frames, batch.input_kind[0])
        rows = team.cut(batch.frames)
        team.add(lambda k: batch.write_inputs(x, *rows[k]))
        if team.size == 1:
            team.wait()
        return x

    def views(self, gradient: Array) -> list[dict[str, Array]]:
        """Return the gradient's pieces; a trainer comes with the same vector again and again."""
        if gradient is not self._gradient:
            self._gradient, self._views = gradient, self.architecture.views(gradient)
        return self._views


class CpuBackend:
    """Numba kernels.

    Parameters
    ----------
    threads
        How many compute a network together; the results have the same bits.
    """

    name = "cpu"
    trains_together = False
    _threads = 1

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    @property
    def threads(self) -> int:
        """How many threads compute a network together; may be set between two passes."""
        return self._threads

    @threads.setter
    def threads(self, threads: int) -> None:
        self._threads = whole("threads", threads)

    def workspace(self, network: Network) -> CpuWorkspace:
        """Make the memory for one network and thread."""
        kind("network", network, Network)
        return CpuWorkspace(network)

    def forward(self, network: Network, batch: Batch, workspace: CpuWorkspace) -> Array:
        """Compute the outputs of all frames, shape (frames, outputs)."""
        check_workspace(workspace, CpuWorkspace, network)
        check_forward(network, batch)
        team = self._team_for(network, batch)
        x = workspace.put_together(batch, team)
        workspace.inputs, workspace.batch = [], batch
        _pack(network, batch, workspace, team, back=False)
        for layer, w in zip(workspace.layers, network.parameters, strict=True):
            workspace.inputs.append(x)
            x = layer.forward(x, batch, w, team)
        team.wait()
        return x

    @contextmanager
    def outputs(
        self,
        network: Network,
        batches: Iterable[Batch],
        workspace: CpuWorkspace | None = None,
        packed: PackedWeights | None = None,
    ) -> Iterator[Iterator[tuple[Batch, Array]]]:
        """Compute batches that nothing is learnt from: the bits of `forward`, sooner and in less memory.

        Each comes with its outputs, shape (frames, outputs), valid until the next.  Weights that
        weren't packed before are packed now.
        """

        def checked() -> Iterator[Batch]:
            for batch in batches:
                check_forward(network, batch)
                yield batch

        if workspace is not None:
            check_workspace(workspace, CpuWorkspace, network)
        lent = kept_inference(network) if workspace is None else nullcontext(workspace.inference)
        with lent as memory:
            yield memory.outputs(network, checked(), lambda batch: self._team_for(network, batch), packed)

    def backward(
        self,
        network: Network,
        batch: Batch,
        workspace: CpuWorkspace,
        signal: Array,
        gradient: Array,
        delta_limit: float = 1.0,
    ) -> None:
        """Write dE/dw into `gradient`, shape (parameters,)."""
        check_workspace(workspace, CpuWorkspace, network)
        check_backward(network, batch, workspace.batch, signal, gradient, delta_limit)
        gradients = workspace.views(gradient)
        error = np.ascontiguousarray(signal, network.dtype)
        team = self._team_for(network, batch)
        _pack(network, batch, workspace, team, back=True)
        for k in reversed(range(len(workspace.layers))):
            error = workspace.layers[k].backward(
                error,
                workspace.inputs[k],
                batch,
                network.parameters[k],
                gradients[k],
                delta_limit,
                k > 0,
                team,
            )
        team.finish()

    def update(self, weights: Array, velocity: Array, gradient: Array, sgd: SGD) -> None:
        """Take a step in place: v ← μ v − η g, w ← w + v."""
        check_update(weights, velocity, gradient, sgd)
        real = weights.dtype.type
        rates = real(sgd.learning_rate), real(sgd.momentum)
        if self._threads == 1 or len(weights) < _MUCH_TO_UPDATE:
            momentum_update(weights, velocity, gradient, *rates)
            return
        team = Team(self._threads)
        parts = [slice(*part) for part in team.cut(len(weights), 16)]
        team.run(lambda k: momentum_update(weights[parts[k]], velocity[parts[k]], gradient[parts[k]], *rates))

    def updates(
        self,
        network: Network,
        songs: SequenceSet,
        parallel_sequences: int,
        rates: Sequence[tuple[slice, SGD]],
        delta_limit: float,
    ) -> Updates | None:
        """Return what does many updates in one call, as `ManyUpdates` says."""
        # A subclass has passes of its own.
        if type(self) is not CpuBackend or not Updates.suit(network, songs, parallel_sequences):
            return None
        return Updates(self.computes_alone, network, songs, parallel_sequences, rates, delta_limit)

    def computes_alone(self, frames: int, network: Network) -> bool:
        """Whether one thread computes a batch of so many frames."""
        return self._threads == 1 or frames * len(network.weights) < _MUCH_TO_COMPUTE

    def _team_for(self, network: Network, batch: Batch) -> Team:
        """Return the threads, or one alone where handing work around would take longer than the work."""
        return Team(1 if self.computes_alone(batch.frames, network) else self._threads)


def _pack(network: Network, batch: Batch, workspace: CpuWorkspace, team: Team, back: bool) -> None:
    """Pack the weights of all layers together; where there is one thread, each layer does on its way."""
    if team.size == 1:
        return
    for k, (layer, w) in enumerate(zip(workspace.layers, network.parameters, strict=True)):
        layer.pack(batch, w, team, back, k > 0)
    team.wait()
