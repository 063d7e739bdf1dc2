"""Two systems compared on the same songs: score by song, difference, interval, test, verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.datasets import Song, SongId
from lstmcore.experiments.scoring.ensemble import split_songs
from lstmcore.experiments.scoring.metrics import ccc, compared, rmse
from lstmcore.experiments.scoring.statistics import (
    FEWEST_SONGS,
    LEVEL,
    RESAMPLES,
    Array,
    corrected_t_test,
    correlation,
    holm,
    percentile_interval,
    pooled_sums,
    resamples,
)
from lstmcore.experiments.scoring.systems import Predictions, member_predictions
from lstmcore.experiments.seeds import seed_for
from lstmcore.experiments.training.folds import Split
from lstmcore.experiments.training.stages import Trained

SIGNIFICANT = 0.05
METRICS = (("rmse", "per_song"), ("ccc", "per_song"), ("r", "pooled"))
TITLES = {"rmse": "RMSE by song", "ccc": "CCC by song", "r": "r, all frames pooled"}

Verdict = Literal["better", "worse", "no difference shown", "the same"]


@dataclass(frozen=True)
class SongScores:
    """Cross-validated scores of one system, song by song.

    Parameters
    ----------
    songs
        The songs.
    folds
        Fold of each song, shape (songs,).
    values
        RMSE and CCC of each song and target, shape (songs, targets, 2).
    sums
        `pooled_sums` of each song and target, for each of the ensembles that the scores are means of;
        shape (ensembles, songs, targets, 6).
    targets
        Their names.
    """

    songs: list[SongId]
    folds: NDArray[np.int64]
    values: Array
    sums: Array
    targets: tuple[str, ...]

    def of(self, songs: list[SongId]) -> SongScores:
        """Return the scores of some of the songs, in the order given."""
        place = {song: k for k, song in enumerate(self.songs)}
        rows = [place[song] for song in songs]
        return SongScores(songs, self.folds[rows], self.values[rows], self.sums[:, rows], self.targets)

    def weighted(self, weights: Array) -> Array:
        """Score samples of songs.

        Parameters
        ----------
        weights
            How often each sample has each song, shape (samples, songs).

        Returns
        -------
        ndarray
            Shape (samples, targets, METRICS).
        """
        by_song = np.tensordot(weights / weights.sum(1, keepdims=True), self.values, 1)
        pooled = np.mean([correlation(np.tensordot(weights, sums, 1)) for sums in self.sums], 0)
        return np.concatenate([by_song, pooled[..., None]], axis=2)


def cross_validated(trained: Trained, size: int | None = None) -> SongScores:
    """Score the networks of each fold on its songs.

    Parameters
    ----------
    trained
        The networks.
    size
        How many networks of a fold are averaged; all if None.  Scores are means over as many ensembles as
        there are trials, those of trials k, k + 1, … k + size − 1 in the round.

    Returns
    -------
    SongScores
        By song.
    """
    split = trained.data.split
    songs: list[Song] = []
    folds, values, sums = [], [], []
    for fold in split.cross_validation:
        own = split.validation(fold)
        networks = [n for n in trained.networks if n.facts["fold"] == fold]
        members = member_predictions(trained.data, networks, "validation", own)
        ensembles = [split_songs(members[rows].mean(0), own) for rows in _rounds(len(members), size)]
        values.append(np.mean([_by_song(own, curves) for curves in ensembles], 0))
        sums.append(np.stack([_sums(own, curves) for curves in ensembles]))
        songs += own
        folds += [fold] * len(own)
    return SongScores(
        [song.song_id for song in songs],
        np.array(folds),
        np.concatenate(values),
        np.concatenate(sums, 1),
        trained.data.dataset.targets,
    )


def scores_of(predictions: Predictions, split: Split, targets: tuple[str, ...]) -> SongScores:
    """Score what one system predicts in cross-validation, song by song."""
    songs, curves = predictions.songs, predictions.values
    fold_of = {song.song_id: fold for fold in split.cross_validation for song in split.validation(fold)}
    return SongScores(
        [song.song_id for song in songs],
        np.array([fold_of[song.song_id] for song in songs]),
        _by_song(songs, curves),
        _sums(songs, curves)[None],
        targets,
    )


def _rounds(members: int, size: int | None) -> list[list[int]]:
    if size is None or size == members:
        return [list(range(members))]
    return [[(k + n) % members for n in range(size)] for k in range(members)]


def _by_song(songs: list[Song], curves: list[Array]) -> Array:
    def both(prediction: Array, annotation: Array) -> tuple[float, float]:
        return rmse(prediction, annotation), ccc(prediction, annotation)

    return np.array(
        [[both(*compared(s, c, k)) for k in range(c.shape[1])] for s, c in zip(songs, curves, strict=True)]
    )


def _sums(songs: list[Song], curves: list[Array]) -> Array:
    return np.array(
        [
            [pooled_sums(*compared(s, c, k)) for k in range(c.shape[1])]
            for s, c in zip(songs, curves, strict=True)
        ]
    )


@dataclass(frozen=True)
class Comparison:
    """A row of ``ablation.csv``: one score of a changed system less that of the experiment as it is.

    ``low`` and ``high`` bound the 95 % bootstrap interval over songs; ``t`` and ``p`` are of the corrected
    test over folds, ``p_holm`` is p for as many tests of this metric as there are.  None: not defined.
    """

    ablation: str
    target: str
    metric: str
    scope: str
    songs: int
    folds: int
    base: float
    changed: float
    difference: float
    low: float | None
    high: float | None
    t: float | None
    p: float | None
    p_holm: float | None
    verdict: Verdict


def compare(
    name: str, base: SongScores, changed: SongScores, test_share: float, seed: int
) -> list[Comparison]:
    """Compare a changed system with the base, paired over the songs that both have.

    Parameters
    ----------
    name
        Of the ablation.
    base, changed
        Scores by song; a song's fold is that of the base.
    test_share
        Songs of a fold over songs trained on.
    seed
        Of the bootstrap.

    Returns
    -------
    list of Comparison
        For each metric and target; not corrected for their number yet.
    """
    common = [song for song in base.songs if song in set(changed.songs)]
    a, b = base.of(common), changed.of(common)
    folds = np.unique(a.folds)
    whole = np.ones((1, len(common)))
    by_fold = (a.folds == folds[:, None]).astype(np.float64)
    generator = np.random.default_rng(seed_for(seed, "ablation"))
    drawn = resamples(len(common), RESAMPLES, generator)
    value_a, value_b = a.weighted(whole)[0], b.weighted(whole)[0]
    fold_differences = b.weighted(by_fold) - a.weighted(by_fold)
    drawn_differences = b.weighted(drawn) - a.weighted(drawn)
    enough = len(common) >= FEWEST_SONGS
    same = bool(np.array_equal(a.values, b.values))
    rows = []
    for m, (metric, scope) in enumerate(METRICS):
        for k, target in enumerate(base.targets):
            interval = percentile_interval(drawn_differences[:, k, m], LEVEL) if enough else None
            low, high = interval or (None, None)
            t, p = corrected_t_test(fold_differences[:, k, m], test_share) or (None, None)
            values = float(value_a[k, m]), float(value_b[k, m])
            first = (name, target, metric, scope, len(common), len(folds), *values, values[1] - values[0])
            verdict: Verdict = "the same" if same else "no difference shown"
            rows.append(Comparison(*first, low, high, t, p, None, verdict))
    return rows


def corrected(rows: list[Comparison]) -> list[Comparison]:
    """Correct p for the number of tests of each metric, over ablations and targets, and judge.

    A difference is shown where the interval leaves out 0 and the corrected p is below .05.
    """
    done = list(rows)
    for metric, scope in METRICS:
        tests = [
            n
            for n, r in enumerate(rows)
            if (r.metric, r.scope) == (metric, scope) and r.p is not None and r.verdict != "the same"
        ]
        for n, p in zip(tests, holm([rows[n].p or 0.0 for n in tests]), strict=True):
            done[n] = replace(rows[n], p_holm=p, verdict=_verdict(rows[n], p))
    return done


def _verdict(row: Comparison, p: float) -> Verdict:
    if row.low is None or row.high is None or row.low <= 0 <= row.high or p >= SIGNIFICANT:
        return "no difference shown"
    lower_is_better = row.metric == "rmse"
    return "better" if (row.difference < 0) == lower_is_better else "worse"
