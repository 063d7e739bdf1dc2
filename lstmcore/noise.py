"""Gaussian noise that is a function of where it falls: of a key, a frame and a column.

It has no state: a frame's noise in an epoch is the same whichever batch the frame is in, on
whatever processor, and a vector of columns is computed at once.  The numbers are those of
Threefry-2x32 with 20 rounds, made Gaussian by the Box-Muller transform in single precision, for
either precision of the inputs.

Sources: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011;
Box and Muller, "A note on the generation of random normal deviates", Annals of Mathematical
Statistics 29(2), 1958.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.jit import inlined, kernel
from lstmcore.seeds import Seed, child

Array = Any

_U, _I, _F = np.uint32, np.int32, np.float32
_VECTOR, _LEAST_VECTOR = 16, 8  # numbers in a vector of 512 and of 256 bits; no result depends on it
_PARITY = _U(0x1BD11BDA)
_HALF_BIT, _BITS = _F(2.0**-32), _F(2.0**-31)
_ONE, _TWO, _QUARTER, _HALF = _F(1), _F(2), _F(0.25), _F(0.5)
_LN2, _TWO_PI = _F(math.log(2)), _F(2 * math.pi)
_MANTISSA, _EXPONENT_OF_ONE, _MANTISSA_BITS = _I(0x007FFFFF), _I(127), _I(23)
_SQRT_HALF_BITS = _I(0x3F3504F3)
# Series of ln((1 + s) / (1 - s)) / 2s in s², remainder 5e-9, and of sin y / y in y², remainder 1e-9.
_L3, _L5, _L7, _L9 = (_F(1 / k) for k in (3, 5, 7, 9))
_S3, _S5, _S7, _S9, _S11, _S13 = (_F((-1) ** (k // 2) / math.factorial(k)) for k in range(3, 14, 2))


@inlined
def _round(x0: Any, x1: Any, left: Any, right: Any) -> Any:
    x0 = _U(x0 + x1)
    return x0, _U(_U(_U(x1 << left) | _U(x1 >> right)) ^ x0)


@inlined
def _rounds_a(x0: Any, x1: Any) -> Any:
    x0, x1 = _round(x0, x1, _U(13), _U(19))
    x0, x1 = _round(x0, x1, _U(15), _U(17))
    x0, x1 = _round(x0, x1, _U(26), _U(6))
    return _round(x0, x1, _U(6), _U(26))


@inlined
def _rounds_b(x0: Any, x1: Any) -> Any:
    x0, x1 = _round(x0, x1, _U(17), _U(15))
    x0, x1 = _round(x0, x1, _U(29), _U(3))
    x0, x1 = _round(x0, x1, _U(16), _U(16))
    return _round(x0, x1, _U(24), _U(8))


@inlined
def threefry(k0: Any, k1: Any, x0: Any, x1: Any) -> Any:
    """Return two random numbers of 32 bits for a key and a counter of two each."""
    k2 = _U(_U(k0 ^ k1) ^ _PARITY)
    x0, x1 = _rounds_a(_U(x0 + k0), _U(x1 + k1))
    x0, x1 = _rounds_b(_U(x0 + k1), _U(_U(x1 + k2) + _U(1)))
    x0, x1 = _rounds_a(_U(x0 + k2), _U(_U(x1 + k0) + _U(2)))
    x0, x1 = _rounds_b(_U(x0 + k0), _U(_U(x1 + k1) + _U(3)))
    x0, x1 = _rounds_a(_U(x0 + k1), _U(_U(x1 + k2) + _U(4)))
    return _U(x0 + k2), _U(_U(x1 + k0) + _U(5))


@inlined
def _log(u: Any) -> Any:
    """Natural logarithm of a normal float32: ln u = e ln 2 + ln m with m in [√½, √2)."""
    bits = _F(u).view(_I)
    shifted = _I(bits - _SQRT_HALF_BITS)
    e = _I(shifted >> _MANTISSA_BITS)
    m = _I(bits - _I(e << _MANTISSA_BITS)).view(_F)
    s = (m - _ONE) / (m + _ONE)
    q = s * s
    p = _L9 * q + _L7
    p = p * q + _L5
    p = p * q + _L3
    p = p * q + _ONE
    return _F(e) * _LN2 + _TWO * s * p


@inlined
def _sine_of_turns(t: Any) -> Any:
    """sin(2πt) for t in [-¼, ¼]."""
    y = _TWO_PI * t
    q = y * y
    p = _S13 * q + _S11
    p = p * q + _S9
    p = p * q + _S7
    p = p * q + _S5
    p = p * q + _S3
    p = p * q + _ONE
    return y * p


@inlined
def gaussian_pair(b0: Any, b1: Any) -> Any:
    """Return two numbers of the standard normal distribution, float32, for two of 32 random bits.

    The largest that can occur is 6.7.
    """
    u = _F(_I(b0 >> _U(1))) * _BITS + _HALF_BIT  # in (0, 1]
    radius = math.sqrt(-_TWO * min(_log(u), _F(0)))
    t = _F(_U(b1).view(_I)) * _HALF_BIT  # in [-½, ½]
    folded = min(max(t, -_HALF - t), _HALF - t)  # has the same sine, in [-¼, ¼]
    return radius * _sine_of_turns(folded), radius * _sine_of_turns(_QUARTER - abs(t))


@kernel
def add_gaussian(
    values: Array,  # added to [N, P]
    rows: Array,  # numbers of the frames [N]
    k0: Any,
    k1: Any,
    sigma: Any,
    rest: Array,  # to work in, `room_for_noise`
) -> None:
    """Add noise of a standard deviation; columns j and j + P / 2 share a counter.

    A pair is a long chain of operations: two vectors of them side by side don't wait for each other.  What
    whole vectors leave of a row is made in a vector, too, of which a part is added.
    """
    columns = values.shape[1]
    half = (columns + 1) // 2
    block = (columns - half) // (2 * _VECTOR) * _VECTOR
    done = 2 * block
    left = half - done  # at most 32
    padded = (left + _LEAST_VECTOR - 1) // _LEAST_VECTOR * _LEAST_VECTOR
    for n in range(values.shape[0]):
        row = _U(rows[n])
        first, second = values[n, :half], values[n, half:]
        first_a, first_b, second_a, second_b = (
            first[:block],
            first[block:done],
            second[:block],
            second[block:done],
        )
        for j in range(block):
            a0, a1 = threefry(k0, k1, row, _U(j))
            b0, b1 = threefry(k0, k1, row, _U(j + block))
            z0, z1 = gaussian_pair(a0, a1)
            first_a[j] += sigma * z0
            second_a[j] += sigma * z1
            z0, z1 = gaussian_pair(b0, b1)
            first_b[j] += sigma * z0
            second_b[j] += sigma * z1
        for j in range(padded):
            b0, b1 = threefry(k0, k1, row, _U(j + done))
            rest[0, j], rest[1, j] = gaussian_pair(b0, b1)
        for j in range(left):
            first[done + j] += sigma * rest[0, j]
        for j in range(columns - half - done):
            second[done + j] += sigma * rest[1, j]


def room_for_noise() -> NDArray[np.float32]:
    """Return memory that `add_gaussian` works in: a kernel takes none itself."""
    return np.empty((2, 2 * _VECTOR), _F)


class InputNoise:
    """The noise of one epoch of one training.

    Parameters
    ----------
    seed
        The training's seed.
    epoch
        Its number.
    sigma
        Standard deviation.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import InputNoise, SequenceSet, pack
    >>> songs = SequenceSet.from_lists([np.zeros((4, 3))])
    >>> noisy = pack(songs, np.array([0]), InputNoise(seed=1, epoch=1, sigma=0.3)).inputs
    >>> again = pack(songs, np.array([0]), InputNoise(seed=1, epoch=1, sigma=0.3)).inputs
    >>> np.array_equal(noisy, again)  # a function of seed, epoch, frame and column
    True
    """

    def __init__(self, seed: Seed, epoch: int, sigma: float) -> None:
        self.key = child(seed, "noise", epoch).generate_state(2, np.uint32)
        self.sigma = sigma

    def add_to(self, values: NDArray[np.floating], rows: NDArray[np.int64]) -> None:
        """Add noise to frames, shape (frames, inputs), given their numbers in the set, shape (frames,)."""
        if self.sigma:
            sigma = values.dtype.type(self.sigma)
            add_gaussian(values, rows, self.key[0], self.key[1], sigma, room_for_noise())
