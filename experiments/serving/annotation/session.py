"""A session of ratings: which songs there are, in which order a rater hears them, and what is left."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType

import numpy as np

from lstmcore.experiments.datasets.rating_scheme import Scheme
from lstmcore.experiments.errors import InputError, all_told
from lstmcore.experiments.seeds import seed_for
from lstmcore.experiments.serving.annotation.store import Store

PRACTICE_SECONDS = 20.0
_PRACTICE_SEED = 7
# What every browser in use plays; others are decoded first.
_PLAYED = (".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a")


@dataclass(frozen=True)
class Task:
    """A song to be heard once, and what is rated meanwhile: two targets in the plane, or one."""

    song: int
    targets: tuple[str, ...]


class Session(AbstractContextManager["Session"]):
    """Songs of a folder, and what raters say of them.

    Parameters
    ----------
    folder
        Where they are.
    files
        From `songs_of`.
    store
        Where answers go.
    view
        ``"plane"``, two targets at once; ``"slider"``, one after the other; None: the plane for two.
    practice
        Whether a rater begins with a song that isn't kept: a synthetic one.

    Raises
    ------
    InputError
        If a plane has other than two targets.
    """

    def __init__(
        self,
        folder: Path,
        files: Mapping[str, Path],
        store: Store,
        view: str | None = None,
        *,
        practice: bool = True,
    ) -> None:
        targets = store.scheme.targets
        self.view = view or ("plane" if len(targets) == 2 else "slider")
        if self.view == "plane" and len(targets) != 2:
            raise InputError(
                f"--view plane: {len(targets)} targets ({', '.join(targets)}); a plane has two: expected "
                "--view slider, or two --targets"
            )
        self.store, self.practice = store, practice
        self.folder = folder
        self._files = dict(files)
        self.songs = list(self._files)
        self._kept: Path | None = None
        self._lock = threading.Lock()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete what was decoded."""
        if self._kept is not None:
            shutil.rmtree(self._kept, ignore_errors=True)
            self._kept = None

    @property
    def scheme(self) -> Scheme:
        """What is rated."""
        return self.store.scheme

    def tasks(self, rater: str) -> list[Task]:
        """Return all that a rater is to hear: songs in an order of the rater's own, the same each time."""
        number = int.from_bytes(hashlib.sha256(rater.encode()).digest()[:8], "big")
        generator = np.random.default_rng(seed_for(number, "order of songs to rate"))
        order = [int(n) for n in generator.permutation(len(self.songs))]
        if self.view == "plane":
            return [Task(song, self.scheme.targets) for song in order]
        turns = [self.scheme.targets[int(n)] for n in generator.permutation(len(self.scheme.targets))]
        return [Task(song, (target,)) for target in turns for song in order]

    def audio(self, song: int) -> Path:
        """Return a file that a browser plays.

        Raises
        ------
        AudioError
            If it is no sound.
        """
        path = self._files[self.songs[song]]
        if path.suffix.lower() in _PLAYED:
            return path
        return self._made(f"{song}", lambda folder: _decoded(path, folder))

    def practice_song(self) -> Path:
        """Return the song that raters begin with."""
        return self._made("practice", _practice_song)

    def _made(self, name: str, make: Callable[[Path], Path]) -> Path:
        """Make a file once, in a folder that is deleted in the end."""
        with self._lock:
            if self._kept is None:
                self._kept = Path(tempfile.mkdtemp(prefix="lstmcore-annotate-"))
            folder = self._kept / name
            if folder.is_dir():
                return next(folder.iterdir())
            begun = Path(tempfile.mkdtemp(dir=self._kept, prefix="begun-"))
            try:
                file = make(begun)
                begun.rename(folder)
            except BaseException:
                shutil.rmtree(begun, ignore_errors=True)
                raise
            return folder / file.name


def songs_of(folder: Path) -> dict[str, Path]:
    """Return songs by the names that files of ratings have: those of the recordings without suffix.

    Parameters
    ----------
    folder
        Searched with all below it.

    Raises
    ------
    InputError
        If there is no song, or two are called alike.
    """
    from lstmcore.experiments.extraction.folders import sound_files
    from lstmcore.features.errors import printable

    if not folder.is_dir():
        found = "is a file" if folder.exists() else "no such folder"
        raise InputError(f"{printable(folder)}: {found}; expected the folder of the songs")
    by_name: dict[str, list[Path]] = {}
    for file in sound_files(folder):
        by_name.setdefault(Path(file).stem, []).append(Path(file))
    if not by_name:
        raise InputError(
            f"{printable(folder)}: no songs in it or below it; expected .wav, .flac, .mp3, .ogg, …"
        )
    wrong = []
    for name, files in by_name.items():
        if len(files) > 1:
            alike = " and ".join(printable(PurePosixPath(os.path.relpath(f, folder))) for f in files)
            wrong.append(
                f"{alike} are called alike; ratings are files called as their songs: expected other names"
            )
        elif not name.isprintable():
            wrong.append(f"{printable(files[0])}: expected a name that can be printed")
    if wrong:
        raise all_told(wrong, f"songs of {printable(folder)} can't be told apart")
    return {name: files[0] for name, files in sorted(by_name.items())}


def _decoded(path: Path, folder: Path) -> Path:
    from lstmcore.features.decoded import decode

    return decode(path, folder).wav


def _practice_song(folder: Path) -> Path:
    from lstmcore.experiments.datasets.procedural.plan import SongPlan
    from lstmcore.experiments.datasets.procedural.song import flac, song_audio, song_curves

    song = SongPlan(1, "development", PRACTICE_SECONDS)
    path = folder / "practice.flac"
    path.write_bytes(flac(song_audio(_PRACTICE_SEED, song, song_curves(_PRACTICE_SEED, song))))
    return path


def next_steps(folder: Path, out: Path) -> list[tuple[str, str]]:
    """Return what to do with ratings: what for, and the command."""
    import shlex

    both = Path(os.path.commonpath([folder.resolve(), out.resolve()]))
    try:
        shown = both.relative_to(Path.cwd())
    except ValueError:
        shown = both
    name = "mine"
    where, place = shlex.quote(str(out)), shlex.quote(str(shown))
    return [
        ("how well raters agree", f"lstmcore raters {where}"),
        ("an experiment", f"lstmcore init {place} --out {name}.toml"),
        ("train and score", f"lstmcore-run {name}.toml"),
    ]
