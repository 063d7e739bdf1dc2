"""The songs of a page: uploaded ones, which are kept in a temporary folder, and those of a folder.

No name that anybody gave a file is ever a path here: folders are called by random words.
"""

from __future__ import annotations

import logging
import queue
import secrets
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.serving.analysis import Analysis, Refused
from lstmcore.experiments.serving.child import SOUND, Request
from lstmcore.experiments.serving.models import Models
from lstmcore.experiments.terminal.limits import Limits
from lstmcore.features.errors import printable
from lstmcore.features.store import CACHE_VARIABLE

_KEPT = 30  # songs of a folder whose sound and curves are held
_LONGEST_NAME = 160
_GONE = "was removed"

_log = logging.getLogger("serving")


@dataclass
class Song:
    """A song and what is known of it.

    Parameters
    ----------
    id
        A random word, which its URL has.
    name
        For people.
    path
        The file; None while it is being uploaded.
    folder
        What comes out lies there; None: nothing has.
    uploaded
        Whether it goes when it is removed.
    state
        "new" (nobody has asked for it), "arriving", "waiting", "working", "done" or "failed".
    stage, share
        What is being done, and how much of it is.
    error
        Why it failed.
    result
        What came out.
    """

    id: str
    name: str
    path: Path | None = None
    folder: Path | None = None
    uploaded: bool = False
    state: str = "new"
    stage: str = ""
    share: float | None = None
    error: str = ""
    result: dict[str, Any] | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return what a list of songs shows."""
        shown = ("id", "name", "uploaded", "state", "stage", "share", "error")
        return {name: getattr(self, name) for name in shown}


@dataclass(frozen=True)
class Bounds:
    """What may be uploaded.

    Parameters
    ----------
    bytes
        Of one song.
    songs
        How many are held at once.
    limits
        What the analysis of one may use.
    """

    bytes: int = 200 << 20
    songs: int = 50
    limits: Limits = field(default_factory=Limits)


class Full(Exception):
    """No more songs are taken; the message says why."""


class Library:
    """Songs, analysed one after the other while it is open.

    Parameters
    ----------
    models
        What predicts.
    songs
        Files of a folder and their names, to choose from.
    bounds
        What may be uploaded.
    """

    def __init__(self, models: Models, songs: Mapping[Path, str], bounds: Bounds) -> None:
        self.models, self.bounds = models, bounds
        self._songs: dict[str, Song] = {}
        for path, name in songs.items():
            self._add(Song(_word(), printable(name), path.absolute()))
        self._wanted: queue.SimpleQueue[Song | None] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._running: tuple[Song, Analysis] | None = None
        self._thread: threading.Thread | None = None
        self._root: Path | None = None

    def __enter__(self) -> Library:
        """Make the temporary folder, which nobody else may look into, and begin."""
        self._root = Path(tempfile.mkdtemp(prefix="lstmcore-serve-"))  # of mode 700
        self._thread = threading.Thread(target=self._work, name="songs", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what runs and delete all that was uploaded."""
        with self._lock:
            for song in self._songs.values():
                song.state = "failed"
            if self._running is not None:
                self._running[1].end(_GONE)
        self._wanted.put(None)
        if self._thread is not None:
            self._thread.join()
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)

    # ---- what a page asks for ----

    def songs(self) -> list[dict[str, Any]]:
        """All songs, for a list."""
        with self._lock:
            return [song.as_json() for song in self._songs.values()]

    def find(self, word: str) -> Song | None:
        """Return the song of an id."""
        return self._songs.get(word)

    def arriving(self, name: str) -> Song:
        """Make place for a song that is uploaded, in a folder of its own.

        Raises
        ------
        Full
            If there are too many already.
        """
        assert self._root is not None
        with self._lock:
            if sum(song.uploaded for song in self._songs.values()) >= self.bounds.songs:
                raise Full(f"{self.bounds.songs} songs are here, and no more are taken: remove some first")
            song = Song(_word(), _shown(name), uploaded=True, state="arriving", stage="arriving")
            song.folder = self._root / song.id
            song.folder.mkdir(mode=0o700)
            song.path = song.folder / "song"
            self._add(song)
        return song

    def analyse(self, song: Song) -> None:
        """Have a song analysed, unless it is or will be."""
        with self._lock:
            if song.state not in ("new", "arriving", "failed"):
                return
            song.state, song.stage, song.share, song.error = "waiting", "waiting for its turn", None, ""
        self._wanted.put(song)

    def remove(self, song: Song) -> None:
        """Forget a song that was uploaded, and delete it."""
        with self._lock:
            self._songs.pop(song.id, None)
            song.state = "failed"
            running = self._running
            if running is not None and running[0] is song:
                running[1].end(_GONE)  # its folder goes when it has ended
                return
        _clear(song)

    # ---- the work ----

    def _add(self, song: Song) -> None:
        self._songs[song.id] = song

    def _work(self) -> None:
        while (song := self._wanted.get()) is not None:
            try:
                self._work_on(song)
            except Refused as refused:
                self._fail(song, str(refused))
            except InputError as error:
                self._fail(song, str(error))
            except Exception:  # noqa: BLE001 - the page says so, and the next song has its turn
                _log.exception("a song's analysis failed")
                self._fail(song, "can't be analysed: a fault of lstmcore's, which its terminal shows")

    def _fail(self, song: Song, why: str) -> None:
        with self._lock:
            song.state, song.error, song.result = "failed", why, None
            self._running = None
            if song.uploaded and song.path is not None:
                song.path.unlink(missing_ok=True)  # it will not be of use
            if song.id not in self._songs:
                _clear(song)

    def _work_on(self, song: Song) -> None:
        assert self._root is not None
        assert song.path is not None
        models = self.models.now()
        if not models:
            raise Refused("no model is there yet: the run that is to leave one hasn't ended")
        with self._lock:
            if song.state != "waiting":  # removed meanwhile
                return
            if song.folder is None:
                song.folder = self._root / _word()
                song.folder.mkdir(mode=0o700)
            paths = [str(model.folder) for model in models]
            request = Request(str(song.path), str(song.folder), paths, self.bounds.limits)
            analysis = Analysis(request, self._environment(song), lambda *said: _note(song, *said))
            self._running = (song, analysis)
            song.state, song.stage = "working", "beginning"
        result = analysis.run()
        with self._lock:
            self._running = None
            if song.id not in self._songs:
                _clear(song)
                return
            song.result = result | {"models": [model.facts.as_json() for model in models]}
            song.state, song.stage, song.share = "done", "", 1.0
            if song.uploaded:
                song.path.unlink(missing_ok=True)  # what is played is what was decoded of it
            shutil.rmtree(song.folder / "cache", ignore_errors=True)
            self._make_room()

    def _environment(self, song: Song) -> dict[str, str]:
        """Temporary files go where the song goes; of an uploaded song nothing is kept in the cache."""
        assert song.folder is not None
        own = {name: str(song.folder) for name in ("TMPDIR", "TEMP", "TMP")}
        return own | ({CACHE_VARIABLE: str(song.folder / "cache")} if song.uploaded else {})

    def _make_room(self) -> None:
        """Forget what came out of a folder's songs long ago; the cache has their curves."""
        done = [song for song in self._songs.values() if song.state == "done" and not song.uploaded]
        for song in sorted(done, key=_age)[:-_KEPT]:
            _clear(song)
            song.state, song.result, song.folder = "new", None, None


def _age(song: Song) -> float:
    assert song.folder is not None
    return (song.folder / SOUND).stat().st_mtime


def _note(song: Song, stage: str, share: float | None) -> None:
    song.stage, song.share = stage, share


def _clear(song: Song) -> None:
    if song.folder is not None:
        shutil.rmtree(song.folder, ignore_errors=True)


def _word() -> str:
    return secrets.token_urlsafe(12)


def _shown(name: str) -> str:
    """Write the name that a browser gave a file so that a page and a terminal can show it."""
    last = printable(name.encode("utf-8", "backslashreplace").decode().replace("\\", "/").rpartition("/")[2])
    return last[:_LONGEST_NAME] or "a song without a name"
