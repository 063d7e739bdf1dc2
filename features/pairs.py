"""Sums over all pairs of a frame's tones, compiled: the inner loop of dissonance and roughness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.kernels import inlined, kernel

PRODUCT, SMALLER, VASSILAKIS_2015, VASSILAKIS = range(4)
"""Weights of a pair of tones; the names in `lstmcore.features.roughness` say what they are."""


@inlined
def _decayed(x: float) -> float:
    """exp(-x) for x >= 0, to 1e-13: a series at x / 1024, squared ten times, so that loops vectorise."""
    t = min(x, 745.0) * (-1 / 1024)
    y = 1.0
    for k in range(15, 0, -1):
        y = 1.0 + y * t * (1.0 / k)
    for _ in range(10):
        y = y * y
    return y


@kernel
def dissonance_sums(
    frequencies: NDArray[np.float64],
    magnitudes: NDArray[np.float64],
    powers: NDArray[np.float64],
    counts: NDArray[np.int64],
    weight: int,
    series: NDArray[np.float64],
    terms: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """Sum the dissonance of all pairs of a frame's tones, weighted.

    frequencies, rising in each frame, magnitudes, powers (tones,): powers are
    magnitudes to the .1; counts, sums (frames,); terms (>= the largest count,): scratch;
    series (degree + 1,): (2 / (1 + r))^3.11 in powers of 2 r - 1, the highest first.
    """
    begin = 0
    for frame in range(counts.shape[0]):
        end = begin + counts[frame]
        total, largest = 0.0, 0.0
        for i in range(begin, end):
            largest = max(largest, magnitudes[i])
        for i in range(begin, end):
            scale = 0.24 / (0.0207 * frequencies[i] + 18.96)
            low, u, n = frequencies[i], magnitudes[i], end - i - 1
            # Far tones that together cannot change the sum's 13th digit are left out.
            if total > 0 and n > 0:
                if weight == PRODUCT:
                    heaviest = u * largest
                elif weight == SMALLER:
                    heaviest = u
                else:
                    heaviest = 4.4 * (u * largest) ** 0.1
                reach = np.log(heaviest * (end - begin) / (1e-15 * total)) / (3.51 * scale)
                while n > 0 and frequencies[i + n] - low > reach:
                    n -= 1
            for j in range(n):
                apart = scale * (frequencies[i + 1 + j] - low)
                terms[j] = _decayed(3.51 * apart) - _decayed(5.75 * apart)
            if weight == PRODUCT:
                for j in range(n):
                    terms[j] *= u * magnitudes[i + 1 + j]
            elif weight == SMALLER:
                for j in range(n):
                    terms[j] *= min(u, magnitudes[i + 1 + j])
            else:
                for j in range(n):
                    v = magnitudes[i + 1 + j]
                    ratio = min(u, v) / max(u, v)
                    t = 2 * ratio - 1
                    depth = series[0]
                    for k in range(1, 21):
                        depth = depth * t + series[k]
                    terms[j] *= 0.5 * powers[i] * powers[i + 1 + j] * depth
                    if weight == VASSILAKIS:
                        terms[j] *= np.exp(3.11 * np.log(ratio))
            for j in range(n):
                total += terms[j]
        sums[frame] = total
        begin = end
