"""Sample loops of the synthesiser: notes from wavetables, a low-pass filter, a reverberator.

Compiled once and kept on disk. They release the interpreter lock, so songs can be made on
several threads, and use neither fast-math nor parallel loops, so a song is the same on any thread.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstmcore.jit import Compiler

TABLE_LENGTH = 2048  # samples of one period; tables hold one more, equal to the first
BLOCK = 32  # samples between updates of pitch, envelope and filter
STRETCH = 512  # samples that the reverberator computes at a time

# A position within a period is a whole number of 32 bits: 11 for the place in the table, 21 for the rest.
FRACTION_BITS = 21
FRACTION_MASK = (1 << FRACTION_BITS) - 1
FRACTION = np.float32(1.0 / (1 << FRACTION_BITS))
PERIOD = TABLE_LENGTH << FRACTION_BITS
PERIOD_MASK = PERIOD - 1

kernel = Compiler(Path(__file__).parent).kernel  # the plain flags: what was made before keeps its bytes


@kernel
def add_notes(
    bus: NDArray[np.float32],
    bright: NDArray[np.float32],
    dull: NDArray[np.float32],
    row: NDArray[np.int64],
    start: NDArray[np.int64],
    held: NDArray[np.int64],
    increment: NDArray[np.float64],
    phase: NDArray[np.float64],
    amplitude: NDArray[np.float64],
    shape: NDArray[np.float64],
) -> None:
    """Add notes to a bus: two wavetables cross-faded from bright to dull, under an envelope.

    Pitch, envelope and cross-fade are reckoned every `BLOCK` samples; gains run straight in between.

    Parameters
    ----------
    bus : [samples] added to
    bright, dull : [rows, TABLE_LENGTH + 1] wavetables, a row for each band limit
    row : [notes] which row a note uses
    start, held : [notes] first sample, and samples until release
    increment : [notes] periods to advance in one sample, below 1
    phase : [notes] where in its period a note begins, 0 to 1
    amplitude : [notes]
    shape : [7] attack and release (samples), sustain level, factor a block by which the level falls to it,
        factor a block by which brightness falls, vibrato depth (share of the pitch), vibrato (radians a
        sample)
    """
    attack, release, sustain, fall, dulling, depth, speed = shape
    for n in range(len(start)):
        high_table = bright[row[n]]
        low_table = dull[row[n]]
        position = np.int64(phase[n] * PERIOD)
        level = 1.0 - sustain
        shine = 1.0
        high_gain = np.float32(0.0)
        low_gain = np.float32(0.0)
        length = held[n] + release
        for block in range(start[n], min(len(bus), int(start[n] + length)), BLOCK):
            end = min(block + BLOCK, len(bus))
            age = block + BLOCK - start[n]
            level *= fall
            shine *= dulling
            tail = min(1.0, max(0.0, (length - age) / release))
            envelope = amplitude[n] * min(1.0, age / attack) * (sustain + level) * tail * tail
            high_step = np.float32((envelope * shine - high_gain) / BLOCK)
            low_step = np.float32((envelope * (1.0 - shine) - low_gain) / BLOCK)
            step = np.int64(increment[n] * (1.0 + depth * np.sin(speed * age)) * PERIOD)
            for k in range(block, end):
                index = position >> FRACTION_BITS
                part = np.float32(position & FRACTION_MASK) * FRACTION
                high = high_table[index] + part * (high_table[index + 1] - high_table[index])
                low = low_table[index] + part * (low_table[index + 1] - low_table[index])
                bus[k] += high_gain * high + low_gain * low
                high_gain += high_step
                low_gain += low_step
                position = (position + step) & PERIOD_MASK


@kernel
def low_pass(samples: NDArray[np.float32], coefficient: NDArray[np.float64], damping: float) -> None:
    """Filter in place with a two-pole state-variable low-pass whose cutoff moves.

    Trapezoidal integration (Zavalishin, The Art of VA Filter Design, chapter 4): stays stable while the
    cutoff moves.

    Parameters
    ----------
    samples : [samples] changed in place
    coefficient : [ceil(samples / BLOCK)] ``tan(pi * cutoff / sample_rate)`` of each block
    damping : 1 / Q; 2 ** 0.5 is Butterworth
    """
    band = 0.0
    low = 0.0
    for block in range(len(coefficient)):
        g = coefficient[block]
        a = 1.0 / (1.0 + g * (g + damping))
        for k in range(block * BLOCK, min((block + 1) * BLOCK, len(samples))):
            v = samples[k] - low
            v1 = a * (band + g * v)
            v2 = low + g * v1
            band = 2.0 * v1 - band
            low = 2.0 * v2 - low
            samples[k] = v2


@kernel
def reverberate(
    samples: NDArray[np.float32],
    wet: NDArray[np.float32],
    delays: NDArray[np.int64],
    gains: NDArray[np.float32],
    damping: np.float32,
) -> None:
    """Fill `wet` with reverberation from a feedback delay network with a Householder matrix.

    After Jot and Chaigne, "Digital delay networks for designing artificial reverberators" (AES 1991). No
    delay is shorter than a stretch of `STRETCH` samples, so a stretch is computed line by line.

    Parameters
    ----------
    samples : [samples] the direct sound
    wet : [samples] written
    delays : [lines] lengths of the delay lines in samples, above STRETCH
    gains : [lines] what is left after one pass through a line
    damping : 0 to 0.5, weight of a sample's predecessor: high frequencies die away faster
    """
    lines = len(delays)
    memory = np.zeros((lines, delays.max() + 1), dtype=np.float32)  # oldest first; one sample in front
    heard = np.zeros((lines, STRETCH), dtype=np.float32)
    total = np.zeros(STRETCH, dtype=np.float32)
    share = np.float32(2.0 / lines)
    for begin in range(0, len(samples), STRETCH):
        size = min(STRETCH, len(samples) - begin)
        total[:] = 0.0
        out = wet[begin : begin + size]
        for n in range(lines):
            line = memory[n]
            now, before = gains[n] * (np.float32(1.0) - damping), gains[n] * damping
            sign = np.float32(1.0 / lines if n % 2 == 0 else -1.0 / lines)
            for k in range(size):
                value = now * line[k + 1] + before * line[k]
                heard[n, k] = value
                total[k] += value
                out[k] += sign * value
        for n in range(lines):
            line = memory[n]
            length = delays[n] + 1
            for k in range(length - size):
                line[k] = line[k + size]
            for k in range(size):
                line[length - size + k] = samples[begin + k] + heard[n, k] - share * total[k]
