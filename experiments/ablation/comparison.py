"""Differences of two systems on the same songs, with intervals and a test.

The interval is a percentile bootstrap over songs: 2000 resamples, in each of which both systems
meet the same songs.  It says how sure the difference is for these trained networks.

The test is over folds, for networks trained on other songs differ too.  The training sets of
folds overlap, which the usual t-test doesn't know; its variance is corrected by
(1/J + n_test/n_train) in place of 1/J.  p values of all comparisons of a metric are adjusted by
Holm's method.

Sources: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13; Nadeau and Bengio,
"Inference for the generalization error", Machine Learning 52, 2003; Holm, "A simple sequentially
rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.datasets import TARGETS, Song
from experiments.score import ccc, rmse

Array = NDArray[np.float64]

RESAMPLES = 2000
LEVEL = 0.95
MEASURES = ("RMSE by song", "CCC by song", "pooled r")
LOWER_IS_BETTER = ("RMSE by song",)


@dataclass(frozen=True)
class SongTerms:
    """What one song contributes to the measures of one target.

    Parameters
    ----------
    rmse, ccc
        Of the song.
    sums
        Frames, Σx, Σy, Σx², Σy², Σxy of prediction x and annotation y: pooled r is made of them.
    """

    rmse: float
    ccc: float
    sums: tuple[float, ...]


def song_terms(songs: Sequence[Song], predictions: Sequence[Array], target: str) -> dict[int, SongTerms]:
    """Compute the terms of each song, by its number, given predictions of shape (frames, 2)."""
    k = TARGETS.index(target)
    found = {}
    for song, prediction in zip(songs, predictions, strict=True):
        x, y = prediction[:, k], song.annotation[:, k]
        sums = (len(x), x.sum(), y.sum(), x @ x, y @ y, x @ y)
        found[song.song_id] = SongTerms(rmse(x, y), ccc(x, y), tuple(map(float, sums)))
    return found


def measure(name: str, terms: Sequence[SongTerms], weights: Array | None = None) -> Array:
    """Return one of `MEASURES` over songs; `weights` (resamples, songs) says how often each is taken.

    Returns
    -------
    ndarray
        Shape (resamples,), or (1,) without weights.  NaN where r is undefined.
    """
    drawn = np.ones((1, len(terms))) if weights is None else weights
    if name != "pooled r":
        values = np.array([t.rmse if name == "RMSE by song" else t.ccc for t in terms])
        return np.asarray(drawn @ values / drawn.sum(1))
    n, x, y, xx, yy, xy = (drawn @ np.array([t.sums for t in terms])).T
    spread = (xx - x * x / n) * (yy - y * y / n)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((xy - x * y / n) / np.sqrt(np.where(spread > 0, spread, np.nan)))


@dataclass(frozen=True)
class Difference:
    """How a variant's score differs from that of the experiment as it is.

    Parameters
    ----------
    variant, target, measure
        What is compared.
    base, changed, difference
        Both scores, and changed − base.
    low, high
        95 % bootstrap interval of the difference.
    p, p_holm
        Of the corrected test over folds, alone and adjusted; None where folds can't be paired.
    songs
        Songs that both have predicted.
    """

    variant: str
    target: str
    measure: str
    base: float
    changed: float
    difference: float
    low: float
    high: float
    p: float | None
    p_holm: float | None
    songs: int

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``no difference shown``: of the variant, by the adjusted p at 5 %."""
        if self.p_holm is None or self.p_holm >= 0.05 or self.difference == 0:
            return "no difference shown"
        return "better" if (self.difference < 0) == (self.measure in LOWER_IS_BETTER) else "worse"


def bootstrap_interval(
    name: str, base: Sequence[SongTerms], changed: Sequence[SongTerms], generator: np.random.Generator
) -> tuple[float, float]:
    """Bound the difference of a measure, changed − base, over resamples of the songs both have."""
    count = len(base)
    drawn = generator.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(float)
    found = measure(name, changed, drawn) - measure(name, base, drawn)
    low, high = np.nanquantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def corrected_t_test(differences: Sequence[float], test_to_training: float) -> float | None:
    """Return the two-sided p of the corrected resampled t-test.

    Parameters
    ----------
    differences
        One a fold.
    test_to_training
        Songs a fold divided by songs that its networks were trained on.

    Returns
    -------
    float or None
        None for fewer than three folds or an undefined difference; 1 where all differences are 0.
    """
    from scipy.stats import t

    d = np.asarray(differences, float)
    if len(d) < 3 or not np.isfinite(d).all():
        return None
    spread = float(d.var(ddof=1))
    if spread == 0:
        return 1.0 if d[0] == 0 else 0.0
    statistic = d.mean() / np.sqrt((1 / len(d) + test_to_training) * spread)
    return float(2 * t.sf(abs(statistic), len(d) - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values so that 5 % is the risk of any false alarm among them (Holm's step-down method)."""
    order = sorted(range(len(p_values)), key=lambda k: p_values[k])
    adjusted, most = [0.0] * len(p_values), 0.0
    for rank, k in enumerate(order):
        most = max(most, min(1.0, (len(p_values) - rank) * p_values[k]))
        adjusted[k] = most
    return adjusted
