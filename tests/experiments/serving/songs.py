"""Sounds for the tests of the server."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 22050


def write_song(path: Path, seconds: float = 12.0) -> Path:
    """Write a sound that becomes louder, higher and busier: its curve is no straight line."""
    t = np.arange(int(RATE * seconds)) / RATE
    tone = np.sin(2 * np.pi * (110 + 30 * t) * t) * (0.1 + 0.6 * t / seconds)
    beat = 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * (1 + t / 4) * t))
    noise = np.random.default_rng(1).standard_normal(len(t)) * 0.05 * t / seconds
    soundfile.write(path, np.clip(tone * beat + noise, -1, 1), RATE, subtype="PCM_16")
    return path
