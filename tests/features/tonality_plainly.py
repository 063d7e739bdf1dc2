"""Tonality formulated once more, slowly and in other words: what `features` has to agree with."""

import math

import numpy as np
from numpy.typing import NDArray

MAJOR = [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88]
MINOR = [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17]

Weights = dict[int, float]  # of the tenths of a semitone in an octave


def tones(frame: NDArray[np.float64], rate: float) -> list[tuple[float, float]]:
    """Frequencies and amplitudes of the peaks of a Fourier transform with Hann's window."""
    n = len(frame)
    t = np.arange(n)
    windowed = frame * (0.5 - 0.5 * np.cos(2 * np.pi * t / n))
    low, high = math.ceil(65 * n / rate), math.floor(2100 * n / rate)
    amplitude = {
        k: abs(np.sum(windowed * np.exp(-2j * np.pi * k * t / n))) * 2 / n for k in range(low - 1, high + 2)
    }
    found = []
    for k in range(low, high + 1):
        if amplitude[k] > amplitude[k - 1] and amplitude[k] >= amplitude[k + 1] and amplitude[k] > 1e-6:
            logs = [math.log(amplitude[k + d]) for d in (-1, 0, 1)]
            curve = np.polyfit([-1, 0, 1], logs, 2)
            top = -curve[1] / (2 * curve[0])
            found.append(((k + top) * rate / n, math.exp(np.polyval(curve, top))))
    return found


def weights_of(frame: NDArray[np.float64], rate: float) -> Weights:
    weights = dict.fromkeys(range(120), 0.0)
    for hz, amplitude in tones(frame, rate):
        tenths = 120 * math.log2(hz / (440 * 2 ** (-9 / 12)))
        share = tenths - math.floor(tenths)
        weights[math.floor(tenths) % 120] += amplitude**1.5 * (1 - share)
        weights[(math.floor(tenths) + 1) % 120] += amplitude**1.5 * share
    whole = sum(weights.values())
    return {b: w / whole if whole > 0 else 0.0 for b, w in weights.items()}


def added(many: list[Weights]) -> Weights:
    return {b: sum(one[b] for one in many) for b in range(120)}


def tuning_of(weights: Weights) -> float:
    x = sum(w * math.cos(2 * math.pi * b / 10) for b, w in weights.items())
    y = sum(w * math.sin(2 * math.pi * b / 10) for b, w in weights.items())
    return math.atan2(y, x) / (2 * math.pi)


def chroma_of(weights: Weights, tuning: float) -> list[float]:
    classes = []
    for note in range(12):
        total = 0.0
        for b, w in weights.items():
            away = (b / 10 - tuning - note) % 12
            away = min(away, 12 - away)
            total += w * math.cos(0.75 * math.pi * away) ** 2 if away < 2 / 3 else 0.0
        classes.append(total)
    whole = sum(classes)
    return [c / whole if whole > 0 else 0.0 for c in classes]


def correlation(chroma: list[float], profile: list[float], tonic: int) -> float:
    mean, level = sum(chroma) / 12, sum(profile) / 12
    d = [c - mean for c in chroma]
    q = [profile[(note - tonic) % 12] - level for note in range(12)]
    flat = FLATNESS**2
    return sum(a * b for a, b in zip(d, q, strict=True)) / math.sqrt(
        (sum(a * a for a in d) + flat) * sum(b * b for b in q)
    )


FLATNESS = 0.05


def centroid(chroma: list[float]) -> list[float]:
    point = []
    for radius, semitone in ((1, 7 / 6), (1, 3 / 2), (0.5, 2 / 3)):
        for wave in (math.sin, math.cos):
            point.append(sum(c * radius * wave(semitone * math.pi * n) for n, c in enumerate(chroma)))
    return point


def rows(
    signal: NDArray[np.float64],
    rate: int,
    count: int,
    lengths: tuple[int, ...],
    hop: float = 0.5,
    window: float = 1.0,
) -> NDArray[np.float64]:
    """Mode, clarity, entropy and change for each length, shape (count, 4 × lengths)."""
    size = math.floor(0.4 * rate)
    begins = [math.floor(0.1 * rate * k) for k in range(10 * len(signal) // rate + 2)]
    begins = [b for b in begins if b + size <= len(signal)]
    weights = [weights_of(signal[b : b + size], rate) for b in begins]
    centres = [(b + (size - 1) / 2) / rate for b in begins]
    tuning = [tuning_of(added(weights[max(0, k - 299) : k + 1])) for k in range(len(weights))]
    change = []
    for k, tuned in enumerate(tuning):
        halves = [weights[max(0, k - 4) : k + 1], weights[max(0, k - 9) : max(0, k - 4)]]
        chromas = [chroma_of(added(half), tuned) for half in halves]
        heard = all(any(c) for c in chromas)
        change.append(math.dist(centroid(chromas[0]), centroid(chromas[1])) if heard else 0.0)
    table = []
    for row in range(count):
        last = row * hop + window
        values = []
        for length in lengths:
            inside = [k for k, at in enumerate(centres) if last - length <= at < last] or [0]
            chroma = chroma_of(added([weights[k] for k in inside]), tuning[inside[-1]])
            major = max(correlation(chroma, MAJOR, tonic) for tonic in range(12))
            minor = max(correlation(chroma, MINOR, tonic) for tonic in range(12))
            entropy = -sum(c * math.log(c) for c in chroma if c > 0) / math.log(12)
            values += [
                major - minor,
                max(major, minor),
                entropy,
                sum(change[k] for k in inside) / len(inside),
            ]
        table.append(values)
    return np.array(table)
