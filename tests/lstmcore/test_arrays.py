"""Networks, sequences, batches, standardisation: shapes, views and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from lstmcore import (
    BLSTM,
    LSTM,
    Architecture,
    EngineError,
    Linear,
    Network,
    SequenceSet,
    Standardiser,
    Tanh,
    initial_network,
    pack,
    predict,
)
from tests.lstmcore.networks import random_network, random_sequences


def test_the_vector_is_laid_out_as_the_original_files_are():
    a = Architecture(6, (LSTM(5), Linear(2)))
    names = [(p.layer, p.name, p.shape, p.offset) for p in a.parameters]
    assert names == [
        (0, "W", (4, 5, 6), 0),
        (0, "b", (4, 5), 120),
        (0, "R", (4, 5, 5), 140),
        (0, "p", (3, 5), 240),
        (1, "W", (2, 5), 255),
        (1, "b", (2,), 265),
    ]
    assert a.parameter_count == 267


def test_pieces_are_views():
    network = random_network(2, [(3, 1.0)], 1)
    network.parameters[0]["p"][:] = 7
    assert (network.weights == 7).sum() == 9


def test_initial_weights_are_uniform_in_the_papers_range():
    weights = random_network(50, [(40, 1.0)], 2, dtype="float32", size=0.1).weights
    assert weights.min() >= -0.1
    assert weights.max() <= 0.1
    assert weights.std() == pytest.approx(0.2 / np.sqrt(12), rel=0.02)


def test_the_forget_bias_is_added_to_forget_gates_and_nothing_else():
    layers = [LSTM(4), BLSTM(6), Tanh(3), Linear(2)]
    usual, started = (initial_network(3, layers, 5, forget_bias=bias) for bias in (0.0, 2.5))
    for before, after in zip(usual.parameters, started.parameters, strict=True):
        for name, values in after.items():
            expected = before[name].copy()
            if name == "b" and expected.ndim == 2:
                expected[2] += 2.5  # gates z, i, f, o
            np.testing.assert_array_equal(values, expected)


def test_a_cell_remembers_as_long_as_the_forget_bias_says():
    """All other weights 0, so that the state fades by the logistic function of 3 at each step."""
    layers = [LSTM(1), Linear(1)]
    network = initial_network(1, layers, 1, dtype="float64", low=0.0, high=0.0, forget_bias=3.0)
    cell = network.parameters[0]
    cell["b"][1], cell["b"][3], cell["W"][0] = 50, 50, 1e-6  # gates open, so that outputs are states
    network.parameters[1]["W"][:] = 1
    song = np.zeros((41, 1))
    song[0] = 1
    heard = predict(network, song)[:, 0]
    np.testing.assert_allclose(heard[1:] / heard[:-1], 1 / (1 + np.exp(-3)), rtol=1e-6)
    assert heard[21] / heard[0] == pytest.approx(np.exp(-1), rel=0.05)


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=8), data=st.data())
def test_packing_loses_and_repeats_nothing(lengths, data):
    sequences = random_sequences(lengths, 2, 1)
    chosen = np.array(data.draw(st.permutations(range(len(lengths)))))
    batch = pack(sequences, chosen)
    assert sorted(batch.rows) == list(range(sum(lengths)))
    assert (np.diff(batch.batch_sizes) <= 0).all()
    assert len(batch.batch_sizes) == max(lengths)
    np.testing.assert_array_equal(batch.inputs, sequences.inputs[batch.rows])
    np.testing.assert_array_equal(batch.targets, sequences.targets[batch.rows])
    step = np.repeat(np.arange(len(batch.batch_sizes)), batch.batch_sizes)
    start_of_row = np.repeat(sequences.starts, sequences.lengths)
    np.testing.assert_array_equal(batch.rows - start_of_row[batch.rows], step)


def test_split_undoes_joining():
    parts = [np.arange(2 * n, dtype=float).reshape(n, 2) for n in (3, 1, 4)]
    sequences = SequenceSet.from_lists(parts, parts)
    for found, part in zip(sequences.split(sequences.inputs), parts, strict=True):
        np.testing.assert_array_equal(found, part)


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        ([], [], "0 input and 0 target sequences"),
        ([np.ones((2, 3))], [], "1 input and 0 target"),
        ([np.ones((2, 3))], [np.ones((3, 1))], "2 frames of inputs and 3 of targets"),
        ([np.ones((0, 3))], [np.ones((0, 1))], "0 frames"),
        ([np.ones(3)], [np.ones((3, 1))], "1 dimensions"),
        ([np.ones((2, 3)), np.ones((2, 4))], [np.ones((2, 1))] * 2, "sequence 1 has 4 inputs"),
        ([np.array([[1, 2], [3, np.nan]])], [np.ones((2, 1))], "sequence 0, frame 1, column 1: nan"),
        ([np.ones((2, 3))], [np.array([[1.0], [np.inf]])], "targets of sequence 0, frame 1, column 0: inf"),
    ],
)
def test_sequences_that_make_no_set(inputs, targets, message):
    with pytest.raises(EngineError, match=message):
        SequenceSet.from_lists(inputs, targets)


def test_networks_that_make_no_sense():
    with pytest.raises(EngineError, match="at least one layer"):
        Architecture(3, ())
    with pytest.raises(EngineError, match="input size is 0"):
        Architecture(0, (Linear(1),))
    with pytest.raises(EngineError, match="size is 0"):
        LSTM(0)
    a = Architecture(1, (Linear(1),))
    with pytest.raises(EngineError, match=r"shape \(3,\); this network needs \(2,\)"):
        Network(a, np.zeros(3))
    with pytest.raises(EngineError, match="int64"):
        Network(a, np.zeros(2, np.int64))
    with pytest.raises(EngineError, match="1 weights are not finite"):
        Network(a, np.array([0.0, np.nan]))


def test_standardised_columns_have_mean_0_and_deviation_1_and_constant_ones_become_0():
    rows = np.random.default_rng(0).normal(5, 3, (200, 3))
    rows[:, 1] = 0.1
    standardiser = Standardiser.fit(rows)
    out = standardiser.apply(rows)
    np.testing.assert_allclose(out.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(out.std(0), [1, 0, 1], atol=1e-12)
    np.testing.assert_allclose(standardiser.invert(out), rows, atol=1e-12)


def test_standardiser_refuses_what_is_not_finite():
    with pytest.raises(EngineError, match="finite"):
        Standardiser.fit([[np.nan]])
