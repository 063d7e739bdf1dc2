"""The CUDA backend: a batch at a time, one network, computed by a team of blocks.

This is what `Trainer.run_epoch`, `predict` and the gradient check use; weights and batches go to the GPU and
back at each call.  Networks are trained fast by `lstmcore.backends.cuda.ensemble`, with the same kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.backends.checks import check_backward, check_forward, check_update, check_workspace
from lstmcore.backends.cuda.device import Device, default_device
from lstmcore.backends.cuda.ensemble import OnDiverged, OnEpoch, train_ensemble
from lstmcore.backends.cuda.layout import DataShape, Extent, make_layout
from lstmcore.backends.cuda.team import Memory
from lstmcore.backends.protocol import TrainingRun
from lstmcore.batches import Batch
from lstmcore.checks import kind
from lstmcore.network import Network
from lstmcore.sgd import SGD

Array = NDArray[np.floating]


class CudaWorkspace:
    """A network's memory on the GPU; it grows with the batches that come.

    Parameters
    ----------
    network
        Gives layers and precision.
    device
        Where it is computed.
    """

    def __init__(self, network: Network, device: Device) -> None:
        self.architecture, self.dtype, self._device = network.architecture, network.dtype, device
        self.batch: Batch | None = None
        self.blocks = device.blocks_of(1)
        self._extent = Extent(0, 0, 0)
        self.sync = device.to_device(np.zeros(1, np.int64))
        self._make(Extent(1, 1, 1))

    def load(self, batch: Batch) -> None:
        """Copy a batch's inputs, and where its rows belong."""
        steps, sequences = len(batch.batch_sizes), batch.sequences
        old = self._extent
        if batch.frames > old.frames or sequences > old.sequences or steps > old.steps:
            self._make(
                Extent(max(old.frames, batch.frames), max(old.sequences, sequences), max(old.steps, steps))
            )
        offsets = np.concatenate([[0], np.cumsum(batch.batch_sizes)])
        # A row comes after that of its sequence in the step before, behind the initial states.
        step = np.repeat(np.arange(steps), batch.batch_sizes)
        before = (
            np.arange(batch.frames) - offsets[step] + np.where(step > 0, sequences + offsets[step - 1], 0)
        )
        for name, values in {
            "batch_sizes": np.append(batch.batch_sizes, 0),
            "offsets": offsets,
            "before": before,
            "reversed": batch.reverse,
        }.items():
            start = self._layout.number(name)
            self.memory.ints[start : start + len(values)].copy_to_device(values.astype(np.int32))
        self._write(self._layout.number("x"), batch.inputs)
        self.steps = steps

    def outputs(self, frames: int) -> Array:
        """Copy the network's outputs, shape (frames, outputs)."""
        start, width = self._layout.output("y"), self.architecture.output_size
        found: Array = self.memory.work[start : start + frames * width].copy_to_host()
        return found.reshape(frames, width)

    def load_errors(self, errors: Array) -> None:
        """Copy errors of the network's outputs, shape (frames, outputs)."""
        self._write(self._layout.output("error"), errors)

    def _write(self, start: int, values: Array) -> None:
        """Copy numbers to where they lie."""
        flat = np.ascontiguousarray(values, self.dtype).ravel()
        self.memory.work[start : start + flat.size].copy_to_device(flat)

    def _make(self, extent: Extent) -> None:
        device, dtype = self._device, self.dtype
        data = DataShape(self.architecture.input_size, 0)
        self._extent = extent
        self._layout = layout = make_layout(self.architecture, data, extent, self.blocks, device.room(dtype))
        self.shared_bytes = layout.pool * dtype.itemsize
        self.records = [device.to_device(records) for records in layout.of_teams(1)]
        self.memory = Memory(
            work=device.empty(layout.work, dtype),
            ints=device.to_device(layout.integers(1)),
            errors=device.empty(0, np.float64),  # the host computes them
        )


class CudaBackend:
    """Kernels of `numba.cuda`.

    Parameters
    ----------
    device
        Where they run; the process's GPU if None.

    Raises
    ------
    EngineError
        If there is no GPU or numba-cuda is not installed.
    """

    name = "cuda"
    trains_together = True

    def __init__(self, device: Device | None = None) -> None:
        self.device = device or default_device()

    def workspace(self, network: Network) -> CudaWorkspace:
        """Make the memory for one network and thread."""
        kind("network", network, Network)
        return CudaWorkspace(network, self.device)

    def forward(self, network: Network, batch: Batch, workspace: CudaWorkspace) -> Array:
        """Compute the outputs of all frames, shape (frames, outputs)."""
        check_workspace(workspace, CudaWorkspace, network)
        check_forward(network, batch)
        w = workspace
        w.load(batch)
        w.batch = batch
        self.device.launch(
            self.device.kernels(network.dtype).forward_pass,
            w.blocks,
            *w.records,
            self.device.to_device(network.weights),
            w.memory,
            w.steps,
            w.sync,
            w.blocks,
            shared_bytes=w.shared_bytes,
        )
        return w.outputs(batch.frames)

    def backward(
        self,
        network: Network,
        batch: Batch,
        workspace: CudaWorkspace,
        signal: Array,
        gradient: Array,
        delta_limit: float = 1.0,
    ) -> None:
        """Write dE/dw into `gradient`, shape (parameters,)."""
        check_workspace(workspace, CudaWorkspace, network)
        check_backward(network, batch, workspace.batch, signal, gradient, delta_limit)
        w, device = workspace, self.device
        w.load_errors(signal)
        found = device.empty(len(gradient), network.dtype)
        device.launch(
            device.kernels(network.dtype).backward_pass,
            w.blocks,
            *w.records,
            device.to_device(network.weights),
            found,
            w.memory,
            w.steps,
            network.dtype.type(delta_limit),
            w.sync,
            w.blocks,
            shared_bytes=w.shared_bytes,
        )
        gradient[:] = found.copy_to_host()

    def update(self, weights: Array, velocity: Array, gradient: Array, sgd: SGD) -> None:
        """Take a step in place: v ← μ v − η g, w ← w + v."""
        check_update(weights, velocity, gradient, sgd)
        device, real = self.device, weights.dtype.type
        arrays: list[Any] = [device.to_device(a) for a in (weights, velocity, gradient)]
        device.launch(
            device.kernels(weights.dtype).momentum_update,
            min(device.multiprocessors, -(-len(weights) // device.threads)),
            *arrays,
            real(sgd.learning_rate),
            real(sgd.momentum),
        )
        weights[:], velocity[:] = (a.copy_to_host() for a in arrays[:2])

    def train_ensemble(
        self, trainers: Sequence[TrainingRun], on_epoch: OnEpoch, on_diverged: OnDiverged | None
    ) -> None:
        """Run trainings to their end, those of one shape together."""
        train_ensemble(trainers, on_epoch, on_diverged)
