"""How far the annotations can be trusted: agreement of raters, and how arousal goes with valence.

The paper suspects both of its low scores for valence: raters of the official test songs hardly
agree (mean Cronbach's α .29), and arousal correlates with valence in the development
songs and not in the test songs, which may mislead its models.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.config import Experiment
from experiments.datasets import TARGETS, Dataset, Song
from experiments.files import write_csv, write_json
from experiments.folds import Split
from experiments.score import pearson

if TYPE_CHECKING:  # takes as long to import as all else together
    import pandas as pd

RESAMPLES = 2000
LEVEL = 0.95
FEWEST_SONGS = 10  # of fewer, resamples are so much alike that the interval is too narrow
_PURPOSE = 3  # of the random numbers: auto-encoders have 0, networks 1 and 2
TITLES = {
    "training": "training songs",
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
    """Pearson's r of arousal with valence, over all frames of a set or over the means of its songs.

    ``low`` and ``high`` bound its 95 % bootstrap interval; None where it can't be told.
    """

    set: str
    over: str
    songs: int
    r: float | None
    low: float | None
    high: float | None


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


@dataclass(frozen=True)
class AnnotationQuality:
    """All that is told of the annotations of an experiment."""

    agreement: list[AgreementRow]
    correlation: list[CorrelationRow]
    differences: list[DifferenceRow]
    dropped: list[int]

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self) | {"resamples": RESAMPLES, "level": LEVEL}


def annotation_quality(experiment: Experiment, dataset: Dataset, split: Split) -> AnnotationQuality:
    """Measure the annotations of an experiment's songs.

    Parameters
    ----------
    experiment
        Its seed is that of the bootstrap.
    dataset, split
        The songs and their folds.

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
    rows, differences = _correlations({name: songs for name, songs in sets.items() if songs}, experiment.seed)
    return AnnotationQuality(_agreement(dataset, split), rows, differences, dataset.dropped)


def write_quality(folder: Path, quality: AnnotationQuality, dataset: Dataset, split: Split) -> None:
    """Write ``annotation_quality.json`` and, a row a song and target, ``annotation_quality.csv``."""
    write_json(folder / "annotation_quality.json", quality.as_json())
    if dataset.agreements:
        write_csv(folder / "annotation_quality.csv", _song_table(dataset, split), 6)


def _song_table(dataset: Dataset, split: Split) -> pd.DataFrame:
    import pandas as pd

    place = {song.song_id: "training" for song in split.others(None)}
    place |= {song.song_id: "team_test" for song in split.team_test_songs}
    place |= {song.song_id: "official_test" for song in dataset.official_test}
    place |= dict.fromkeys(dataset.dropped, "dropped")
    return pd.DataFrame(
        [
            {"song_id": song, "set": place[song], "target": t, "raters": one.raters, "alpha": one.alpha}
            for song, targets in sorted(dataset.agreements.items())
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
        sets.insert(0, ("development", "before", sorted([*after, *dataset.dropped])))
    rows = []
    for name, selection, songs in sets:
        for target in TARGETS:
            found = [dataset.agreements[song][target] for song in songs if song in dataset.agreements]
            alphas = [one.alpha for one in found if one.alpha is not None]
            if found:
                raters = float(np.mean([one.raters for one in found]))
                mean = float(np.mean(alphas)) if alphas else None
                undefined = len(found) - len(alphas)
                rows.append(AgreementRow(name, selection, target, len(found), raters, mean, undefined))
    return rows


def _correlations(sets: dict[str, list[Song]], seed: int) -> tuple[list[CorrelationRow], list[DifferenceRow]]:
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_PURPOSE,)))
    rows: list[CorrelationRow] = []
    differences: list[DifferenceRow] = []
    for over in ("frames", "songs"):
        found = {}
        for name, songs in sets.items():
            parts = [song.annotation for song in songs]
            if over == "songs":
                parts = [part.mean(0, keepdims=True) for part in parts]
            whole = np.concatenate(parts)
            drawn = bootstrap_correlations(parts, generator)
            row = CorrelationRow(name, over, len(songs), pearson(*whole.T), *_interval(drawn))
            found[name] = (row, drawn)
            rows.append(row)
        training, drawn = found.pop("training")
        for row, others in found.values():
            differences.append(_difference(training, row, _interval(drawn - others)))
    return rows, differences


def bootstrap_correlations(
    parts: list[NDArray[np.float64]], generator: np.random.Generator
) -> NDArray[np.float64]:
    """Correlate two columns in resamples of songs.

    Songs, not frames, are drawn with replacement: the frames of a song go together (B. Efron and
    R. Tibshirani, An Introduction to the Bootstrap, 1993, ch. 8 and 13).

    Parameters
    ----------
    parts
        Of each song, shape (frames, 2).
    generator
        Draws the songs.

    Returns
    -------
    NDArray
        Pearson's r of each resample, shape (RESAMPLES,); NaN where a column is constant, and
        everywhere for fewer than FEWEST_SONGS songs.
    """
    centre = np.concatenate(parts).mean(0)
    x, y = zip(*((part - centre).T for part in parts), strict=True)
    sums = np.array(
        [(len(a), a.sum(), b.sum(), a @ a, b @ b, a @ b) for a, b in zip(x, y, strict=True)], np.float64
    )
    drawn = generator.multinomial(len(parts), np.full(len(parts), 1 / len(parts)), RESAMPLES)
    n, a, b, aa, bb, ab = (drawn @ sums).T
    spread = (aa - a * a / n) * (bb - b * b / n)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (ab - a * b / n) / np.sqrt(spread)
    return np.where(spread > 1e-18, r, np.nan) if len(parts) >= FEWEST_SONGS else np.full(RESAMPLES, np.nan)


def _interval(drawn: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Percentile interval; None where nothing could be computed."""
    defined = drawn[np.isfinite(drawn)]
    if not defined.size:
        return None, None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _difference(
    training: CorrelationRow, test: CorrelationRow, interval: tuple[float | None, float | None]
) -> DifferenceRow:
    low, high = interval
    where = f"{TITLES[test.set]} ({'all frames' if test.over == 'frames' else 'means of songs'})"
    if training.r is None or test.r is None or low is None or high is None:
        fewest = min(test.songs, training.songs)
        sentence = (
            f"{where}: whether arousal and valence correlate as in the training songs can't be told from "
            f"{fewest} songs; it takes {FEWEST_SONGS} at least, whose means differ."
        )
        return DifferenceRow(test.set, test.over, None, None, None, None, sentence)
    differ = not low <= 0 <= high
    difference = training.r - test.r
    verdict = (
        "they differ, for the interval leaves out 0"
        if differ
        else "that they differ can't be told, for the interval holds 0"
    )
    sentence = (
        f"{where}: arousal correlates with valence with r = {test.r:.2f} in {test.songs} songs, and "
        f"with r = {training.r:.2f} in the {training.songs} training songs. Difference {difference:.2f}, "
        f"95 % interval {low:.2f} to {high:.2f}: {verdict}."
    )
    return DifferenceRow(test.set, test.over, difference, low, high, differ, sentence)
