"""DEAM's official folders and file formats: where readers look, and where the procedural collection writes.

Averaged annotations: one row per song, ``song_id,sample_15000ms,sample_15500ms,…``; a row ends where its
song ends, without trailing commas, as in the published files. Annotations of each rater: one file per song
with the header ``sample_15000ms,…`` and one row per rater; other columns may name the rater.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

AUDIO = Path("MEMD_audio")
AVERAGED = Path("annotations/annotations averaged per song/dynamic (per second annotations)")
PER_RATER = Path("annotations/annotations per each rater/dynamic (per second annotations)")
FEATURES = Path("features")
SONG_MEANS = Path("song_mean_features.csv")  # one row of features per song, as in a part of the data
METADATA = Path("metadata.csv")
# Beside these in a procedural collection:
TRUTH = Path("procedural_truth")
README = Path("README.txt")
PLAN = Path("plan.json")
CHECKSUMS = Path("checksums.sha256")

METADATA_COLUMNS = (
    "song_id",
    "year",
    "artist",
    "title",
    "album",
    "genre",
    "tags",
    "segment_start_min_sec",
    "segment_end_min_sec",
    "mediaeval2013_set",
)


_SAMPLE = re.compile(r"sample_(\d{1,9})ms")


def audio_file(song_id: int) -> Path:
    """Return where a song's audio lies within a procedural collection."""
    return AUDIO / f"{song_id}.flac"


def truth_file(song_id: int) -> Path:
    """Return where a song's true curves lie within the collection."""
    return TRUTH / f"{song_id}.csv"


def rater_file(attribute: str, song_id: int) -> Path:
    """Return where the raters' answers on ``"arousal"`` or ``"valence"`` lie within the collection."""
    return PER_RATER / attribute / f"{song_id}.csv"


def averaged_file(attribute: str) -> Path:
    """Return where the averages on ``"arousal"`` or ``"valence"`` lie within the collection."""
    return AVERAGED / f"{attribute}.csv"


def feature_file(song_id: int) -> Path:
    """Return where a song's features lie within the collection."""
    return FEATURES / f"{song_id}.csv"


def sample_column(stamp: int) -> str:
    """Return the name of a column of annotations, ``sample_15000ms`` for a time stamp of 15000 ms."""
    return f"sample_{stamp}ms"


def sample_stamp(column: str) -> int | None:
    """Return the time stamp (ms) that a column's name says; None for a column of something else."""
    match = _SAMPLE.fullmatch(column.strip())
    return None if match is None else int(match[1])


def sample_columns(times: NDArray[np.float64]) -> list[str]:
    """Return the names of annotation columns, ``sample_15000ms`` for 15 s."""
    return [sample_column(round(1000 * time)) for time in times]


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return a CSV file; no field may hold a comma, a quote or a line break."""
    lines = [",".join(header), *(",".join(str(field) for field in row) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def rater_table(times: NDArray[np.float64], answers: NDArray[np.float64]) -> bytes:
    """Return the file of one song's raters.

    Parameters
    ----------
    times : [frames] s
    answers : [raters, frames] multiples of 0.01
    """
    return table(sample_columns(times), [[f"{value + 0.0:.2f}" for value in row] for row in answers])


def minutes_seconds(seconds: float) -> str:
    """Return a position as DEAM's metadata gives it: minutes, a point, two digits of seconds."""
    whole = round(seconds)
    return f"{whole // 60}.{whole % 60:02d}"
