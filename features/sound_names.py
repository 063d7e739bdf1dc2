"""Names of the sets that are sound itself, and of their columns: ``waveform`` and ``log-mel``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from lstmcore.features.grid import WINDOW_SECONDS
from lstmcore.features.settings import FeatureSettings

SOUND_RATE_HZ = 16000
"""Of the sound that networks learn from: what lies above 8 kHz isn't heard."""

WAVEFORM = "waveform"
LOG_MEL = "log-mel"
_LOG_MEL = re.compile(rf"{LOG_MEL}(?:-(\d{{1,3}})x(\d{{1,3}})ms)?")
_BANDS = (4, 128)
_HOP_MS = (5, 100)


@dataclass(frozen=True)
class LogMel:
    """A log-mel spectrogram: bands, and the distance of its frames."""

    bands: int = 40
    hop_ms: int = 20

    @property
    def hop_seconds(self) -> float:
        """Distance of the frames in seconds."""
        return self.hop_ms / 1000

    @property
    def name(self) -> str:
        """Name of the set."""
        return f"{LOG_MEL}-{self.bands}x{self.hop_ms}ms"


def sound_of(name: str) -> LogMel | Literal["waveform"] | None:
    """Which sound a set has; None: the name is of another kind.

    Parameters
    ----------
    name
        "waveform"; "log-mel", which is 40 bands every 20 ms; or "log-mel-64x10ms", say.

    Raises
    ------
    ValueError
        If it is the name of a spectrogram that there can't be.
    """
    if name == WAVEFORM:
        return "waveform"
    if not name.startswith(LOG_MEL):
        return None
    found = _LOG_MEL.fullmatch(name)
    if found is None:
        raise ValueError(
            f"feature set {name!r}: {LOG_MEL}, or {LOG_MEL}-40x20ms with the numbers of bands and of "
            "milliseconds between frames, is expected"
        )
    sound = LogMel(*(int(part) for part in found.groups() if part))
    if not _BANDS[0] <= sound.bands <= _BANDS[1]:
        raise ValueError(f"feature set {name!r}: {_BANDS[0]} to {_BANDS[1]} bands are expected")
    if not _HOP_MS[0] <= sound.hop_ms <= _HOP_MS[1] or 1000 % sound.hop_ms:
        raise ValueError(
            f"feature set {name!r}: frames {_HOP_MS[0]} to {_HOP_MS[1]} ms apart, a whole number of them in "
            "a second, are expected"
        )
    return sound


def block_shape(name: str) -> tuple[int, int, int]:
    """Time, bands and channels of a row of a set that is sound."""
    sound = sound_of(name)
    assert sound is not None
    return (SOUND_RATE_HZ, 1, 1) if sound == "waveform" else (1000 // sound.hop_ms, sound.bands, 1)


def sound_with(last: str) -> str | None:
    """Name the set whose last column has this name; None if none can have."""
    if last == f"sample_{SOUND_RATE_HZ - 1:05}":
        return WAVEFORM
    found = re.fullmatch(r"mel_(\d{3})_(\d{3})", last)
    if found is None:
        return None
    times, bands = (int(part) + 1 for part in found.groups())
    return LogMel(bands, 1000 // times).name


def steps_of(name: str, settings: FeatureSettings) -> tuple[int, int]:
    """Count the samples or frames from row to row, and those in a row.

    Raises
    ------
    ValueError
        If rows aren't 1 s long, or not a whole number of a spectrogram's frames apart.
    """
    sound = sound_of(name)
    assert sound is not None
    if settings.window_seconds != WINDOW_SECONDS:
        found = f"window_seconds is {settings.window_seconds:g}"
        raise ValueError(f"{found}; {WINDOW_SECONDS:g} is expected for {name}")
    seconds = 1 / SOUND_RATE_HZ if sound == "waveform" else sound.hop_seconds
    step = settings.hop_seconds / seconds
    if abs(step - round(step)) > 1e-6:
        raise ValueError(
            f"rows are {settings.hop_seconds:g} s apart, and frames of {name} {seconds:g} s; rows that are a "
            "multiple of that apart are expected"
        )
    return round(step), round(WINDOW_SECONDS / seconds)


@cache
def sound_names(name: str) -> tuple[str, ...]:
    """Names of the columns: time by time, band by band."""
    times, bands, _ = block_shape(name)
    if sound_of(name) == "waveform":
        return tuple(f"sample_{time:05}" for time in range(times))
    return tuple(f"mel_{time:03}_{band:03}" for time in range(times) for band in range(bands))
