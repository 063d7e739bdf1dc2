"""A song as the experiment sees it, and the data set's three groups of songs."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.config import DEAM_TARGETS
from lstmcore.experiments.datasets.annotations import Raters
from lstmcore.experiments.datasets.normal_scores import NormalScores
from lstmcore.experiments.jobs.parcels import Bulky

SongId = int | str
"""What a data set calls a song: a number, or a name where not all of its songs have numbers."""
Metadata = dict[SongId, dict[str, str]]
"""What is known of songs beside sound and ratings: by song, then by column."""


def song_order(song: SongId) -> tuple[int, str]:
    """Key to sort songs by: numbers as numbers, then names."""
    return (song, "") if isinstance(song, int) else (sys.maxsize, song)


@dataclass(frozen=True)
class Song(Bulky):
    """Features and, where it is annotated, targets of one song, frame by frame.

    Parameters
    ----------
    song_id
        What the data set calls the song.
    times
        Time stamp of each frame in seconds, shape (frames,).
    features
        Shape (frames, features).
    targets
        In the annotation's own scale, shape (frames, targets), or None.
    lead_in
        Features of the frames right before the first, shape (frames before, features): what is heard
        before anything is to be predicted.  None is the same as no frame.
    rated_once
        Whether the song was rated as a whole: its targets are the same in all frames, and it is scored by the
        mean of its predictions.
    """

    song_id: SongId
    times: NDArray[np.float64]
    features: NDArray[np.float64]
    targets: NDArray[np.float64] | None = None
    lead_in: NDArray[np.float64] | None = None
    rated_once: bool = False

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.times)

    @property
    def frames_before(self) -> int:
        """Number of frames of the lead-in."""
        return 0 if self.lead_in is None else len(self.lead_in)

    @property
    def heard(self) -> NDArray[np.float64]:
        """Features of lead-in and frames, shape (frames before + frames, features)."""
        return self.features if self.lead_in is None else np.concatenate([self.lead_in, self.features])

    @property
    def annotation(self) -> NDArray[np.float64]:
        """The targets of a song that has them."""
        assert self.targets is not None, f"song {self.song_id} has no annotation"
        return self.targets

    def excerpt(self, frames: int) -> Song:
        """Return so many frames in the middle, after as much lead-in; a shorter song whole."""
        if self.frames <= frames:
            return self
        start = (self.frames - frames) // 2
        part = slice(start, start + frames)
        return replace(
            self,
            times=self.times[part],
            features=self.features[part],
            targets=None if self.targets is None else self.targets[part],
            lead_in=None if self.lead_in is None else self.heard[start : start + self.frames_before],
        )

    @cached_property
    def digest(self) -> str:
        """Hash of all that the song holds."""
        content = hashlib.sha256(str(self.song_id).encode())
        for array in (self.times, self.features, self.targets, self.lead_in):
            if array is not None:
                content.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        return content.hexdigest()


@dataclass(frozen=True)
class Agreement:
    """How many raters annotated one target of a song, and their Cronbach's α (None: undefined).

    ``answers`` are what each of them said.
    """

    raters: int
    alpha: float | None
    answers: Raters | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Dataset:
    """The songs of an experiment, each group in the order of `song_order`.

    Parameters
    ----------
    development
        Annotated songs for training and cross-validation.
    unlabelled
        Songs for the auto-encoder; no targets.
    official_test
        Annotated songs that nothing is ever chosen on.
    feature_names
        Names of the columns of ``features``.
    feature_set
        Name of the feature set.
    notes
        What a person should know about these data, a sentence each.
    agreements
        Agreement of the raters by song, then by target, of the songs whose raters' answers are there.
    dropped
        Songs that were left out of ``development`` for the quality of their annotations.
    normal_scores
        What made the features of all songs, if ``data.normal_scores`` asks for it.
    hop_seconds
        From one frame to the next, the same in all songs; None if no song has two.
    scale
        Lowest and highest value that an annotation can have.
    synthetic
        Whether songs and raters are a program's.
    targets
        Names of the columns of the songs' ``targets``, at least one.
    metadata
        What else is known of a song, by song and then by column; empty where nothing asks for it.
    also
        Other data sets with the same features and targets: networks learn from their ``development``, too.
    audio
        Recordings of songs, where there are some.
    """

    development: list[Song]
    unlabelled: list[Song]
    official_test: list[Song]
    feature_names: list[str]
    feature_set: str
    notes: list[str]
    agreements: dict[SongId, dict[str, Agreement]] = field(default_factory=dict)
    dropped: list[SongId] = field(default_factory=list)
    normal_scores: NormalScores | None = None
    hop_seconds: float | None = 0.5
    scale: tuple[float, float] = (-1.0, 1.0)
    synthetic: bool = False
    targets: tuple[str, ...] = DEAM_TARGETS
    metadata: Metadata = field(default_factory=dict)
    also: tuple[Dataset, ...] = ()
    audio: Mapping[SongId, Path] = field(default_factory=dict)
