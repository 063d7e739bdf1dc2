"""The DEAM data set in its official layout, whole or in part.

Annotations and features are joined by song and time stamp, never by position.
A. Aljanaki, Y.-H. Yang, M. Soleymani, "Developing a benchmark for emotional analysis of
music", PLoS ONE 12(3), 2017.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from experiments.config import HOP_SECONDS, Data
from experiments.datasets.annotations import Curve, joined_targets, read_csv, read_dynamic, whole_number
from experiments.datasets.feature_tables import FeatureSource
from experiments.datasets.raters import Agreements, Selection, measure_agreement, select
from experiments.datasets.song import TARGETS, Dataset, Song
from experiments.errors import InputError

DYNAMIC = Path("annotations/annotations averaged per song/dynamic (per second annotations)")


class Annotations:
    """All annotated songs of a collection, and which of them are for what.

    Parameters
    ----------
    root
        The folder of the data.
    config
        The ``data`` section.
    """

    def __init__(self, root: Path, config: Data) -> None:
        if not root.is_dir():
            raise InputError(f"data.root = {str(root)!r}: no such folder")
        self._root, self._config = root, config
        self._averaged = {t: read_dynamic(root / DYNAMIC / f"{t}.csv") for t in TARGETS}
        self._own = self._averaged
        if config.targets is not None:
            self._own = {t: read_dynamic(root / getattr(config.targets, t)) for t in TARGETS}
        for curves in (self._averaged, self._own):
            _both_targets(curves)

    def is_test(self, song: int) -> bool:
        """Whether a song is one of the official test songs."""
        above = self._config.official_test_above
        return above is not None and song > above

    def development(self) -> list[int]:
        """Songs for training and cross-validation, in the order of their numbers."""
        return self.selection.kept

    @cached_property
    def selection(self) -> Selection:
        """The songs that may serve for development, cut by the rule of ``data.quality`` if there is one."""
        rule = self._config.quality
        if rule is None:
            return Selection(self._candidates, [])
        return select(self._candidates, self.agreements, rule)

    @cached_property
    def agreements(self) -> Agreements:
        """How well raters agree, of the songs whose raters' answers are there."""
        needed = self._config.quality is not None
        found = measure_agreement(self._root, self._candidates, needed=needed)
        return found | measure_agreement(self._root, self.official_test(), needed=False)

    @cached_property
    def _candidates(self) -> list[int]:
        songs = {song for song in self._own["arousal"] if not self.is_test(song)}
        if self._config.development_songs is not None:
            where, listed = self._listed(self._config.development_songs)
            missing = sorted(listed - songs)
            if missing:
                raise InputError(f"{where}: song {missing[0]} has no annotations ({len(missing)} such songs)")
            songs = listed
        if not songs:
            raise InputError(f"{self._root}: no annotated development songs")
        return sorted(songs)

    def _listed(self, songs: str | list[int]) -> tuple[str, set[int]]:
        """Name the place of a list of songs, and read it if it is a file."""
        if isinstance(songs, str):
            path = self._root / songs
            return str(path), _read_song_list(path)
        return "data.development_songs", set(songs)

    def official_test(self) -> list[int]:
        """Official test songs, in the order of their numbers."""
        return sorted(song for song in self._averaged["arousal"] if self.is_test(song))

    def curves(self, song: int) -> tuple[Curve, Curve]:
        """Arousal and valence of a song: test songs have the averages, others may have their own."""
        source = self._averaged if self.is_test(song) else self._own
        return source["arousal"][song], source["valence"][song]

    def stamps_of_any(self, song: int) -> list[int] | None:
        """Time stamps of a song that needs no targets, if it has annotations at all."""
        curve = self._averaged["arousal"].get(song)
        return sorted(curve) if curve else None


# Seconds that features may go on after the last annotation before it is worth a note.
_LONGER = 5
_HOP = round(1000 * HOP_SECONDS)


def _both_targets(curves: dict[str, dict[int, Curve]]) -> None:
    only = sorted(curves["arousal"].keys() ^ curves["valence"].keys())
    if only:
        has, lacks = TARGETS if only[0] in curves["arousal"] else TARGETS[::-1]
        raise InputError(f"song {only[0]} has {has} annotations and no {lacks} annotations")


def _read_song_list(path: Path) -> set[int]:
    rows = read_csv(path)
    if "song_id" not in rows[0]:
        raise InputError(f"{path}, line 1: no column 'song_id'")
    column = rows[0].index("song_id")
    return {whole_number(path, line, "song_id", row[column]) for line, row in enumerate(rows[1:], 2)}


def assemble(annotations: Annotations, source: FeatureSource, config: Data, notes: list[str]) -> Dataset:
    """Join annotations and features into a data set.

    Parameters
    ----------
    annotations, source
        The two sides of the join.
    config
        The ``data`` section.
    notes
        Sentences for the report; more may be added.

    Returns
    -------
    Dataset
        The three groups of songs.

    Raises
    ------
    InputError
        If a song that is asked for has no features, or fewer than two frames in common.
    """
    development, test = annotations.development(), annotations.official_test()
    joined, beyond, lead_in = {}, {}, round(1000 * config.lead_in)
    for song in [*development, *test]:
        joined[song], beyond[song] = _join(song, annotations, source, lead_in)
    missing = sum(len(annotations.curves(s)[0]) - song.frames for s, song in joined.items())
    dropped = annotations.selection.dropped
    if config.quality is not None and dropped:
        rule = config.quality
        reason = f"fewer than {rule.min_raters} raters, or α below {rule.min_alpha:g}, in arousal or valence"
        named = f"{len(dropped)} of {len(dropped) + len(development)} songs were dropped from development"
        notes = [*notes, f"{named} ({reason}): {', '.join(map(str, dropped))}."]
    if missing:
        notes = [*notes, f"{missing} annotated frames have no features and were left out."]
    notes = [*notes, *_notes_on_length(source.name, beyond)]
    unlabelled = []
    if config.unlabelled != "none":
        used = set(development) if config.unlabelled == "others" else set()
        others = sorted(s for s in source.songs() - used if not annotations.is_test(s))
        unlabelled = [_without_targets(s, annotations, source, lead_in) for s in others]
    return Dataset(
        [joined[s] for s in development],
        unlabelled,
        [joined[s] for s in test],
        source.names,
        source.name,
        notes,
        annotations.agreements,
        dropped,
    )


def _notes_on_length(features: str, beyond: dict[int, float]) -> list[str]:
    longer = sorted((song for song, seconds in beyond.items() if seconds > _LONGER), key=lambda s: -beyond[s])
    if not longer:
        return []
    return [
        f"The {features} features of {len(longer)} of {len(beyond)} songs go on for more than {_LONGER} s "
        f"after the last annotation (song {longer[0]}: {beyond[longer[0]]:g} s). If they are of whole songs "
        "and the annotations of excerpts, equal time stamps are not the same music."
    ]


def _from(lead_in: int, stamps: list[int]) -> list[int]:
    """Put time stamps before the first, so many milliseconds at most and none below 0."""
    first = stamps[0]
    return [s for s in range(first - lead_in // _HOP * _HOP, first, _HOP) if s >= 0] + stamps


def _join(song: int, annotations: Annotations, source: FeatureSource, lead_in: int) -> tuple[Song, float]:
    """Join one song, and tell how many seconds its features go on after the last annotation."""
    if song not in source.songs():
        raise InputError(f"song {song} is annotated but there are no {source.name} features of it")
    annotated, targets = joined_targets(*annotations.curves(song))
    stamps, rows = source.table(song, _from(lead_in, annotated))
    position = {stamp: k for k, stamp in enumerate(stamps)}
    common = [k for k, stamp in enumerate(annotated) if stamp in position]
    if len(common) < 2:
        raise InputError(
            f"song {song}: {len(common)} of its {len(annotated)} annotated frames "
            "have features at the same time; expected at least 2"
        )
    times = np.array([annotated[k] for k in common]) / 1000
    features = rows[[position[annotated[k]] for k in common]]
    first = annotated[common[0]]
    before = rows[[k for k, stamp in enumerate(stamps) if first - lead_in <= stamp < first]]
    joined = Song(song, times, features, targets[common], before if lead_in else None)
    return joined, (stamps[-1] - annotated[-1]) / 1000


def _without_targets(song: int, annotations: Annotations, source: FeatureSource, lead_in: int) -> Song:
    known = annotations.stamps_of_any(song)
    stamps, rows = source.table(song, known and _from(lead_in, known))
    return Song(song, np.array(stamps) / 1000, rows)
