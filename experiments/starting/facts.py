"""What the files that were chosen hold: how many songs, on what scale, how long, in which groups."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.config import DEAM_SCALE, AudioData, Data, TableData
from lstmcore.experiments.datasets import Dataset, load_dataset
from lstmcore.experiments.datasets.annotations import LARGEST, read_dynamic
from lstmcore.experiments.datasets.deam import Annotations
from lstmcore.experiments.datasets.deam_layout import AVERAGED, METADATA, SONG_MEANS
from lstmcore.experiments.datasets.feature_tables import SongMeans, audio_files, feature_files, settings_at
from lstmcore.experiments.datasets.metadata import read_metadata
from lstmcore.experiments.datasets.own_data import choose_songs, metadata_of
from lstmcore.experiments.datasets.ratings import Rating, RatingColumns, read_ratings
from lstmcore.experiments.datasets.recordings import Recordings
from lstmcore.experiments.datasets.song import Metadata, SongId
from lstmcore.experiments.errors import InputError, all_told
from lstmcore.experiments.starting.names import GROUP, place_in
from lstmcore.experiments.terminal.progress import Quiet

_FRAMES_A_SECOND = 2
_LOOKED_AT = 20  # recordings whose length is looked up
_SCALES: tuple[tuple[float, float], ...] = (
    *((0, 1), (1, 5), (1, 7), (1, 9), (1, 10), (0, 5), (0, 10), (0, 100)),
    *((-1, 1), (-2, 2), (-3, 3), (-4, 4), (-5, 5), (-10, 10), (-50, 50), (-100, 100)),
)


@dataclass(frozen=True)
class Values:
    """Ratings before anything is known of their scale.

    Parameters
    ----------
    songs
        Songs, as files call them.
    low, high
        Lowest and highest value.
    frames
        Of the middle song; None if songs are rated once.
    """

    songs: list[str]
    low: float
    high: float
    frames: int | None = None


@dataclass(frozen=True)
class Facts:
    """What an experiment's data hold.

    Parameters
    ----------
    development, unlabelled, test
        How many songs: annotated, without annotations, and the official test set.
    hop
        Seconds from one annotated frame to the next; None if songs are rated once.
    frames
        That a song has, about.
    metadata
        What is known of songs beside.
    songs
        Annotated songs for development.
    """

    development: int
    unlabelled: int
    test: int
    hop: float | None
    frames: int
    metadata: Metadata = field(default_factory=dict, repr=False)
    songs: list[SongId] = field(default_factory=list, repr=False)

    def group(self) -> tuple[str, int] | None:
        """Return a column of songs that share an artist or the like, and how many of them there are."""
        rows = [self.metadata.get(song, {}) for song in self.songs]
        columns = list(rows[0]) if rows else []
        called = {place: name for name in columns if (place := place_in(name, GROUP)) is not None}
        for place in sorted(called):
            sizes = Counter(row.get(called[place], "") for row in rows)
            if "" not in sizes and 3 <= len(sizes) < len(rows) and max(sizes.values()) <= len(rows) / 2:
                return called[place], len(sizes)
        return None


def read_values(root: Path, source: str, own: dict[str, Any]) -> Values:
    """Read all ratings, on whatever scale.

    Raises
    ------
    InputError
        If they can't be read.
    """
    if source == "deam":
        curves = [
            curve
            for target in ("arousal", "valence")
            for curve in read_dynamic(root / AVERAGED / f"{target}.csv").items()
        ]
        values = np.concatenate([[*curve.values()] for _, curve in curves])
        frames = int(np.median([len(curve) for _, curve in curves]))
        return Values([*{str(s) for s, _ in curves}], float(values.min()), float(values.max()), frames)
    kind = TableData if source == "table" else AudioData
    section = kind.model_validate(own)
    columns = RatingColumns(section, (-LARGEST, LARGEST), getattr(section, "raters", None) is not None)
    ratings = read_ratings(root, section.annotations or getattr(section, "file", []), columns)
    if not ratings:
        raise InputError(f"{root}: no song has ratings; expected some in {', '.join(section.targets)}")
    values = np.concatenate([_said(one) for one in ratings.values()])
    timed = [len(one.times) for one in ratings.values() if one.times is not None]
    middle = int(np.median(timed)) if timed else None
    return Values([*ratings], float(values.min()), float(values.max()), middle)


def _said(rating: Rating) -> NDArray[np.float64]:
    """Return all that was said of a song: by each rater where it is known, for means are less far apart."""
    known = [one.answers.answers.ravel() for one in (rating.agreement or {}).values() if one.answers]
    values: NDArray[np.float64] = np.concatenate([rating.values.ravel(), *known])
    return np.asarray(values[~np.isnan(values)], np.float64)


def likely_scale(low: float, high: float, is_deam: bool) -> list[float]:
    """Return the narrowest usual scale that holds some values."""
    if is_deam and low >= DEAM_SCALE[0] and high <= DEAM_SCALE[1]:
        return DEAM_SCALE
    for scale in _SCALES:
        if scale[0] <= low and high <= scale[1]:
            return [*scale]
    return [float(np.floor(low)), float(np.ceil(high))]


def read_facts(data: Data) -> Facts:
    """Open the data of an experiment, as a run does, without computing features of audio.

    Raises
    ------
    InputError
        If a run would refuse them.
    """
    if data.source == "table":
        return _of_dataset(load_dataset(data, workers=1, progress=Quiet(), stop=threading.Event()))
    return _of_audio(data) if data.source == "audio" else _of_deam(data)


def _of_dataset(dataset: Dataset) -> Facts:
    songs = dataset.development
    once = any(song.rated_once for song in songs)
    return Facts(
        len(songs),
        len(dataset.unlabelled),
        len(dataset.official_test),
        None if once else dataset.hop_seconds,
        int(np.median([song.frames for song in songs])),
        dataset.metadata,
        [song.song_id for song in songs],
    )


def _of_audio(data: Data) -> Facts:
    root = Path(data.root or ".")
    source = Recordings(root, data)
    chosen = choose_songs(root, data, source.ratings, source.songs())
    metadata = metadata_of(root, data, source.ratings, chosen, None)
    settings_at("annotations", source.hop)
    timed = [len(one.times) for one in source.ratings.values() if one.times is not None]
    assert data.audio is not None
    files = [root / data.audio.folder / file for file in source.files()]
    frames = int(np.median(timed)) if timed else _frames_of(files)
    unlabelled = len(source.songs()) - len(source.ratings)
    songs = chosen.development.kept
    return Facts(len(songs), unlabelled, len(chosen.test), source.hop, frames, metadata, songs)


def _frames_of(files: Iterable[Path]) -> int:
    """Return how many rows of features a recording has, of the middle one of some."""
    import soundfile

    seconds = []
    for file in [*files][:_LOOKED_AT]:
        try:
            seconds.append(soundfile.info(file).duration)
        except (OSError, RuntimeError):  # not libsndfile's format, or damaged: the run will say so
            continue
    return max(1, int(_FRAMES_A_SECOND * float(np.median(seconds)))) if seconds else 60


def _of_deam(data: Data) -> Facts:
    root = Path(data.root or ".")
    annotations = Annotations(root, data)
    songs = annotations.development()
    test = annotations.official_test()
    files, audio = feature_files(root), audio_files(root)
    has = {*files, *audio}
    if data.computed_set == "song_means" and (root / SONG_MEANS).is_file():
        has |= SongMeans(root / SONG_MEANS).songs()
    missing = [
        f"song {song} is annotated, but there are no features or audio of it"
        for song in sorted({*songs, *test} - has)
    ]
    if missing:
        raise all_told(missing, "annotated songs have neither features nor audio")
    hop = None if annotations.hop is None else annotations.hop / 1000
    if not {*songs, *test} <= files.keys():
        settings_at("annotations", hop)
    metadata: Metadata = read_metadata(root / METADATA) if (root / METADATA).is_file() else {}
    unlabelled = len([s for s in has - {*songs, *test} if not annotations.is_test(s)])
    frames = int(np.median([len(annotations.curves(song)[0]) for song in songs]))
    return Facts(len(songs), unlabelled, len(test), hop, frames, metadata, [*songs])
