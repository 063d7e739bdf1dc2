"""Features: from an audio file to 260 or 264 numbers, twice a second.

Follow one file through the room:

``audio`` decodes it block by block, ``decoded`` keeps it on disk as 16-bit WAV → ``compare``
has openSMILE compute FS1, the 260 features of the DEAM data set, through ``smile`` (one run
of openSMILE) on the ``grid`` (windows of 1 s, one every 0.5 s) under the names and in the
order of ``sets``
→ ``music`` adds for FS2 what ``roughness`` (by way of ``spectrum`` and ``peaks``), ``tempo``
(``gammatone``) and ``onsets`` tell of the signal's ``frames``, compiled in ``kernels`` and ``pairs``
→ ``store`` keeps the table, found again by the content of the file → ``extract`` does
this for one file or for many side by side.  ``settings`` holds what can be chosen, ``errors``
says what can be wrong.

    >>> from features import FeatureStore, extract_features
    >>> table = extract_features("song.mp3", "FS1", FeatureStore())  # doctest: +SKIP

The room knows nothing of networks or experiments.

FS1 is computed by openSMILE, whose Python package audEERING licenses for private,
research and educational use only; commercial use needs a licence from audEERING.
"""

from features.audio import Audio, read_audio
from features.compare import extract_fs1
from features.errors import AudioError, ExtractionStopped
from features.extract import Extraction, extract_features, extract_many
from features.grid import HOP_SECONDS, RATE_HZ, TIME_COLUMN, WINDOW_SECONDS, grid_times
from features.music import extract_fs2, music_rows
from features.sets import FEATURE_SETS, columns, feature_names
from features.settings import FeatureSettings
from features.smile import SmileError
from features.store import FeatureKey, FeatureStore, cache_root, default_folder, digest_of

__all__ = [
    "FEATURE_SETS",
    "HOP_SECONDS",
    "RATE_HZ",
    "TIME_COLUMN",
    "WINDOW_SECONDS",
    "Audio",
    "AudioError",
    "Extraction",
    "ExtractionStopped",
    "FeatureKey",
    "FeatureSettings",
    "FeatureStore",
    "SmileError",
    "cache_root",
    "columns",
    "default_folder",
    "digest_of",
    "extract_features",
    "extract_fs1",
    "extract_fs2",
    "extract_many",
    "feature_names",
    "grid_times",
    "music_rows",
    "read_audio",
]
