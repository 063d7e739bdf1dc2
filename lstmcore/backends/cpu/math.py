"""The cell's scalar functions for compiled code, in the precision of their argument.

float64 uses the processor's library functions.  float32 uses an exponential without
branches or calls, so that LLVM can compute a vector of units at once: logistic is
within 1e-7, tanh within 2e-7 of the exact value (absolute, over all of float32).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from lstmcore import activations, cell, update
from lstmcore.backends.cpu.vectors import VECTOR, floor_lanes, limit_lanes, power_of_two_lanes
from lstmcore.jit import inlined

_F = np.float32
_LOG2_E = _F(1 / math.log(2))
# ln 2 in two parts: n times the first is exact in float32 for all n that occur.
_LN2_HIGH = _F(355 / 512)
_LN2_LOW = _F(math.log(2) - 355 / 512)
_LARGEST = _F(87.0)  # exp(±87) is still a normal number
_EXPONENT_BIAS, _MANTISSA_BITS = np.int32(127), np.int32(23)
_ZERO, _HALF, _ONE, _TWO = _F(0), _F(0.5), _F(1), _F(2)
# 1/k! of the Taylor series of exp; the remainder at ln(2)/2 is 5e-9.
_C2, _C3, _C4, _C5, _C6, _C7 = (_F(1 / math.factorial(k)) for k in range(2, 8))


@inlined
def exp32(x: Any) -> Any:
    """exp(x) = 2^n exp(r) with n the nearest whole number to x / ln 2; `x` is float32."""
    x = activations.limit(x, _LARGEST)
    n = _whole(x * _LOG2_E + _HALF)
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    p = _C7 * r + _C6
    p = p * r + _C5
    p = p * r + _C4
    p = p * r + _C3
    p = p * r + _C2
    p = p * r + _ONE
    p = p * r + _ONE
    return p * _power_of_two(n)


def _whole(x: Any) -> Any:
    """Round down."""


def _power_of_two(n: Any) -> Any:
    """2 to the power of a whole number, float32."""


@overload(_whole, strict=False)
def _whole_compiled(x: Any) -> Any:
    if x == VECTOR:
        return lambda x: floor_lanes(x)
    return lambda x: np.floor(x)


@overload(_power_of_two, strict=False)
def _power_compiled(n: Any) -> Any:
    if n == VECTOR:
        return lambda n: power_of_two_lanes(n)
    return lambda n: np.int32((np.int32(n) + _EXPONENT_BIAS) << _MANTISSA_BITS).view(_F)


@overload(activations.one, strict=False)
def _one(x: Any) -> Any:
    if x in (types.float32, VECTOR):
        return lambda x: _ONE
    return lambda x: 1.0


@overload(activations.logistic, strict=False)
def _logistic(x: Any) -> Any:
    if x in (types.float32, VECTOR):
        return lambda x: _ONE / (_ONE + exp32(-x))
    return lambda x: 1.0 / (1.0 + math.exp(-x))


@overload(activations.tanh, strict=False)
def _tanh(x: Any) -> Any:
    if x in (types.float32, VECTOR):
        return lambda x: _TWO / (_ONE + exp32(-_TWO * x)) - _ONE
    return lambda x: math.tanh(x)


@overload(activations.relu, strict=False)
def _relu(x: Any) -> Any:
    zero = _ZERO if x == types.float32 else 0.0
    return lambda x: zero if x < zero else x


@overload(activations.relu_error, strict=False)
def _relu_error(y: Any, e: Any) -> Any:
    zero = _ZERO if y == types.float32 else 0.0
    return lambda y, e: e if y > zero else zero


@overload(activations.limit, strict=False)
def _limit(x: Any, bound: Any) -> Any:
    if x == VECTOR:
        return lambda x, bound: limit_lanes(x, bound)
    return lambda x, bound: min(max(x, -bound), bound)


@overload(activations.exp, strict=False)
def _exp(x: Any) -> Any:
    return lambda x: np.exp(x)


@inlined
def tanh(x: Any) -> Any:
    """Hyperbolic tangent, for kernels."""
    return activations.tanh(x)


@inlined
def logistic(x: Any) -> Any:
    """Logistic function, for kernels."""
    return activations.logistic(x)


@inlined
def relu(x: Any) -> Any:
    """Rectified linear function, for kernels."""
    return activations.relu(x)


@inlined
def relu_error(y: Any, e: Any) -> Any:
    """Take an error back through the rectified linear function, for kernels."""
    return activations.relu_error(y, e)


tanh_slope = inlined(activations.tanh_slope)
logistic_slope = inlined(activations.logistic_slope)
cell_forward = inlined(cell.cell_forward)
cell_backward = inlined(cell.cell_backward)
peephole_gradients = inlined(cell.peephole_gradients)
softmax_numerator = inlined(activations.softmax_numerator)
softmax_slope = inlined(activations.softmax_slope)
momentum_step = inlined(update.momentum_step)
