"""What is computed sample by sample, compiled: the inner loops of the musical descriptors.

Kernels allocate nothing and release the interpreter's lock.  They are imported only where
something is computed, so that importing the room stays light.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstmcore.jit import FLAGS, Compiler

_INFINITY = np.inf

_compiler = Compiler(Path(__file__).parent, **FLAGS)
inlined, kernel = _compiler.inlined, _compiler.kernel


@kernel
def scan_peaks(
    curve: NDArray[np.float64], contrast: float, first: bool, last: bool, found: NDArray[np.int64]
) -> int:
    """Write the places of a curve's peaks, rising, to `found`, and return their number.

    curve (n,), scaled to 0 … 1; found (n,).  A peak counts when it stands out by `contrast`
    from the lowest point on either side before a higher peak.  `between` is the minimum
    since the last candidate, `low` that since the current one, `left` that before it.
    """
    n = curve.shape[0]
    before = -_INFINITY if first else _INFINITY
    after = -_INFINITY if last else _INFINITY
    count, current = 0, -1
    top, left, low, between = 0.0, 0.0, _INFINITY, before
    for i in range(n):
        value = curve[i]
        is_candidate = value >= contrast
        if is_candidate:
            previous = curve[i - 1] if i > 0 else before
            following = curve[i + 1] if i < n - 1 else after
            is_candidate = value - previous > 0 and following - value <= 0
        if not is_candidate:
            between = min(between, value)
            continue
        if current < 0:
            current, top, left = i, value, between
        else:
            low = min(low, between)
            if top - low < contrast:
                left = min(left, low)
                if value > top:
                    current, top, low = i, value, _INFINITY
            else:
                if top - left < contrast:
                    left = min(left, low)
                else:
                    found[count] = current
                    count += 1
                    left = low
                current, top, low = i, value, _INFINITY
        between = _INFINITY
    if current >= 0 and top - left >= contrast and top - min(low, between, after) >= contrast:
        found[count] = current
        count += 1
    return count


@kernel
def peaks_of_rows(
    curves: NDArray[np.float64],
    limits: NDArray[np.float64],
    contrast: float,
    first: bool,
    last: bool,
    scaled: NDArray[np.float64],
    places: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> int:
    """Pick the peaks of each row, one row after the other; return how many there are in all.

    curves (rows, n); limits (rows, 2): the minimum and maximum that become 0 and 1; scaled
    (n,): scratch; places (>= rows (n + 1) / 2 + n,): peaks row by row; counts (rows,).
    """
    total = 0
    for row in range(curves.shape[0]):
        lowest, span = limits[row, 0], limits[row, 1] - limits[row, 0]
        counts[row] = 0
        if span > 0:
            for i in range(curves.shape[1]):
                scaled[i] = (curves[row, i] - lowest) / span
            counts[row] = scan_peaks(scaled, contrast, first, last, places[total:])
            total += counts[row]
    return total


@kernel
def frame_energies(
    signal: NDArray[np.float64],
    starts: NDArray[np.int64],
    window: NDArray[np.float64],
    points: float,
    energies: NDArray[np.float64],
) -> None:
    """Sum the power spectrum of each windowed frame from 0 to half the rate, both included.

    signal (samples,); starts, energies (frames,); window (length,); points: of the transform,
    even and at least length.  By Parseval's theorem the sum over all bins is `points` times
    that of the squares; the bins at 0 and at half the rate, the sum and the alternating sum
    of the samples, stand in it once, all others twice.
    """
    length = window.shape[0]
    pairs = length // 2
    for frame in range(starts.shape[0]):
        start = starts[frame]
        even, odd, even_squares, odd_squares = 0.0, 0.0, 0.0, 0.0
        for i in range(pairs):
            a = signal[start + 2 * i] * window[2 * i]
            b = signal[start + 2 * i + 1] * window[2 * i + 1]
            even += a
            odd += b
            even_squares += a * a
            odd_squares += b * b
        if length > 2 * pairs:
            a = signal[start + length - 1] * window[length - 1]
            even += a
            even_squares += a * a
        edges = (even + odd) * (even + odd) + (even - odd) * (even - odd)
        energies[frame] = (points * (even_squares + odd_squares) + edges) / 2


@kernel
def windowed_frames(
    signal: NDArray[np.float64],
    starts: NDArray[np.int64],
    window: NDArray[np.float64],
    frames: NDArray[np.float64],
) -> None:
    """Cut frames out of a signal and multiply them by a window.

    signal (samples,); starts (frames,); window (length,); frames (frames, >= length): what
    lies beyond a frame is left as it is.
    """
    for frame in range(starts.shape[0]):
        start = starts[frame]
        for i in range(window.shape[0]):
            frames[frame, i] = signal[start + i] * window[i]


@kernel
def magnitudes(bins: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Take the magnitudes of complex numbers: bins (n, 2), real and imaginary parts; out (n,)."""
    for i in range(out.shape[0]):
        out[i] = np.sqrt(bins[i, 0] * bins[i, 0] + bins[i, 1] * bins[i, 1])


@kernel
def gammatone(
    signal: NDArray[np.float64],
    gains: NDArray[np.float64],
    taps: NDArray[np.float64],
    poles: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Run a signal through one channel: four sections of the second order, one after the other.

    signal, out (samples,); gains, taps (4,): the numerators' b0 and b1 (b2 is 0); poles (2,):
    a1 and a2 of all four; state (8,): kept from block to block.
    """
    a1, a2 = poles[0], poles[1]
    p0, p1, p2, p3 = gains[0], gains[1], gains[2], gains[3]
    q0, q1, q2, q3 = taps[0], taps[1], taps[2], taps[3]
    s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    t0, t1, t2, t3 = state[4], state[5], state[6], state[7]
    for i in range(signal.shape[0]):
        x = signal[i]
        y = p0 * x + s0
        s0 = (q0 * x + t0) - a1 * y
        t0 = -a2 * y
        x = p1 * y + s1
        s1 = (q1 * y + t1) - a1 * x
        t1 = -a2 * x
        y = p2 * x + s2
        s2 = (q2 * x + t2) - a1 * y
        t2 = -a2 * y
        x = p3 * y + s3
        s3 = (q3 * y + t3) - a1 * x
        t3 = -a2 * x
        out[i] = x
    state[0], state[1], state[2], state[3] = s0, s1, s2, s3
    state[4], state[5], state[6], state[7] = t0, t1, t2, t3


@kernel
def decay(values: NDArray[np.float64], factor: float, backwards: bool) -> None:
    """Add to each value `factor` times its already summed neighbour; in place, values (n,)."""
    n = values.shape[0]
    held = 0.0
    for i in range(n):
        at = n - 1 - i if backwards else i
        held = values[at] + factor * held
        values[at] = held


@kernel
def take_multiples(
    lags: NDArray[np.float64],
    curve: NDArray[np.float64],
    multiples: NDArray[np.float64],
    repeated: NDArray[np.float64],
) -> None:
    """Take from a curve, for one multiple after the other, what repeats it; below zero is zero.

    lags, curve (n,): lags rising, curve changed in place; multiples (m,): above 1; repeated (n,):
    scratch, the curve at ``lags / multiple``, linearly interpolated, 0 before the first lag.
    """
    n = lags.shape[0]
    for multiple in multiples:
        left = 0
        for i in range(n):
            lag = lags[i] / multiple
            if lag < lags[0]:
                repeated[i] = 0.0
                continue
            while left < n - 2 and lags[left + 1] <= lag:
                left += 1
            slope = (curve[left + 1] - curve[left]) / (lags[left + 1] - lags[left])
            repeated[i] = slope * (lag - lags[left]) + curve[left]
        for i in range(n):
            curve[i] = max(0.0, curve[i] - max(0.0, repeated[i]))
