"""Squared errors with a term on errors that go with another output: definition, weights, groups, doors."""

import numpy as np
import pytest

from lstmcore import (
    SGD,
    DecorrelatedSquaredErrors,
    EngineError,
    SequenceSet,
    Sets,
    Training,
    TrainingSettings,
    evaluate,
    get_backend,
    predict,
    train,
)
from tests.lstmcore.cuda_here import on_gpu
from tests.lstmcore.networks import random_network

ONE = np.zeros(40, np.int64)


def compared(outputs=2, frames=40, seed=0):
    """Outputs, targets and weights."""
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((frames, outputs)),
        rng.standard_normal((frames, outputs)),
        rng.integers(1, 4, (frames, outputs)),
    )


def interleaved(t, w):
    return np.stack([t, w], axis=2).reshape(len(t), -1)


def test_the_term_is_the_correlation_of_an_error_with_the_other_output():
    y, t, _ = compared(3)
    pairs = [(a, b) for a in range(3) for b in range(3) if a != b]
    expected = sum(np.corrcoef(y[:, a], y[:, b] - t[:, b])[0, 1] ** 2 for a, b in pairs)
    targets = interleaved(t, np.ones_like(t))
    found = [DecorrelatedSquaredErrors(s).error(y, targets, ONE) for s in (0, 1, 2.5)]
    assert found[0] == pytest.approx(0.5 * ((y - t) ** 2).sum(), rel=1e-12)
    assert found[1] - found[0] == pytest.approx(0.5 * 40 * expected, rel=1e-5)
    assert found[2] - found[0] == pytest.approx(2.5 * (found[1] - found[0]), rel=1e-9)


def test_a_frame_of_weight_3_is_as_three_frames():
    y, t, w = compared()
    w[:, 1] = w[:, 0]
    rows = np.repeat(np.arange(40), w[:, 0])
    objective = DecorrelatedSquaredErrors(1.5)
    once = interleaved(t[rows], np.ones_like(t[rows]))
    whole = objective.error(y[rows], once, np.zeros(len(rows), np.int64))
    assert objective.error(y, interleaved(t, w), ONE) == pytest.approx(whole, rel=1e-12)
    signal = objective.signal(y[rows], once, np.zeros(len(rows), np.int64))
    np.testing.assert_allclose(
        objective.signal(y, interleaved(t, w), ONE)[rows], signal * w[rows], rtol=1e-9, atol=1e-12
    )


def test_each_weight_counts_for_the_error_that_it_is_of():
    y, t, w = compared()
    w[10:, 1] = 0
    targets = interleaved(t, w)
    changed = targets.copy()
    changed[10:, 2] += 5  # the target of the frames without weight
    objective = DecorrelatedSquaredErrors(1.0)
    assert objective.error(y, changed, ONE) == objective.error(y, targets, ONE)
    np.testing.assert_array_equal(objective.signal(y, changed, ONE), objective.signal(y, targets, ONE))
    assert objective.signal(y, targets, ONE)[10:, 0].any()


@pytest.mark.parametrize("flat", ["output", "error", "weights"])
def test_where_nothing_varies_or_counts_there_is_no_correlation(flat):
    y, t, w = compared()
    w[:] = 0 if flat == "weights" else 1
    if flat == "output":
        y[:] = 0.4
    elif flat == "error":
        t[:] = y - 0.3
    targets = interleaved(t, w)
    plain, strong = DecorrelatedSquaredErrors(0), DecorrelatedSquaredErrors(10)
    assert strong.error(y, targets, ONE) == pytest.approx(plain.error(y, targets, ONE), abs=1e-6)
    assert np.isfinite(strong.signal(y, targets, ONE)).all()


def test_a_set_is_pooled_however_it_is_grouped():
    network, rng = random_network(3, [(4, 1.0)], 2, 1), np.random.default_rng(1)
    x = [rng.standard_normal((n, 3)) for n in (7, 4, 9, 2)]
    y = [interleaved(rng.standard_normal((len(a), 2)), np.ones((len(a), 2))) for a in x]
    songs, objective = SequenceSet.from_lists(x, y, dtype="float64"), DecorrelatedSquaredErrors(2.0)
    outputs = predict(network, songs)
    expected = objective.error(outputs, songs.targets, np.repeat(np.arange(4), songs.lengths))
    for parallel in (1, 3):
        found = evaluate(network, songs, objective=objective, parallel_sequences=parallel)
        assert found.error == pytest.approx(expected, rel=1e-12)


def _training(objective, seed=3):
    """Two targets that go together; stopped early, so that outputs fall short of them together."""
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((6, 4)) for _ in range(20)]
    y = [np.column_stack([a[:, 0], 0.7 * a[:, 0] + 0.7 * a[:, 1]]) for a in x]
    data = SequenceSet.from_lists(x, [interleaved(t, np.ones_like(t)) for t in y], dtype="float64")
    network = random_network(4, [(3, 1.0)], 2, seed)
    settings = TrainingSettings(SGD(2e-3), parallel_sequences=20, max_epochs=5)
    return Training(network, Sets(data), settings, seed, objective), data


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_training_takes_the_correlation_out(backend):
    def correlation(strength: float) -> float:
        training, data = _training(DecorrelatedSquaredErrors(strength))
        [network] = train([training], backend=backend)
        y, t = predict(network, data), data.targets[:, ::2]
        return abs(np.corrcoef(y[:, 0], y[:, 1] - t[:, 1])[0, 1])

    assert correlation(1.0) < 0.2 < 0.4 < correlation(0.0)


@pytest.mark.parametrize("strength", [-1, float("nan"), "much"])
def test_a_strength_is_a_number_from_0(strength):
    with pytest.raises(EngineError, match="strength"):
        DecorrelatedSquaredErrors(strength)


@pytest.mark.parametrize("backend", [on_gpu("cuda")])
def test_a_gpu_says_that_it_has_no_such_objective(backend):
    training, _ = _training(DecorrelatedSquaredErrors(1.0))
    with pytest.raises(EngineError, match="the cuda backend has no objective 'sse_decorrelated'"):
        train([training], backend=get_backend(backend))
