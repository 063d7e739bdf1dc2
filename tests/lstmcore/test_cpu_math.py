"""The compiled scalar functions: stated accuracy, everywhere."""

import numpy as np
import pytest
from numba import njit
from scipy.special import expit

from lstmcore import activations
from lstmcore.backends.cpu import math as cpu_math  # noqa: F401  (registers the compiled versions)


@njit
def both(x):
    squashed, gate = np.empty_like(x), np.empty_like(x)
    for k in range(x.size):
        squashed[k] = activations.tanh(x[k])
        gate[k] = activations.logistic(x[k])
    return squashed, gate


def test_float32_is_within_the_stated_bounds():
    near = np.linspace(-20, 20, 400_001)
    far = np.array([0.0, -0.0, 1e-38, -1e-38, 1e-45, 87, 88, 89, 1e4, 3e38, -87, -88, -89, -1e4, -3e38])
    x = np.concatenate([near, far, [np.inf, -np.inf]]).astype(np.float32)
    squashed, gate = both(x)
    exact = x.astype(np.float64)
    assert np.abs(squashed - np.tanh(exact)).max() < 2e-7
    assert np.abs(gate - expit(exact)).max() < 1e-7


def test_float64_is_exact_to_rounding():
    x = np.concatenate([np.linspace(-40, 40, 100_001), [750.0, -750.0, 1e300, -1e300]])
    squashed, gate = both(x)
    np.testing.assert_allclose(squashed, np.tanh(x), rtol=1e-15, atol=1e-16)
    np.testing.assert_allclose(gate, expit(x), rtol=1e-15, atol=1e-300)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_stays_nan(dtype):
    squashed, gate = both(np.array([np.nan], dtype))
    assert np.isnan(squashed).all()
    assert np.isnan(gate).all()
