"""LSTMRegressor and its like keep scikit-learn's conventions, with whole sequences as samples."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from lstmcore import (
    LSTM,
    SGD,
    Linear,
    Network,
    Sets,
    Training,
    TrainingSettings,
    initial_network,
    predict,
    train,
)
from lstmcore.estimators import FrameTransformer, LSTMEnsemble, LSTMRegressor

RNG = np.random.default_rng(0)
LENGTHS = (25, 40, 31, 36, 28, 33, 30, 38)
X = [RNG.standard_normal((frames, 3)) * 5 + 100 for frames in LENGTHS]
# What came before counts: a mean over the past that fades.
Y = [
    np.column_stack([np.convolve((x[:, k] - 100) / 5, 0.6 ** np.arange(len(x)))[: len(x)] for k in (0, 1)])
    for x in X
]
FLAT = [y[:, 0] * 30 + 400 for y in Y]
GROUPS = ["a", "a", "b", "b", "c", "c", "d", "d"]


def small(**more):
    return LSTMRegressor(**{"hidden_layer_sizes": (6,), "max_iter": 30, "random_state": 1} | more)


@pytest.mark.parametrize(
    "estimator",
    [
        LSTMRegressor(max_iter=40, random_state=0),
        LSTMEnsemble(
            estimator=LSTMRegressor(hidden_layer_sizes=(4,), max_iter=40), n_estimators=2, random_state=0
        ),
        FrameTransformer(),
    ],
    ids=lambda e: type(e).__name__,
)
def test_scikit_learns_own_checks_pass(estimator):
    found = check_estimator(estimator, on_fail=None, on_skip=None)
    assert len(found) > 40
    failed = {one["check_name"]: one["exception"] for one in found if one["status"] != "passed"}
    assert failed.keys() <= {"check_array_api_input"}  # skipped, unless SCIPY_ARRAY_API is set


@pytest.mark.parametrize("y", [Y, FLAT], ids=["two outputs", "one"])
def test_it_learns_what_needs_memory_in_the_targets_own_scale(y):
    model = LSTMRegressor(random_state=0).fit(X[:6], y[:6])
    assert model.score(X[6:], y[6:]) > 0.7
    without_memory = LSTMRegressor(random_state=0).fit(np.concatenate(X[:6]), np.concatenate(y[:6]))
    assert without_memory.score(np.concatenate(X[6:]), np.concatenate(y[6:])) < 0.65


def test_what_fit_leaves():
    model = small().fit(X, FLAT)
    assert (model.n_features_in_, model.n_outputs_) == (3, 1)
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_loss_curve_) <= 30
    assert model.best_iter_ == 1 + int(np.argmin(model.validation_loss_curve_))
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert isinstance(model.network_, Network)
    curves = model.predict(X)
    assert [curve.shape for curve in curves] == [(frames,) for frames in LENGTHS]
    assert model.score(X, FLAT) == r2_score(np.concatenate(FLAT), np.concatenate(curves))
    weights = np.arange(8.0)
    expected = r2_score(
        np.concatenate(FLAT), np.concatenate(curves), sample_weight=np.repeat(weights, LENGTHS)
    )
    assert model.score(X, FLAT, weights) == expected


def test_it_is_the_engines_training():
    model = small(early_stopping=False, standardise=False, max_iter=4, batch_size=2, forget_bias=2.0)
    model.fit([x - 100 for x in X], Y)
    assert model.n_iter_ == 4
    assert model.validation_loss_curve_ is None
    seed = int(np.random.RandomState(1).randint(2**31 - 1))
    network = initial_network(3, [LSTM(6), Linear(2)], seed, forget_bias=2.0)
    from lstmcore import SequenceSet

    sequences = SequenceSet.from_lists([x - 100 for x in X], Y)
    rate = 0.02 / (2 * np.mean(LENGTHS))
    settings = TrainingSettings(SGD(rate, 0.9), parallel_sequences=2, max_epochs=4)
    [best] = train([Training(network, Sets(sequences), settings, seed)])
    assert np.array_equal(best.weights, model.network_.weights)
    np.testing.assert_array_equal(model.predict([X[0] - 100])[0], predict(best, X[0] - 100))


def test_a_seed_gives_the_same_bits():
    first, again, other = small().fit(X, Y), small().fit(X, Y), small(random_state=2).fit(X, Y)
    assert np.array_equal(first.network_.weights, again.network_.weights)
    assert not np.array_equal(first.network_.weights, other.network_.weights)


def test_whole_groups_are_put_aside():
    model = small(validation_fraction=0.5)
    chosen = model._put_aside(8, GROUPS, np.random.RandomState(0))
    assert len(chosen) == 4
    assert {GROUPS[n] for n in chosen}.isdisjoint({GROUPS[n] for n in range(8) if n not in chosen})
    aside = [model._put_aside(8, None, np.random.RandomState(s)) for s in range(4)]
    assert all(len(one) == 4 for one in aside)
    assert len(set(map(frozenset, aside))) > 1
    # What is put aside doesn't make the scalers.
    fitted = small(validation_fraction=0.5).fit(X, Y, GROUPS)
    chosen = small(validation_fraction=0.5)._put_aside(8, GROUPS, np.random.RandomState(1))
    frames = np.concatenate([x for n, x in enumerate(X) if n not in chosen])
    np.testing.assert_allclose(fitted.input_scaler_.mean, frames.mean(0))


def test_layouts_of_the_input():
    cube, targets = np.stack([x[:25] for x in X]), np.stack([y[:25] for y in Y])
    of_list = small().fit(list(cube), list(targets))
    of_cube = small().fit(cube, targets)
    assert of_cube.predict(cube).shape == (8, 25, 2)
    np.testing.assert_array_equal(np.stack([*of_list.predict(list(cube))]), of_cube.predict(cube))
    assert small().fit(cube, targets[..., 0]).predict(cube).shape == (8, 25)
    objects = np.empty(8, object)
    objects[:] = X
    np.testing.assert_array_equal(
        small().fit(objects, Y).predict(objects)[3], small().fit(tuple(X), Y).predict(X)[3]
    )


def test_clone_parameters_and_repr():
    model = small(bidirectional=True)
    assert clone(model).get_params() == model.get_params()
    assert repr(small()) == "LSTMRegressor(hidden_layer_sizes=(6,), max_iter=30, random_state=1)"
    ensemble = LSTMEnsemble(estimator=small())
    assert ensemble.set_params(estimator__max_iter=7).estimator.max_iter == 7
    with pytest.raises(TypeError):
        LSTMRegressor((6,))  # by name only


def test_pickles():
    for model in (
        small(),
        LSTMEnsemble(estimator=small(), n_estimators=2),
        make_pipeline(FrameTransformer(), small()),
    ):
        fitted = model.fit(X, Y)
        again = pickle.loads(pickle.dumps(fitted))
        for a, b in zip(fitted.predict(X), again.predict(X), strict=True):
            np.testing.assert_array_equal(a, b)
    network = pickle.loads(pickle.dumps(small().fit(X, Y).network_))
    network.weights[:] = 0
    assert not network.parameters[0]["W"].any()  # still views of the vector


def test_grid_search_in_a_pipeline_with_groups():
    pipe = make_pipeline(FrameTransformer(transformer=PCA(2)), small(max_iter=5))
    grid = {
        "lstmregressor__hidden_layer_sizes": [(2,), (4, 2)],
        "frametransformer__transformer__n_components": [1, 2],
    }
    search = GridSearchCV(pipe, grid, cv=GroupKFold(2), n_jobs=2).fit(X, Y, groups=GROUPS)
    assert len(search.cv_results_["mean_test_score"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.predict(X)) == 8


@pytest.mark.parametrize(
    "model", [small(max_iter=5), LSTMEnsemble(estimator=small(max_iter=3), n_estimators=2)]
)
def test_cross_validation_by_group(model):
    curves = cross_val_predict(model, X, Y, groups=GROUPS, cv=GroupKFold(4), n_jobs=2)
    assert [curve.shape for curve in curves] == [y.shape for y in Y]
    held_out = [n for n in range(8) if GROUPS[n] == "c"]
    fitted = clone(model)
    if isinstance(model, LSTMRegressor):
        fitted.fit(
            [X[n] for n in range(8) if n not in held_out], [Y[n] for n in range(8) if n not in held_out]
        )
        np.testing.assert_array_equal(curves[held_out[0]], fitted.predict(X)[held_out[0]])
    assert len(cross_val_score(model, X, Y, groups=GROUPS, cv=GroupKFold(2))) == 2


def test_an_ensemble_is_the_mean_of_its_members():
    model = LSTMEnsemble(estimator=small(max_iter=4), n_estimators=3, random_state=1, n_jobs=2).fit(
        X, Y, GROUPS
    )
    alone = LSTMEnsemble(estimator=small(max_iter=4), n_estimators=3, random_state=1).fit(X, Y, GROUPS)
    members = [member.predict(X)[2] for member in model.estimators_]
    assert not np.array_equal(members[0], members[1])
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(mean[2], np.mean(members, 0))
    np.testing.assert_allclose(std[2], np.std(members, 0))
    np.testing.assert_array_equal(mean[5], alone.predict(X)[5])


def test_frames_are_transformed_one_by_one():
    scaled = FrameTransformer().fit(X).transform(X)
    assert [one.shape for one in scaled] == [x.shape for x in X]
    np.testing.assert_allclose(np.concatenate(scaled).mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(np.concatenate(scaled).std(0), 1)
    cube = np.stack([x[:20] for x in X])
    assert FrameTransformer(transformer=PCA(2)).fit_transform(cube).shape == (8, 20, 2)


WRONG = [
    (X[:2], Y, "X has 2 sequences and y 8"),
    (X, [1.0] * 8, r"y\[0\] has shape \(\); expected \(25,\) .* one value for all: np.full\(25, 1.0\)"),
    (X, [y[:-1] for y in Y], r"y\[0\] has shape \(24, 2\); expected \(25,\) or \(25, outputs\)"),
    ([*X[:7], X[7][:, :2]], Y, r"sequences of \[2, 3\] features"),
    ([*X[:7], X[7] * np.nan], Y, r"X\[7\], frame 0, column 0: nan; NaN and inf can't be used"),
    (X, [*Y[:7], FLAT[7]], r"y\[7\] has shape \(38,\) and y\[0\] \(25, 2\)"),
    (X, [*Y[:7], Y[7] * np.inf], r"y\[7\] has NaN or infinite values"),
    ([x[:, 0] for x in X], Y, r"X\[0\] has shape \(25,\); expected \(frames, features\)"),
    ([["a", "b"]] * 2, Y, "could not convert string"),
    ([np.array([["a"]])], Y, r"X\[0\]: no numbers"),
    (X[:1], Y[:1], "n_samples = 1, and early stopping puts some aside"),
]


@pytest.mark.parametrize(("x", "y", "said"), WRONG)
def test_what_does_not_fit_is_told(x, y, said):
    with pytest.raises(ValueError, match=said):
        small().fit(x, y)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"batch_size": 0}, "batch_size is 0; expected at least 1"),
        ({"max_iter": 1.5}, "max_iter is 1.5; expected a whole number"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0; expected between 0 and 1"),
        ({"hidden_layer_sizes": (3,), "bidirectional": True}, "size is 3; expected an even number"),
        ({"backend": "tpu"}, "unknown backend 'tpu'"),
        ({"learning_rate": -1.0}, "learning_rate is -"),
    ],
)
def test_wrong_parameters_are_told(parameters, said):
    with pytest.raises(ValueError, match=said):
        small(**parameters).fit(X, Y)


def test_wrong_groups_are_told():
    with pytest.raises(
        ValueError, match=r"groups has shape \(7,\); expected a label for each of 8 sequences"
    ):
        small().fit(X, Y, GROUPS[:7])
    with pytest.raises(ValueError, match="all 8 sequences are of one group"):
        small().fit(X, Y, ["a"] * 8)


def test_one_song_is_not_taken_for_many_of_one_frame():
    model = small(max_iter=2).fit(X, Y)
    with pytest.raises(ValueError, match=r"X is one matrix of shape \(25, 3\).*predict\(\[X\]\)\[0\]"):
        model.predict(X[0])
    frames = small(max_iter=2).fit(X[0], Y[0])
    with pytest.raises(ValueError, match="fit was given a matrix of single frames"):
        frames.predict(X)


def test_without_scikit_learn_the_engine_works_and_says_what_is_missing():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import lstmcore; lstmcore.initial_network(2, [lstmcore.Linear(1)], 1)\n"
        "try:\n    import lstmcore.estimators\n"
        "except ImportError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("lstmcore.estimators needs scikit-learn from 1.6 on")
    assert "install" in said
    assert "scikit-learn>=1.6" in said
