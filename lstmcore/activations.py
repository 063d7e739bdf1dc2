"""The scalar functions that cell and objectives are written in, in their NumPy form.

The reference backend calls these as they stand, on float64 arrays; so does `lstmcore.objective`, in either
precision.  A compiled backend puts its own versions in their place (``backends/cpu/math.py``,
``backends/cuda/scalars.py``): the same functions, for scalars, in the precision of the argument.
"""

from typing import Any

import numpy as np

# A NumPy array in the reference backend, a scalar of either precision in a kernel.
Real = Any


def tanh(x: Real) -> Real:
    """Hyperbolic tangent."""
    return np.tanh(x)


def logistic(x: Real) -> Real:
    """Logistic function 1 / (1 + exp(-x)), without overflow."""
    from scipy.special import expit

    return expit(x)


def exp(x: Real) -> Real:
    """Exponential function."""
    return np.exp(x)


def log(x: Real) -> Real:
    """Natural logarithm."""
    return np.log(x)


def one(x: Real) -> Real:
    """Return 1 in the precision of `x`; a bare literal would widen float32 kernels to double."""
    return 1.0


def constant(x: Real, value: float) -> Real:
    """Return a number that is exact in float32 in the precision of `x`, for the same reason."""
    return value


def tanh_slope(y: Real) -> Real:
    """Return the derivative of the hyperbolic tangent where its value is `y`."""
    return one(y) - y * y


def logistic_slope(y: Real) -> Real:
    """Return the derivative of the logistic function where its value is `y`."""
    return y * (one(y) - y)


def relu(x: Real) -> Real:
    """Rectified linear function, max(0, x); NaN stays NaN."""
    return np.maximum(x, 0)


def relu_error(y: Real, e: Real) -> Real:
    """Take an error back through the rectified linear function, where its value is `y`."""
    return np.where(y > 0, e, 0)


def softmax_numerator(x: Real, largest: Real) -> Real:
    """Return exp(x − largest), which divided by the sum over the outputs is their softmax.

    `largest` is the largest net input: no exponential overflows.
    """
    return exp(x - largest)


def softmax_slope(y: Real, e: Real, carried: Real) -> Real:
    """Return the error of a net input, given those of the outputs: y (e − Σ y e).

    `y` and `e` are an output of the softmax and its error, `carried` is Σ y e over the outputs.
    """
    return y * (e - carried)


def limit(x: Real, bound: Real) -> Real:
    """Cut `x` to [-bound, bound]."""
    return np.clip(x, -bound, bound)


def at_least(x: Real, smallest: Real) -> Real:
    """Return the larger one; NaN stays NaN."""
    return np.maximum(x, smallest)


def select(condition: Real, yes: Real, no: Real) -> Real:
    """Return `yes` where the condition holds and `no` elsewhere."""
    return np.where(condition, yes, no)
