"""Songs weighted so that targets don't correlate, and the term against errors that go with another target."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings, strategies as st

from lstmcore import SSE, Standardiser
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.datasets import Song
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.training import balance
from lstmcore.experiments.training.balance import (
    effective_number,
    uncorrelated_weights,
    weighted_correlation,
)
from lstmcore.experiments.training.sets import heard_by, objective_of, with_targets
from tests.experiments.config.test_options import contents, jobs, run
from tests.experiments.conftest import write_tiny_deam

BALANCED = "training.balance=uncorrelated"


def songs_with(correlation: float, count: int, targets: int = 2, seed: int = 0) -> list[Song]:
    """Songs of different lengths whose targets go together."""
    rng = np.random.default_rng(seed)
    covariance = np.full((targets, targets), correlation) + (1 - correlation) * np.eye(targets)
    levels = rng.multivariate_normal(np.arange(targets), covariance, count)
    lengths = rng.integers(1, 9, count)
    return [
        Song(k, np.arange(n) / 2, np.zeros((n, 1)), level + 0.2 * rng.standard_normal((n, targets)))
        for k, (level, n) in enumerate(zip(levels, lengths, strict=True))
    ]


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.3, 0.8), st.integers(60, 200), st.integers(2, 4), st.integers(0, 1000))
def test_weighted_targets_dont_correlate_and_keep_their_means(correlation, count, targets, seed):
    songs = songs_with(correlation, count, targets, seed)
    frames = np.array([song.frames for song in songs])
    # Few songs with four targets that go apart may have none: then a linear programme says so, too.
    assume(balance._least_covariance(frames.astype(float), *balance._moments(songs)) < 1e-9)
    weights = uncorrelated_weights(songs, [f"t{k}" for k in range(targets)], "fold 0")
    assert weights.min() >= 0
    assert weights @ frames / frames.sum() == pytest.approx(1)
    for a in range(targets):
        for b in range(a):
            assert weighted_correlation(songs, weights, a, b) == pytest.approx(0, abs=1e-4)
    values, of_frames = np.concatenate([s.annotation for s in songs]), np.repeat(weights, frames)
    np.testing.assert_allclose(np.average(values, 0, of_frames), values.mean(0), atol=1e-4)


def test_they_are_the_nearest_to_1():
    from scipy.optimize import linprog

    songs = songs_with(0.7, 30)
    weights = uncorrelated_weights(songs, ["one", "other"], "fold 0")
    assert 0 in weights.round(9)  # some song is left out, so that the bound has a say
    frames = np.array([song.frames for song in songs], float)
    units = Standardiser.fit(np.concatenate([s.annotation for s in songs]))
    z = [units.apply(song.annotation) for song in songs]
    rows = np.array([frames, *[[s[:, k].sum() for s in z] for k in (0, 1)], [s.prod(1).sum() for s in z]])
    slope = frames * (weights - 1)  # no way from here to other weights that fit leads downhill
    steepest = linprog(slope, A_eq=rows, b_eq=[frames.sum(), 0, 0, 0])
    assert steepest.fun == pytest.approx(slope @ weights, rel=1e-5)
    assert slope @ np.ones(30) < slope @ weights - 1  # downhill to weights that don't


def test_targets_that_dont_correlate_leave_every_weight_at_1():
    level = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    songs = [Song(k, np.zeros(1), np.zeros((1, 1)), row[None]) for k, row in enumerate(level)]
    np.testing.assert_allclose(uncorrelated_weights(songs, ["a", "b"], "fold 0"), 1, atol=1e-9)


def test_it_says_how_near_to_0_it_can_come():
    level = np.array([[1.0, 1], [-1, -1], [0.9, 0.8], [-0.9, -0.8], [0.1, 0.1], [-0.1, -0.1]])
    songs = [Song(k, np.zeros(1), np.zeros((1, 1)), row[None]) for k, row in enumerate(level)]
    message = r"the 6 training songs of fold 2 .* covariance of calm and joy, standardised, below 0\.02;"
    with pytest.raises(InputError, match=message):
        uncorrelated_weights(songs, ["calm", "joy"], "fold 2")


def test_the_effective_number_is_kishs():
    assert effective_number(np.array([1.0, 1, 1, 1])) == pytest.approx(4)
    assert effective_number(np.array([2.0, 2, 0, 0])) == pytest.approx(2)


def test_a_songs_weight_multiplies_its_signal_and_the_lead_in_has_none(tiny):
    rng = np.random.default_rng(0)
    first, second = (
        Song(k, np.arange(4.0), *(rng.standard_normal((4, n)) for n in (5, 2)), rng.standard_normal((3, 5)))
        for k in range(2)
    )
    heard = heard_by([first, second], Standardiser(np.zeros(5), np.ones(5)), "float64")
    units = Standardiser(np.zeros(2), np.ones(2))
    data = with_targets(heard, [first, second], units, weights=[0.5, 2.0])
    objective = objective_of(load_experiment(tiny / "tiny.toml", [BALANCED, "data.lead_in=1"]))
    outputs, numbers = rng.standard_normal((14, 2)), np.repeat([0, 1], 7)
    signal = objective.signal(outputs, data.targets, numbers)
    assert not signal[:3].any()
    assert not signal[7:10].any()
    np.testing.assert_allclose(signal[3:7], 0.5 * (outputs[3:7] - first.annotation))
    np.testing.assert_allclose(signal[10:], 2 * (outputs[10:] - second.annotation))


def test_what_stops_a_training_has_no_weights(tiny):
    write_tiny_deam(tiny / "data", range(1, 40))
    from lstmcore.experiments.training.trial import TrialData
    from tests.experiments.datasets.test_deam import load

    data, plain = (
        _trial_data(TrialData, load(tiny), load_experiment(tiny / "tiny.toml", options))
        for options in ([BALANCED], [])
    )
    sets, unweighted = data.sets(0, 0, None), plain.sets(0, 0, None)
    assert (sets.validation.targets[:, 1::2] == 1).all()
    np.testing.assert_array_equal(sets.validation.targets[:, ::2], unweighted.validation.targets)
    weights = sets.training.targets[sets.training.starts, 1]
    expected = uncorrelated_weights(data.split.training(0), data.dataset.targets, "fold 0")
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    assert weights.std() > 0.05
    objective = objective_of(data.experiment)
    outputs = np.zeros((len(sets.validation.targets), 2), np.float32)
    numbers = np.repeat(np.arange(len(sets.validation)), sets.validation.lengths)
    assert objective.error(outputs, sets.validation.targets, numbers) == pytest.approx(
        SSE.error(outputs, unweighted.validation.targets, numbers)
    )


def _trial_data(kind, dataset, experiment):
    from lstmcore.experiments.training.folds import split

    return kind(experiment, dataset, split(dataset.development, experiment.folds), [])


@pytest.mark.parametrize(
    "options", [(BALANCED,), (BALANCED, "network.targets=single"), (BALANCED, "training.decorrelate=0.5")]
)
def test_a_whole_run_with_it(tiny, options):
    write_tiny_deam(tiny / "data", range(1, 40))
    out = run(tiny, "one", *options)
    assert contents(out) == contents(run(tiny, "two", *options, workers=2))
    assert "of 20 songs, as many as" in (out / "ensemble.json").read_text(encoding="utf-8")
    plain = run(tiny, "plain", *options[1:2] if options[1:2] == ("network.targets=single",) else ())
    assert not jobs(out, "network") & jobs(plain, "network")
    rows = [pd.read_csv(folder / "predictions.csv") for folder in (out, plain)]
    baselines = [table[table["system"].isin(["ridge", "global_mean"])] for table in rows]
    pd.testing.assert_frame_equal(*baselines)


def test_old_runs_and_jobs_keep_their_names(tiny):
    plain = load_experiment(tiny / "tiny.toml")
    off = load_experiment(tiny / "tiny.toml", ["training.balance=none", "training.decorrelate=0"])
    assert plain.fingerprint == off.fingerprint
    assert "balance" not in plain.named_by("training")
    assert plain.named_by("training").keys() < plain.training.model_dump().keys()
    on = load_experiment(tiny / "tiny.toml", [BALANCED, "training.decorrelate=0.5"])
    assert on.fingerprint != plain.fingerprint
    assert on.named_by("training")["decorrelate"] == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([BALANCED, "training.objective=ccc"], r"balance is 'uncorrelated' and objective 'ccc'; expected"),
        (
            ["training.decorrelate=1", "training.parallel_sequences=1"],
            "decorrelate is 1 and parallel_sequences 1",
        ),
        (["training.decorrelate=1", "network.targets=single"], "network.targets 'single', whose networks"),
        (["training.decorrelate=1", "engine.backend=cuda"], "engine.backend 'cuda' hasn't that term"),
        (["training.decorrelate=-1"], "decorrelate is -1; expected greater than or equal to 0"),
        (["training.balance=equal"], "training.balance is 'equal'; expected 'none' or 'uncorrelated'"),
    ],
)
def test_what_doesnt_go_together_is_told(tiny, options, message):
    with pytest.raises(InputError, match=message):
        load_experiment(tiny / "tiny.toml", options)


def test_songs_that_cant_be_balanced_are_told_before_anything_is_trained(tiny):
    write_tiny_deam(tiny / "data", range(1, 5))
    with pytest.raises(InputError, match="no weights of the 2 training songs of fold 0"):
        run(tiny, "out", BALANCED)
    assert not list((tiny / "out").glob("jobs/*"))
