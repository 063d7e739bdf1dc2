"""FS1 by openSMILE: 65 descriptors of the ComParE 2013 set and their deltas, in one pass.

The descriptors come from openSMILE's own IS13 include, the configuration nearest to the
one the DEAM features were made with; ComParE 2016 differs in jitter and shimmer.  Our
``conf/fs1.conf`` adds the summaries on the 2 Hz grid.

openSMILE is licensed by audEERING for private, research and educational use; commercial
use needs a licence from audEERING.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.audio import read_audio, write_wav16
from features.errors import AudioError
from features.grid import WINDOW_SECONDS, grid_table
from features.sets import feature_names
from features.smile import SmileError, run_smile

if TYPE_CHECKING:
    import pandas

SHORTEST_SECONDS = 1.04
"""100 low-level frames, 10 ms apart, the first of them 60 ms long, after smoothing: one row."""

LOWEST_RATE_HZ = 1000
"""Nothing below is music; openSMILE itself refuses rates below about 80 Hz."""

_REVISION = 1  # raise it whenever FS1's numbers change for another reason than openSMILE's version
_CONF = Path(__file__).parent / "conf" / "fs1.conf"
_SINK = "extsink"
_LLD_INCLUDE = Path("is09-13", "IS13_ComParE_core.lld.conf.inc")
_BUFFER_INCLUDE = Path("shared", "BufferModeRb.conf.inc")


def fs1_version() -> str:
    """Tell which code computes FS1, for the names of stored results: openSMILE's and our version."""
    return f"opensmile{importlib.metadata.version('opensmile')}-r{_REVISION}"


def extract_fs1(path: str | os.PathLike[str], *, stop: threading.Event | None = None) -> pandas.DataFrame:
    """Compute the 260 features of FS1 twice a second.

    Parameters
    ----------
    path
        Audio file, any rate and number of channels; at least about 1.04 s.
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
        If the temporary WAV file cannot be written, with its name.

    Notes
    -----
    openSMILE is licensed by audEERING for non-commercial use.

    Sources: Weninger, Eyben, Schuller, Mortillaro and Scherer, "On the acoustics of
    emotion in audio", Frontiers in Psychology 4, 2013 (the descriptors); Aljanaki, Yang
    and Soleymani, PLoS ONE 12(3), 2017 (the windows).
    """
    return grid_table(_rows(path, stop), feature_names("FS1"))


def _rows(path: str | os.PathLike[str], stop: threading.Event | None) -> NDArray[np.float32]:
    audio = read_audio(path)
    seconds = audio.seconds
    if seconds < WINDOW_SECONDS:
        raise _too_short(path, seconds)
    if audio.rate < LOWEST_RATE_HZ:
        reason = f"sample rate {audio.rate} Hz; at least {LOWEST_RATE_HZ} Hz are expected"
        raise AudioError(path, reason)
    with tempfile.TemporaryDirectory(prefix="lstmcore-") as folder:
        room = Path(folder)
        write_wav16(audio, room / "input.wav")
        del audio  # openSMILE streams over the file; the samples need not stay
        result = run_smile(_bring_conf(room), _options(room), _SINK, stop)
    if len(result.rows) == 0:
        raise _too_short(path, seconds)
    _check_names(result.names)
    return result.rows


def _too_short(path: str | os.PathLike[str], seconds: float) -> AudioError:
    reason = f"too short, {seconds:.2f} s; at least about {SHORTEST_SECONDS} s are expected"
    return AudioError(path, reason)


def _bring_conf(room: Path) -> Path:
    """Copy the configuration beside the WAV file.

    So openSMILE sees only short plain names, however the installation folder is called.
    """
    import opensmile.core

    shipped = Path(next(iter(opensmile.core.__path__)), "config")
    (room / _LLD_INCLUDE.parent).mkdir()
    shutil.copyfile(shipped / _LLD_INCLUDE, room / _LLD_INCLUDE)
    shutil.copytree(shipped / _BUFFER_INCLUDE.parent, room / _BUFFER_INCLUDE.parent)
    return Path(shutil.copyfile(_CONF, room / _CONF.name))


def _options(room: Path) -> dict[str, Path]:
    return {
        "wav": room / "input.wav",
        "lldinc": room / _LLD_INCLUDE,
        "bufferModeRbConf": room / _BUFFER_INCLUDE,
    }


def _check_names(names: tuple[str, ...]) -> None:
    # DEAM's older configuration kept the name of the MFCCs' input; the rest is the same.
    deam = tuple(f"pcm_fftMag_{name}" if name.startswith("mfcc_") else name for name in names)
    if deam != feature_names("FS1"):
        raise SmileError("this version of openSMILE gives other features than FS1's 260 names")
