"""FS2: FS1 and four descriptors of what is heard as music, on the same grid.

Sensory dissonance, roughness, tempo and event density are computed at their own pace and
brought to the 2 Hz grid here.  How is not told by the paper that names them; the choices
are ours, and those that matter can be switched.

FS1 is computed by openSMILE, whose Python package audEERING licenses for private,
research and educational use only.  The four need nothing of it.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from features.audio import read_audio
from features.compare import extract_fs1, fs1_version
from features.errors import ExtractionStopped
from features.grid import HOP_SECONDS, WINDOW_SECONDS, grid_table
from features.sets import feature_names

if TYPE_CHECKING:
    import pandas

TEMPO_SECONDS = 3.0
"""Length of a tempo frame: the shortest in which 40 beats a minute can be heard."""

_REVISION = 1  # raise it whenever the numbers of the four descriptors change


@dataclass(frozen=True)
class MusicSettings:
    """How the four descriptors are computed where there is a choice.

    Parameters
    ----------
    sethares
        Weight of two tones in the sensory dissonance: "product" of their magnitudes, or the
        smaller one, "min".
    vassilakis
        Formula of the roughness: "2015", as MIRtoolbox computed it then, or "published".
    spectra
        "mean": dissonance and roughness are means over the frames of .05 s whose centres lie
        in a row's window.  "window": one spectrum of the whole window, which resolves close
        tones but blurs changes.
    density_seconds
        Length of the frames in which events are counted: 1 for a row's window, 3 for
        smoother values around its centre.
    """

    sethares: Literal["product", "min"] = "product"
    vassilakis: Literal["2015", "published"] = "2015"
    spectra: Literal["mean", "window"] = "mean"
    density_seconds: float = 1.0


def fs2_version() -> str:
    """Tell which code computes FS2, for the names of stored results."""
    return f"{fs1_version()}-m{_REVISION}"


def extract_fs2(path: str | os.PathLike[str], *, stop: threading.Event | None = None) -> pandas.DataFrame:
    """Compute the 264 features of FS2 twice a second.

    Parameters
    ----------
    path
        Audio file, any rate and number of channels; at least about 1.04 s.
    stop
        Set it, from any thread, to end the extraction early.

    Returns
    -------
    pandas.DataFrame
        ``frameTime`` (window start, seconds, float64), the 260 features of FS1, and
        ``sensory_dissonance``, ``roughness_vassilakis`` (both without unit), ``tempo`` (beats
        a minute), ``event_density`` (events a second); float32.

    Raises
    ------
    AudioError, SmileError, ExtractionStopped, OSError
        As `extract_fs1`.

    Notes
    -----
    Source: Coutinho, Trigeorgis, Zafeiriou and Schuller, MediaEval 2015, for the choice of
    the four.  FS1's part is computed by openSMILE, licensed for non-commercial use.
    """
    table = extract_fs1(path, stop=stop)
    audio = read_audio(path)
    music = music_rows(audio.samples, audio.rate, len(table), stop=stop)
    values = np.hstack([table[list(feature_names("FS1"))].to_numpy(), music.astype(np.float32)])
    return grid_table(values, feature_names("FS2"))


def music_rows(
    samples: NDArray[Any],
    rate: float,
    rows: int,
    settings: MusicSettings | None = None,
    *,
    stop: threading.Event | None = None,
) -> NDArray[np.float64]:
    """Compute sensory dissonance, roughness, tempo and event density on the 2 Hz grid.

    Parameters
    ----------
    samples
        Shape (n,) or (n, channels), channels are averaged; int16, or floating point with
        full scale at 1.
    rate
        Samples a second, Hz; more than 100.
    rows
        Rows of the grid.  The last ones repeat the nearest value where the signal ends.
    settings
        Choices; None: the defaults.
    stop
        Set it, from any thread, to end early: between two descriptors.

    Returns
    -------
    NDArray
        Shape (rows, 4), finite: dissonance and roughness (no unit, 0 in silence), beats a
        minute, events a second.

    Raises
    ------
    ValueError
        If the signal is too short (16 samples), the rate too low, or a setting unknown.
    ExtractionStopped
        If `stop` was set.

    Notes
    -----
    Tempo frames last 3 s, one every .5 s; row k takes the frame around its centre.  Where no
    tempo is heard, the one before holds on.
    """
    chosen = settings or MusicSettings()
    columns = []
    for descriptor in (_roughness_columns, _tempo_column, _density_column):
        if stop is not None and stop.is_set():
            raise ExtractionStopped("the extraction was stopped")
        columns.append(descriptor(samples, rate, rows, chosen))
    return np.hstack(columns)


def _roughness_columns(
    samples: NDArray[Any], rate: float, rows: int, settings: MusicSettings
) -> NDArray[np.float64]:
    from features.roughness import sethares_dissonance, vassilakis_roughness
    from features.spectrum import FRAME_SECONDS, spectral_peaks
    from features.spectrum import HOP_SECONDS as SHIFT_SECONDS

    if settings.spectra not in ("mean", "window"):
        raise ValueError(f"unknown spectra {settings.spectra!r}; 'mean' or 'window' is expected")
    averaged = settings.spectra == "mean"
    seconds = (FRAME_SECONDS, SHIFT_SECONDS) if averaged else (WINDOW_SECONDS, HOP_SECONDS)
    peaks = spectral_peaks(samples, rate, *seconds)
    values = np.stack(
        [sethares_dissonance(peaks, settings.sethares), vassilakis_roughness(peaks, settings.vassilakis)],
        axis=1,
    )
    if averaged:
        return window_means(peaks.centres, values, rows)
    return _nearest(values, rows, WINDOW_SECONDS)


def _tempo_column(
    samples: NDArray[Any], rate: float, rows: int, settings: MusicSettings
) -> NDArray[np.float64]:
    from features.gammatone import differentiated_envelope
    from features.tempo import tempo

    envelope = differentiated_envelope(samples, rate)
    beats = tempo(envelope, TEMPO_SECONDS, HOP_SECONDS)
    if np.isnan(beats).all():
        beats[0] = np.nan_to_num(tempo(envelope)[0])
    return _nearest(hold(beats)[:, np.newaxis], rows, TEMPO_SECONDS)


def _density_column(
    samples: NDArray[Any], rate: float, rows: int, settings: MusicSettings
) -> NDArray[np.float64]:
    from features.onsets import event_density, onset_curve

    curve = onset_curve(samples, rate)
    density = event_density(curve, settings.density_seconds, HOP_SECONDS)
    return _nearest(density[:, np.newaxis], rows, settings.density_seconds)


def window_means(times: NDArray[np.float64], values: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """Average values over the windows of the 2 Hz grid.

    Parameters
    ----------
    times
        Shape (n,): seconds, rising.
    values
        Shape (n, columns).
    rows
        Of the grid.

    Returns
    -------
    NDArray
        Shape (rows, columns): row k averages the values whose time is at least .5 k and below
        .5 k + 1; where there are none, it is the value nearest after or else before.
    """
    begins = HOP_SECONDS * np.arange(rows)
    first = np.minimum(np.searchsorted(times, begins), len(times) - 1)
    last = np.maximum(np.searchsorted(times, begins + WINDOW_SECONDS), first + 1)
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


def _nearest(values: NDArray[np.float64], rows: int, frame_seconds: float) -> NDArray[np.float64]:
    """Give each row the frame, one every .5 s, whose centre is nearest to its window's."""
    shift = round((frame_seconds - WINDOW_SECONDS) / 2 / HOP_SECONDS)
    return values[np.clip(np.arange(rows) - shift, 0, len(values) - 1)]
