"""FS1 by openSMILE: 65 descriptors of the ComParE 2013 set and their deltas, in one pass.

The descriptors come from openSMILE's own IS13 include, the configuration nearest to the
one the DEAM features were made with; ComParE 2016 differs in jitter and shimmer.  Our
``conf/fs1.conf`` adds the summaries on the 2 Hz grid.

openSMILE is licensed by audEERING for private, research and educational use; commercial
use needs a licence from audEERING.
"""

from __future__ import annotations

import math
import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.audio import DECODING
from lstmcore.features.decoded import Decoded, decode
from lstmcore.features.errors import TooShortError
from lstmcore.features.grid import grid_table
from lstmcore.features.scratch import scratch_folder
from lstmcore.features.sets import feature_names
from lstmcore.features.settings import DEFAULT, STEP_SECONDS, FeatureSettings
from lstmcore.features.smile import SmileError, run_smile, shipped_configuration, smile_version

if TYPE_CHECKING:
    import pandas

_REVISION = 1  # raise it whenever FS1's numbers change for another reason than openSMILE's version
# Low-level frames begin 10 ms apart and last 60; smoothing them takes what is missing here.
_BEYOND_WINDOW_STEPS = 4
_BEYOND_WINDOW_SECONDS = _BEYOND_WINDOW_STEPS * STEP_SECONDS
_CONF = Path(__file__).parent / "conf"
_LEVELS, _BUFFERS = "fs1.conf", "buffers.conf.inc"
_SINK = "extsink"
_LLD_INCLUDE = Path("is09-13", "IS13_ComParE_core.lld.conf.inc")
_BUFFER_INCLUDE = Path("shared", "BufferModeRb.conf.inc")


def fs1_version(settings: FeatureSettings = DEFAULT) -> str:
    """Return which code computes FS1, for the names of stored results: openSMILE's, ours, the settings'."""
    return f"opensmile{smile_version()}-d{DECODING}-r{_REVISION}{settings.version('FS1')}"


def extract_fs1(
    path: str | os.PathLike[str],
    *,
    settings: FeatureSettings = DEFAULT,
    stop: threading.Event | None = None,
) -> pandas.DataFrame:
    """Compute the 260 features of FS1 twice a second.

    Parameters
    ----------
    path
        Audio file, any rate and number of channels; at least about 1.04 s.
    settings
        Window and hop, if others than 1 s and .5 s are wanted.
    stop
        Set it, from any thread, to end the extraction early.

    Returns
    -------
    pandas.DataFrame
        ``frameTime`` (window start, seconds, float64) and the 260 features in DEAM's
        order, float32 as openSMILE computes them.  Units are openSMILE's: Hz for F0 and
        roll-off, dB for HNR, the rest without unit.  Row k covers 0.5 k to 0.5 k + 1 s;
        45 s give 88 rows.

    Raises
    ------
    AudioError
        If the file cannot be read (see `read_audio`), is too short, or has a sample rate
        below 1 kHz.
    SmileError
        If openSMILE refuses its configuration.
    ExtractionStopped
        If `stop` was set.
    OSError
        If a temporary file cannot be written, with its name.

    Notes
    -----
    openSMILE is licensed by audEERING for non-commercial use.  Memory does not grow with
    the length of the file; a 16-bit WAV copy of it lies in a `scratch_folder` meanwhile.

    Sources: Weninger, Eyben, Schuller, Mortillaro and Scherer, "On the acoustics of
    emotion in audio", Frontiers in Psychology 4, 2013 (the descriptors); Aljanaki, Yang
    and Soleymani, PLoS ONE 12(3), 2017 (the windows).
    """
    with scratch_folder() as folder:
        rows = fs1_rows(decode(path, folder, stop=stop), settings, stop=stop)
    return grid_table(rows, feature_names("FS1"), settings.hop_seconds)


def fs1_rows(
    audio: Decoded, settings: FeatureSettings = DEFAULT, *, stop: threading.Event | None = None
) -> NDArray[np.float32]:
    """Compute FS1 of a decoded file: what `extract_fs1` puts into its table.

    Parameters
    ----------
    audio
        From `lstmcore.features.decoded.decode`; openSMILE's configuration is laid beside its files.
    settings, stop
        As in `extract_fs1`.

    Returns
    -------
    NDArray
        Shape (rows, 260).

    Raises
    ------
    AudioError, SmileError, ExtractionStopped, OSError
        As `extract_fs1`, but for the reading.
    """
    if audio.seconds < settings.window_seconds:
        raise _too_short(audio, settings)
    room = audio.wav.parent
    options: dict[str, Path | float] = {
        "wav": audio.wav,
        "lldinc": room / _LLD_INCLUDE,
        "bufferModeRbConf": room / _BUFFER_INCLUDE,
        "bufferModeConf": room / _BUFFERS,
        "window": settings.window_seconds,
        "hop": settings.hop_seconds,
    }
    result = run_smile(_bring_conf(room), options, _SINK, stop)
    if len(result.rows) == 0:
        raise _too_short(audio, settings)
    _check_names(result.names)
    return result.rows


def rows_of(audio: Decoded, settings: FeatureSettings = DEFAULT) -> int:
    """Count the rows that FS1 has, without computing it: windows whose low-level frames all exist."""
    window, hop = (round(s / STEP_SECONDS) for s in (settings.window_seconds, settings.hop_seconds))
    rows = (_whole_steps(audio) - window) // hop + 1
    if rows < 1:
        raise _too_short(audio, settings)
    return rows


def _whole_steps(audio: Decoded) -> int:
    """Count the low-level frames.  openSMILE rounds a step to whole samples: 221 of 22050, 10.02 ms."""
    step = max(1, math.floor(audio.rate * STEP_SECONDS + 0.5)) / audio.rate
    return math.floor(audio.seconds / step + 1e-9) - _BEYOND_WINDOW_STEPS


def _too_short(audio: Decoded, settings: FeatureSettings) -> TooShortError:
    least = settings.window_seconds + _BEYOND_WINDOW_SECONDS
    reason = f"too short, {audio.seconds:.2f} s; at least about {least:.2f} s are expected"
    return TooShortError(audio.source, reason, audio.seconds, _whole_steps(audio) * STEP_SECONDS)


def _bring_conf(room: Path) -> Path:
    """Copy the configuration beside the WAV file.

    So openSMILE sees only short plain names, however the installation folder is called.
    """
    shipped = shipped_configuration()
    (room / _LLD_INCLUDE.parent).mkdir()
    shutil.copyfile(shipped / _LLD_INCLUDE, room / _LLD_INCLUDE)
    shutil.copytree(shipped / _BUFFER_INCLUDE.parent, room / _BUFFER_INCLUDE.parent)
    shutil.copyfile(_CONF / _BUFFERS, room / _BUFFERS)
    return Path(shutil.copyfile(_CONF / _LEVELS, room / _LEVELS))


def _check_names(names: tuple[str, ...]) -> None:
    # DEAM's older configuration kept the name of the MFCCs' input; the rest is the same.
    deam = tuple(f"pcm_fftMag_{name}" if name.startswith("mfcc_") else name for name in names)
    if deam != feature_names("FS1"):
        raise SmileError("this version of openSMILE gives other features than FS1's 260 names")
