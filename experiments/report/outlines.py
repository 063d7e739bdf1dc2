"""The outlines of songs' sound, which stand behind their curves: small, and kept in the folder of the run."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter

from lstmcore.experiments.datasets import SongId
from lstmcore.experiments.errors import Interrupted
from lstmcore.experiments.files import from_json, read_plain, write_json
from lstmcore.experiments.report.song.sound import peaks
from lstmcore.experiments.terminal.progress import Progress
from lstmcore.features.errors import AudioError

COLUMNS = 200
FILE = "outlines.json"

# A run may be a stranger's, and its page shows what stands here.
_Seconds = Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Peaks = Annotated[str, Field(pattern=r"\A[A-Za-z0-9+/]*={0,2}\z", max_length=4 * COLUMNS)]
_SONGS = TypeAdapter(dict[str, tuple[str, _Seconds, _Peaks]])


@dataclass(frozen=True)
class Outline:
    """The loudest sample of each of some parts of a song, as bytes in base64, and its length in seconds."""

    seconds: float
    peaks: str


def outlines(
    folder: Path, audio: Mapping[SongId, Path], workers: int, progress: Progress, stop: threading.Event
) -> dict[SongId, Outline]:
    """Find the outlines of songs in a folder, or make them.

    Parameters
    ----------
    folder
        Of the run; what is made is kept there.
    audio
        Recordings; those that can't be read have no outline.
    workers
        Songs side by side.
    progress, stop
        Is told of each song; ends it early.

    Raises
    ------
    Interrupted
        If `stop` was set.
    """
    if not audio:
        return {}
    known = _read(folder / FILE, progress)
    stamps = {song: stamp for song, path in audio.items() if (stamp := _stamp(path)) is not None}
    missing = [song for song, stamp in stamps.items() if known.get(str(song), [None])[0] != stamp]
    if missing:
        progress.stage("outlines of the sound", len(missing))

        def one(song: SongId) -> list[Any]:
            if stop.is_set():
                raise Interrupted
            try:
                found = _outline(audio[song])
                return [stamps[song], found.seconds, found.peaks]
            except (AudioError, OSError):
                return [stamps[song], 0, ""]
            finally:
                progress.advance()

        with ThreadPoolExecutor(workers) as pool:
            known |= dict(zip(map(str, missing), pool.map(one, missing), strict=True))
        known = {str(song): known[str(song)] for song in stamps}
        write_json(folder / FILE, {"digest": _digest(known), "songs": known})
    return {song: Outline(*known[str(song)][1:]) for song in stamps if known[str(song)][2]}


def _stamp(path: Path) -> str | None:
    """Return what changes when a file does; None if it isn't there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return f"{path.name} {found.st_size} {found.st_mtime_ns}"


def _read(file: Path, progress: Progress) -> dict[str, Any]:
    """Read what is kept; nothing if it is damaged."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = from_json(read_plain(file))
        songs = content["songs"]
        if content["digest"] == _digest(songs):
            return _SONGS.validate_python(songs)
    if file.exists():
        progress.note(f"{file}: damaged; the outlines of the sound are made anew")
    return {}


def _digest(songs: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(songs, sort_keys=True).encode()).hexdigest()


def _outline(file: Path) -> Outline:
    loud, seconds = peaks(file)
    if not len(loud):
        return Outline(0, "")
    count = min(COLUMNS, len(loud))
    edges = np.linspace(0, len(loud), count + 1).astype(int)[:-1]
    loudest = np.maximum.reduceat(loud, edges) / (loud.max() or 1.0)
    content = np.rint(255 * loudest).astype(np.uint8).tobytes()
    return Outline(round(seconds, 2), base64.b64encode(content).decode())
