"""From the ``data`` section of an experiment to its songs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.config import MEANS, Data, ProceduralData
from lstmcore.experiments.datasets import own_data
from lstmcore.experiments.datasets.beside import beside, note_on
from lstmcore.experiments.datasets.deam import Annotations, assemble
from lstmcore.experiments.datasets.deam_layout import AUDIO, METADATA, PLAN, SONG_MEANS, feature_file
from lstmcore.experiments.datasets.feature_tables import (
    FeatureSource,
    FrameTables,
    SongMeans,
    audio_files,
    feature_files,
    settings_at,
    undecodable_files,
    why_undecodable,
)
from lstmcore.experiments.datasets.from_audio import features_from_audio
from lstmcore.experiments.datasets.metadata import check_groups, read_metadata
from lstmcore.experiments.datasets.normal_scores import NormalScores
from lstmcore.experiments.datasets.own_data import choose_songs, metadata_of
from lstmcore.experiments.datasets.recordings import Recordings
from lstmcore.experiments.datasets.song import Dataset, Metadata, Song, SongId
from lstmcore.experiments.datasets.tables import Tables
from lstmcore.experiments.datasets.unlabelled import recordings_in, with_recordings
from lstmcore.experiments.datasets.window_means import FRAMES, MEAN_NAMES, WindowMeans
from lstmcore.experiments.errors import InputError, Interrupted, all_told
from lstmcore.experiments.files import from_json, read_plain
from lstmcore.experiments.jobs.alone import alone
from lstmcore.experiments.terminal.progress import Progress
from lstmcore.features import cache_root
from lstmcore.features.sets import is_sound, parts_of
from lstmcore.features.smile import smile_version

SYNTHETIC = "Synthetic: procedural music and simulated raters, not real songs or listeners."


def load_dataset(
    config: Data, *, workers: int, progress: Progress, stop: threading.Event, group: str | None = None
) -> Dataset:
    """Load the songs of an experiment: make, extract or read what it takes.

    Parameters
    ----------
    config
        The ``data`` section.
    workers
        Songs made or analysed side by side; the result doesn't depend on it.
    progress
        Advanced after each song.
    stop
        Set it to end early.
    group
        Column of the metadata that ``folds.group`` names; None: no metadata are read.

    Returns
    -------
    Dataset
        All songs with their features, annotated ones with targets.

    Raises
    ------
    InputError
        If files are missing or wrong; all songs that can't be used are named.
    SmileError
        If openSMILE, which computes FS1, is missing or fails.
    Interrupted
        If `stop` was set.
    """
    dataset = _load_one(config, workers, progress, stop, group)
    for n, other in enumerate(config.others):
        where = f"data.also.{n}"
        try:
            loaded = beside(dataset, _load_one(other, workers, progress, stop, None), where)
        except InputError as error:
            raise InputError(str(error) if str(error).startswith(where) else f"{where}: {error}") from None
        notes = [note_on(loaded, where, other.root), *(f"Of {where}: {note}" for note in loaded.notes)]
        dataset = replace(dataset, also=(*dataset.also, loaded), notes=[*dataset.notes, *notes])
    return dataset


def _load_one(
    config: Data, workers: int, progress: Progress, stop: threading.Event, group: str | None
) -> Dataset:
    """Load the songs of one data set."""
    load = _official_layout if config.own is None else _own_layout
    others = None if config.unlabelled_folder is None else recordings_in(config.unlabelled_folder)
    dataset = load(config, workers, progress, stop, group)
    if others is not None:
        dataset = with_recordings(dataset, others, workers, progress, stop)
    dataset = _with_features(dataset, config)
    return _with_normal_scores(dataset) if config.normal_scores else dataset


def _official_layout(
    config: Data, workers: int, progress: Progress, stop: threading.Event, group: str | None
) -> Dataset:
    """Load songs in DEAM's layout, which are made first if they are procedural music."""
    notes = []
    root = Path(config.root) if config.root is not None else None
    if config.source == "procedural":
        _check_smile(config)  # what is missing is reported before music is made
        root = root or _procedural_folder(config.procedural)
        _make_procedural(root, config.procedural, workers, progress, stop)
    assert root is not None  # the configuration has seen to it
    synthetic = config.source == "procedural" or _is_synthetic(root)
    notes += [SYNTHETIC] if synthetic else []
    annotations = Annotations(root, config)
    metadata: Metadata = {}
    if group is not None:  # what is wrong with it is reported before hours of extraction
        metadata = read_metadata(root / METADATA)
        check_groups(root / METADATA, metadata, group, annotations.development())
    if config.computed_set == MEANS:
        source: FeatureSource = _song_means(root, config, annotations, workers, progress, stop)
    else:
        source = _frame_features(root, config, annotations, set(), workers, progress, stop)
        undecodable = undecodable_files(root)
        left_out = sorted(undecodable.keys() - source.songs())
        if left_out and config.unlabelled != "none":
            why, songs = why_undecodable(undecodable[k] for k in left_out), ", ".join(map(str, left_out))
            notes.append(f"Left out, for their files {why}: {songs}.")
    dataset = assemble(annotations, source, config, notes)
    audio: dict[SongId, Path] = dict(audio_files(root).items())
    return replace(dataset, synthetic=synthetic, metadata=metadata, audio=audio)


def _check_smile(config: Data) -> None:
    """Raise SmileError if openSMILE is needed and missing."""
    if config.computed_set == MEANS or "FS1" in parts_of(config.computed_set):
        smile_version()


def _own_layout(
    config: Data, workers: int, progress: Progress, stop: threading.Event, group: str | None
) -> Dataset:
    """Load songs of tables, or of recordings and tables."""
    root = Path(config.root or ".")
    source = Tables(root, config) if config.source == "table" else Recordings(root, config)
    chosen = choose_songs(root, config, source.ratings, source.songs())
    metadata = metadata_of(root, config, source.ratings, chosen, group)
    audio: dict[SongId, Path] = {}
    if isinstance(source, Recordings):  # when all else is known to be right
        source.compute(chosen.needed(config, source.songs()), workers, progress, stop)
        audio = {chosen.ids[name]: file for name, file in source.recordings().items()}
    dataset = own_data.assemble(config, source.ratings, source, chosen, [])
    return replace(dataset, metadata=metadata, audio=audio)


def _procedural_folder(plan: ProceduralData) -> Path:
    name = hashlib.sha256(json.dumps(plan.model_dump()).encode()).hexdigest()[:12]
    return cache_root() / "procedural" / name


def _is_synthetic(root: Path) -> bool:
    """Whether a folder holds procedural music, though it is read as any other data."""
    try:
        plan = from_json(read_plain(root / PLAN))
    except (OSError, ValueError):
        return False
    return isinstance(plan, dict) and plan.get("synthetic") is True


def _make_procedural(
    root: Path, data: ProceduralData, workers: int, progress: Progress, stop: threading.Event
) -> None:
    from lstmcore.experiments.datasets.procedural import ProceduralPlan, write_collection

    try:
        plan = ProceduralPlan(**data.model_dump())
        progress.stage("making procedural (synthetic) music", len(plan.songs()))
        beside = root.resolve()
        with alone(beside.with_name(f".{beside.name}.lock"), root, progress.note, stop.is_set):
            write_collection(
                root,
                plan,
                workers=workers,
                on_song=lambda _: progress.advance(),
                stop=stop.is_set,
                on_damaged=lambda file: progress.note(f"{file}: damaged; it is made anew"),
            )
    except ValueError as error:
        raise InputError(f"data.procedural: {error}") from None
    if stop.is_set():
        raise Interrupted


def _song_means(
    root: Path,
    config: Data,
    annotations: Annotations,
    workers: int,
    progress: Progress,
    stop: threading.Event,
) -> FeatureSource:
    """Rows of the table of means where it has the song; the others' means are taken over windows."""
    file, others = root / SONG_MEANS, feature_files(root).keys() | audio_files(root).keys()
    table = SongMeans(file, annotations.hop) if file.exists() or not others else None
    has = set() if table is None else table.songs()
    annotated = {*annotations.development(), *annotations.official_test()}
    if table is not None and (not (annotated | others) - has or not {*table.names} <= {*MEAN_NAMES}):
        return table
    frames = _frame_features(root, config, annotations, has, workers, progress, stop)
    return WindowMeans(table, frames, config.window_seconds)


def _frame_features(
    root: Path,
    config: Data,
    annotations: Annotations,
    without: set[int],
    workers: int,
    progress: Progress,
    stop: threading.Event,
) -> FrameTables:
    """Feature files where they exist; the other songs' audio is analysed, or read from the store.

    Some songs may do without: their means are known.
    """
    means = config.computed_set == MEANS
    feature_set = FRAMES if means else config.computed_set
    files, audio, undecodable = feature_files(root), audio_files(root), undecodable_files(root)
    sound = is_sound(feature_set)
    files = {} if sound else files  # which have descriptors of it
    wanted = {*annotations.development(), *annotations.official_test()} - without
    settings = settings_at("annotations", None if annotations.hop is None else annotations.hop / 1000)
    in_table = f"a row in {SONG_MEANS}, " if means else ""
    missing = [  # reported before hours of extraction
        f"song {song} is annotated but there are no {config.feature_set} features of it: expected "
        f"{in_table}{'' if sound else f'{root / feature_file(song)} or '}"
        f"{root / AUDIO / str(song)}.mp3 (wav, flac, ogg)"
        + (f"; {undecodable[song]} {why_undecodable([undecodable[song]])}" if song in undecodable else "")
        for song in sorted(wanted - files.keys() - audio.keys())
    ]
    needed = wanted.copy()
    if config.unlabelled != "none":
        wanted |= {s for s in files.keys() | audio.keys() if not annotations.is_test(s)} - without
    tables = FrameTables(feature_set, {song: file for song, file in files.items() if song in wanted})
    lacking = tables.lacking(wanted)
    failed = {
        song: f"{files[song]}: has {tables.held(song)}'s features, and there is no audio of song {song} to "
        f"take {'the others' if lacks != feature_set else 'those'} of {feature_set} from; expected "
        f"{root / AUDIO / str(song)}.mp3 (or wav, flac, ogg)"
        for song, lacks in lacking.items()
        if song in files and song not in audio
    }
    missing += [text for song, text in failed.items() if song in needed]
    if missing:
        raise all_told(missing, "annotated songs have no features")
    for lacks in sorted(set(lacking.values())):
        sounds = {song: audio[song] for song in sorted(lacking) if lacking[song] == lacks and song in audio}
        extracted, unread = features_from_audio(sounds, lacks, settings, workers, progress, stop)
        tables.complete(lacks, extracted)
        failed |= unread
    tables.fail(failed)
    return tables


def _with_features(dataset: Dataset, config: Data) -> Dataset:
    """Return a data set with the features that are wanted of those that were read or computed."""
    try:
        names = config.chosen_of(dataset.feature_names)
    except ValueError as error:
        raise InputError(f"data.{error}") from None
    dataset = replace(dataset, feature_set=config.feature_set)
    if names == dataset.feature_names:
        return dataset
    place = {name: k for k, name in enumerate(dataset.feature_names)}
    kept = [place[name] for name in names]
    return replace(_changed(dataset, lambda rows: rows[:, kept]), feature_names=names)


def _with_normal_scores(dataset: Dataset) -> Dataset:
    """Return a data set with normal scores for features, and what made them."""
    ranked = dataset.unlabelled or dataset.development
    scores = NormalScores.fit([song.features for song in ranked])

    return replace(_changed(dataset, scores.apply), normal_scores=scores)


def _changed(dataset: Dataset, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Dataset:
    """Return a data set with the features of all songs changed, those of lead-ins too."""

    def changed(songs: list[Song]) -> list[Song]:
        return [
            replace(s, features=change(s.features), lead_in=None if s.lead_in is None else change(s.lead_in))
            for s in songs
        ]

    return replace(
        dataset,
        development=changed(dataset.development),
        unlabelled=changed(dataset.unlabelled),
        official_test=changed(dataset.official_test),
    )
