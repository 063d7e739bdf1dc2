"""The scalar functions of the GPU's kernels, and the equations that are put together from them.

`lstmcore.cell`, `lstmcore.update`, `lstmcore.objective_terms`, `lstmcore.noise` and the slopes of
`lstmcore.activations` are compiled as they stand; only the functions that NumPy computes for the reference
have a form of their own here, as on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from lstmcore import activations, cell, noise, objective_terms, update
from lstmcore.backends.cuda.compile import device

REAL: Any = np.float32  # given its meaning by the precision compiled for
LARGEST: Any = REAL(87)  # exp of it is still a normal number

# The largest argument of exp for each precision.
LARGEST_OF = {"float32": 87.0, "float64": 708.0}


@device
def one(x: Any) -> Any:
    """Return 1."""
    return REAL(1)


@device
def constant(x: Any, value: Any) -> Any:
    """Return a number that is exact in float32; beside a float64 it is widened."""
    return REAL(value)


@device
def limit(x: Any, bound: Any) -> Any:
    """Cut to [-bound, bound]; NaN stays NaN, which `min` and `max` of the GPU don't see to."""
    if x > bound:
        x = bound
    if x < -bound:
        x = -bound
    return x


@device
def at_least(x: Any, smallest: Any) -> Any:
    """Return the larger one; NaN stays NaN."""
    return smallest if x < smallest else x


@device
def select(condition: Any, yes: Any, no: Any) -> Any:
    """Return `yes` if the condition holds, else `no`."""
    return yes if condition else no


@device
def logistic(x: Any) -> Any:
    """Logistic function."""
    return REAL(1) / (REAL(1) + exp(limit(-x, LARGEST)))


@device
def exp(x: Any) -> Any:
    """Exponential function."""
    return REAL(math.exp(x))


@device
def log(x: Any) -> Any:
    """Natural logarithm, in the precision of `x`."""
    return math.log(x)


@device
def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return REAL(math.tanh(x))


def equations() -> dict[str, Callable[..., Any]]:
    """Return the functions that are compiled as they stand, by the name they are called by."""
    found: dict[str, Callable[..., Any]] = {
        "cell_forward": cell.cell_forward,
        "cell_backward": cell.cell_backward,
        "peephole_gradients": cell.peephole_gradients,
        "tanh_slope": activations.tanh_slope,
        "logistic_slope": activations.logistic_slope,
        "softmax_numerator": activations.softmax_numerator,
        "softmax_slope": activations.softmax_slope,
        "momentum_step": update.momentum_step,
    }
    of_objectives = (f for f in vars(objective_terms).values() if isinstance(f, FunctionType))
    found |= {f.__name__: f for f in of_objectives if f.__module__ == objective_terms.__name__}
    of_noise = ("_round", "_rounds_a", "_rounds_b", "threefry", "_log", "_sine_of_turns", "gaussian_pair")
    return found | {name: getattr(noise, name).py_func for name in of_noise}
