"""Tonality on the grid: what FS3 adds to FS2.  Beyond the paper, whose sets are FS1 and FS2.

Neither of these has a number for mode, key or harmony, of which valence is made.  What is added looks
back: a key needs notes to be heard, so each of its windows ends where the row's window ends.
It needs nothing of openSMILE.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.audio import DECODING
from lstmcore.features.decoded import Decoded, decode
from lstmcore.features.frames import Samples
from lstmcore.features.fs1 import rows_of
from lstmcore.features.grid import grid_table
from lstmcore.features.scratch import scratch_folder
from lstmcore.features.sets import DEGREE_SECONDS, TONALITY, TONALITY_SECONDS
from lstmcore.features.settings import DEFAULT, FeatureSettings

if TYPE_CHECKING:
    import pandas

    from lstmcore.features.pitch_classes import PitchProfile

_REVISION = 3  # raise it whenever the numbers of tonality change


def tonality_version(settings: FeatureSettings = DEFAULT) -> str:
    """Return which code computes tonality with which settings, for the names of stored results."""
    return f"d{DECODING}-t{_REVISION}{settings.version('tonality')}"


def extract_tonality(
    path: str | os.PathLike[str],
    *,
    settings: FeatureSettings = DEFAULT,
    stop: threading.Event | None = None,
) -> pandas.DataFrame:
    """Compute what FS3 adds to FS2, twice a second, without openSMILE.

    Parameters
    ----------
    path
        Audio file, any rate and number of channels; at least about 1.04 s.
    settings
        Choices, of which only window and hop matter.
    stop
        Set it, from any thread, to end the extraction early.

    Returns
    -------
    pandas.DataFrame
        ``frameTime`` (window start, seconds, float64) and, for windows of several lengths that end where
        the row's window ends: ``tonality_mode`` (-1 to 1, above 0 in major), ``tonality_clarity``,
        ``tonality_entropy`` (both 0 to 1), ``tonality_change``, and of one of these windows
        ``tonality_degree``, the shares of the twelve scale degrees; float32.

    Raises
    ------
    AudioError, ExtractionStopped, OSError
        As `extract_fs1`.
    """
    with scratch_folder() as folder:
        audio = decode(path, folder, keep_samples=True, stop=stop)
        rows = _rows(audio, rows_of(audio, settings), settings, stop)
    return grid_table(rows, TONALITY, settings.hop_seconds)


def _rows(
    audio: Decoded, rows: int, settings: FeatureSettings, stop: threading.Event | None
) -> NDArray[np.float32]:
    assert audio.samples is not None
    return tonality_rows(audio.samples, audio.rate, rows, settings, stop=stop).astype(np.float32)


def tonality_rows(
    samples: Samples,
    rate: float,
    rows: int,
    settings: FeatureSettings = DEFAULT,
    *,
    stop: threading.Event | None = None,
) -> NDArray[np.float64]:
    """Compute mode, key clarity, chroma entropy, harmonic change and scale degrees on the grid.

    Parameters
    ----------
    samples
        Shape (n,) or (n, channels), channels are averaged; int16, or floating point with
        full scale at 1.  An array, or what is cut out like one (`lstmcore.features.decoded.SampleFile`).
    rate
        Samples a second, Hz.
    rows
        Rows of the grid.
    settings
        Choices, of which only window and hop matter.
    stop
        Set it, from any thread, to end early: within about a tenth of a second.

    Returns
    -------
    NDArray
        Shape (rows, columns), finite: for each length of window mode, clarity, entropy and change, then
        scale degrees; 0 where nothing sounds.

    Raises
    ------
    ValueError
        If there is no sample.
    ExtractionStopped
        If `stop` was set.

    Notes
    -----
    A window has the frames of .1 s whose centres lie in it; at the beginning of the signal it is as long as
    there is signal.  A row whose window ends before the first centre has the first frame.  The tuning is
    that of the 30 s that end with the window.  So a row hears nothing later than .4 s after its window.
    """
    from lstmcore.features.pitch_classes import pitch_profile

    return tonality_of(pitch_profile(samples, rate, stop=stop), rows, settings, stop=stop)


def tonality_of(
    profile: PitchProfile,
    rows: int,
    settings: FeatureSettings = DEFAULT,
    *,
    stop: threading.Event | None = None,
) -> NDArray[np.float64]:
    """Compute the numbers of `tonality_rows` from pitch classes that are heard already.

    Parameters
    ----------
    profile
        From `lstmcore.features.pitch_profile`, or heard otherwise.
    rows, settings, stop
        As for `tonality_rows`.

    Returns
    -------
    NDArray
        Shape (rows, columns).

    Raises
    ------
    ExtractionStopped
        If `stop` was set.
    """
    from lstmcore.features.errors import raise_if_stopped
    from lstmcore.features.pitch_classes import chroma, tunings
    from lstmcore.features.tonality import (
        chroma_entropy,
        harmonic_change,
        key_clarity,
        key_correlations,
        key_mode,
        scale_degrees,
    )

    weights, tuning, change = profile.weights, tunings(profile), harmonic_change(profile)
    lengths = np.array(TONALITY_SECONDS)
    out = np.empty((rows, len(TONALITY)))
    for row in range(rows):
        raise_if_stopped(stop)
        moment = row * settings.hop_seconds + settings.window_seconds
        end = min(max(1, int(np.searchsorted(profile.centres, moment))), len(weights))
        begins = np.minimum(np.searchsorted(profile.centres, moment - lengths), end - 1)
        sums = np.array([weights[begin:end].sum(0, dtype=np.float64) for begin in begins])
        classes = chroma(sums, np.full(len(lengths), tuning[end - 1]))
        keys = key_correlations(classes)
        changes = [change[begin:end].mean() for begin in begins]
        measures = np.column_stack([key_mode(keys), key_clarity(keys), chroma_entropy(classes), changes])
        degrees = scale_degrees(classes, keys)[TONALITY_SECONDS.index(DEGREE_SECONDS)]
        out[row] = np.concatenate([measures.ravel(), degrees])
    return out
