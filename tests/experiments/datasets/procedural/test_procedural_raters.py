"""Synthetic raters: spread between and within songs, agreement, lag; and the curves they answer to."""

from __future__ import annotations

import numpy as np
import pytest

from lstmcore.experiments.datasets.procedural.raters import ATTRIBUTES, FRAME, rate, traces, true_attribute
from lstmcore.experiments.datasets.procedural.trajectories import (
    DIMENSIONS,
    covariance,
    draw_deviations,
    draw_trajectories,
)

SECONDS = 45.0


@pytest.fixture(scope="module")
def songs():
    made = []
    for number in range(150):
        rng = np.random.default_rng([11, number])
        curves = draw_trajectories(rng, SECONDS + 1.0)
        made.append((curves, rate(rng, curves, 10, SECONDS)))
    return made


def cronbach(answers):
    """Cronbach's alpha of [raters, frames]: raters are the items."""
    raters = len(answers)
    share = answers.var(axis=1, ddof=1).sum() / answers.sum(axis=0).var(ddof=1)
    return raters / (raters - 1) * (1.0 - share)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_songs_differ_more_than_a_song_moves(songs, attribute):
    averages = np.stack([ratings.average(attribute) for _, ratings in songs])
    assert 0.27 < averages.mean(axis=1).std() < 0.37
    assert 0.05 < averages.std(axis=1).mean() < 0.10
    assert abs(averages.mean()) < 0.06


def test_arousal_and_valence_are_moderately_correlated(songs):
    arousal, valence = (np.concatenate([r.average(a) for _, r in songs]) for a in ATTRIBUTES)
    assert 0.4 < np.corrcoef(arousal, valence)[0, 1] < 0.7


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_raters_agree_as_people_do(songs, attribute):
    alphas = np.array([cronbach(ratings.of(attribute)) for _, ratings in songs])
    assert 0.6 < np.median(alphas) < 0.9
    assert alphas.std() > 0.1


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_the_average_lags_the_truth(songs, attribute):
    """Moves of the average fit best to moves of the truth one to four seconds earlier."""
    lags = np.arange(-6, 11)  # frames of 0.5 s
    fits = np.zeros(len(lags))
    for curves, ratings in songs:
        moves = np.diff(ratings.average(attribute))
        for k, lag in enumerate(lags):
            earlier = np.clip(ratings.times - lag * FRAME, 0.0, curves.times[-1])
            truth = np.interp(earlier, curves.times, true_attribute(curves, attribute))
            fits[k] += moves @ np.diff(truth)
    assert 1.0 <= lags[fits.argmax()] * FRAME <= 4.0


def test_answers_are_steps_within_the_scale(songs):
    for _, ratings in songs[:20]:
        answers = ratings.of("arousal")
        assert answers.shape == (10, 60)
        assert np.abs(answers).max() <= 1.0
        np.testing.assert_allclose(answers * 100, np.rint(answers * 100), atol=1e-9)


def test_raters_begin_in_the_middle_of_the_scale():
    """A rater of music that stays the same starts at 0, has settled after 15 s, and is right on average."""
    rng = np.random.default_rng(3)
    answers = traces(rng, np.full(400, 0.5), 100)
    assert np.abs(answers[:, 0]).max() < 0.05
    assert answers[:, 20].mean() < 0.35
    assert abs(answers[:, 150:].mean() - 0.5) < 0.1


def test_drawn_parameters_have_the_stated_covariance():
    drawn = draw_deviations(np.random.default_rng(0), 20000)
    np.testing.assert_allclose(np.cov(drawn.T), covariance(), atol=0.05)


def test_units_and_deviations_are_inverse():
    inside = np.linspace(-1.5, 1.5, 7)
    for dimension in DIMENSIONS:
        np.testing.assert_allclose(dimension.to_deviation(dimension.to_units(inside)), inside, atol=1e-9)


@pytest.mark.parametrize(
    ("attribute", "name", "sign"),
    [
        ("arousal", "tempo", 1),
        ("arousal", "loudness", 1),
        ("arousal", "density", 1),
        ("valence", "mode", 1),
        ("valence", "tempo", 1),
        ("valence", "dissonance", -1),
    ],
)
def test_parameters_act_in_the_stated_direction(songs, attribute, name, sign):
    means = [(c.curve(name).mean(), true_attribute(c, attribute).mean()) for c, _ in songs]
    assert sign * np.corrcoef(np.array(means).T)[0, 1] > 0.3
