"""Weights of songs that make the targets uncorrelated in a training set.

Of song i, with f_i frames and targets z standardised over all frames of the training set, let z̄_i be the
means and m_i the means of the products z_a z_b of each two targets.  The weights are those nearest to 1:

    minimise    Σ f_i (w_i − 1)²
    subject to  w_i ≥ 0,   Σ f_i w_i = Σ f_i,   Σ f_i w_i z̄_i = 0,   Σ f_i w_i m_i = 0

So their mean is 1, the targets keep their means, and no two of them correlate over the weighted frames
(frames, since the error is a sum over these).  Of all weights that do so they leave the effective number of
frames, (Σ f w)² / Σ f w², the largest.  With a_i = (1, z̄_i, m_i), Lagrange's conditions say

    w_i = max(0, 1 + λ·a_i)   with   λ = argmin  ½ Σ f_i max(0, 1 + λ·a_i)² − λ·b,   b = (Σ f_i, 0, 0)

which is convex, in as many numbers as there are conditions, whatever the number of songs.  (J. Hainmueller,
"Entropy balancing for causal effects", Political Analysis 20, 2012, has the entropy in place of the squares.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lstmcore import Standardiser
from lstmcore.experiments.config import Experiment
from lstmcore.experiments.datasets import Dataset, Song
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.terminal.one_thread import use_scipy
from lstmcore.experiments.training.folds import Split

Array = NDArray[np.float64]

_EXACT = 1e-6  # how far a correlation may be from 0


def training_weights(
    experiment: Experiment, songs: Sequence[Song], targets: Sequence[str], where: str
) -> Array:
    """Weights of a training set's songs by ``training.balance``, shape (songs,)."""
    if experiment.training.balance == "none":
        return np.ones(len(songs))
    return uncorrelated_weights(songs, targets, where)


def with_note_on_balance(experiment: Experiment, dataset: Dataset, split: Split) -> Dataset:
    """Return the data set, with a note on what balancing comes to where songs are balanced.

    Raises
    ------
    InputError
        If the training songs of some fold can't be balanced: told before anything is trained.
    """
    if experiment.training.balance == "none":
        return dataset
    trained: dict[tuple[int, int], tuple[int, float]] = {}
    for fold in split.cross_validation:
        for trial in range(experiment.ensemble.trials):
            key = fold, split.watched_fold(fold, trial)
            if key not in trained:
                songs = split.training(fold, trial)
                weights = training_weights(experiment, songs, dataset.targets, f"fold {fold}")
                trained[key] = len(weights), effective_number(weights)
    counts, numbers = zip(*trained.values(), strict=True)
    beside = []
    for n, others in enumerate(split.beside(dataset)):
        weights = training_weights(experiment, others, dataset.targets, f"data.also.{n}")
        beside.append(f"; of the {len(weights)} of data.also.{n}, {round(effective_number(weights))}")
    note = (
        f"Training songs are weighted so that no two targets correlate among them (training.balance): of "
        f"{_span(counts)} songs, as many as {_span(numbers)} equally weighted ones count{''.join(beside)}. "
        "Validation and scores are without weights, and so are the regressions beside the networks."
    )
    return dataset if note in dataset.notes else replace(dataset, notes=[*dataset.notes, note])


def _span(values: Sequence[float]) -> str:
    low, high = round(min(values)), round(max(values))
    return f"{low}" if low == high else f"{low} to {high}"


def uncorrelated_weights(songs: Sequence[Song], targets: Sequence[str], where: str) -> Array:
    """Return the weights nearest to 1 that make the targets uncorrelated.

    Parameters
    ----------
    songs
        The training set.
    targets
        Names of the targets.
    where
        Names the training set, for the error.

    Returns
    -------
    ndarray
        Of each song, from 0; their mean over frames is 1; shape (songs,).

    Raises
    ------
    InputError
        If no weights do so; it says how near they come.
    """
    frames = np.array([song.frames for song in songs], np.float64)
    means, products = _moments(songs)
    conditions = np.column_stack([np.ones(len(songs)), means, products])
    weights = _nearest_to_one(frames, conditions)
    left = np.abs((frames * weights) @ conditions / frames.sum() - np.eye(conditions.shape[1])[0])
    if left.max() <= _EXACT:
        return weights
    least = _least_covariance(frames, means, products)
    named = f"{', '.join(targets[:-1])} and {targets[-1]}"
    raise InputError(
        f"training.balance is 'uncorrelated', and no weights of the {len(songs)} training songs of {where} "
        f"that keep the targets' means take the covariance of {named}, standardised, below {least:.2f}; "
        "expected more songs in which the targets go apart, or balance = 'none'"
    )


def effective_number(weights: Array) -> float:
    """Return how many equally weighted songs have as much to say: (Σ w)² / Σ w² (Kish)."""
    return float(weights.sum() ** 2 / (weights @ weights))


def weighted_correlation(songs: Sequence[Song], weights: Array, a: int, b: int) -> float:
    """Return r of two targets over all frames, each with the weight of its song."""
    values = np.concatenate([song.annotation[:, [a, b]] for song in songs])
    of_frames = np.repeat(weights, [song.frames for song in songs])
    covariance = np.cov(values.T, aweights=of_frames)
    return float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


def _moments(songs: Sequence[Song]) -> tuple[Array, Array]:
    """Mean of each song's standardised targets, and of the products of each two."""
    annotations = [song.annotation for song in songs]
    units = Standardiser.fit(np.concatenate(annotations))
    pairs = list(combinations(range(annotations[0].shape[1]), 2))
    means, products = [], []
    for annotation in annotations:
        z = units.apply(annotation)
        means.append(z.mean(0))
        products.append([(z[:, a] * z[:, b]).mean() for a, b in pairs])
    return np.array(means), np.array(products).reshape(len(songs), len(pairs))


def _nearest_to_one(frames: Array, conditions: Array) -> Array:
    """Solve for λ, and return the weights; if there are none, the conditions don't hold."""
    use_scipy()
    from scipy.optimize import minimize

    share = frames / frames.sum()
    wanted = np.eye(conditions.shape[1])[0]

    def weights(multipliers: Array) -> Array:
        return np.asarray(np.maximum(0.0, 1 + conditions @ multipliers))

    def value(multipliers: Array) -> float:
        return float(0.5 * share @ weights(multipliers) ** 2 - multipliers @ wanted)

    def slope(multipliers: Array) -> Array:
        return np.asarray((share * weights(multipliers)) @ conditions - wanted)

    def curvature(multipliers: Array) -> Array:
        active = share * (weights(multipliers) > 0)
        return np.asarray((conditions * active[:, None]).T @ conditions)

    found = minimize(
        value,
        np.zeros(len(wanted)),
        jac=slope,
        hess=curvature,
        method="trust-exact",
        options={"gtol": _EXACT / 100, "maxiter": 500, "max_trust_radius": 1e6},
    )
    return weights(found.x)


def _least_covariance(frames: Array, means: Array, products: Array) -> float:
    """Return the least that the largest covariance of standardised targets can be: a linear programme."""
    use_scipy()
    from scipy.optimize import linprog

    share, songs = frames / frames.sum(), len(frames)
    kept = np.column_stack([np.ones(songs), means])
    of_products = (products * share[:, None]).T
    bounded = np.vstack([of_products, -of_products])
    found = linprog(
        np.r_[np.zeros(songs), 1.0],
        A_ub=np.column_stack([bounded, -np.ones(len(bounded))]),
        b_ub=np.zeros(len(bounded)),
        A_eq=np.column_stack([(kept * share[:, None]).T, np.zeros(kept.shape[1])]),
        b_eq=np.eye(kept.shape[1])[0],
    )
    return float(found.fun)
