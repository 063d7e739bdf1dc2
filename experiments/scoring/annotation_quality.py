"""How far the annotations can be trusted: agreement of raters, and how one target goes with another.

The paper suspects both of its low scores for valence: raters of the official test songs hardly
agree (mean Cronbach's α .29), and arousal correlates with valence in the development
songs and not in the test songs, which may mislead its models.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lstmcore.experiments.config import Experiment
from lstmcore.experiments.datasets import Dataset, Song, SongId, song_order
from lstmcore.experiments.files import write_csv, write_json
from lstmcore.experiments.scoring.carried_correlation import (
    CarriedRow,
    Misled,
    Pair,
    carried,
    judge,
    pairs_of,
)
from lstmcore.experiments.scoring.metrics import pearson
from lstmcore.experiments.scoring.statistics import (
    FEWEST_SONGS,
    LEVEL,
    RESAMPLES,
    bootstrap_correlations,
    percentile_interval,
)
from lstmcore.experiments.scoring.systems import ALL_NETWORKS, Predictions
from lstmcore.experiments.scoring.told_apart import ApartRow, told_apart
from lstmcore.experiments.seeds import seed_for
from lstmcore.experiments.training.folds import Split

if TYPE_CHECKING:  # takes as long to import as all else together
    import pandas as pd

TITLES = {
    "training": "training songs",
    "cross_validation": "cross-validation",
    "team_test": "the team's test set",
    "official_test": "official test set",
    "development": "development songs",
}


@dataclass(frozen=True)
class AgreementRow:
    """Mean agreement of raters over the songs of a set whose raters' answers are there.

    ``selection`` is "before" or "after" the rule of ``data.quality``.  ``undefined`` counts the songs
    without an α, which are left out of ``mean_alpha``.
    """

    set: str
    selection: str
    target: str
    songs: int
    mean_raters: float
    mean_alpha: float | None
    undefined: int


@dataclass(frozen=True)
class CorrelationRow:
    """Pearson's r of one target with another, over all frames of a set or over the means of its songs.

    ``low`` and ``high`` bound its 95 % bootstrap interval; None where it can't be computed.
    """

    set: str
    over: str
    songs: int
    r: float | None
    low: float | None
    high: float | None
    first: str
    second: str


@dataclass(frozen=True)
class DifferenceRow:
    """r of the training songs less that of a test set, with its interval, and what it says."""

    set: str
    over: str
    difference: float | None
    low: float | None
    high: float | None
    differ: bool | None
    sentence: str
    first: str
    second: str


@dataclass(frozen=True)
class AnnotationQuality:
    """How good the annotations of an experiment are; of one target, without anything on pairs."""

    agreement: list[AgreementRow]
    correlation: list[CorrelationRow]
    differences: list[DifferenceRow]
    carried: list[CarriedRow]
    misled: list[Misled]
    apart: list[ApartRow]
    dropped: list[SongId]

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self) | {"resamples": RESAMPLES, "level": LEVEL}


def annotation_quality(
    experiment: Experiment, dataset: Dataset, split: Split, predictions: list[Predictions]
) -> AnnotationQuality:
    """Measure the annotations of an experiment's songs, and whether their correlation misleads networks.

    Parameters
    ----------
    experiment
        Its seed is that of the bootstrap.
    dataset, split
        The songs and their folds.
    predictions
        Of all systems; those of the first that averages all networks are looked at, and whether models of
        one's own tell targets apart.

    Returns
    -------
    AnnotationQuality
        Without agreement where there are no answers of each rater.
    """
    sets = {
        "training": split.others(None),
        "team_test": split.team_test_songs,
        "official_test": dataset.official_test,
    }
    generator = np.random.default_rng(seed_for(experiment.seed, "annotation quality"))
    others = np.random.default_rng(seed_for(experiment.seed, "told apart"))
    of_own = np.random.default_rng(seed_for(experiment.seed, "told apart", 1))  # the networks' draws stay
    sets = {name: songs for name, songs in sets.items() if songs}
    quality = AnnotationQuality(_agreement(dataset, split), [], [], [], [], [], dataset.dropped)
    for pair in pairs_of(dataset.targets):
        rows, differences = _correlations(sets, pair, generator)
        found, misled = _misled(predictions, pair, differences, generator)
        quality.correlation.extend(rows)
        quality.differences.extend(differences)
        quality.carried.extend(found)
        quality.misled.extend(misled)
        system = found[0].system
        quality.apart.extend(
            told_apart(p, pair, TITLES[p.group], others) for p in predictions if p.system == system
        )
        quality.apart.extend(told_apart(p, pair, TITLES[p.group], of_own) for p in predictions if p.own)
    return quality


def write_quality(folder: Path, quality: AnnotationQuality, dataset: Dataset, split: Split) -> None:
    """Write ``annotation_quality.json`` and, one row per song and target, ``annotation_quality.csv``."""
    write_json(folder / "annotation_quality.json", quality.as_json())
    if dataset.agreements:
        write_csv(folder / "annotation_quality.csv", _song_table(dataset, split), 6)


def _song_table(dataset: Dataset, split: Split) -> pd.DataFrame:
    import pandas as pd

    place = {song.song_id: "training" for song in split.others(None)}
    place |= {song.song_id: "left over" for song in split.left_over}  # scored, not learnt from
    place |= {song.song_id: "team_test" for song in split.team_test_songs}
    place |= {song.song_id: "official_test" for song in dataset.official_test}
    place |= dict.fromkeys(dataset.dropped, "dropped")
    return pd.DataFrame(
        [
            {"song_id": song, "set": place[song], "target": t, "raters": one.raters, "alpha": one.alpha}
            for song, targets in sorted(dataset.agreements.items(), key=lambda item: song_order(item[0]))
            for t, one in targets.items()
        ]
    )


def _agreement(dataset: Dataset, split: Split) -> list[AgreementRow]:
    """Mean α by set; of the development songs before the selection too, if there was one.

    The folds are cut after the selection, so the team's test set exists after it only.
    """
    after = [song.song_id for song in dataset.development]
    sets = [
        ("development", "after", after),
        ("team_test", "after", [song.song_id for song in split.team_test_songs]),
        ("official_test", "after", [song.song_id for song in dataset.official_test]),
    ]
    if dataset.dropped:
        sets.insert(0, ("development", "before", sorted([*after, *dataset.dropped], key=song_order)))
    rows = []
    for name, selection, songs in sets:
        for target in dataset.targets:
            found = [dataset.agreements[song][target] for song in songs if song in dataset.agreements]
            alphas = [one.alpha for one in found if one.alpha is not None]
            if found:
                raters = float(np.mean([one.raters for one in found]))
                mean = float(np.mean(alphas)) if alphas else None
                undefined = len(found) - len(alphas)
                rows.append(AgreementRow(name, selection, target, len(found), raters, mean, undefined))
    return rows


def _misled(
    predictions: list[Predictions],
    pair: Pair,
    differences: list[DifferenceRow],
    generator: np.random.Generator,
) -> tuple[list[CarriedRow], list[Misled]]:
    """Measure the average of all networks on every set, and judge the test sets."""
    system = next(p.system for p in predictions if p.system.startswith(ALL_NETWORKS))
    found = {p.group: carried(p, pair, generator) for p in predictions if p.system == system}
    home = found["cross_validation"]
    verdicts = []
    for difference in differences:
        if difference.over == "frames":
            lower = difference.differ and (difference.difference or 0) > 0
            title = TITLES[difference.set] + pair.told
            verdicts.append(judge(home, found[difference.set], lower, title))
    return [one.row for one in found.values()], verdicts


def _correlations(
    sets: dict[str, list[Song]], pair: Pair, generator: np.random.Generator
) -> tuple[list[CorrelationRow], list[DifferenceRow]]:
    rows: list[CorrelationRow] = []
    differences: list[DifferenceRow] = []
    for over in ("frames", "songs"):
        found = {}
        for name, songs in sets.items():
            parts = [song.annotation[:, pair.columns] for song in songs]
            if over == "songs":
                parts = [part.mean(0, keepdims=True) for part in parts]
            whole = np.concatenate(parts)
            drawn = bootstrap_correlations(parts, generator)
            low, high = percentile_interval(drawn, LEVEL) or (None, None)
            row = CorrelationRow(name, over, len(songs), pearson(*whole.T), low, high, *pair.names)
            found[name] = (row, drawn)
            rows.append(row)
        training, drawn = found.pop("training")
        for row, others in found.values():
            differences.append(
                _difference(training, row, percentile_interval(drawn - others, LEVEL) or (None, None))
            )
    return rows, differences


def _difference(
    training: CorrelationRow, test: CorrelationRow, interval: tuple[float | None, float | None]
) -> DifferenceRow:
    low, high = interval
    names = test.first, test.second
    where = f"{TITLES[test.set]} ({'all frames' if test.over == 'frames' else 'means of songs'})"
    if training.r is None or test.r is None or low is None or high is None:
        fewest = min(test.songs, training.songs)
        sentence = (
            f"{where}: whether {test.first} and {test.second} correlate as in the training songs can't be "
            f"told from {fewest} songs; it takes {FEWEST_SONGS} at least, whose means differ."
        )
        return DifferenceRow(test.set, test.over, None, None, None, None, sentence, *names)
    differ = not low <= 0 <= high
    difference = training.r - test.r
    verdict = (
        "they differ, for the interval leaves out 0"
        if differ
        else "that they differ can't be told, for the interval holds 0"
    )
    sentence = (
        f"{where}: {test.first} correlates with {test.second} with r = {test.r:.2f} in {test.songs} songs, "
        f"and with r = {training.r:.2f} in the {training.songs} training songs. Difference {difference:.2f}, "
        f"95 % interval {low:.2f} to {high:.2f}: {verdict}."
    )
    return DifferenceRow(test.set, test.over, difference, low, high, differ, sentence, *names)
