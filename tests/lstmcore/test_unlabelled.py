"""Learning without labels: the sets for next frames and for reversal, and frames that get no noise."""

import numpy as np
import pytest

from lstmcore import (
    LSTM,
    OBJECTIVES,
    SGD,
    EngineError,
    InputNoise,
    Linear,
    SequenceSet,
    Sets,
    Training,
    TrainingSettings,
    as_next_frames_set,
    as_reversal_set,
    evaluate,
    gradient_check,
    initial_network,
    pack,
    predict,
    train,
)
from tests.lstmcore.networks import random_mixture, random_sequences

SEED = np.random.SeedSequence(7)


def counted(*lengths):
    """Sequences of two columns: 10 × sequence + frame, and its negative."""
    rows = [np.array([[10 * s + t, -(10 * s + t)] for t in range(n)]) for s, n in enumerate(lengths)]
    return SequenceSet.from_lists(rows, dtype="float64")


def test_targets_are_the_next_frames_and_short_sequences_are_left_out():
    found = as_next_frames_set(counted(4, 2, 3), 2)
    assert found.lengths.tolist() == [2, 1]
    assert found.inputs[:, 0].tolist() == [0, 1, 20]
    assert found.targets.tolist() == [[1, -1, 2, -2], [2, -2, 3, -3], [21, -21, 22, -22]]


@pytest.mark.parametrize(("frames", "message"), [(4, "more than 4 frames"), (0, "frames is 0"), (1.5, "1.5")])
def test_next_frames_that_there_are_not(frames, message):
    with pytest.raises(EngineError, match=message):
        as_next_frames_set(counted(4, 2), frames)


def test_a_sequence_is_read_and_then_written_backwards():
    found = as_reversal_set(counted(3, 1))
    assert found.lengths.tolist() == [6, 2]
    assert found.inputs[:, 0].tolist() == [0, 1, 2, 0, 0, 0, 10, 0]
    assert found.noisy.tolist() == [True] * 3 + [False] * 3 + [True, False]
    assert (
        found.targets[found.noisy].tolist() == [[0, 0, 0, 0]] * 4
    )  # weights 0: what is said there doesn't count
    assert found.targets[~found.noisy].tolist() == [[t, 1, -t, 1] for t in (2, 1, 0, 10)]


@pytest.mark.parametrize("make", [as_reversal_set, lambda s: as_next_frames_set(s, 2)])
def test_the_gradient_of_both_is_that_of_central_differences(make):
    sequences = make(random_sequences([4, 3, 6], 2, 1, seed=1))
    reversal = sequences.noisy is not None
    network = random_mixture(2, [LSTM(3), LSTM(2), Linear(2 if reversal else 4)], 2)
    objective = OBJECTIVES["weightedsse" if reversal else "sse"]
    check = gradient_check(network, sequences, objective=objective)
    assert check.largest < 1e-6, check.worst


def test_a_network_learns_to_write_what_it_has_read():
    rng = np.random.default_rng(0)
    pieces = [rng.choice([-1.0, 1.0], (3, 1)) for _ in range(60)]
    sequences = as_reversal_set(SequenceSet.from_lists(pieces, dtype="float64"))
    network = initial_network(1, [LSTM(12), Linear(1)], 1, dtype="float64", low=-0.5, high=0.5)
    settings = TrainingSettings(SGD(3e-2, 0.9), parallel_sequences=5, max_epochs=200)
    (trained,) = train([Training(network, Sets(sequences), settings, SEED, OBJECTIVES["weightedsse"])])
    first, last = (
        evaluate(n, sequences, objective=OBJECTIVES["weightedsse"]).error for n in (network, trained)
    )
    assert last < 0.2 * first
    written = predict(trained, sequences)[~sequences.noisy]
    said = np.concatenate([piece[::-1] for piece in pieces])
    assert np.mean(np.sign(written) == said) > 0.95


@pytest.mark.parametrize("chosen", [[0], [2, 0, 1]])
def test_noise_is_added_to_noisy_frames_alone_and_is_the_same_there(chosen):
    plain = random_sequences([3, 5, 4], 3, 1, seed=1)
    noisy = np.arange(12) % 3 != 1
    some = SequenceSet(plain.inputs, plain.targets, plain.lengths, noisy=noisy)
    noise = InputNoise(SEED, 1, 0.5)
    of_all, of_some, clean = pack(plain, chosen, noise), pack(some, chosen, noise), pack(plain, chosen)
    assert not np.array_equal(of_all.inputs, clean.inputs)
    heard = noisy[of_some.rows]
    np.testing.assert_array_equal(of_some.inputs[heard], of_all.inputs[heard])
    np.testing.assert_array_equal(of_some.inputs[~heard], clean.inputs[~heard])


@pytest.mark.parametrize("noisy", [np.ones(3, bool), np.ones(4), [True] * 4, np.ones((4, 1), bool)])
def test_noisy_frames_are_named_one_by_one(noisy):
    with pytest.raises(EngineError, match=r"noisy: .*expected true or false for each of 4 frames"):
        SequenceSet(np.ones((4, 1)), np.ones((4, 1)), np.array([4]), noisy=noisy)
