"""The DEAM data set in its official layout, whole or in part.

Annotations and features are joined by song and time stamp, never by position.
A. Aljanaki, Y.-H. Yang, M. Soleymani, "Developing a benchmark for emotional analysis of
music", PLoS ONE 12(3), 2017.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from lstmcore.experiments.config import DEAM_SCALE, DEAM_TARGETS, Data
from lstmcore.experiments.datasets.agreement import Agreements, Selection, measure_agreement, select
from lstmcore.experiments.datasets.annotations import (
    Curve,
    hop_of,
    joined_targets,
    read_csv,
    read_dynamic,
    same_hop,
    whole_number,
)
from lstmcore.experiments.datasets.deam_layout import averaged_file
from lstmcore.experiments.datasets.delay import delay_frames, delayed
from lstmcore.experiments.datasets.feature_tables import FeatureSource, Table
from lstmcore.experiments.datasets.song import Dataset, Song, SongId, song_order
from lstmcore.experiments.errors import InputError, all_told


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
        self.root, self._config = root, config
        self.notes: list[str] = []
        files = {t: root / averaged_file(t) for t in DEAM_TARGETS}
        self._averaged = {t: read_dynamic(file, config.scale) for t, file in files.items()}
        self._own = self._averaged
        self.hop = _one_hop({file: self._averaged[t] for t, file in files.items()})
        own = files
        if config.targets is not None:
            own = {t: root / getattr(config.targets, t) for t in DEAM_TARGETS}
            self._own = {t: read_dynamic(file, config.scale) for t, file in own.items()}
            self.hop = _one_hop({own[t]: self._own[t] for t in DEAM_TARGETS} | self._test_curves(files))
        for curves, paths in ((self._averaged, files), (self._own, own)):
            _both_targets(curves, paths)
        # What is wrong with it is told before hours of extraction.
        self.delay_frames = delay_frames(config.annotation_delay, self.hop and self.hop / 1000)

    def _test_curves(self, files: dict[str, Path]) -> dict[Path, dict[int, Curve]]:
        """Curves of the official test songs by file: of those that ``data.targets`` doesn't replace."""
        return {
            file: {song: curve for song, curve in self._averaged[t].items() if self.is_test(song)}
            for t, file in files.items()
        }

    def is_test(self, song: int) -> bool:
        """Whether a song is one of the official test songs."""
        above = self._config.official_test_above
        return above != "none" and song > above

    def development(self) -> list[int]:
        """Songs for training and cross-validation, in the order of their numbers."""
        return self.selection.kept

    @cached_property
    def selection(self) -> Selection[int]:
        """The songs that may serve for development, cut by the rule of ``data.quality`` if there is one."""
        rule = self._config.quality
        if rule is None:
            return Selection(self._candidates, [])
        return select(self._candidates, self.agreements, rule)

    @cached_property
    def agreements(self) -> Agreements:
        """How well raters agree, of the songs whose raters' answers are there."""
        needed = self._config.quality is not None
        found = measure_agreement(self.root, self._candidates, needed=needed, notes=self.notes)
        return found | measure_agreement(self.root, self.official_test(), needed=False, notes=self.notes)

    @cached_property
    def _candidates(self) -> list[int]:
        songs = {song for song in self._own["arousal"] if not self.is_test(song)}
        if self._config.development_songs is not None:
            where, listed = self._listed(self._config.development_songs)
            missing = sorted(listed - songs, key=song_order)
            if missing:
                raise InputError(f"{where}: song {missing[0]} has no annotations ({len(missing)} such songs)")
            songs = {song for song in songs if song in listed}
        if not songs:
            above = self._config.official_test_above
            why = "" if above == "none" else f": all are numbered above {above} (data.official_test_above)"
            raise InputError(f"{self.root}: no annotated development songs{why}")
        return sorted(songs)

    def _listed(self, songs: str | list[int | str]) -> tuple[str, set[SongId]]:
        """Name the place of a list of songs, and read it if it is a file."""
        if isinstance(songs, str):
            path = self.root / songs
            return str(path), {*_read_song_list(path)}
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


def _one_hop(files: dict[Path, dict[int, Curve]]) -> float | None:
    """Milliseconds from a frame to the next, which are the same in some files of annotations."""
    hops = {path: hop for path, curves in files.items() if (hop := hop_of(path, curves)) is not None}
    for path, hop in hops.items():
        first = next(iter(hops))
        if not same_hop(hop, hops[first]):
            raise InputError(
                f"{path}: frames are {hop / 1000:g} s apart, and those of {first} {hops[first] / 1000:g} s; "
                "expected the same"
            )
    return next(iter(hops.values()), None)


def _both_targets(curves: dict[str, dict[int, Curve]], files: dict[str, Path]) -> None:
    only = sorted(curves["arousal"].keys() ^ curves["valence"].keys())
    if only:
        has, lacks = DEAM_TARGETS if only[0] in curves["arousal"] else DEAM_TARGETS[::-1]
        raise InputError(f"{files[lacks]}: song {only[0]} has {has} annotations and no {lacks} annotations")


def _read_song_list(path: Path) -> set[int]:
    rows = read_csv(path)
    if "song_id" not in rows[0]:
        raise InputError(f"{path}, line 1: no column 'song_id'")
    column = rows[0].index("song_id")
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(rows[0]):
            raise InputError(f"{path}, line {line}: {len(row)} columns; the header has {len(rows[0])}")
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
        If songs that are asked for have no usable features, none at the times of their annotations, or
        frames of different hops; all such songs are named.  An unlabelled song that can't be used is left
        out with a note.
    """
    development, test = annotations.development(), annotations.official_test()
    joined, beyond, wrong = {}, {}, []
    for song in [*development, *test]:
        try:
            joined[song], beyond[song] = _join(song, annotations, source, config)
        except InputError as error:
            wrong.append(str(error))
    if wrong:
        raise all_told(wrong, "annotated songs can't be used")
    hop, agreements = _hop_of_songs(annotations.root, joined, annotations.hop), annotations.agreements
    delay_frames(config.annotation_delay, hop and hop / 1000)  # features may be further apart
    unlabelled, left_out = [], []
    for song in _unlabelled(annotations, source, config):
        try:
            unlabelled.append(
                _without_targets(song, annotations, source, config.lead_in, hop, joined.get(song))
            )
        except InputError as error:
            left_out.append(f"A song without annotations was left out: {error}.")
    return Dataset(
        [joined[s] for s in development],
        unlabelled,
        [joined[s] for s in test],
        source.names,
        source.name,
        [*notes, *_notes(annotations, config, joined, beyond, source.name), *left_out],
        agreements,
        [*annotations.selection.dropped],
        hop_seconds=None if hop is None else hop / 1000,
        scale=(config.scale[0], config.scale[1]),
        targets=config.target_names,
    )


def _unlabelled(annotations: Annotations, source: FeatureSource, config: Data) -> list[int]:
    if config.unlabelled == "none":
        return []
    used = set(annotations.development()) if config.unlabelled == "others" else set()
    return sorted(s for s in source.songs() - used if not annotations.is_test(s))


def _notes(
    annotations: Annotations, config: Data, joined: dict[int, Song], beyond: dict[int, float], features: str
) -> list[str]:
    """Return what a person should know about the songs."""
    notes, rule, dropped = [], config.quality, annotations.selection.dropped
    test = len(annotations.official_test())
    if test:
        notes.append(
            f"{test} of {len(joined)} annotated songs are numbered above {config.official_test_above} and "
            "are the official test set: nothing is learnt from them (data.official_test_above)."
        )
    if config.scale != DEAM_SCALE:
        notes.append(f"Annotations go from {config.scale[0]:g} to {config.scale[1]:g}; so do errors.")
    if rule is not None and dropped:
        reason = f"fewer than {rule.min_raters} raters, or α below {rule.min_alpha:g}, in arousal or valence"
        named = f"{len(dropped)} of {len(dropped) + len(joined) - test} songs were dropped from development"
        notes.append(f"{named} ({reason}): {', '.join(map(str, dropped))}.")
    missing = sum(len(annotations.curves(s)[0]) - song.frames for s, song in joined.items())
    if missing:
        notes.append(f"{missing} annotated frames have no features and were left out.")
    return [*notes, *annotations.notes, *_notes_on_length(features, beyond)]


def _notes_on_length(features: str, beyond: dict[int, float]) -> list[str]:
    longer = sorted((song for song, seconds in beyond.items() if seconds > _LONGER), key=lambda s: -beyond[s])
    if not longer:
        return []
    return [
        f"The {features} features of {len(longer)} of {len(beyond)} songs go on for more than {_LONGER} s "
        f"after the last annotation (song {longer[0]}: {beyond[longer[0]]:g} s). If they are of whole songs "
        "and the annotations of excerpts, equal time stamps are not the same music."
    ]


def _hop_of_songs(root: Path, songs: dict[int, Song], annotated: float | None) -> float | None:
    """Milliseconds from a frame to the next in the joined songs.

    A song may lack frames in between, which have no features.  The features may be further apart than the
    annotations, but in all songs alike: networks know nothing of time but the frames.
    """
    hops = {s: float(np.diff(song.times).min()) * 1000 for s, song in songs.items() if song.frames > 1}
    if not hops:
        return annotated
    first = min(hops, key=lambda s: hops[s])
    others = [s for s, hop in hops.items() if not same_hop(hop, hops[first])]
    if others:
        raise InputError(
            f"{root}: song {others[0]}: its annotated frames with features are {hops[others[0]] / 1000:g} s "
            f"apart, and those of song {first} {hops[first] / 1000:g} s ({len(others)} such songs); "
            "expected one hop"
        )
    exact = annotated is not None and same_hop(hops[first], annotated)
    return annotated if exact else round(hops[first], 3)


def _before(lead_in: float, hop: float | None, first: int) -> list[int]:
    """Time stamps before the first, so many seconds at most and none below 0."""
    if not lead_in:
        return []
    if hop is None:
        raise InputError(
            f"data.lead_in is {lead_in:g}, and no song has two annotated frames to say how far apart frames "
            "are; expected 0"
        )
    stamps = (round(first - k * hop) for k in range(int(1000 * lead_in / hop + 1e-6), 0, -1))
    return [stamp for stamp in stamps if stamp >= 0]


def _join(song: int, annotations: Annotations, source: FeatureSource, config: Data) -> tuple[Song, float]:
    """Join one song, and tell how many seconds its features go on after the last annotation."""
    if song not in source.songs():
        raise InputError(
            f"{annotations.root}: song {song} is annotated but there are no {source.name} features of it"
        )
    annotated, targets = joined_targets(*annotations.curves(song))
    if not annotated:
        raise InputError(f"{annotations.root}: song {song}: arousal and valence have no time stamp in common")
    lead_in = config.lead_in
    wanted = _before(lead_in, annotations.hop, annotated[0])
    stamps, rows = source.table(song, [*wanted, *annotated])
    rows = delayed(stamps, rows, annotations.delay_frames, annotations.hop)
    position = {stamp: k for k, stamp in enumerate(stamps)}
    common = [k for k, stamp in enumerate(annotated) if stamp in position]
    if not common:
        raise InputError(
            f"{annotations.root}: song {song}: 0 of its {len(annotated)} annotated frames have features at "
            "the same time; expected at least 1"
        )
    times = np.array([annotated[k] for k in common]) / 1000
    features = rows[[position[annotated[k]] for k in common]]
    wanted = _before(lead_in, annotations.hop, annotated[common[0]])
    before = rows[[position[stamp] for stamp in wanted if stamp in position]]
    joined = Song(song, times, features, targets[common], before if lead_in else None)
    return joined, (stamps[-1] - annotated[-1]) / 1000


def _without_targets(
    song: int,
    annotations: Annotations,
    source: FeatureSource,
    lead_in: float,
    hop: float | None,
    joined: Song | None,
) -> Song:
    """Make an unlabelled song; if it is one of the joined songs too, equal features are there once."""
    known = annotations.stamps_of_any(song)
    wanted = known and [*_before(lead_in, annotations.hop, known[0]), *known]
    stamps, rows = _at_hop(song, source.table(song, wanted), hop)
    if joined is not None and np.array_equal(joined.features, rows):
        rows = joined.features
    return Song(song, np.array(stamps) / 1000, rows)


def _at_hop(song: int, table: Table, hop: float | None) -> Table:
    """Keep the frames of a song that are as far apart as those of the annotated songs."""
    stamps, rows = table
    if hop is None:
        return table
    kept = [k for k, s in enumerate(stamps) if same_hop(s - stamps[0], hop * round((s - stamps[0]) / hop))]
    steps = [stamps[b] - stamps[a] for a, b in pairwise(kept)]
    if steps and not same_hop(min(steps), hop):
        found = min(b - a for a, b in pairwise(stamps)) / 1000
        raise InputError(
            f"song {song}: its features are {found:g} s apart; expected {hop / 1000:g} s, as the frames of "
            "the annotated songs are"
        )
    return [stamps[k] for k in kept], rows[kept]
