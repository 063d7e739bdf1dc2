"""The memory that the CPU's layers work in: it grows when a larger batch comes, and is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lstmcore.backends.cpu.gemm import block_size, packed_size, panel_width

Array = NDArray[np.floating]

CACHE_LINE = 64  # bytes
_MANY = 60  # rows of a product that doesn't run in the time loop


class Memory:
    """Arrays with one row per frame or sequence, cut to the batch at hand."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._arrays: dict[str, Array] = {}
        self.dtype = np.dtype(dtype)
        self.width = panel_width(dtype, _MANY)
        self._nobody = np.empty((0, 0), self.dtype)

    def number(self, value: float) -> Any:
        """Return a number in this precision."""
        return np.array(value, self.dtype)[()]

    def rows(self, name: str, count: int, width: int) -> Array:
        """Return an array of this shape; its content is what was last in it, or anything."""
        return self.flat(name, count * width).reshape(count, width)

    def flat(self, name: str, size: int) -> Array:
        """Return an array of this length; its content is what was last in it, or anything."""
        found = self._arrays.get(name)
        if found is None or len(found) < size:
            found = self._arrays[name] = aligned(size, self.dtype)
        return found[:size]

    def errors_below(self, frames: int, inputs: int, wanted: bool) -> Array:
        """Return an array for the errors of a layer's inputs, of no frame if nobody wants them."""
        return self.rows("below", frames, inputs) if wanted else self._nobody

    def panels(self, name: str, inputs: int, outputs: int, width: int) -> Array:
        """Return memory for a packed matrix [outputs, inputs] or its transpose."""
        size = max(packed_size(inputs, outputs, width), packed_size(outputs, inputs, width))
        return self.flat(name, size)

    def block(self, rows: int, columns: int, name: str = "", thread: int = 0) -> Array:
        """Return a thread's memory for a product over frames, of a name if there are several."""
        return self.flat(f"block {name} {thread}", block_size(rows, columns, self.width))


def aligned(count: int, dtype: np.dtype[Any]) -> Array:
    """Make an array that begins with a line of the cache."""
    memory = np.empty(count * dtype.itemsize + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + count * dtype.itemsize].view(dtype)
