"""DEAM's official folders and file formats, as far as the procedural collection writes them.

Averaged annotations: a row a song, ``song_id,sample_15000ms,sample_15500ms,…``; a row ends where its song
ends, without trailing commas, as in the published files. Annotations of each rater: a file a song with the
header ``sample_15000ms,…`` and a row a rater, without the rater's name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

AUDIO = Path("MEMD_audio")
AVERAGED = Path("annotations/annotations averaged per song/dynamic (per second annotations)")
PER_RATER = Path("annotations/annotations per each rater/dynamic (per second annotations)")
TRUTH = Path("procedural_truth")
METADATA = Path("metadata.csv")
README = Path("README.txt")
PLAN = Path("plan.json")
CHECKSUMS = Path("checksums.sha256")
UNFINISHED = ".partial"

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


def audio_file(song_id: int) -> Path:
    """Return where a song's audio lies within the collection."""
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


def sample_columns(times: NDArray[np.float64]) -> list[str]:
    """Return the names of annotation columns, ``sample_15000ms`` for 15 s."""
    return [f"sample_{round(1000 * time)}ms" for time in times]


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


def read_rater_table(path: Path) -> NDArray[np.float64]:
    """Return what `rater_table` wrote, [raters, frames]."""
    lines = path.read_text().splitlines()[1:]
    return np.array([[float(value) for value in line.split(",")] for line in lines])


def minutes_seconds(seconds: float) -> str:
    """Return a position as DEAM's metadata gives it: minutes, a point, two digits of seconds."""
    whole = round(seconds)
    return f"{whole // 60}.{whole % 60:02d}"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: beside its place first, then moved there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}{UNFINISHED}")
    beside.write_bytes(content)
    beside.replace(path)


def remove_unfinished(root: Path) -> None:
    """Remove what interrupted runs left beside the files that they were writing."""
    for path in root.rglob(f"*{UNFINISHED}"):
        path.unlink(missing_ok=True)
