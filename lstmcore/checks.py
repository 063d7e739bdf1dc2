"""What a value given to the engine must be: each check says what was found and what was expected.

Public functions and constructors check once, here; the kernels behind them compute only.
"""

from __future__ import annotations

import math
import sys
from numbers import Integral, Real
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lstmcore.errors import EngineError

PRECISIONS = ("float32", "float64")
_FLOATS = tuple(np.dtype(name) for name in PRECISIONS)


def whole(name: str, value: Any, least: int = 1) -> int:
    """Return a whole number from `least` on."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise EngineError(f"{name} is {value!r}; expected a whole number from {least}")
    if value < least:
        raise EngineError(f"{name} is {value}; expected at least {least}")
    return int(value)


def real(name: str, value: Any) -> float:
    """Return a number, which may be infinite or NaN."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise EngineError(f"{name} is {value!r}; expected a number")
    return float(value)


def from_zero(name: str, value: Any) -> float:
    """Return a finite number that is not negative."""
    number = real(name, value)
    if not (math.isfinite(number) and number >= 0):
        raise EngineError(f"{name} is {number}; expected a number from 0")
    return number


def flag(name: str, value: Any) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool | np.bool):
        raise EngineError(f"{name} is {value!r}; expected True or False")
    return bool(value)


def kind(name: str, value: Any, expected: type, hint: str = "") -> None:
    """Check that a value is of a class."""
    if not isinstance(value, expected):
        raise EngineError(f"{name} is {shown(value)}; expected a {expected.__name__}{hint}")


def shown(value: Any) -> str:
    """Describe a value in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} in {value.dtype}"
    return f"{value!r}" if isinstance(value, int | float | str | None) else f"a {type(value).__name__}"


def numbers(name: str, values: ArrayLike, dtype: DTypeLike) -> NDArray[Any]:
    """Take anything that is an array of real numbers into a precision; what is masked becomes NaN."""
    try:
        array = np.ma.asarray(values) if _is_masked(values) else np.asarray(values)
    except ValueError:
        raise EngineError(f"{name}: rows of different lengths; expected an array of numbers") from None
    if array.dtype.kind not in "fiub":
        raise EngineError(f"{name}: values of type {array.dtype}; expected real numbers")
    with np.errstate(over="ignore"):  # what is too large for the precision becomes infinite
        array = array.astype(dtype, copy=False)
    return array.filled(np.nan) if _is_masked(array) else array


def _is_masked(values: object) -> TypeGuard[np.ma.MaskedArray[Any, Any]]:
    """Tell whether values are masked; where that was never imported none are, and importing it takes time."""
    return "numpy.ma" in sys.modules and isinstance(values, np.ma.MaskedArray)


def precision(dtype: DTypeLike) -> np.dtype[Any]:
    """Return single or double precision."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        raise EngineError(f"dtype is {dtype!r}; expected float32 or float64") from None
    if found not in _FLOATS:
        raise EngineError(f"dtype is {dtype!r}; expected float32 or float64")
    return found


def finite(name: str, array: NDArray[np.floating]) -> None:
    """Check that all numbers are finite."""
    count = array.size - np.count_nonzero(np.isfinite(array))
    if count:
        raise EngineError(f"{name}: {count} of {array.size} values are not finite {array.dtype} numbers")


def plain(name: str, array: Any, dimensions: int) -> None:
    """Check that an array is what kernels read: dimensions, a precision, rows side by side."""
    if not isinstance(array, np.ndarray) or array.ndim != dimensions:
        raise EngineError(f"{name}: {shown(array)}; expected an array of {dimensions} dimensions")
    if array.dtype not in _FLOATS:
        raise EngineError(f"{name} are {array.dtype}; expected float32 or float64")
    if not array.flags.c_contiguous:
        raise EngineError(f"{name}: the values lie apart in memory; expected a contiguous array")


def shaped(name: str, array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Check that an array has a shape and precision, its rows side by side."""
    if not (
        isinstance(array, np.ndarray)
        and array.shape == shape
        and array.dtype == dtype
        and array.flags.c_contiguous
    ):
        apart = isinstance(array, np.ndarray) and not array.flags.c_contiguous
        raise EngineError(
            f"{name}: {shown(array)}{', its values apart in memory' if apart else ''}; "
            f"expected a contiguous array of shape {shape} in {dtype}"
        )


def writable(name: str, array: NDArray[Any]) -> None:
    """Check that an array can be written to."""
    if not array.flags.writeable:
        raise EngineError(f"{name} can't be written to; expected an array of one's own")
