"""What of a folder an experiment reads: which ratings, which sound or features, and what else there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from lstmcore.experiments.datasets.deam_layout import (
    AUDIO,
    AVERAGED,
    FEATURES,
    METADATA,
    PER_RATER,
    SONG_MEANS,
)
from lstmcore.experiments.datasets.feature_tables import SongMeans, audio_files, feature_files
from lstmcore.experiments.datasets.recordings import RecordingNames
from lstmcore.experiments.errors import InputError, listed
from lstmcore.experiments.starting.names import words_of
from lstmcore.experiments.starting.ratings import Ratings, find_ratings, sentence, song_and_time
from lstmcore.experiments.starting.survey import Survey
from lstmcore.experiments.starting.tables import Table, describes_songs, listed_files
from lstmcore.experiments.starting.toml import value
from lstmcore.features import has_smile

_SOUND = frozenset(
    [
        *("egemaps", "compare", "smile", "opensmile", "mfcc", "mfccs", "chroma", "vggish", "deepspectrum"),
        *("audio", "acoustic", "librosa", "essentia", "spectral", "mel", "is09", "is13", "wav2vec", "panns"),
    ]
)
_MOST_PATTERNS = 12
_FEW_FEATURES = 8  # of which some may be ratings
_OTHERS = {
    "FS1": "which is without dissonance, roughness, tempo and event density",
    "FS2": "which takes four more, such as the tempo, from the audio",
    "FS3": "which adds tonality: mode, key and harmony, beyond the paper",
    "music+tonality": "which needs no openSMILE (licensed for non-commercial use only)",
}
"""Sets of features that audio could give instead."""
WITHOUT_SMILE = "music+tonality"


@dataclass(frozen=True)
class Other:
    """Other files that an experiment could read: its source, its keys, and what is said of them."""

    source: str
    own: dict[str, Any]
    ratings: Ratings
    about: str


@dataclass
class Plan:
    """What is read, and what people are told of it.

    Parameters
    ----------
    root
        Folder of the data, below that which was looked at, or it.
    data
        Keys of ``[data]``, without those that depend on what the files hold.
    own
        Keys of ``[data.table]`` or ``[data.audio]``.
    ratings
        The annotations; None in DEAM's layout.
    taken
        What was taken for what, by file.
    choices
        By key, what else could be said.
    has_raters
        Whether it is known what each rater said.
    instead
        Other files that could be read.
    """

    root: str
    data: dict[str, Any]
    own: dict[str, Any] = field(default_factory=dict)
    ratings: Ratings | None = None
    taken: list[str] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)
    has_raters: bool = False
    instead: list[Other] = field(default_factory=list)

    @property
    def source(self) -> str:
        """Name of the source."""
        return str(self.data["source"])

    def other(self, key: str, text: str) -> None:
        """Note another choice for a key."""
        self.choices.setdefault(key, []).append(text)


def deam_root(survey: Survey) -> str | None:
    """Find the folder that is in DEAM's layout, "." for the whole; None if there is none."""
    tail = (AVERAGED / "arousal.csv").as_posix()
    for name in survey.tables:
        if name == tail or name.endswith("/" + tail):
            root = name.removesuffix(tail).rstrip("/")
            if (survey.folder / root / AVERAGED / "valence.csv").is_file():
                return root or "."
    return None


def plan_deam(survey: Survey, root: str) -> Plan:
    """Plan an experiment on a folder in DEAM's layout."""
    folder = survey.folder / root
    plan = Plan(root, {"source": "deam"})
    plan.taken.append(
        f"{_in(root, AVERAGED)}: annotations over time of arousal and valence, in DEAM's layout"
    )
    if (folder / PER_RATER).is_dir():
        plan.taken.append(f"{_in(root, PER_RATER)}: what each rater said")
        plan.has_raters = True
    audio = [name for name in survey.sounds if name.startswith(_in(root, AUDIO) + "/")]
    features = [name for name in survey.tables if name.startswith(_in(root, FEATURES) + "/")]
    if features:
        plan.taken.append(f"{_in(root, FEATURES)}: features of {len(features)} songs")
    if audio:
        plan.taken.append(f"{_in(root, AUDIO)}: {len(audio)} recordings")
    if (folder / SONG_MEANS).is_file():
        plan.taken.append(f"{_in(root, SONG_MEANS)}: one row of features a song")
    if (folder / METADATA).is_file():
        plan.taken.append(f"{_in(root, METADATA)}: what is known of songs beside")
    known = ("annotations/", str(AUDIO), str(FEATURES), str(SONG_MEANS), str(METADATA))
    prefix = "" if root == "." else root + "/"
    for name in survey.tables:
        if not name.removeprefix(prefix).startswith(known):
            survey.aside[name] = "DEAM's layout has no such file"
    return plan


def choose_deam_features(plan: Plan, root: Path, songs: Iterable[int]) -> set[int]:
    """Choose the features that most songs have, those that are there already before those to be computed.

    Returns
    -------
    set
        Songs that have them.
    """
    wanted = {*songs}
    files, audio = {*feature_files(root)}, {*audio_files(root)}
    means = SongMeans(root / SONG_MEANS).songs() if (root / SONG_MEANS).is_file() else set()
    sets = dict.fromkeys(("FS1", "FS2"), files | audio)
    sets |= {WITHOUT_SMILE: audio, "song_means": files | audio | means}
    order = ["FS1", "FS2"] if files & wanted else [*dict.fromkeys([of_audio(), "FS2", "FS1"])]
    if means:
        order.append("song_means")
    chosen = max(order, key=lambda name: len(wanted & sets[name]))
    plan.data["features"] = chosen
    if chosen != "song_means" and audio:
        offer_others(plan)
    return wanted & sets[chosen]


def of_audio() -> str:
    """Name the features that are computed of audio, unless somebody chooses others: what can be computed."""
    return "FS2" if has_smile() else WITHOUT_SMILE


def offer_others(plan: Plan) -> None:
    """Note the sets that audio could give instead of the chosen one."""
    for name, what in _OTHERS.items():
        if name != plan.data["features"]:
            plan.other("features", f'"{name}", {what}')


def _in(root: str, part: Path) -> str:
    return part.as_posix() if root == "." else f"{root}/{part.as_posix()}"


def plan_own(survey: Survey, tables: Sequence[Table]) -> Plan:
    """Plan an experiment on data in another layout.

    Raises
    ------
    InputError
        If there are no ratings, or neither sound nor features; it says what was looked for.
    """
    found = find_ratings(tables, survey.aside)
    if not found:
        raise _nothing(survey, tables)
    ratings = found[0]
    features = _feature_tables(tables, ratings)
    together = ratings.table is not None and not ratings.is_guess and len(ratings.table.numbers) > 0
    if survey.sounds:
        plan = _of_audio(survey, ratings)
        if features:
            about = f"{features[0].named}: features that are there already"
            plan.instead.append(Other("table", _of_tables(ratings, features).own, ratings, about))
    elif features or together:
        plan = _of_tables(ratings, features)
    else:
        raise InputError(
            f"{survey.folder}: {ratings.named} has ratings, but there are no recordings and no tables of "
            f"features; expected audio, or a row of features per song and time stamp{_looked_at(survey)}"
        )
    plan.ratings, plan.has_raters = ratings, ratings.has_raters
    for other in found[1:]:
        twin = [t.header for t in other.tables] == [t.header for t in ratings.tables]
        more = "; if each is one rater's, put all in one table with a column rater" if twin else ""
        if plan.source == "audio" or features:
            keys = other.keys() if plan.source == "audio" else _of_tables(other, features).own
            plan.instead.append(Other(plan.source, keys, other, sentence(other) + more))
    _aside(survey, tables, plan, [*found], features)
    return plan


def _of_audio(survey: Survey, ratings: Ratings) -> Plan:
    plan = Plan(".", {"source": "audio", "features": of_audio()}, {"folder": ".", **ratings.keys()})
    plan.taken.append(sentence(ratings))
    offer_others(plan)
    return plan


def _of_tables(ratings: Ratings, features: list[Table]) -> Plan:
    plan = Plan(".", {"source": "table"})
    if features:
        own = features[0]
        keys = ratings.keys() | song_and_time([*ratings.tables, own])
        plan.own = {"file": own.names[0] if len(own.names) == 1 else own.names, **keys}
        count = f"{len(own.numbers)} features"
        when = "" if own.time is None else " over time"
        files = "" if len(own.files) == 1 else f", in {len(own.files)} files"
        plan.taken += [sentence(ratings), f"{own.named}: {count}{when}{files}"]
        for other in features[1:]:
            plan.other("file", f"{value(other.names[0])}: {len(other.numbers)} features")
    else:
        assert ratings.table is not None
        own = ratings.table
        keys = ratings.keys()
        plan.own = {"file": keys.pop("annotations"), **keys}
        plan.taken.append(f"{sentence(ratings)}, and features beside ({listed_files(own.numbers)})")
        if len(own.numbers) <= _FEW_FEATURES:
            plan.other("features", f"fewer: what of {listed(own.numbers)} was rated belongs in targets")
    taken = {own.song, own.time, own.rater, *(ratings.columns.values() if not features else ())}
    rest = [name for name in own.header if name not in taken]
    if rest != own.numbers or "features" in plan.choices:
        plan.own["features"] = patterns(own.numbers, [n for n in rest if n not in own.numbers])
        if rest != own.numbers:
            plan.other("left_columns", listed_files([n or "''" for n in rest if n not in own.numbers]))
    return plan


def patterns(names: Sequence[str], others: Iterable[str]) -> list[str]:
    """Write names of columns by patterns that fit none of the others, where that is shorter."""
    others = list(others)
    found: dict[str, None] = {}
    heads = Counter(_head(name) for name in names)
    for name in names:
        pattern = "[0-9]*" if name.isdecimal() else _head(name) + "*"
        fits_other = any(fnmatchcase(other, pattern) for other in others)
        several = heads[_head(name)] > 1 and pattern != "*"
        found[pattern if several and not fits_other else _escaped(name)] = None
    return list(found) if len(found) <= _MOST_PATTERNS else [_escaped(name) for name in names]


def _head(name: str) -> str:
    head = name.rstrip("0123456789")
    return _escaped(head if head != name else name.rpartition("_")[0] + "_" if "_" in name else name)


def _escaped(name: str) -> str:
    return name.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")


def _feature_tables(tables: Sequence[Table], ratings: Ratings) -> list[Table]:
    """Tables of features, those of sound first."""
    songs = {PurePosixPath(f).stem for t in ratings.tables if t.song is None for f in t.files}

    def fits(table: Table) -> bool:
        if table in ratings.tables or table.is_wide or table.targets or table.rater or table.of_spreads:
            return False
        if not table.has_songs or len(table.numbers) < 2 or describes_songs(table) or table.per_rater:
            return False
        units = {t.time_unit for t in [*ratings.tables, table] if t.time is not None}
        return len(units) < 2

    def rank(table: Table) -> tuple[object, ...]:
        stems = {PurePosixPath(file).stem for file in table.files}
        lacking = len(songs - stems) if table.song is None and songs else 0
        of_sound = bool(_SOUND & {w for part in PurePosixPath(table.files[0]).parts for w in words_of(part)})
        of_sound |= bool(_SOUND & {part.lower() for part in PurePosixPath(table.files[0]).parts})
        return (lacking, (table.time is None) == ratings.timed, not of_sound, table.named)

    return sorted(filter(fits, tables), key=rank)


def _aside(
    survey: Survey, tables: Sequence[Table], plan: Plan, ratings: list[Ratings], features: list[Table]
) -> None:
    """Say of each table that isn't used why not."""
    used = {name for one in ratings for table in one.tables for name in table.names}
    used |= {name for table in features for name in table.names}
    for table in tables:
        if not used & {*table.names} and table.named not in survey.aside and not describes_songs(table):
            survey.aside[table.named] = _why_not(table, plan)
    if plan.source != "audio":
        return
    chosen = ratings[0].tables
    for table in chosen:
        if table.numbers and not ratings[0].is_guess and table.numbers != list(ratings[0].columns.values()):
            survey.aside[f"{table.named}, column {listed_files(table.numbers)}"] = (
                "not called like an emotion; if it was rated, targets can name it"
            )
    for table in features:
        survey.aside[table.named] = f"{len(table.numbers)} features; those of the audio are computed"


def _why_not(table: Table, plan: Plan) -> str:
    columns = listed_files(table.header)
    if not table.has_songs:
        return f"no column says which song a row is of (found {columns})"
    if plan.source == "table" and table.numbers and table.time is not None:
        return "its times are in another unit than those of the ratings"
    return f"neither ratings nor features that are known by their columns (found {columns})"


def _nothing(survey: Survey, tables: Sequence[Table]) -> InputError:
    columns = [f"{table.named}: {listed_files(table.header)}" for table in tables[:5]]
    seen = f"; found {'; '.join(columns)}" if columns else ""
    if survey.sounds and not tables:
        what = f"{len(survey.sounds)} recordings, and no table of ratings"
        more = f" (without ratings: lstmcore predict {survey.folder})"
    else:
        what, more = "no ratings", ""
    return InputError(
        f"{survey.folder}: {what}{more}; looked for CSV or Parquet with a column that names the song, such "
        "as song, a time if songs were rated over time, and targets, such as arousal and valence; or the "
        f"layouts of DEAM, emoMusic, PMEmo and MuSe{seen}{_looked_at(survey)}"
    )


def _looked_at(survey: Survey) -> str:
    unread = [f"{name}: {why}" for name, why in list(survey.aside.items())[:5]]
    return "".join(f"\n  {line}" for line in unread)


def choose_recordings(survey: Survey, songs: Iterable[str]) -> tuple[str, int, list[str]]:
    """Find the folder whose recordings are the annotated songs.

    Returns
    -------
    folder, songs, others
        The deepest folder with most of the songs; how many of them it has; and others that have as many.
    """
    wanted = list(songs)
    folders: dict[str, list[str]] = {}
    for sound in survey.sounds:
        for parent in PurePosixPath(sound).parents:
            inside = sound if str(parent) == "." else sound.removeprefix(f"{parent}/")
            folders.setdefault(str(parent), []).append(inside)
    scores = {
        folder: sum(len(names.of(song)) == 1 for song in wanted)
        for folder, files in folders.items()
        if (names := RecordingNames(files))
    }
    most = max(scores.values())
    best = [folder for folder in scores if scores[folder] == most]
    deepest = [f for f in best if not any(o != f and (f == "." or o.startswith(f + "/")) for o in best)]
    first, *others = sorted(deepest or best)
    return first, most, others
