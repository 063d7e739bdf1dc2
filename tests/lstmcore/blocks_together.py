"""Stands for `numba.cuda` in tests: runs all blocks of a launch at once, in threads of Python's.

Numba's own simulator runs one block after the other, so blocks that wait for each other would wait forever.
Here they meet as on a GPU.  New memory is NaN, and threads are held up at random, so that a block which
doesn't wait for what another one writes is found out.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np


class DeviceArray(np.ndarray):
    """An array with the two methods that arrays on a GPU have besides."""

    def copy_to_host(self) -> np.ndarray:
        return np.array(self)

    def copy_to_device(self, values: np.ndarray) -> None:
        self[...] = values


def _plain(argument: Any) -> Any:
    """Leave only NumPy's array of an array, also in named tuples."""
    if isinstance(argument, np.ndarray):
        return argument.view(np.ndarray)
    return type(argument)(*map(_plain, argument)) if isinstance(argument, tuple) else argument


def _local(size: int, kind: Any) -> np.ndarray:
    """Make an array of a thread: of numbers that are no places yet."""
    return np.full(size, -(2**60) if np.issubdtype(str(kind), np.integer) else np.nan, str(kind))


class _Launch:
    """A kernel with its blocks and threads."""

    def __init__(self, cuda: Blocks, function: Callable[..., None], shape: tuple[int, int, int, int]) -> None:
        self.cuda, self.function = cuda, function
        self.blocks, self.threads, _, self.shared_bytes = shape

    def __call__(self, *arguments: Any) -> None:
        errors: list[BaseException] = []
        barriers = [threading.Barrier(self.threads) for _ in range(self.blocks)]
        shared = [bytearray(self.shared_bytes) for _ in range(self.blocks)]

        def run(block: int, thread: int) -> None:
            here = self.cuda.here
            here.block, here.thread, here.blocks = block, thread, self.blocks
            here.barrier, here.shared = barriers[block], shared[block]
            here.random = random.Random(1000 * block + thread)
            try:
                self.function(*map(_plain, arguments))
            except BaseException as error:  # noqa: BLE001 - told by the thread that launched
                errors.append(error)
                self.cuda.failed = True
                for barrier in barriers:
                    barrier.abort()

        self.cuda.failed = False
        workers = [
            [threading.Thread(target=run, args=(b, t), daemon=True) for t in range(self.threads)]
            for b in range(self.blocks)
        ]
        for worker in (worker for block in workers for worker in block):
            worker.start()
        while any(worker.is_alive() for block in workers for worker in block):
            for block, barrier in zip(workers, barriers, strict=True):
                alive = sum(worker.is_alive() for worker in block)
                if 0 < barrier.n_waiting == alive < self.threads:  # for one that has left
                    barrier.abort()
            time.sleep(1e-3)
        if errors:
            raise next((e for e in errors if not isinstance(e, threading.BrokenBarrierError)), errors[0])


class _Kernel:
    def __init__(self, cuda: Blocks, function: Callable[..., None]) -> None:
        self.cuda, self.function = cuda, function

    def __getitem__(self, shape: tuple[int, int, int, int]) -> _Launch:
        return _Launch(self.cuda, self.function, shape)


class Blocks:
    """The parts of `numba.cuda` that the kernels use."""

    def __init__(self) -> None:
        self.here = threading.local()
        self.failed = False
        self._lock = threading.Lock()
        self.atomic = SimpleNamespace(add=self._add)
        self.shared = SimpleNamespace(array=self._shared)
        self.local = SimpleNamespace(array=_local)

    def jit(self, function: Callable[..., None]) -> _Kernel:
        return _Kernel(self, function)

    def to_device(self, values: np.ndarray) -> DeviceArray:
        return np.array(values).view(DeviceArray)

    def device_array(self, shape: tuple[int, ...], kind: Any) -> DeviceArray:
        return np.full(shape, np.nan, kind).view(DeviceArray)

    @property
    def threadIdx(self) -> SimpleNamespace:
        return SimpleNamespace(x=self.here.thread)

    @property
    def blockIdx(self) -> SimpleNamespace:
        return SimpleNamespace(x=self.here.block)

    @property
    def gridDim(self) -> SimpleNamespace:
        return SimpleNamespace(x=self.here.blocks)

    def syncthreads(self) -> None:
        if self.here.random.random() < 0.02:
            time.sleep(self.here.random.random() * 1e-3)
        self.here.barrier.wait()

    def threadfence(self) -> None:
        pass

    def _shared(self, size: int, kind: Any) -> np.ndarray:
        return np.frombuffer(self.here.shared, str(kind))

    def _add(self, array: np.ndarray, index: int, value: int) -> int:
        if self.failed:
            raise threading.BrokenBarrierError
        if value == 0:
            time.sleep(0)
        with self._lock:
            before = int(array[index])
            array[index] += value
        return before
