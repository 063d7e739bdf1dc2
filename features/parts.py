"""The parts that feature sets are made of, each computed by itself: one table, `_PARTS`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.decoded import Decoded, decode
from lstmcore.features.fs1 import fs1_rows, fs1_version, rows_of
from lstmcore.features.fs2 import music_rows, music_version
from lstmcore.features.fs3 import tonality_rows, tonality_version
from lstmcore.features.scratch import scratch_folder
from lstmcore.features.settings import DEFAULT, FeatureSettings
from lstmcore.features.sound import sound_rows, sound_version

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class _Part:
    version: Callable[[FeatureSettings], str]
    rows: Callable[[Decoded, FeatureSettings, threading.Event | None], Rows]
    from_samples: bool = True


def _fs1(audio: Decoded, settings: FeatureSettings, stop: threading.Event | None) -> Rows:
    return fs1_rows(audio, settings, stop=stop)


def _music(audio: Decoded, settings: FeatureSettings, stop: threading.Event | None) -> Rows:
    assert audio.samples is not None
    rows = rows_of(audio, settings)
    return music_rows(audio.samples, audio.rate, rows, settings, stop=stop).astype(np.float32)


def _tonality(audio: Decoded, settings: FeatureSettings, stop: threading.Event | None) -> Rows:
    assert audio.samples is not None
    rows = rows_of(audio, settings)
    return tonality_rows(audio.samples, audio.rate, rows, settings, stop=stop).astype(np.float32)


_PARTS = {
    "FS1": _Part(fs1_version, _fs1, from_samples=False),
    "music": _Part(music_version, _music),
    "tonality": _Part(tonality_version, _tonality),
}


def _part(name: str) -> _Part:
    """Return how a part is computed; what isn't in the table is sound itself."""
    if name in _PARTS:
        return _PARTS[name]
    return _Part(
        lambda settings: sound_version(name, settings),
        lambda audio, settings, stop: sound_rows(audio, name, settings, stop),
    )


def part_version(part: str, settings: FeatureSettings = DEFAULT) -> str:
    """Return which code computes a part with which settings, for the names of stored results."""
    return _part(part).version(settings)


def compute_parts(
    path: str | os.PathLike[str],
    parts: Iterable[str],
    settings: FeatureSettings = DEFAULT,
    *,
    stop: threading.Event | None = None,
) -> dict[str, Rows]:
    """Compute parts of a file's features, which is decoded once, one after the other.

    Parameters
    ----------
    path
        Audio file.
    parts
        Names, of `lstmcore.features.sets.PARTS`.
    settings
        Choices.
    stop
        Set it, from any thread, to end early.

    Returns
    -------
    dict
        Features by part, shape (rows, features); all parts have the same number of rows.

    Raises
    ------
    AudioError, SmileError, ExtractionStopped, OSError
        As `lstmcore.features.extract_features`.
    """
    wanted = {part: _part(part) for part in parts}
    with scratch_folder() as folder:
        keep = any(part.from_samples for part in wanted.values())
        audio = decode(path, folder, keep_samples=keep, stop=stop)
        return {name: part.rows(audio, settings, stop) for name, part in wanted.items()}
