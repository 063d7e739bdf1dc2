"""The GPU that is computed on: what it has, its compiled kernels, and what is missing if it isn't there."""

from __future__ import annotations

import math
import warnings
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np
from numba import types
from numpy.typing import DTypeLike, NDArray

from lstmcore.backends.cuda import batch, epoch, feedforward, gemm, lstm, memory, objectives, scalars, team
from lstmcore.backends.cuda.compile import compile_templates
from lstmcore.backends.cuda.layout import Room
from lstmcore.errors import EngineError
from lstmcore.installing import install_extra

TEMPLATES = (memory, team, gemm, scalars, lstm, feedforward, objectives, batch, epoch)

_MOST_BLOCKS = 64  # of a team: on an H200, 1.08 to 1.14 times as fast as 32 for one network
_THREADS = 256  # of a block
_ORDINARY_SHARED = 48 * 1024  # bytes a block may have without being asked for
_MEMORY_SHARE = 0.9  # of what is free


class Device:
    """A GPU, or a simulation of one.

    Parameters
    ----------
    cuda
        The module `numba.cuda`, or what stands for it.
    simulated
        Whether Python runs the kernels.
    threads
        Of a block: a square number times 1, from 4.
    multiprocessors
        So many blocks run at once.
    shared_bytes
        Shared memory that a block may have.
    """

    def __init__(
        self, cuda: Any, *, simulated: bool, threads: int, multiprocessors: int, shared_bytes: int
    ) -> None:
        self.cuda, self.simulated = cuda, simulated
        self.threads, self.multiprocessors, self.shared_bytes = threads, multiprocessors, shared_bytes
        self.most_blocks = _MOST_BLOCKS
        self._kernels: dict[str, SimpleNamespace] = {}
        self._allowed: set[tuple[str, Any]] = set()

    def kernels(self, dtype: DTypeLike) -> SimpleNamespace:
        """Return the kernels for a precision; each is compiled at its first call."""
        name = np.dtype(dtype).name
        if name not in self._kernels:
            self._kernels[name] = compile_templates(
                self.cuda,
                TEMPLATES,
                constants_of(name, self.threads),
                scalars.equations(),
                self.simulated,
            )
        return self._kernels[name]

    def room(self, dtype: DTypeLike) -> Room:
        """Return what a block's shared memory holds."""
        return room_of(dtype, self.threads, self.shared_bytes)

    def blocks_of(self, networks: int) -> int:
        """How many blocks compute one of so many networks.  No result depends on it."""
        return max(1, min(self.most_blocks, self.multiprocessors // networks))

    def launch(self, kernel: Any, blocks: int, *arguments: Any, shared_bytes: int | None = None) -> None:
        """Run a kernel; its blocks, no more than run at once, may wait for each other.

        What it doesn't need of the shared memory is a cache of the rest: say how many bytes, else it has all.
        """
        if shared_bytes is None:
            shared_bytes = self.shared_bytes
        if not self.simulated:
            self._allow_shared(kernel, arguments)
        with warnings.catch_warnings():
            # Few blocks are meant where a network is alone.  The message begins with an escape sequence.
            warnings.filterwarnings("ignore", message=".*Grid size")
            kernel[blocks, self.threads, 0, shared_bytes](*arguments)

    def to_device(self, values: NDArray[Any]) -> Any:
        """Copy an array to the GPU."""
        found = np.ascontiguousarray(values)
        if self.simulated and found.dtype.names:
            found = found.view(np.recarray)  # fields of records are attributes, as in compiled kernels
        return self.cuda.to_device(found)

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Any:
        """Make an array on the GPU, of one number at least in each dimension."""
        sizes = (shape,) if isinstance(shape, int) else shape
        return self.cuda.device_array(tuple(max(1, size) for size in sizes), np.dtype(dtype))

    def free_bytes(self) -> int | None:
        """Memory that may be taken; None if nobody knows."""
        if self.simulated:
            return None
        return int(_MEMORY_SHARE * self.cuda.current_context().get_memory_info().free)

    def _allow_shared(self, kernel: Any, arguments: tuple[Any, ...]) -> None:
        """Ask for more than the ordinary shared memory, once for each compiled kernel."""
        types = tuple(kernel.typeof_pyval(argument) for argument in arguments)
        key = (kernel.py_func.__name__, types)
        if self.shared_bytes <= _ORDINARY_SHARED or key in self._allowed:
            return
        from numba.cuda.cudadrv.driver import binding, driver

        function = kernel.compile(types)._codelibrary.get_cufunc()
        attribute = binding.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        driver.cuKernelSetAttribute(attribute, self.shared_bytes, function.handle, function.device.id)
        self._allowed.add(key)


def constants_of(dtype: str, threads: int) -> dict[str, Any]:
    """Return what the names in the templates mean."""
    real = np.dtype(dtype).type
    across = math.isqrt(threads)
    assert across * across == threads
    assert threads & (threads - 1) == 0
    registers, depth = _tile(dtype, threads)
    flying, room = 8 if threads >= _THREADS else 2, room_of(dtype, threads, 0)
    return {
        "REAL": real,
        "REALS": getattr(types, dtype),
        "INTEGERS": types.int32,
        "LONGS": types.int64,
        "DOUBLE": np.float64,
        "DOUBLES": types.float64,
        "UINT": np.uint32,
        "LARGEST": real(scalars.LARGEST_OF[dtype]),
        "THREADS": threads,
        "ACROSS": across,
        "LANES": min(32, across),
        "REGISTERS": registers,
        "GROUPS": registers // 4,
        "SQUARE": registers * registers,
        "DEPTH": depth,
        "HELD": registers * across * depth // threads,
        "FLYING": flying,
        "CARRIED": 4 * flying,
        "NARROW": room.narrow,
        "PARTS": room.parts,
        "QUARTERS": room.quarters,
        "LEAVES": room.parts // room.quarters,
    }


def room_of(dtype: DTypeLike, threads: int, shared_bytes: int) -> Room:
    """Return what so much shared memory of a block of so many threads holds."""
    dtype = np.dtype(dtype)
    quarters, parts = (4, 32) if threads >= _THREADS else (2, 4)
    registers, depth = _tile(dtype.name, threads)
    tile = 2 * depth * (registers * math.isqrt(threads) + 4)
    least = max(tile, 3 * threads)  # `lstm_sums` adds three numbers of each thread
    return Room(
        shared_bytes // dtype.itemsize, narrow=threads // 4, parts=parts, quarters=quarters, least=least
    )


def _tile(dtype: str, threads: int) -> tuple[int, int]:
    """Return how many rows and columns of a tile a thread computes, and the depth of its factors.

    A square of doubles takes twice the registers.  A simulated block has few threads and small matrices.
    """
    return 8 if dtype == "float32" and threads >= _THREADS else 4, min(16, threads)


def _nothing() -> None:
    """Stand for a kernel: whether Numba can compile for the GPU shows at the first."""


@cache
def default_device() -> Device:
    """Return the GPU of this process.

    Raises
    ------
    EngineError
        If the package that compiles for it or the GPU is missing, or the package can't compile here.
    """
    from numba import cuda
    from numba.core import config

    if config.ENABLE_CUDASIM:
        return Device(cuda, simulated=True, threads=4, multiprocessors=1, shared_bytes=16 * 1024)
    if find_spec("numba_cuda") is None:
        how = install_extra("cuda")
        raise EngineError(f"the backend 'cuda' needs the package numba-cuda, which is missing: {how}")
    try:
        gpu = cuda.get_current_device()
    except Exception as error:
        said = " ".join(str(error).split())
        raise EngineError(
            f"the backend 'cuda' finds no GPU it can use ({said}); it needs one of NVIDIA's with its driver, "
            f"and CUDA's libraries: {install_extra('cuda')}"
        ) from error
    try:
        cuda.jit("void()")(_nothing)
    except Exception as error:
        said = " ".join(str(error).split())
        raise EngineError(
            f"the backend 'cuda' can't compile for this GPU ({said}): numba-cuda {version('numba-cuda')} "
            f"with NumPy {np.__version__}; expected versions that go together: {install_extra('cuda')}"
        ) from error
    shared = int(gpu.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
    return Device(
        cuda,
        simulated=False,
        threads=_THREADS,
        multiprocessors=int(gpu.MULTIPROCESSOR_COUNT),
        shared_bytes=shared,
    )
