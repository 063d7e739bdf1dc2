"""Training by concordance: its definition, its gradient, constants, and sets computed in groups."""

import math

import numpy as np
import pytest

from lstmcore import (
    BLSTM,
    LSTM,
    OBJECTIVES,
    SGD,
    Linear,
    SequenceSet,
    Sets,
    Trainer,
    Training,
    TrainingSettings,
    evaluate,
    gradient_check,
    pack,
    predict,
)
from lstmcore.ccc import EPSILON
from tests.lstmcore.networks import random_mixture, random_network, random_sequences

NAMES = ("ccc", "ccc_pooled")
SLACK = 1e-5  # what EPSILON may change where curves vary by about 1


def lins_ccc(y, t):
    """Lin's formula, as it is in his paper."""
    covariance = np.mean((y - y.mean()) * (t - t.mean()))
    return 2 * covariance / (y.var() + t.var() + (y.mean() - t.mean()) ** 2)


def curves(lengths, outputs=2, seed=0):
    rng = np.random.default_rng(seed)
    frames = sum(lengths)
    t = rng.standard_normal((frames, outputs))
    return t + rng.standard_normal((frames, outputs)) + 0.3, t, np.repeat(np.arange(len(lengths)), lengths)


def test_the_error_of_each_sequence_is_lins():
    lengths = [5, 9, 2]
    y, t, sequence = curves(lengths)
    ends = np.cumsum(lengths)[:-1]
    parts = zip(np.split(y, ends), np.split(t, ends), strict=True)
    expected = sum(1 - lins_ccc(a[:, k], b[:, k]) for a, b in parts for k in range(2))
    assert OBJECTIVES["ccc"].error(y, t, sequence) == pytest.approx(expected, rel=SLACK)


def test_the_pooled_error_is_lins_of_all_frames_for_each_sequence():
    y, t, sequence = curves([5, 9, 2])
    expected = 3 * sum(1 - lins_ccc(y[:, k], t[:, k]) for k in range(2))
    assert OBJECTIVES["ccc_pooled"].error(y, t, sequence) == pytest.approx(expected, rel=SLACK)


def test_one_sequence_alone_is_the_same_pooled_or_not():
    y, t, sequence = curves([11])
    one, pooled = (OBJECTIVES[name] for name in NAMES)
    assert one.error(y, t, sequence) == pooled.error(y, t, sequence)
    np.testing.assert_array_equal(one.signal(y, t, sequence), pooled.signal(y, t, sequence))


def test_perfect_and_opposite_outputs():
    t = np.sin(np.arange(10.0))[:, None]
    t -= t.mean()
    sequence = np.zeros(10, np.int64)
    for name in NAMES:
        assert OBJECTIVES[name].error(t, t, sequence) == 0
        assert not OBJECTIVES[name].signal(t, t, sequence).any()
        assert OBJECTIVES[name].error(-t, t, sequence) == pytest.approx(2, rel=SLACK)


@pytest.mark.parametrize("name", NAMES)
def test_constants_give_finite_numbers(name):
    objective, sequence = OBJECTIVES[name], np.zeros(6, np.int64)
    flat, varying = np.full((6, 1), 0.4), np.sin(np.arange(6.0))[:, None]
    assert objective.error(flat, flat, sequence) == 0
    assert not objective.signal(flat, flat, sequence).any()
    for y, t in ((flat, varying), (varying, flat), (flat, flat + 1)):
        assert objective.error(y, t, sequence) == pytest.approx(1, rel=SLACK)
        assert np.isfinite(objective.signal(y, t, sequence)).all()
    offset = math.sqrt(EPSILON)
    assert objective.error(flat + offset, flat, sequence) == pytest.approx(0.5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1.0, 1e-3])  # at the second, EPSILON is as large as the variances
def test_the_signal_is_the_derivative_of_the_error(name, scale):
    y, t, sequence = curves([4, 1, 7], seed=2)
    y, t = scale * y, scale * t
    y[:, 1] = y[0, 1]  # one output is constant
    objective, h = OBJECTIVES[name], 1e-5 * scale
    signal = objective.signal(y, t, sequence)
    for place in np.ndindex(*y.shape):
        above, below = y.copy(), y.copy()
        above[place] += h
        below[place] -= h
        slope = (objective.error(above, t, sequence) - objective.error(below, t, sequence)) / (2 * h)
        assert signal[place] == pytest.approx(slope, rel=1e-6, abs=1e-6 / scale)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize(("outputs", "lengths"), [(1, [4, 1, 6]), (2, [2, 5, 3, 5]), (3, [7])])
def test_every_parameter(name, backend, outputs, lengths):
    network = random_mixture(2, [BLSTM(2), LSTM(2, 0.5), Linear(outputs, 1.3)], seed=outputs)
    sequences = random_sequences(lengths, 2, outputs, seed=outputs)
    check = gradient_check(network, sequences, backend=backend, objective=OBJECTIVES[name])
    assert check.largest < 1e-6, check.worst


def test_rows_of_a_batch_know_their_sequence():
    sequences = random_sequences([3, 1, 4], 1, 1)
    batch = pack(sequences, np.arange(3))
    assert batch.sequence.tolist() == [0, 1, 2, 0, 1, 0, 1, 0]
    found = [batch.rows[batch.sequence == k].tolist() for k in range(3)]
    assert found == [[4, 5, 6, 7], [0, 1, 2], [3]]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_error_of_a_set_does_not_depend_on_its_groups(name):
    objective, network = OBJECTIVES[name], random_network(3, [(4, 1.0)], 2)
    width = objective.target_size(2)
    plain = random_sequences([9, 4, 7, 12, 3, 6, 10], 3, width, seed=1)
    targets = np.abs(plain.targets) if width > 1 else (plain.targets > 0).astype(float)
    sequences = SequenceSet(plain.inputs, targets, plain.lengths)
    if name == "binary_classification":
        network = random_network(3, [(4, 1.0)], 1)
    errors = [
        evaluate(network, sequences, objective=objective, parallel_sequences=n).error for n in (1, 3, 7)
    ]
    np.testing.assert_allclose(errors, errors[0], rtol=1e-12)
    outputs = predict(network, sequences)
    numbers = np.repeat(np.arange(7), sequences.lengths)
    assert objective.error(outputs, targets, numbers) == pytest.approx(errors[0], rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_by_it_raises_the_ccc(name, dtype):
    rng = np.random.default_rng(3)
    x = [rng.standard_normal((n, 3)) for n in (20, 30, 25, 12)]
    y = [np.column_stack([np.cumsum(a[:, 0]) / 3, a[:, 1]]) for a in x]
    sequences = SequenceSet.from_lists(x, y, dtype=dtype)
    start = random_network(3, [(6, 1.0)], 2, dtype=dtype, size=0.1)
    choice = TrainingSettings(SGD(3e-2, 0.9), parallel_sequences=2, max_epochs=60, patience=60)
    trainer = Trainer(Training(start, Sets(sequences, sequences), choice, 1, OBJECTIVES[name]))
    reports = [trainer.run_epoch() for _ in range(60)]
    before = evaluate(start, sequences, objective=OBJECTIVES[name]).per_sequence
    assert before > 1.9  # two outputs without any concordance have 2
    assert reports[-1].best_error < 1.0
    found = evaluate(trainer.best_network(), sequences, objective=OBJECTIVES[name]).per_sequence
    assert found == pytest.approx(reports[-1].best_error)
