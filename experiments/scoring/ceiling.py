"""The raters' ceiling: how well raters predict each other, in the metrics that predictions are scored by.

=========== ================================================================================
raters_half the mean of a random half of a song's raters against that of the other half
raters_all  r of raters_half stepped up to all raters against as many others (Spearman-Brown)
raters_one  one rater against the mean of the others
=========== ================================================================================

Halves are drawn anew for each song, and scores are means over several splits; scores of one rater are means
over raters.  Frames before a rater's first move, at which the pointer rests in the middle of the scale, and
frames that a rater has missed don't count for that rater.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.datasets import Dataset, Song
from lstmcore.experiments.datasets.annotations import Raters
from lstmcore.experiments.scoring.metrics import METRICS, Score, ccc, pearson, rated_once, rmse
from lstmcore.experiments.seeds import seed_for

Array = NDArray[np.float64]
Pair = tuple[Array, Array]
"""What is taken for a prediction, and what for the annotation; one value a frame each."""

HALVES, ALL, ONE = CEILING = ("raters_half", "raters_all", "raters_one")
SPLITS = 20
EXPLAINED = (
    f"{HALVES}: the mean of a random half of a song's raters against that of the other half, mean of "
    f"{SPLITS} splits; {ALL}: its r for all raters against as many others, by Spearman and Brown's formula; "
    f"{ONE}: one rater against the mean of the others. Of the songs whose raters' answers are there."
)
_METRICS: dict[str, Callable[[Array, Array], float | None]] = {"r": pearson, "rmse": rmse, "ccc": ccc}


def ceiling(dataset: Dataset, groups: Mapping[str, list[Song]], seed: int) -> list[Score]:
    """Score raters against each other on some sets of songs.

    Parameters
    ----------
    dataset
        Has the answers of the raters.
    groups
        Annotated songs of each set.
    seed
        Of the experiment; halves are drawn from it.

    Returns
    -------
    list of Score
        By set, system, target, scope and metric; without the sets that have no song with the answers of two
        raters.
    """
    middle, found = sum(dataset.scale) / 2, []
    for n, (group, songs) in enumerate(groups.items()):
        for k, target in enumerate(dataset.targets):
            generator = np.random.default_rng(seed_for(seed, "raters' ceiling", n, k))
            answers = [_answers(dataset, song, target, middle) for song in songs]
            rated = [one for one in answers if len(one) > 1]
            if rated:
                rows = _halves(group, target, rated, generator) + _one_by_the_others(group, target, rated)
                found += _of_whole_songs(rows) if rated_once(songs) else rows
    order = {system: n for n, system in enumerate(CEILING)}
    places = {group: n for n, group in enumerate(groups)}
    return sorted(found, key=lambda score: (places[score.set], order[score.system]))


def _of_whole_songs(rows: list[Score]) -> list[Score]:
    """Keep the scores of all songs together, which have one value each."""
    return [replace(row, scope="songs") for row in rows if row.scope == "pooled"]


def _answers(dataset: Dataset, song: Song, target: str, middle: float) -> Array:
    """Answers on the frames of a song, shape (raters, frames), NaN where there is none."""
    agreement = dataset.agreements.get(song.song_id, {}).get(target)
    if agreement is None or agreement.answers is None:
        return np.empty((0, 0))
    raters: Raters = agreement.answers
    if song.rated_once:
        return raters.answers
    moved = np.where(np.isnan(raters.answers), False, raters.answers != middle)
    started = np.logical_or.accumulate(moved, axis=1)
    answers = np.where(started, raters.answers, np.nan)
    place = {stamp: k for k, stamp in enumerate(raters.stamps)}
    frames = [place[stamp] for t in song.times if (stamp := round(1000 * t)) in place]
    answers = answers[:, frames]
    enough = (~np.isnan(answers)).sum(0) > 1
    answers = answers[:, enough]
    return answers[~np.isnan(answers).all(1)] if enough.any() else np.empty((0, 0))


def _mean(answers: Array) -> Array:
    """Mean over the raters that there are, shape (frames,); NaN where there is none."""
    there = ~np.isnan(answers)
    count = there.sum(0)
    sums = np.where(there, answers, 0).sum(0)
    means: Array = np.divide(sums, count, out=np.full(len(count), np.nan), where=count > 0)
    return means


def _both(one: Array, other: Array) -> Pair:
    """Keep the frames that both have."""
    there = ~(np.isnan(one) | np.isnan(other))
    return one[there], other[there]


def _halves(group: str, target: str, rated: list[Array], generator: np.random.Generator) -> list[Score]:
    """Score halves of raters against each other, and step r up to all of them."""
    splits = []
    for _ in range(SPLITS):
        pairs = []
        for answers in rated:
            order = generator.permutation(len(answers))
            half = len(answers) // 2
            pairs.append(_both(_mean(answers[order[:half]]), _mean(answers[order[half:]])))
        splits.append(pairs)
    rows = []
    for metric in METRICS:
        by_song = [_average(metric, [pairs[n] for pairs in splits]) for n in range(len(rated))]
        pooled = _average(metric, [_pooled(pairs) for pairs in splits])
        rows += _rows(HALVES, group, target, metric, by_song, pooled)
        if metric == "r":
            rows += _rows(ALL, group, target, metric, [stepped_up(r) for r in by_song], stepped_up(pooled))
    return rows


def _one_by_the_others(group: str, target: str, rated: list[Array]) -> list[Score]:
    """Score each rater of a song against the mean of the others."""
    songs = []
    for answers in rated:
        numbers = range(len(answers))
        songs.append([_both(answers[k], _mean(np.delete(answers, k, axis=0))) for k in numbers])
    everything = _pooled([pair for pairs in songs for pair in pairs])
    rows = []
    for metric in METRICS:
        by_song = [_average(metric, pairs) for pairs in songs]
        rows += _rows(ONE, group, target, metric, by_song, _average(metric, [everything]))
    return rows


def stepped_up(r: float | None) -> float | None:
    """Return the reliability of twice as many raters: 2 r / (1 + r).

    C. Spearman, "Correlation calculated from faulty data", and W. Brown, "Some experimental results in the
    correlation of mental abilities", British Journal of Psychology 3, 1910.  An r below 0 says that there is
    no reliability, and stays as it is.
    """
    return r if r is None or r <= 0 else 2 * r / (1 + r)


def _pooled(pairs: Sequence[Pair]) -> Pair:
    return np.concatenate([one for one, _ in pairs]), np.concatenate([other for _, other in pairs])


def _average(metric: str, pairs: Sequence[Pair]) -> float | None:
    """Mean of a metric over pairs that have frames; undefined ones count as 0, None if all are undefined."""
    values = [_METRICS[metric](*pair) for pair in pairs if len(pair[0])]
    if all(value is None for value in values):
        return None
    return float(np.mean([value or 0.0 for value in values]))


def _rows(
    system: str, group: str, target: str, metric: str, by_song: list[float | None], pooled: float | None
) -> list[Score]:
    """Make a score by song and one of all frames, as those of predictions are."""
    values = np.array([value or 0.0 for value in by_song])
    std = float(values.std(ddof=1)) if len(values) > 1 else None
    first = (system, group, target, metric)
    undefined = sum(value is None for value in by_song)
    return [
        Score(*first, "per_song", float(values.mean()), std, len(values), undefined),
        Score(*first, "pooled", pooled or 0.0, None, len(values), int(pooled is None)),
    ]
