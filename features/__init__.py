"""Features: from an audio file to 260 or 264 numbers, twice a second.

Follow one file through the room:

``audio`` decodes it block by block, ``decoded`` keeps it on disk as 16-bit WAV, in a folder that
``scratch`` makes → ``compare`` has openSMILE compute FS1, the 260 features of the DEAM data set,
through ``smile`` (one run of openSMILE) on the ``grid`` (windows of 1 s, one every 0.5 s) under the
names and in the order of ``sets``
→ ``music`` adds for FS2 what ``roughness`` (by way of ``spectrum`` and ``peaks``), ``pulse``
(``gammatone``) and ``onsets`` tell of the signal's ``frames``, compiled in ``kernels``, ``filter_lanes``
and ``pairs``
→ ``store`` keeps the table, found again by the content of the file → ``extract`` does
this for one file or for many side by side.  ``settings`` holds what can be chosen, ``errors``
says what can be wrong.

    >>> from features import FeatureStore, extract_features
    >>> table = extract_features("song.mp3", "FS1", FeatureStore())  # doctest: +SKIP

Each stage of the four is a function to be used alone:

    >>> from features import differentiated_envelope, read_audio, tempo
    >>> audio = read_audio("song.mp3")  # doctest: +SKIP
    >>> tempo(differentiated_envelope(audio.samples, audio.rate))  # doctest: +SKIP

The room knows nothing of networks or experiments.

FS1 is computed by openSMILE, whose Python package audEERING licenses for private,
research and educational use only; commercial use needs a licence from audEERING.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from features.audio import Audio, read_audio
from features.compare import extract_fs1
from features.errors import AudioError, ExtractionStopped
from features.extract import Extraction, extract_features, extract_many
from features.grid import HOP_SECONDS, RATE_HZ, TIME_COLUMN, WINDOW_SECONDS, grid_times
from features.music import extract_fs2, extract_music, music_rows
from features.sets import FEATURE_SETS, columns, feature_names
from features.settings import FeatureSettings
from features.smile import SmileError, has_smile
from features.store import FeatureKey, FeatureStore, cache_root, default_folder, digest_of

if TYPE_CHECKING:
    from features.gammatone import Envelope, differentiated_envelope, gammatone_filterbank
    from features.onsets import OnsetCurve, event_density, onset_curve, onset_times
    from features.peaks import Peaks, pick_peaks, refine_peak
    from features.pulse import autocorrelations, enhance, resonance, tempo
    from features.roughness import (
        dissonance_curve,
        sethares_dissonance,
        vassilakis_roughness,
        vassilakis_weight,
    )
    from features.spectrum import SpectralPeaks, spectral_peaks

# Found when asked for: their kernels need Numba, which takes a while to import.
_STAGES = {
    "gammatone": ("Envelope", "differentiated_envelope", "gammatone_filterbank"),
    "onsets": ("OnsetCurve", "event_density", "onset_curve", "onset_times"),
    "peaks": ("Peaks", "pick_peaks", "refine_peak"),
    "pulse": ("autocorrelations", "enhance", "resonance", "tempo"),
    "roughness": ("dissonance_curve", "sethares_dissonance", "vassilakis_roughness", "vassilakis_weight"),
    "spectrum": ("SpectralPeaks", "spectral_peaks"),
}
_MODULES = {name: module for module, names in _STAGES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})


__all__ = [
    "FEATURE_SETS",
    "HOP_SECONDS",
    "RATE_HZ",
    "TIME_COLUMN",
    "WINDOW_SECONDS",
    "Audio",
    "AudioError",
    "Envelope",
    "Extraction",
    "ExtractionStopped",
    "FeatureKey",
    "FeatureSettings",
    "FeatureStore",
    "OnsetCurve",
    "Peaks",
    "SmileError",
    "SpectralPeaks",
    "autocorrelations",
    "cache_root",
    "columns",
    "default_folder",
    "differentiated_envelope",
    "digest_of",
    "dissonance_curve",
    "enhance",
    "event_density",
    "extract_features",
    "extract_fs1",
    "extract_fs2",
    "extract_many",
    "extract_music",
    "feature_names",
    "gammatone_filterbank",
    "grid_times",
    "has_smile",
    "music_rows",
    "onset_curve",
    "onset_times",
    "pick_peaks",
    "read_audio",
    "refine_peak",
    "resonance",
    "sethares_dissonance",
    "spectral_peaks",
    "tempo",
    "vassilakis_roughness",
    "vassilakis_weight",
]
