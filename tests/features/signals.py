"""The analytic signals that the reference values of roughness, tempo and density belong to.

Mono, float64, all phases zero, no randomness but a linear congruential generator's.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

FS = 44100
FS2 = 22050
PITCHES = [262.0, 330.0, 392.0, 523.0, 659.0, 784.0]


def tones(seconds: float, parts: list[tuple[float, float]]) -> Signal:
    """Sum of a sin(2 π f t) over the parts (f, a)."""
    t = np.arange(round(FS * seconds)) / FS
    y = np.zeros_like(t)
    for f, a in parts:
        y += a * np.sin(2 * np.pi * f * t)
    return y


def dyad(cents: float, second: float = 0.4) -> Signal:
    return tones(2.0, [(440.0, 0.4), (440.0 * 2 ** (cents / 1200), second)])


def harmonic_dyad(cents: float) -> Signal:
    """Two complexes of six partials; partial k has amplitude .1 × .88^(k - 1)."""
    lowest = 261.6255653005986
    pair = (lowest, lowest * 2 ** (cents / 1200))
    return tones(2.0, [(k * f, 0.1 * 0.88 ** (k - 1)) for f in pair for k in range(1, 7)])


def modulated(hz: float, depth: float) -> Signal:
    t = np.arange(round(FS * 2.0)) / FS
    return 0.4 * (1 + depth * np.sin(2 * np.pi * hz * t)) * np.sin(2 * np.pi * 1000.0 * t)


def blip(
    y: Signal, at: float, f: float = 1000.0, amplitude: float = 0.8, seconds: float = 0.1, rate: float = 40.0
) -> None:
    """Add a decaying tone that begins `at` seconds."""
    start = round(at * FS2)
    u = np.arange(max(0, min(round(seconds * FS2), len(y) - start))) / FS2
    y[start : start + len(u)] += amplitude * np.exp(-rate * u) * np.sin(2 * np.pi * f * u)


def clicks(bpm: float) -> Signal:
    y, k = np.zeros(round(15.0 * FS2)), 0
    while 0.25 + k * 60.0 / bpm < 15.0 - 0.1:
        blip(y, 0.25 + k * 60.0 / bpm)
        k += 1
    return y


def accents(bpm: float) -> Signal:
    """A strong low blip on each beat, a weak high one on each half."""
    y, k = np.zeros(round(15.0 * FS2)), 0
    while 0.25 + k * 30.0 / bpm < 15.0 - 0.1:
        blip(y, 0.25 + k * 30.0 / bpm, *((300.0, 0.8) if k % 2 == 0 else (2500.0, 0.3)))
        k += 1
    return y


def generator(seed: int) -> Iterator[float]:
    x = seed
    while True:
        x = (1664525 * x + 1013904223) % 2**32
        yield x / 2**32


def random_onsets(rate: float, seconds: float, seed: int, least: float = 0.08) -> list[float]:
    """Onset times: gaps of at least .08 s plus an exponential one."""
    numbers, t, out = generator(seed), 0.2, []
    while t < seconds - 0.2:
        out.append(t)
        t += least - (1.0 / rate - least) * np.log(1 - next(numbers))
    return out


def notes(rate: float, seed: int) -> Signal:
    y = np.zeros(round(20.0 * FS2))
    for i, at in enumerate(random_onsets(rate, 20.0, seed)):
        blip(y, at, f=PITCHES[i % 6], amplitude=0.5, seconds=0.3, rate=15.0)
    return y


NOTES = {"notes_1ps": (1, 11), "notes_2ps": (2, 12), "notes_4ps": (4, 13), "notes_6ps": (6, 14)}
SIGNALS: dict[str, tuple[int, Callable[[], Signal]]] = {
    **{f"dyad440_{c:04d}c": (FS, lambda c=c: dyad(c)) for c in range(0, 2401, 25)},
    **{f"harm_{c:04d}c": (FS, lambda c=c: harmonic_dyad(c)) for c in range(0, 1301, 50)},
    **{f"dyad440_0300c_a{a:g}": (FS, lambda a=a: dyad(300, a)) for a in (0.05, 0.1, 0.2, 0.8)},
    **{
        f"am1000_fm{hz:03d}_m1": (FS, lambda hz=hz: modulated(hz, 1.0))
        for hz in (10, 20, 40, 60, 70, 80, 100, 150, 200, 300)
    },
    **{f"am1000_fm070_m{m:g}": (FS, lambda m=m: modulated(70, m)) for m in (0.0, 0.25, 0.5, 0.75)},
    **{f"clicks_{bpm:03d}": (FS2, lambda bpm=bpm: clicks(bpm)) for bpm in (60, 90, 120, 150)},
    **{f"accent_{bpm:03d}": (FS2, lambda bpm=bpm: accents(bpm)) for bpm in (60, 90, 120, 150)},
    **{name: (FS2, lambda parts=parts: notes(*parts)) for name, parts in NOTES.items()},
}
"""Sample rate and maker of each signal."""
