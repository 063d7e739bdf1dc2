"""Initial weights as CURRENNT 0.2 draws them.

One generator, seeded with ``random_seed``, serves all layers in the order of the network file.
A layer whose weights are in the file draws nothing.  Every weight of a layer (of the inputs, of
the bias, recurrent, peepholes) is drawn alike, in the order in which the file lists them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.currennt.numerics.mersenne import MersenneTwister

SINGLE = np.dtype(np.float32)


def initial_weights(
    count: int,
    generator: MersenneTwister,
    low: float = -0.1,
    high: float = 0.1,
    dtype: np.dtype[Any] = SINGLE,
) -> NDArray[np.floating]:
    """Draw uniform weights, bit for bit those of the original.

    Parameters
    ----------
    count
        How many.
    generator
        Goes on from where the layer before left it.
    low, high
        From `low` to below `high`, after rounding to the precision.
    dtype
        Precision: float32, or float64 as in an original that was built with double precision.

    Returns
    -------
    ndarray
        Shape (count,), of that precision.

    Raises
    ------
    ValueError
        If `low` is not below `high` in the precision: there would be nothing to draw.
    """
    lowest, limit, whole = np.array([low, high, 2**32], dtype)
    if not lowest < limit:
        raise ValueError(f"no {dtype} lies between {low} and {high}")
    found = np.empty(count, dtype)
    filled = 0
    while filled < count:
        values = generator.draw(count - filled).astype(dtype) / whole * (limit - lowest) + lowest
        # Rounding may reach the limit, which is outside: such a value is passed over.
        values = values[values < limit]
        found[filled : filled + len(values)] = values
        filled += len(values)
    return found


def normal_weights(
    count: int,
    generator: MersenneTwister,
    mean: float = 0.0,
    sigma: float = 0.1,
    dtype: np.dtype[Any] = SINGLE,
) -> NDArray[np.floating]:
    """Draw Gaussian weights: the distribution of the original, not its numbers.

    Which numbers the original draws depends on the Boost it was built with (Box–Muller up to
    1.55, a ziggurat since).  Here it is the method of G. E. P. Box and M. E. Muller, "A note on
    the generation of random normal deviates", 1958, on pairs of the same generator's integers.

    Parameters
    ----------
    count
        How many.
    generator
        Goes on from where the layer before left it.
    mean, sigma
        Of the distribution.
    dtype
        Precision of the result.

    Returns
    -------
    ndarray
        Shape (count,), of that precision.
    """
    pairs = (generator.draw(2 * ((count + 1) // 2)).astype(np.float64) + 0.5) / 2.0**32
    radius = np.sqrt(-2.0 * np.log(pairs[0::2]))
    angle = 2.0 * np.pi * pairs[1::2]
    deviates = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]).ravel()[:count]
    return (mean + sigma * deviates).astype(dtype)
