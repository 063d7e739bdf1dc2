"""Audio files in, samples out; and 16-bit WAV files out, the form that openSMILE reads.

Any sample rate and number of channels; WAV, FLAC, OGG, MP3 and whatever else the
installed libsndfile decodes.  Channels are kept: mixing them down is left to whoever
computes, in floating point, because a mean rounded back to 16 bits changes jitter and
shimmer visibly.
"""

from __future__ import annotations

import os
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import AudioError, naming

_EXACT_IN_16_BITS = ("PCM_16", "PCM_S8", "PCM_U8")
_FULL_SCALE = 32768.0
_BLOCK_FRAMES = 1 << 16
# MP3 headers announce up to a thousand or so frames more than can be decoded; a file that lacks
# more than a tenth was cut off.
_LEAST_DECODED = 0.9


@dataclass(frozen=True, eq=False)
class Audio:
    """Decoded audio.

    Parameters
    ----------
    samples
        Shape (frames, channels).  int16 where the file holds at most 16 bits, else
        float32 with full scale at -1 and 1 (decoders may go beyond).
    rate
        Frames a second, Hz.
    """

    samples: NDArray[np.int16] | NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate


def read_audio(path: str | os.PathLike[str]) -> Audio:
    """Decode a whole audio file at its own rate with all its channels.

    Parameters
    ----------
    path
        WAV, FLAC, OGG or MP3 file.

    Returns
    -------
    Audio
        One copy of the samples, in the narrowest type that loses nothing of 16 bits.

    Raises
    ------
    AudioError
        If the file is missing, not a file, empty, not decodable, cut off, or if its
        samples are none, all zero, or not finite.
    """
    check_file(path)
    audio = _decode(path)
    _check_samples(path, audio.samples)
    return audio


def check_file(path: str | os.PathLike[str]) -> None:
    """Refuse what cannot be an audio file before anything reads it.

    Parameters
    ----------
    path
        Where an audio file is expected.

    Raises
    ------
    AudioError
        If there is nothing, something other than a file, or an empty file.
    """
    file = Path(path)
    if not file.exists():
        raise AudioError(path, "no such file; an audio file is expected")
    if not file.is_file():
        found = "a folder" if file.is_dir() else "not a regular file"
        raise AudioError(path, f"{found}; an audio file is expected")
    if file.stat().st_size == 0:
        raise AudioError(path, "the file is empty (0 bytes); an audio file is expected")


def _decode(path: str | os.PathLike[str]) -> Audio:
    import soundfile

    try:
        with soundfile.SoundFile(os.fspath(path)) as sound:
            dtype = "int16" if sound.subtype in _EXACT_IN_16_BITS else "float32"
            announced, rate = sound.frames, sound.samplerate
            samples = sound.read(dtype=dtype, always_2d=True)
    except soundfile.LibsndfileError as error:
        raise _undecodable(path, f"libsndfile says: {error.error_string.rstrip('.')}") from error
    except TypeError as error:  # soundfile asks for the rate of files that have no header
        raise _undecodable(path, "the file has no header") from error
    if len(samples) < _LEAST_DECODED * announced:
        held, told = len(samples) / rate, announced / rate
        reason = f"{held:.2f} s could be decoded; the file's header announces {told:.2f} s, it may be cut off"
        raise AudioError(path, reason)
    return Audio(samples, rate)


def _undecodable(path: str | os.PathLike[str], found: str) -> AudioError:
    return AudioError(path, f"cannot be decoded, {found}; WAV, FLAC, OGG or MP3 is expected")


def _check_samples(path: str | os.PathLike[str], samples: NDArray[Any]) -> None:
    if samples.size == 0:
        raise AudioError(path, "the file holds no samples; at least about a second is expected")
    low, high = samples.min(), samples.max()  # NaN and infinities show in them
    if not (np.isfinite(low) and np.isfinite(high)):
        raise AudioError(path, "some samples are not finite (NaN or infinity); finite samples are expected")
    if low == 0 and high == 0:
        raise AudioError(path, "the audio is silent, all samples are zero; sound is expected")


def write_wav16(audio: Audio, path: str | os.PathLike[str]) -> None:
    """Write a 16-bit PCM WAV file with all channels.

    int16 samples are written as they are.  Floating-point ones are multiplied by 32768,
    rounded to the nearest integer and clipped to the range of 16 bits.

    Parameters
    ----------
    audio
        What to write.
    path
        The file to write; an existing one is replaced.

    Raises
    ------
    OSError
        If the file cannot be written (disk full, no permission); ``filename`` names it.
    """
    with naming(path), Path(path).open("wb") as handle, wave.open(handle, "wb") as out:
        out.setnchannels(audio.samples.shape[1])
        out.setsampwidth(2)
        out.setframerate(audio.rate)
        out.setnframes(len(audio.samples))
        for start in range(0, len(audio.samples), _BLOCK_FRAMES):
            block = _to_int16(audio.samples[start : start + _BLOCK_FRAMES])
            out.writeframesraw(np.ascontiguousarray(block).data)


def _to_int16(samples: NDArray[Any]) -> NDArray[np.int16]:
    if samples.dtype == np.int16:
        return samples
    scaled = np.rint(samples * np.float32(_FULL_SCALE))
    return np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
