"""Instruments as pairs of wavetables with an envelope, and drums as short recordings of shaped noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.datasets.procedural.kernels import TABLE_LENGTH

SAMPLE_RATE = 22050
"""Hz, mono. The highest band that the features read ends at 8 kHz, below this rate's 11 kHz; twice the rate
would double the time for synthesis and for extraction and add nothing that they measure."""

HIGHEST_PARTIAL = 9500.0  # Hz; partials above are left out
ROWS = 8  # band limits, an octave apart
LOWEST_ROW = 27.5  # Hz; fundamental for which row 0 has its full number of partials


@dataclass(frozen=True)
class Instrument:
    """How an instrument sounds.

    Attributes
    ----------
    spectrum : name of the waveform family (`_spectrum`)
    bright, dull : the family's parameter at the onset, and once the note has mellowed
    mellowing : s until brightness has fallen to 1/e
    attack, decay, release : s; decay is the time in which the level falls to 1/e of the way to `sustain`
    sustain : level at which a held note stays, 0 (plucked) to 1 (blown, bowed)
    vibrato : depth in semitones
    """

    spectrum: str
    bright: float
    dull: float
    mellowing: float
    attack: float
    decay: float
    release: float
    sustain: float
    vibrato: float = 0.0


INSTRUMENTS = {
    "strings": Instrument("saw", 1.1, 1.5, 1.5, 0.18, 1.0, 0.35, 0.9, 0.06),
    "organ": Instrument("drawbars", 0.9, 0.6, 0.4, 0.02, 1.0, 0.08, 0.95, 0.04),
    "piano": Instrument("saw", 1.4, 2.6, 0.35, 0.004, 0.9, 0.22, 0.0),
    "electric_piano": Instrument("fm", 1.8, 0.35, 0.4, 0.004, 1.3, 0.2, 0.05),
    "flute": Instrument("saw", 2.0, 2.5, 0.6, 0.05, 0.5, 0.12, 0.85, 0.16),
    "reed": Instrument("odd", 1.1, 1.5, 0.8, 0.04, 0.6, 0.10, 0.85, 0.10),
    "brass": Instrument("saw", 0.9, 1.4, 0.25, 0.03, 0.3, 0.10, 0.7, 0.08),
    "pluck": Instrument("saw", 0.9, 3.0, 0.12, 0.003, 0.45, 0.15, 0.0),
    "bell": Instrument("fm", 2.6, 0.2, 0.3, 0.003, 0.8, 0.5, 0.0),
    "soft_bass": Instrument("saw", 1.8, 3.0, 0.3, 0.012, 0.8, 0.12, 0.5),
    "pluck_bass": Instrument("saw", 1.3, 2.6, 0.15, 0.005, 0.6, 0.12, 0.1),
    "saw_bass": Instrument("saw", 1.0, 1.5, 0.2, 0.006, 0.5, 0.08, 0.6),
}


@dataclass(frozen=True)
class Tables:
    """Wavetables of an instrument: `bright` and `dull`, each [ROWS, TABLE_LENGTH + 1], unit mean square."""

    bright: NDArray[np.float32]
    dull: NDArray[np.float32]


@cache
def wavetables(name: str) -> Tables:
    """Return the wavetables of an instrument; made once.

    Raises
    ------
    KeyError
        No instrument of that name.
    """
    instrument = INSTRUMENTS[name]
    return Tables(
        _band_limited(_spectrum(instrument.spectrum, instrument.bright)),
        _band_limited(_spectrum(instrument.spectrum, instrument.dull)),
    )


def row_of(frequency: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the row of a wavetable for fundamentals in Hz, [notes]."""
    octaves = np.ceil(np.log2(np.maximum(frequency, LOWEST_ROW) / LOWEST_ROW) - 1e-9)
    return np.clip(octaves, 0, ROWS - 1).astype(np.int64)


def _spectrum(family: str, parameter: float) -> NDArray[np.complex128]:
    """Return the partials of one period, [TABLE_LENGTH // 2 + 1], the first being the constant.

    ``saw``: partials fall as k to the power of minus `parameter`. ``odd``: the same, even ones weak, as in a
    closed pipe. ``drawbars``: an organ's, higher ones by `parameter`. ``fm``: frequency modulation by the
    note's own frequency with index `parameter` (Chowning, J. AES 21, 1973).
    """
    order = np.arange(TABLE_LENGTH // 2 + 1, dtype=np.float64)
    safe = np.maximum(order, 1.0)
    if family == "fm":
        angle = 2.0 * np.pi * np.arange(TABLE_LENGTH) / TABLE_LENGTH
        partials = np.fft.rfft(np.sin(angle + parameter * np.sin(angle)))
    elif family == "drawbars":
        partials = np.zeros(len(order), dtype=np.complex128)
        partials[[1, 2, 3, 4, 6, 8]] = -1j * np.array([1.0, 0.8, 0.6, 0.5, 0.4, 0.35]) ** (1.5 / parameter)
    else:
        # Schroeder's phases keep the peaks of the period low (IEEE Trans. Inf. Theory 16, 1970).
        amplitude = safe**-parameter * (np.where(order % 2 == 1, 1.0, 0.12) if family == "odd" else 1.0)
        partials = amplitude * np.exp(-1j * np.pi * order * (order - 1.0) / 64.0)
    partials[0] = 0.0
    return np.asarray(partials, dtype=np.complex128)


def _band_limited(partials: NDArray[np.complex128]) -> NDArray[np.float32]:
    """Return one period for each row without the partials that would fold back, unit mean square."""
    tables = np.empty((ROWS, TABLE_LENGTH + 1), dtype=np.float32)
    for row in range(ROWS):
        most = max(1, int(HIGHEST_PARTIAL / (LOWEST_ROW * 2.0**row)))
        kept = np.where(np.arange(len(partials)) <= most, partials, 0.0)
        period = np.fft.irfft(kept, TABLE_LENGTH)
        period /= np.sqrt(np.mean(period**2))
        tables[row, :-1] = period
        tables[row, -1] = period[0]
    return tables


def drum_sounds(kit: str, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """Make a song's drums: kick, snare and hat, each [samples] with a peak of about 1.

    Parameters
    ----------
    kit : ``"brushes"``, ``"acoustic"`` or ``"electronic"``
    rng : numpy Generator, for the noise and small differences between songs' kits
    """
    pitch, kick_decay, snare_tone, snare_decay, hat_decay = {
        "brushes": (55.0, 0.10, 0.15, 0.14, 0.07),
        "acoustic": (52.0, 0.13, 0.45, 0.10, 0.04),
        "electronic": (46.0, 0.20, 0.30, 0.12, 0.03),
    }[kit]
    vary: Callable[[], float] = lambda: float(rng.uniform(0.9, 1.1))  # noqa: E731
    time = np.arange(int(0.5 * SAMPLE_RATE)) / SAMPLE_RATE
    sweep = pitch * vary() * (time + 0.06 * (1.0 - np.exp(-time / 0.025)))
    kick = np.sin(2.0 * np.pi * sweep) * np.exp(-time / (kick_decay * vary()))
    noise = rng.standard_normal(len(time))
    high = np.diff(noise, prepend=0.0)
    tone = np.sin(2.0 * np.pi * 185.0 * vary() * time) * np.exp(-time / 0.07)
    snare = snare_tone * tone + 0.3 * (0.5 * noise + 0.5 * high) * np.exp(-time / (snare_decay * vary()))
    hat = 0.25 * np.diff(high, prepend=0.0) * np.exp(-time / (hat_decay * vary()))
    fade = np.minimum(1.0, (time[-1] - time) / 0.05) * np.minimum(1.0, time / 0.0015 + 0.1)
    return {
        name: np.asarray(sound * fade, dtype=np.float32)
        for name, sound in (("kick", kick), ("snare", snare), ("hat", hat))
    }
