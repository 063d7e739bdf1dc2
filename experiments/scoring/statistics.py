"""Uncertainty of scores: intervals over songs, a test over folds, and what many tests ask for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESAMPLES = 2000
LEVEL = 0.95
FEWEST_SONGS = 10  # of fewer, resamples are so much alike that the interval is too narrow


def resamples(songs: int, count: int, generator: np.random.Generator) -> Array:
    """Draw songs with replacement, for the bootstrap.

    Returns
    -------
    ndarray
        How often each song was drawn, shape (count, songs).
    """
    return generator.multinomial(songs, np.full(songs, 1 / songs), count).astype(np.float64)


def percentile_interval(drawn: Array, level: float) -> tuple[float, float] | None:
    """Return the percentile interval of bootstrapped values; None if none is defined.

    B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13.
    """
    defined = drawn[np.isfinite(drawn)]
    if not defined.size:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def corrected_t_test(differences: Array, test_share: float) -> tuple[float, float] | None:
    """Test whether the mean difference over folds is 0: the corrected resampled t-test.

    The networks of two folds share most of their training songs, so the differences depend on each
    other and their variance is too small for the plain t-test.  It is multiplied with
    1/J + n_test / n_train instead of 1/J, for J folds; t has J − 1 degrees of freedom
    (C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine Learning 52, 2003,
    sec. 3 and eq. 9, 10).

    Parameters
    ----------
    differences
        Of the score on each fold, shape (folds,).
    test_share
        Songs of the fold over songs trained on, n_test / n_train.

    Returns
    -------
    t, p
        The statistic and its two-sided p; None for fewer than two folds.  Of differences that are all 0,
        t is 0 and p is 1.
    """
    from scipy import stats  # half a second, and no training waits for it

    folds = len(differences)
    if folds < 2:
        return None
    mean, variance = float(differences.mean()), float(differences.var(ddof=1))
    if not np.any(differences):
        return 0.0, 1.0
    error = float(np.sqrt((1 / folds + test_share) * variance))
    if error == 0:  # the same difference on every fold
        return float(np.copysign(np.inf, mean)), 0.0
    t = mean / error
    return t, float(2 * stats.t.sf(abs(t), folds - 1))


def holm(p: Sequence[float]) -> list[float]:
    """Correct p values for their number: Holm's step-down method.

    The k-th smallest of m, from 0, is multiplied with m − k, made no smaller than those before it and no
    larger than 1 (S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
    Journal of Statistics 6, 1979).

    Returns
    -------
    list of float
        In the order of `p`.
    """
    corrected, worst = [0.0] * len(p), 0.0
    for k, n in enumerate(sorted(range(len(p)), key=lambda n: p[n])):
        worst = max(worst, min(1.0, (len(p) - k) * p[n]))
        corrected[n] = worst
    return corrected


def difference_interval(
    one: tuple[float, float, float], other: tuple[float, float, float]
) -> tuple[float, float]:
    """Return the interval of the difference of two correlations in different songs, from their own intervals.

    Each limit is as far from the difference as the two limits in question are from their estimates, squared
    and added (G. Y. Zou, "Toward using confidence intervals to compare correlations", Psychological Methods
    12, 2007).

    Parameters
    ----------
    one, other
        An estimate and the limits of its interval.

    Returns
    -------
    low, high
        Of `one` less `other`, at the level of the intervals.
    """
    (a, low_a, high_a), (b, low_b, high_b) = one, other
    below, above = np.hypot(a - low_a, high_b - b), np.hypot(high_a - a, b - low_b)
    return float(a - b - below), float(a - b + above)


def pooled_sums(prediction: Array, annotation: Array) -> Array:
    """Return the sums over a song's frames from which a pooled correlation comes.

    Returns
    -------
    ndarray
        n, Σx, Σy, Σx², Σy², Σxy; shape (6,).
    """
    x, y = prediction, annotation
    return np.array([len(x), x.sum(), y.sum(), x @ x, y @ y, x @ y], np.float64)


def correlation(sums: Array) -> Array:
    """Pearson's r from `pooled_sums` that were added up.

    Parameters
    ----------
    sums
        Shape (..., 6).

    Returns
    -------
    ndarray
        Shape (...); 0 where a column is constant, as the scores have it.
    """
    n, a, b, aa, bb, ab = np.moveaxis(sums, -1, 0)
    x, y = aa - a * a / n, bb - b * b / n
    defined = (x > 1e-12 * aa) & (y > 1e-12 * bb)  # more than rounding
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (ab - a * b / n) / np.sqrt(x * y)
    return np.where(defined, r, 0.0)


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
    sums = np.array([pooled_sums(*(part - centre).T) for part in parts])
    drawn = resamples(len(parts), RESAMPLES, generator)
    n, a, b, aa, bb, ab = (drawn @ sums).T
    spread = (aa - a * a / n) * (bb - b * b / n)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (ab - a * b / n) / np.sqrt(spread)
    return np.where(spread > 1e-18, r, np.nan) if len(parts) >= FEWEST_SONGS else np.full(RESAMPLES, np.nan)
