"""The whole way from a folder to an experiment's file."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from lstmcore.experiments.config import Data, load_experiment
from lstmcore.experiments.datasets.rating_scheme import SETTINGS, read_scheme
from lstmcore.experiments.datasets.table_file import TableFile
from lstmcore.experiments.errors import InputError, listed
from lstmcore.experiments.files import write_text
from lstmcore.experiments.starting.facts import Facts, Values, likely_scale, read_facts, read_values
from lstmcore.experiments.starting.plan import (
    Other,
    Plan,
    choose_deam_features,
    choose_recordings,
    deam_root,
    plan_deam,
    plan_own,
)
from lstmcore.experiments.starting.ratings import Ratings
from lstmcore.experiments.starting.sizes import Sizes, sizes_for
from lstmcore.experiments.starting.survey import Survey, look
from lstmcore.experiments.starting.tables import Table, describes_songs, read_tables
from lstmcore.experiments.starting.toml import comment, entry, section
from lstmcore.experiments.terminal.environment import version_of
from lstmcore.experiments.terminal.progress import Progress, Quiet

_LAST_SONG = 2000  # of DEAM's development songs
_RATERS = {"min_raters": 5, "min_alpha": 0.6}


@dataclass
class Start:
    """An experiment that was written for a folder, and what people are told of it.

    Parameters
    ----------
    file
        The TOML file.
    taken
        What was taken for what.
    aside
        What was left aside, and why.
    guessed
        What else could be meant.
    problems
        Why it can't be run as it is; empty if it can.
    checked
        What opening its data has shown.
    """

    file: Path
    taken: list[str]
    aside: dict[str, str]
    guessed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    checked: str = ""


def start(
    folder: Path, out: Path | None = None, *, force: bool = False, progress: Progress | None = None
) -> Start:
    """Write an experiment for what is in a folder.

    Parameters
    ----------
    folder
        Searched with all below it.
    out
        The TOML file; None: one in the current folder that is called as the folder is.
    force
        Whether a file that is there already may be replaced.
    progress
        Advanced after each table; None: nobody is told.

    Returns
    -------
    Start
        The file, written and checked: by reading it, and by opening its data as a run does, without computing
        features of audio.

    Raises
    ------
    InputError
        If nothing there can be used (it says what was looked for), or the file is there already.
    """
    name = _name_of(out.stem if out is not None else folder.resolve().name)
    target = out if out is not None else Path(f"{name}.toml")
    if target.is_dir():
        raise InputError(f"{target}: is a folder; expected a file to write, such as {target / 'mine.toml'}")
    if target.exists() and not force:
        raise InputError(
            f"{target}: is there already; expected a new file with --out FILE.toml, or --force to replace it"
        )
    survey, progress = look(folder), progress or Quiet()
    deam = deam_root(survey)
    tables = read_tables(survey, progress) if deam is None else []
    plan = plan_own(survey, tables) if deam is None else plan_deam(survey, deam)
    draft = _Draft(survey, plan, name, _root(folder / plan.root, folder, target))
    progress.stage("ratings", 1)
    draft.settle(tables)
    progress.advance()
    told = Start(target, plan.taken, survey.aside, draft.guessed, draft.problems)
    write_text(target, draft.text(target))
    try:
        load_experiment(target)
    except InputError as error:
        told.problems.append(str(error))
    told.checked = draft.checked()
    told.guessed += [f"there is also {other.about}" for other in plan.instead]
    told.guessed += [f"file: there is also {text}" for text in plan.choices.get("file", ())]
    if plan.source == "table":
        told.guessed += [f"features: {text}" for text in plan.choices.get("features", ())]
    return told


def _name_of(word: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", word).strip("._-")
    return plain or "mine"


def _root(root: Path, given: Path, file: Path) -> str:
    """Write the data's folder as the file is to name it: as it was given, but seen from the file."""
    if given.is_absolute():
        return str(Path(os.path.normpath(root)))
    return os.path.relpath(root, file.parent)


class _Draft:
    """An experiment that is being put together."""

    def __init__(self, survey: Survey, plan: Plan, name: str, root: str) -> None:
        self._survey, self._plan, self._name, self._root = survey, plan, name, root
        self._reasons: dict[str, str] = {}
        self._values: Values | None = None
        self._facts: Facts | None = None
        self._sizes: Sizes | None = None
        self.guessed: list[str] = []
        self.problems: list[str] = []

    def settle(self, tables: list[Table]) -> None:
        """Read the ratings, settle what depends on them, and open all data as a run does."""
        plan, folder = self._plan, self._survey.folder / self._plan.root
        if plan.ratings is not None and plan.ratings.is_guess:
            self.guessed.append(
                f"that {listed(plan.ratings.targets)} of {plan.ratings.named} are ratings: targets names them"
            )
        self._find_raters(plan.ratings)
        try:
            self._values = read_values(folder, plan.source, plan.own)
        except InputError as error:
            self.problems.append(str(error))
        except ValidationError as error:
            self.problems.append(error.errors()[0]["msg"].removeprefix("Value error, "))
        self._scale()
        if plan.source == "deam" and self._values is not None:
            try:
                self._deam(self._values)
            except InputError as error:
                self.problems.append(str(error))
        if plan.source == "audio" and self._values is not None:
            self._recordings(self._values)
        if plan.source != "deam":
            self._metadata(tables)
        if not self.problems:
            try:
                self._facts = read_facts(self._data())
            except InputError as error:
                self.problems.append(str(error))
            except ValidationError as error:
                self.problems.append(error.errors()[0]["msg"].removeprefix("Value error, "))
        self._fit(self._facts)

    def _find_raters(self, ratings: Ratings | None) -> None:
        """See whether files with the same songs are one rater's each."""
        if ratings is None or ratings.table is None or ratings.table.song is None or ratings.has_raters:
            return
        table, seen = ratings.table, set[str]()
        if len(table.files) < 2:
            return
        for name in table.files:
            try:
                songs = {*songs_in(self._survey.folder / name, str(table.song))}
            except InputError:  # told when all is read
                return
            if seen & songs:
                if self._plan.source == "audio":
                    self._plan.own["raters"], self._plan.has_raters = "files", True
                    self._reasons["raters"] = "files have the same songs: each is taken for one rater's"
                    self.guessed.append(f"that each file of {table.named} is one rater's: raters says so")
                else:
                    self.problems.append(
                        f"{table.named}: several files have the same songs; beside tables of features "
                        "expected one file with a column rater"
                    )
                return
            seen |= songs

    def _scale(self) -> None:
        values = self._values
        if values is None:
            return
        is_deam = self._plan.source == "deam" or any(
            table.is_wide for table in (self._plan.ratings.tables if self._plan.ratings else [])
        )
        if (known := self._known_scale()) is not None:
            self._plan.data["scale"] = known
            return
        scale = likely_scale(values.low, values.high, is_deam)
        self._plan.data["scale"] = scale
        found = f"ratings go from {values.low:.4g} to {values.high:.4g}"
        self._reasons["scale"] = (
            f"a guess: {found}, and averages seldom reach the ends; say what raters could choose"
        )
        self.guessed.append(
            f"scale = [{scale[0]:g}, {scale[1]:g}]: {found}; say what raters could choose, lowest and highest"
        )

    def _known_scale(self) -> list[float] | None:
        """Return the scale that the folder of ratings says itself, as those of lstmcore annotate do."""
        ratings = self._plan.ratings
        if ratings is None or not ratings.tables[0].is_by_rater:
            return None
        place = Path(ratings.tables[0].folder).parent
        scheme = read_scheme(self._survey.folder / place)
        if scheme is None:
            return None
        self._reasons["scale"] = f"as {(place / SETTINGS).as_posix()} says"
        return [*scheme.scale]

    def _deam(self, values: Values) -> None:
        """Choose features, and leave out songs that have none; tell which songs are the test set."""
        plan = self._plan
        songs = {int(song) for song in values.songs}
        test = {song for song in songs if song > _LAST_SONG}
        has = choose_deam_features(plan, self._survey.folder / plan.root, songs)
        plan.data["official_test_above"] = _LAST_SONG if test < songs and test and test <= has else "none"
        if test and test < songs:
            self._reasons["official_test_above"] = (
                f"DEAM's test set: {len(test)} songs with larger numbers"
                if test <= has
                else f"of {len(test)} songs above {_LAST_SONG}, DEAM's test set, not all have features"
            )
        development = songs - test if plan.data["official_test_above"] == _LAST_SONG else songs
        without = development - has
        if without and development & has:
            plan.data["development_songs"] = sorted(development & has)
            why = f"{len(without)} of {len(development)} rated songs have neither features nor audio"
            self._reasons["development_songs"] = f"{why}: these are the others"
            self._survey.aside["songs without features"] = why

    def _recordings(self, values: Values) -> None:
        folder, songs, others = choose_recordings(self._survey, values.songs)
        self._plan.own["folder"] = folder
        inside = [s for s in self._survey.sounds if folder == "." or s.startswith(f"{folder}/")]
        where = self._survey.folder.name if folder == "." else folder
        self._plan.taken.append(
            f"{where or '.'}: {len(inside)} recordings, with {songs} of the {len(values.songs)} rated songs; "
            f"their features ({self._plan.data['features']}) are computed when it is run"
        )
        self._reasons["folder"] = f"{songs} of {len(values.songs)} rated songs have a recording here"
        for other in others:
            self._plan.other("folder", f'"{other}", which has as many')
            self.guessed.append(f"folder = {folder!r}: {other} has as many of the songs")

    def _metadata(self, tables: list[Table]) -> None:
        """Choose a table of what is known of songs, and see that it can be read."""
        plan, ratings = self._plan, self._plan.ratings
        found = sorted((t for t in tables if describes_songs(t)), key=lambda t: (t.group is None, t.named))
        for table in found:
            if len(table.names) > 1 or "metadata" in plan.own or self._values is None:
                self._survey.aside[table.named] = "what is known of songs; one such table is read"
                continue
            try:
                songs = songs_in(self._survey.folder / table.files[0], str(table.song))
            except InputError as error:
                self._survey.aside[table.named] = str(error)
                continue
            if "" in songs or max(songs.values()) > 1:
                self._survey.aside[table.named] = "no row per song: it has some twice, or without a name"
                continue
            if not {*songs} & {*self._values.songs}:
                self._survey.aside[table.named] = f"none of its songs (column {table.song}) is a rated one"
                continue
            own = plan.own.get("song", "song")
            known = [own] if isinstance(own, str) else list(own)
            if table.song not in (*known, "song", "song_id"):
                plan.own["song"] = [*known, table.song]
            plan.own["metadata"] = table.names[0]
            plan.taken.append(f"{table.named}: what is known of songs beside ({', '.join(table.texts[:6])})")
        beside = None if ratings is None or ratings.table is None else ratings.table.group
        if "metadata" not in plan.own and beside is not None:
            plan.own["metadata"] = [beside]

    def _data(self) -> Data:
        """Return the section of the data as a run sees it."""
        plan = self._plan
        values = {**plan.data, "root": str(self._survey.folder / plan.root), "unlabelled": "others"}
        if plan.source != "deam":
            values[plan.source] = plan.own
        return Data.model_validate(values)

    def _fit(self, facts: Facts | None) -> None:
        """Choose the settings."""
        if facts is None:
            songs = len(self._values.songs) if self._values is not None else 10
            facts = Facts(songs, 0, 0, None, (self._values.frames if self._values else None) or 60)
        if facts.development < 2:
            self.problems.append("one song is rated; expected at least two, for cross-validation")
        group = facts.group()
        self._sizes = sizes_for(facts, group)
        self._reasons |= self._sizes.reasons
        if group is not None:
            self.guessed.append(
                f"that songs of one {group[0]} belong in one fold ({group[1]} of them): folds.group says so"
            )

    def checked(self) -> str:
        """Say what the data hold."""
        if self._facts is None:
            return ""
        facts = self._facts
        targets = ["arousal", "valence"] if self._plan.ratings is None else self._plan.ratings.targets
        hop = "one rating a song" if facts.hop is None else f"a rating every {facts.hop:g} s"
        beside = f", without ratings {facts.unlabelled}" if facts.unlabelled else ""
        test = f", in the test set {facts.test}" if facts.test else ""
        return f"{facts.development} rated songs, {listed(targets)}, {hop}{beside}{test}"

    def _instead(self, other: Other) -> list[str]:
        """Write another choice of files, as comments that only need their # taken away."""
        folder = self._survey.folder / self._plan.root
        own = dict(other.own)
        if other.source == "audio":
            own = {"folder": self._plan.own["folder"], **own}
        if "metadata" in self._plan.own and isinstance(self._plan.own["metadata"], str):
            own["metadata"] = self._plan.own["metadata"]
        try:
            values = read_values(folder, other.source, other.own)
        except (InputError, ValidationError):  # told when somebody takes this choice
            scale = []
        else:
            is_wide = any(table.is_wide for table in other.ratings.tables)
            limits = likely_scale(values.low, values.high, is_wide)
            scale = entry("scale", limits) if limits != self._plan.data.get("scale") else []
        is_new = other.source != self._plan.source
        above = [*(entry("source", other.source) if is_new else []), *scale]
        lines = [*above, f"[data.{other.source}]", *(part for k, v in own.items() for part in entry(k, v))]
        also = " and of the same keys above it" if above else ""
        without = " (where no features are to be named then)" if is_new else ""
        return [
            *comment(f"Or, in place of [data.{self._plan.source}]{also}{without}: {other.about}"),
            *(f"#   {part}" for line in lines for part in line.splitlines()),
        ]

    def text(self, file: Path) -> str:
        """Write the experiment."""
        plan, sizes = self._plan, self._sizes
        assert sizes is not None
        version = version_of("lstmcore") or ""
        lines = [
            *comment(f"Written by lstmcore init (lstmcore {version}). To run it: lstmcore-run {file.name}"),
            *comment("What was taken for what:"),
            *(part for sentence in plan.taken for part in comment(f"* {sentence}")),
        ]
        if self.problems:
            lines += comment("It can't be run as it is:")
            lines += [p for problem in self.problems for p in comment(f"* {problem.splitlines()[0]}")]
        lines += [f'name = "{self._name}"']
        root = {"root": "files are in it; a path is seen from this file"}
        data = {
            "source": plan.source,
            "root": self._root,
            **{key: content for key, content in plan.data.items() if key != "source"},
            "unlabelled": sizes.unlabelled,
        }
        lines += section("data", data, root | self._reasons, plan.choices)
        if plan.source != "deam":
            lines += section(f"data.{plan.source}", plan.own, _ABOUT | self._reasons, plan.choices)
            if skipped := plan.choices.get("left_columns"):
                lines += comment(f"not taken for features: {skipped[0]}")
        for other in plan.instead:
            lines += self._instead(other)
        if plan.has_raters:
            lines += comment("To leave out songs whose raters don't agree:")
            lines += ["# [data.quality]", *(f"# {key} = {number:g}" for key, number in _RATERS.items())]
        lines += section("folds", sizes.folds, self._reasons, {})
        lines += section("network", sizes.network, self._reasons, {})
        lines += section("training", sizes.training, self._reasons, {})
        lines += section("pretraining", sizes.pretraining, {}, {})
        lines += section("ensemble", sizes.ensemble, {"trials": "networks a fold, averaged"}, {})
        return "\n".join(lines) + "\n"


_ABOUT = {
    "annotations": "the ratings",
    "file": "the features",
    "song": "the column that says which song a row is of; of several, each file has one",
    "time": "the column that says when",
    "targets": "what is rated",
    "columns": "columns of targets that are called otherwise",
    "rater": "a column that names who rated; the mean of all is learnt",
    "metadata": "what is known of songs beside: folds.group can name a column of it",
}


def songs_in(file: Path, column: str) -> Counter[str]:
    """Read which songs a table has, and how many rows of each.

    Raises
    ------
    InputError
        If it can't be read.
    """
    songs: Counter[str] = Counter()
    TableFile(file).read([column], [], lambda part: songs.update(map(str, part.texts[column])))
    return songs
