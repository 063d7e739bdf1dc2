"""Tonality formulated once more, slowly and in other words: what `features` has to agree with."""

import math

import numpy as np
from numpy.typing import NDArray

MAJOR = [0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081]
MINOR = [0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052]
DEGREES = 10  # seconds

Weights = dict[int, float]  # of the thirds of a semitone in an octave


def amplitude(signal: NDArray[np.float64], rate: float, hz: float, middle: int) -> float:
    """How loud a frequency is, about a sample, over 51.4 periods and with Hann's window."""
    length = rate / hz / (2 ** (1 / 36) - 1)
    reach = math.floor(length / 2)
    j = np.arange(-reach, reach + 1)
    weights = 0.5 + 0.5 * np.cos(2 * np.pi * j / length)
    around = np.concatenate([np.zeros(reach), signal, np.zeros(reach)])[middle : middle + 2 * reach + 1]
    part = np.sum(weights * around * np.exp(-2j * np.pi * j * hz / rate))
    return float(2 * abs(part) / weights.sum())


def weights_of(signal: NDArray[np.float64], rate: float, middle: int) -> Weights:
    weights = dict.fromkeys(range(36), 0.0)
    for k in range(5 * 36):
        hz = 65.40639132514966 * 2 ** (k / 36)
        if hz * (1 + 2 * (2 ** (1 / 36) - 1)) < rate / 2:
            loud = amplitude(signal, rate, hz, middle)
            weights[k % 36] += loud**2 / hz if loud > 1e-6 else 0.0
    whole = sum(weights.values())
    return {b: w / whole if whole > 0 else 0.0 for b, w in weights.items()}


def added(many: list[Weights]) -> Weights:
    return {b: sum(one[b] for one in many) for b in range(36)}


def tuning_of(weights: Weights) -> float:
    x = sum(w * math.cos(2 * math.pi * b / 3) for b, w in weights.items())
    y = sum(w * math.sin(2 * math.pi * b / 3) for b, w in weights.items())
    return math.atan2(y, x) / (2 * math.pi)


def chroma_of(weights: Weights, tuning: float) -> list[float]:
    classes = []
    for note in range(12):
        total = 0.0
        for b, w in weights.items():
            away = (b / 3 - tuning - note) % 12
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
    """Mode, clarity, entropy and change for each length, then degrees, shape (count, 4 × lengths + 12)."""
    centres = [0.1 * k + 0.05 for k in range(math.ceil(10 * len(signal) / rate))]
    weights = [weights_of(signal, rate, math.floor(at * rate)) for at in centres]
    tuning = [tuning_of(added(weights[max(0, k - 299) : k + 1])) for k in range(len(weights))]
    change = [0.0]
    for k in range(1, len(weights)):
        both = [chroma_of(one, tuning[k]) for one in weights[k - 1 : k + 1]]
        change.append(math.dist(centroid(both[0]), centroid(both[1])) if any(both[0]) and any(both[1]) else 0)
    table = []
    for row in range(count):
        last = row * hop + window
        values, degrees = [], []
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
            if length == DEGREES:
                keys = [
                    (correlation(chroma, key, note), note) for key in (MAJOR, MINOR) for note in range(12)
                ]
                tonic = max(keys, key=lambda one: one[0])[1]
                degrees = [chroma[(tonic + step) % 12] for step in range(12)]
        table.append(values + degrees)
    return np.array(table)
