"""The source ``audio``: a folder of recordings, whose features are computed, and tables of annotations."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from lstmcore.experiments.config import Data
from lstmcore.experiments.datasets.delay import delay_frames
from lstmcore.experiments.datasets.feature_tables import Computed, settings_at
from lstmcore.experiments.datasets.from_audio import features_from_audio
from lstmcore.experiments.datasets.own_data import Features
from lstmcore.experiments.datasets.ratings import Rating, RatingColumns, read_ratings
from lstmcore.experiments.datasets.timing import common_hop
from lstmcore.experiments.errors import InputError, all_told, did_you_mean
from lstmcore.experiments.terminal.progress import Progress
from lstmcore.features.formats import SOUND_SUFFIXES

_HINTS = 5  # at what is misspelt: each looks through all names
_READ = ".wav, .flac, .mp3, .ogg, …"


class Recordings:
    """Audio and annotations; features are computed of what is asked for.

    Parameters
    ----------
    root
        Folder that files are relative to.
    config
        The ``data`` section.

    Raises
    ------
    InputError
        If annotations can't be used, or songs have no recording; all of them are named.
    """

    name: str

    def __init__(self, root: Path, config: Data) -> None:
        from lstmcore.features.sets import feature_names

        own = config.audio
        assert own is not None  # the configuration has seen to it
        texts = tuple(own.metadata) if isinstance(own.metadata, list) else ()
        self.name = config.computed_set
        self.names = list(feature_names(self.name))
        folder = root / own.folder
        files = _recordings(folder)
        scale = (config.scale[0], config.scale[1])
        wanted = RatingColumns(own, scale, own.raters is not None, texts)
        self.ratings = read_ratings(root, own.annotations, wanted)
        if not self.ratings:
            raise InputError(f"{root}: no song has annotations; expected some in {', '.join(own.targets)}")
        self._audio = _found(folder, files, self.ratings)
        used = set(self._audio.values())
        self._audio |= {_without_suffix(name): name for name in files if name not in used}
        self._folder = folder
        self._computed: dict[str, Computed] = {}
        self._failed: dict[str, str] = {}
        stamps = {song: one.stamps for song, one in self.ratings.items() if one.stamps is not None}
        self.hop = common_hop(stamps)
        delay_frames(config.annotation_delay, self.hop)  # what is wrong with it is told before long work

    def compute(self, songs: Iterable[str], workers: int, progress: Progress, stop: threading.Event) -> None:
        """Compute the features of songs, or find them computed.

        Raises
        ------
        InputError
            If features can't be as far apart as the annotations.
        SmileError
            If openSMILE, which computes FS1, is missing or fails.
        Interrupted
            If `stop` was set.
        """
        settings = settings_at("annotations", self.hop)
        files = {song: self._folder / self._audio[song] for song in sorted(songs)}
        computed, failed = features_from_audio(files, self.name, settings, workers, progress, stop)
        self._computed |= computed
        self._failed |= failed

    def songs(self) -> set[str]:
        """Songs that there is a recording of."""
        return set(self._audio)

    def recordings(self) -> dict[str, Path]:
        """Return the file of each song."""
        return {song: self._folder / name for song, name in self._audio.items()}

    def files(self) -> list[str]:
        """Return the recordings of the songs, as paths in the folder of the audio."""
        return list(self._audio.values())

    def features(self, song: str) -> Features:
        """Features of a song, or an InputError."""
        if song in self._failed:
            raise InputError(f"song {song}: {self._failed[song]}")
        stamps, rows = self._computed[song]
        return Features(np.array(stamps) / 1000, rows.astype(np.float64))

    def beyond(self, song: str, rating: Rating, frame: int, features: Features) -> None:
        """Return None: a recording may be shorter than its annotations."""


def _recordings(folder: Path) -> list[str]:
    """Paths of the recordings below a folder."""
    from lstmcore.experiments.extraction.folders import sound_files

    if not folder.is_dir():
        found = "is a file" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {found}; expected the folder of the audio (data.audio.folder)")
    files = [Path(file).relative_to(folder).as_posix() for file in sound_files(folder)]
    if not files:
        raise InputError(f"{folder}: no audio in it or below it; expected {_READ}")
    return files


def _without_suffix(name: str) -> str:
    head, dot, _ = name.rpartition(".")
    return head if dot else name


class RecordingNames:
    """Finds the recording of a song: by its path, with or without suffix, or else by its name.

    Parameters
    ----------
    files
        Paths in the folder of the audio, with ``/``.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self.places: dict[str, list[str]] = {}
        self._exact: set[str] = set()
        self._names: dict[str, list[str]] = {}
        for file in files:
            self._exact.add(file)
            self.places.setdefault(_without_suffix(file), []).append(file)
            own = file.rpartition("/")[2]
            for name in dict.fromkeys((own, _without_suffix(own))):
                self._names.setdefault(name, []).append(file)

    def of(self, song: str) -> list[str]:
        """Return the files that may be the song's."""
        return [song] if song in self._exact else self.places.get(song) or self._names.get(song) or []


def _found(folder: Path, files: list[str], ratings: Mapping[str, Rating]) -> dict[str, str]:
    """Find the recording of each annotated song."""
    names = RecordingNames(files)
    found: dict[str, str] = {}
    wrong: list[str] = []
    for song, rating in ratings.items():
        matching = names.of(song)
        if len(matching) == 1:
            found[song] = matching[0]
        elif matching:
            wrong.append(
                f"{rating.where(0)}: song {song} may be {' or '.join(matching)} of {folder}; expected "
                "its path there"
            )
        else:
            hint = did_you_mean(song, list(names.places)) if len(wrong) < _HINTS else ""
            named = song.lower().endswith(SOUND_SUFFIXES)
            wrong.append(
                f"{rating.where(0)}: song {song} is annotated, but there is no audio of it: expected "
                f"{folder / song}{'' if named else '.mp3 (or wav, flac, ogg)'}{hint}"
            )
    if wrong:
        raise all_told(wrong, "annotated songs have no audio")
    return found
