"""FS2: FS1 and four descriptors of what is heard as music, on the same grid.

Sensory dissonance, roughness, tempo and event density are computed at their own pace and
brought to the grid here.  The paper that names them does not say how; the choices
are ours, and those that matter can be switched.

FS1 is computed by openSMILE, whose Python package audEERING licenses for private,
research and educational use only.  The four need nothing of it.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.audio import DECODING
from lstmcore.features.decoded import decode
from lstmcore.features.frames import Samples
from lstmcore.features.fs1 import fs1_rows, fs1_version, rows_of
from lstmcore.features.grid import HOP_SECONDS, WINDOW_SECONDS, grid_table
from lstmcore.features.scratch import scratch_folder
from lstmcore.features.sets import MUSIC, feature_names
from lstmcore.features.settings import DEFAULT, FeatureSettings

if TYPE_CHECKING:
    import pandas

_REVISION = 1  # raise it whenever the numbers of the four descriptors change


def music_version(settings: FeatureSettings = DEFAULT) -> str:
    """Return which code computes the four with which settings, for the names of stored results."""
    return f"d{DECODING}-m{_REVISION}{settings.version('music')}"


def fs2_version(settings: FeatureSettings = DEFAULT) -> str:
    """Return what the whole of FS2 was stored under before each part was stored by itself."""
    return f"{fs1_version()}-m{_REVISION}{settings.version('FS2')}"


def extract_fs2(
    path: str | os.PathLike[str],
    *,
    settings: FeatureSettings = DEFAULT,
    fs1: pandas.DataFrame | None = None,
    stop: threading.Event | None = None,
) -> pandas.DataFrame:
    """Compute the 264 features of FS2 twice a second.

    Parameters
    ----------
    path
        Audio file, any rate and number of channels; at least about 1.04 s.
    settings
        Choices.
    fs1
        What `extract_fs1` gives for the same file and settings, if it is at hand: then only the
        four are computed.
    stop
        Set it, from any thread, to end the extraction early.

    Returns
    -------
    pandas.DataFrame
        ``frameTime`` (window start, seconds, float64), the 260 features of FS1, and
        ``sensory_dissonance``, ``roughness_vassilakis`` (both without unit), ``tempo`` (beats
        per minute), ``event_density`` (events per second); float32.

    Raises
    ------
    AudioError, SmileError, ExtractionStopped, OSError
        As `extract_fs1`.

    Notes
    -----
    Memory grows little with the length of the file, by some 60 kB a second at 44.1 kHz; the
    decoded file lies in a `scratch_folder` meanwhile.

    Source: Coutinho, Trigeorgis, Zafeiriou and Schuller, MediaEval 2015, for the choice of
    the four.  FS1's part is computed by openSMILE, licensed for non-commercial use.
    """
    with scratch_folder() as folder:
        audio = decode(path, folder, keep_samples=True, stop=stop)
        assert audio.samples is not None
        if fs1 is None:
            smile = fs1_rows(audio, settings, stop=stop)
        else:
            smile = fs1[list(feature_names("FS1"))].to_numpy()
        music = music_rows(audio.samples, audio.rate, len(smile), settings, stop=stop)
    values = np.hstack([smile, music.astype(np.float32)])
    return grid_table(values, feature_names("FS2"), settings.hop_seconds)


def extract_music(
    path: str | os.PathLike[str],
    *,
    settings: FeatureSettings = DEFAULT,
    stop: threading.Event | None = None,
) -> pandas.DataFrame:
    """Compute the four that FS2 adds to FS1, twice a second, without openSMILE.

    Parameters
    ----------
    path
        Audio file, any rate and number of channels; at least about 1.04 s.
    settings
        Choices.
    stop
        Set it, from any thread, to end the extraction early.

    Returns
    -------
    pandas.DataFrame
        ``frameTime`` (window start, seconds, float64) and the last four columns of `extract_fs2`.

    Raises
    ------
    AudioError, ExtractionStopped, OSError
        As `extract_fs1`.
    """
    with scratch_folder() as folder:
        audio = decode(path, folder, keep_samples=True, stop=stop)
        assert audio.samples is not None
        music = music_rows(audio.samples, audio.rate, rows_of(audio, settings), settings, stop=stop)
    return grid_table(music.astype(np.float32), MUSIC, settings.hop_seconds)


def music_rows(
    samples: Samples,
    rate: float,
    rows: int,
    settings: FeatureSettings = DEFAULT,
    *,
    stop: threading.Event | None = None,
) -> NDArray[np.float64]:
    """Compute sensory dissonance, roughness, tempo and event density on the grid.

    Parameters
    ----------
    samples
        Shape (n,) or (n, channels), channels are averaged; int16, or floating point with
        full scale at 1.  An array, or what is cut out like one (`lstmcore.features.decoded.SampleFile`).
    rate
        Samples a second, Hz; more than 100.
    rows
        Rows of the grid.  The last ones repeat the nearest value where the signal ends.
    settings
        Choices.
    stop
        Set it, from any thread, to end early: within about a tenth of a second, or with ``spectra``
        "window" after the spectrum at hand, which takes seconds in noise.

    Returns
    -------
    NDArray
        Shape (rows, 4), finite: dissonance and roughness (no unit, 0 in silence), beats
        per minute (0 if none are heard in the whole signal), events per second.

    Raises
    ------
    ValueError
        If the signal is too short (16 samples) or the rate too low.
    ExtractionStopped
        If `stop` was set.

    Notes
    -----
    Tempo frames last 3 s, one every .5 s; row k takes the frame around its centre.  Where no
    tempo is heard, the one before holds on.
    """
    descriptors = (_roughness_columns, _tempo_column, _density_column)
    return np.hstack([descriptor(samples, rate, rows, settings, stop) for descriptor in descriptors])


def _roughness_columns(
    samples: Samples, rate: float, rows: int, settings: FeatureSettings, stop: threading.Event | None
) -> NDArray[np.float64]:
    from lstmcore.features.roughness import sethares_dissonance, vassilakis_roughness
    from lstmcore.features.spectrum import SPECTRUM_FRAME, SPECTRUM_HOP, peak_blocks

    averaged = settings.spectra == "mean"
    window, hop = settings.window_seconds, settings.hop_seconds
    seconds = (SPECTRUM_FRAME, SPECTRUM_HOP) if averaged else (window, hop)
    centres, values = [], []
    for peaks in peak_blocks(samples, rate, *seconds, stop=stop):
        centres.append(peaks.centres)
        values.append(
            [sethares_dissonance(peaks, settings.sethares), vassilakis_roughness(peaks, settings.vassilakis)]
        )
    curves = np.concatenate(values, axis=1).T
    if averaged:
        return window_means(np.concatenate(centres), curves, rows, window, hop)
    return _nearest(curves, rows, window, settings)


def _tempo_column(
    samples: Samples, rate: float, rows: int, settings: FeatureSettings, stop: threading.Event | None
) -> NDArray[np.float64]:
    from lstmcore.features.gammatone import differentiated_envelope
    from lstmcore.features.tempo_estimation import tempo

    envelope = differentiated_envelope(samples, rate, stop=stop)
    beats = tempo(envelope, settings.tempo_seconds, settings.hop_seconds, stop=stop)
    if np.isnan(beats).all():
        beats[0] = np.nan_to_num(tempo(envelope, stop=stop)[0])
    return _nearest(hold(beats)[:, np.newaxis], rows, settings.tempo_seconds, settings)


def _density_column(
    samples: Samples, rate: float, rows: int, settings: FeatureSettings, stop: threading.Event | None
) -> NDArray[np.float64]:
    from lstmcore.features.onsets import event_density, onset_curve

    curve = onset_curve(samples, rate, stop=stop)
    density = event_density(curve, settings.density_seconds, settings.hop_seconds)
    return _nearest(density[:, np.newaxis], rows, settings.density_seconds, settings)


def window_means(
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    rows: int,
    window_seconds: float = WINDOW_SECONDS,
    hop_seconds: float = HOP_SECONDS,
) -> NDArray[np.float64]:
    """Average values over the windows of the grid.

    Parameters
    ----------
    times
        Shape (n,): seconds, rising.
    values
        Shape (n, columns).
    rows
        Of the grid.
    window_seconds, hop_seconds
        Of the grid.

    Returns
    -------
    NDArray
        Shape (rows, columns): row k averages the values whose time is at least k hops and less
        than a window later; where there are none, it is the value nearest after or else before.
    """
    begins = hop_seconds * np.arange(rows)
    first = np.minimum(np.searchsorted(times, begins), len(times) - 1)
    last = np.maximum(np.searchsorted(times, begins + window_seconds), first + 1)
    out = np.empty((rows, values.shape[1]))
    for row, begin, end in zip(out, first, last, strict=True):
        row[:] = values[begin:end].mean(axis=0)
    return out


def hold(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace NaN by the valid value before it, or at the beginning by the first one.

    Parameters
    ----------
    values
        Shape (n,); not all NaN.

    Returns
    -------
    NDArray
        Shape (n,), without NaN.
    """
    valid = np.flatnonzero(~np.isnan(values))
    before = np.searchsorted(valid, np.arange(len(values)), side="right") - 1
    return values[valid[np.maximum(before, 0)]]


def _nearest(
    values: NDArray[np.float64], rows: int, frame_seconds: float, settings: FeatureSettings
) -> NDArray[np.float64]:
    """Give each row the frame, one every hop, whose centre is nearest to its window's."""
    shift = round((frame_seconds - settings.window_seconds) / 2 / settings.hop_seconds)
    return values[np.clip(np.arange(rows) - shift, 0, len(values) - 1)]
