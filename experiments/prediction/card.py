"""The card of a model that a run has made: what it learnt from, by which protocol, its scores, its limits.

It is Markdown, ``README.md`` beside ``model.json``.  What isn't known, such as the licence of the data where
``data.licence`` doesn't say it, is said not to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.config import Experiment
from lstmcore.experiments.files import write_text
from lstmcore.experiments.prediction.description import Description, read_description
from lstmcore.experiments.prediction.shipped import CARD
from lstmcore.experiments.scoring.annotation_quality import TITLES
from lstmcore.experiments.scoring.metrics import compared, pearson, rated_once, rmse
from lstmcore.experiments.scoring.statistics import (
    FEWEST_SONGS,
    LEVEL,
    RESAMPLES,
    bootstrap_correlations,
    percentile_interval,
    resamples,
)
from lstmcore.experiments.scoring.systems import ALL_NETWORKS, Predictions
from lstmcore.experiments.seeds import seed_for
from lstmcore.experiments.training.trial import TrialData
from lstmcore.features.sets import feature_names

if TYPE_CHECKING:
    from jinja2 import Template

Interval = tuple[float, float] | None

NOT_STATED = "not stated"
_COMPARED = ("ridge", "global_mean")
_SOURCES = {
    "procedural": "procedural music and simulated raters",
    "deam": "a data set in DEAM's layout",
    "table": "tables of features and ratings",
    "audio": "recordings and ratings",
}


@dataclass(frozen=True)
class Row:
    """A system's scores in one target of one set: each a value and its interval."""

    group: str
    target: str
    system: str
    songs: int
    scores: list[tuple[str, float, Interval]]


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # training begins without it

    environment = Environment(
        loader=PackageLoader("lstmcore.experiments.prediction", ""),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    return environment.get_template("card.md.j2")


def write_card(folder: Path, data: TrialData, systems: Sequence[str], predictions: list[Predictions]) -> None:
    """Write the card of a model.

    Parameters
    ----------
    folder
        Of the model, which is there.
    data
        Configuration, songs and folds.
    systems
        Names of the ensembles in it.
    predictions
        Of all systems on all sets.

    Raises
    ------
    OSError
        If the file can't be written.
    """
    about = read_description(folder / "model.json")
    rows = score_rows(data, systems, predictions)
    text = _template().render(
        name=data.experiment.name,
        about=about,
        summary=_summary(about),
        synthetic=data.dataset.synthetic,
        ensembles=_ensembles(about),
        data=_data(data),
        licence=_licence(data.experiment, about),
        protocol=list(_protocol(data)),
        scores=_table(rows),
        limits=list(_limits(data, about, rows)),
    )
    write_text(folder / CARD, text)


def score_rows(data: TrialData, systems: Sequence[str], predictions: list[Predictions]) -> list[Row]:
    """Score a model's ensembles, and what they are compared with, with intervals over songs.

    Parameters
    ----------
    data
        Its seed is that of the bootstrap.
    systems
        Names of the ensembles.
    predictions
        Of all systems on all sets.
    """
    several = len(data.experiment.feature_sets) > 1
    behind = f" {data.experiment.data.feature_set}" if several else ""
    beside = [*_COMPARED, *(one.name for one in data.experiment.systems)]
    wanted = dict.fromkeys(
        [f"{ALL_NETWORKS}{behind}", ALL_NETWORKS, *systems, *(f"{n}{behind}" for n in beside), *beside]
    )
    own = [p for p in predictions if p.system in wanted]
    generator = np.random.default_rng(seed_for(data.experiment.seed, "card of a model"))
    rows = []
    for one in own:
        for k, target in enumerate(data.dataset.targets):
            pairs = [compared(song, p, k) for song, p in zip(one.songs, one.values, strict=True)]
            once = rated_once(one.songs)
            rows.append(Row(one.group, target, one.system, len(pairs), _scores(pairs, once, generator)))
    places = {target: n for n, target in enumerate(data.dataset.targets)}
    groups = {group: n for n, group in enumerate(dict.fromkeys(row.group for row in rows))}
    order = {system: n for n, system in enumerate(wanted)}
    return sorted(rows, key=lambda row: (groups[row.group], places[row.target], order[row.system]))


def _scores(
    pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]], once: bool, generator: np.random.Generator
) -> list[tuple[str, float, Interval]]:
    whole = [np.concatenate(parts) for parts in zip(*pairs, strict=True)]
    drawn = bootstrap_correlations([np.stack(pair, axis=1) for pair in pairs], generator)
    found = [
        ("r of songs" if once else "pooled r", pearson(*whole) or 0.0, percentile_interval(drawn, LEVEL))
    ]
    if once:
        return [*found, ("RMSE", rmse(*whole), None)]
    for title, values in (
        ("RMSE by song", np.array([rmse(*pair) for pair in pairs])),
        ("r by song", np.array([pearson(*pair) or 0.0 for pair in pairs])),
    ):
        found.append((title, float(values.mean()), _mean_interval(values, generator)))
    return found


def _mean_interval(values: NDArray[np.float64], generator: np.random.Generator) -> Interval:
    """Interval of a mean over songs; None for few of them, or where none differs."""
    if len(values) < FEWEST_SONGS or not np.ptp(values):
        return None
    return percentile_interval(resamples(len(values), RESAMPLES, generator) @ values / len(values), LEVEL)


def _table(rows: list[Row]) -> str:
    """Set the scores as Markdown, a table for each set."""
    parts = [
        f"In brackets: {100 * LEVEL:g} % intervals, bootstrap over songs ({RESAMPLES} resamples); none of "
        f"fewer than {FEWEST_SONGS} songs."
    ]
    for group in dict.fromkeys(row.group for row in rows):
        own = [row for row in rows if row.group == group]
        titles = [title for title, _, _ in own[0].scores]
        parts.append(f"{_of_set(group)}, {own[0].songs} songs:")
        lines = [f"| target | system | {' | '.join(titles)} |", f"| --- | --- |{' --- |' * len(titles)}"]
        for row in own:
            cells = [_cell(value, interval) for _, value, interval in row.scores]
            lines.append(f"| {row.target} | `{row.system}` | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _of_set(group: str) -> str:
    title = TITLES[group]
    return title[0].upper() + title[1:]


def _cell(value: float, interval: Interval) -> str:
    return f"{value:.3f}" if interval is None else f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def _summary(about: Description) -> str:
    trained, names = about.trained_on, _listed(about.target_names)
    if trained is None:
        return f"{names[:1].upper()}{names[1:]} of music over time."
    kind = "synthetic" if trained.synthetic else "rated"
    return f"{names[:1].upper()}{names[1:]} of music over time, learnt from {trained.songs} {kind} songs."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _ensembles(about: Description) -> str:
    units = " + ".join(f"{layer.size} ({layer.kind})" for layer in about.layers)
    parts = []
    for name, numbers in about.systems.items():
        count = len(numbers) // about.networks_a_member
        parts.append(f"`{name}`, the average of {count} network{'s' if count > 1 else ''}")
    each = ", one for each target" if about.networks_a_member > 1 else ""
    return f"{'; '.join(parts)}; layers of {units}{each}"


def _data(data: TrialData) -> str:
    dataset, experiment = data.dataset, data.experiment
    songs = data.split.others(None)
    seconds = sorted(song.frames * dataset.hop_seconds for song in songs) if dataset.hop_seconds else []
    ends = dict.fromkeys(f"{value:g}" for value in (seconds[0], seconds[-1])) if seconds else {}
    length = f" of {' to '.join(ends)} s" if ends else ""
    unlabelled = f", {len(dataset.unlabelled)} without annotations" if dataset.unlabelled else ""
    also = sum(len(other.development) for other in dataset.also)
    beside = f", and {also} songs of {len(dataset.also)} other data sets" if also else ""
    return f"{len(songs)} annotated songs{length}{unlabelled}: {_SOURCES[experiment.data.source]}{beside}"


def _licence(experiment: Experiment, about: Description) -> str:
    data = experiment.data
    if data.source == "procedural":
        stated = "none is needed: made by a program"
    else:
        stated = _one_line(data.licence or f"{NOT_STATED} (`data.licence`)")
    others = [_one_line(one.licence or NOT_STATED) for one in data.also]
    told = "; ".join([stated, *(f"of another data set: {one}" for one in others)])
    smile = {*feature_names("FS1")} & {*about.feature_names} or about.feature_set == "song_means"
    if smile:
        told += "; openSMILE, which computes features, is for private, research and educational use only"
    return told


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _protocol(data: TrialData) -> Iterator[str]:
    experiment, split = data.experiment, data.split
    folds = len(split.cross_validation)
    kept = "" if split.team_test is None else f"; one more, fold {split.team_test}, is the team's test set"
    groups = f"; songs of the same {experiment.folds.group} are in the same fold" if split.groups else ""
    yield f"{folds} folds take turns to validate{kept}{groups}; {experiment.ensemble.trials} networks a fold."
    stopping = {
        "same": "watches the fold that is scored in cross-validation, which flatters a little",
        "next": "watches the next fold, which isn't trained on then",
        "rotating": "watches each of the other folds in turn",
    }[experiment.folds.stopping]
    yield f"Trained on `{experiment.training.objective}`; early stopping {stopping}."
    pretraining = experiment.pretraining
    how = f"`{pretraining.strategy}`" if pretraining.enabled else "none"
    scores = "yes" if experiment.data.normal_scores else "no"
    yield f"Pre-training: {how}. Normal scores of features: {scores}."
    if data.dataset.official_test:
        yield f"{len(data.dataset.official_test)} songs are the official test set; nothing is chosen on them."
    yield f"Seed {experiment.seed}."


def _limits(data: TrialData, about: Description, rows: list[Row]) -> Iterator[str]:
    """Say what these scores and data don't show."""
    if data.dataset.synthetic:
        yield "Songs and raters are a program's: what it says of real songs means nothing."
    else:
        yield "All scores are of songs of its own collection: on other music it may be far worse."
    first = rows[0].group if rows else ""
    for target in data.dataset.targets:
        own = {
            row.system.partition(" ")[0]: row for row in rows if row.group == first and row.target == target
        }
        network = own.get(ALL_NETWORKS)
        if network is None:
            continue
        _, value, interval = network.scores[0]
        if interval is not None and interval[0] <= 0:
            yield f"{target}: the interval of its correlation holds 0; it is not to be trusted."
        ridge = own.get("ridge")
        if ridge is not None and ridge.scores[0][1] >= value:
            yield (
                f"{target}: ridge regression on the same features correlates as well or better "
                f"({ridge.scores[0][1]:.3f} against {value:.3f})."
            )
        by_song = {title: (found, bounds) for title, found, bounds in network.scores}.get("r by song")
        if by_song is not None and by_song[0] < _HARDLY:
            yield f"{target}: the course within a song it tells hardly (r by song {by_song[0]:.3f})."
    if about.prediction_window_seconds is None and about.hop_seconds is not None:
        longest = max(song.frames for song in data.split.others(None)) * about.hop_seconds
        yield f"It learnt from at most {longest:g} s of a song; what it says later in a song is untested."
    yield from (note for note in data.dataset.notes if not note.startswith("Synthetic"))


_HARDLY = 0.2
