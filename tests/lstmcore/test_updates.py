"""Many updates in one call: the same bits as pass by pass, and only where they can be."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lstmcore import (
    BLSTM,
    LSTM,
    OBJECTIVES,
    SGD,
    DivergedError,
    Linear,
    Logistic,
    Sets,
    Softmax,
    Tanh,
    Trainer,
    Training,
    TrainingSettings,
    get_backend,
)
from lstmcore.backends.cpu import updates
from lstmcore.backends.cpu.backend import CpuBackend
from tests.lstmcore.networks import random_mixture, random_sequences

LAYERS = {
    "lstm": [LSTM(20, 0.7), LSTM(9, learning_rate=1e-2), Linear(2, 1.3)],
    "feedforward": [Tanh(33, learning_rate=0.0), Logistic(5), Softmax(3), Linear(2)],
    "mixed": [Tanh(8), LSTM(5), Logistic(7), LSTM(2)],
}
LENGTHS = [12, 3, 30, 7, 7, 1, 19]
HOW = TrainingSettings(SGD(1e-3, momentum=0.9), parallel_sequences=3, input_noise=0.2, max_epochs=9)


class PassByPass(CpuBackend):
    """A class of its own, whose every pass is asked for."""


def new_training(layers="lstm", how=HOW, dtype="float32", lengths=LENGTHS, **changes):
    network = random_mixture(5, layers if isinstance(layers, list) else LAYERS[layers], seed=3, dtype=dtype)
    songs = random_sequences(lengths, 5, 2, seed=7, dtype=dtype)
    training = Training(
        network, Sets(songs, random_sequences([9, 4], 5, 2, seed=8, dtype=dtype)), how, seed=5
    )
    return replace(training, **changes)


def assert_same(training, epochs=2):
    at_once, passes = Trainer(training), Trainer(training, backend=PassByPass())
    assert at_once._updates is not None
    assert passes._updates is None
    for _ in range(epochs):
        one, other = at_once.run_epoch(), passes.run_epoch()
        assert replace(one, seconds=0) == replace(other, seconds=0)
    for name in ("weights", "velocity", "best_weights"):
        np.testing.assert_array_equal(getattr(at_once.state, name), getattr(passes.state, name))
    assert not np.array_equal(at_once.state.weights, training.network.weights)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("together", [1, 3, 20])
def test_an_epoch_has_the_same_bits(layers, together, dtype):
    assert_same(new_training(layers, replace(HOW, parallel_sequences=together), dtype))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=9),
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
    st.integers(1, 6),
    st.booleans(),
    st.sampled_from([0.0, 0.3]),
)
def test_whatever_the_shapes(lengths, units, together, shuffle, noise):
    how = replace(HOW, parallel_sequences=together, shuffle=shuffle, input_noise=noise, delta_limit=0.1)
    assert_same(new_training([*(LSTM(n) for n in units), Linear(2)], how, lengths=lengths), 1)


def test_wherever_an_epoch_is_cut_into_calls(monkeypatch):
    calls = []
    honest = updates.run_updates
    monkeypatch.setattr(updates, "run_updates", lambda *given: (calls.append(given), honest(*given)))
    assert_same(new_training(how=replace(HOW, parallel_sequences=2)), 1)
    assert len(calls) == 1
    monkeypatch.setattr(updates, "_AT_ONCE", 0)  # a batch a call
    assert_same(new_training(how=replace(HOW, parallel_sequences=2)), 1)
    assert len(calls) == 1 + 4


def test_no_pass_is_asked_for(monkeypatch):
    trainer = Trainer(replace(new_training(), sets=Sets(new_training().sets.training)))
    for name in ("forward", "backward", "update"):
        monkeypatch.setattr(CpuBackend, name, lambda *given: pytest.fail("asked for"))
    trainer.run_epoch()


def test_a_training_that_diverges_tells_the_same():
    told = []
    for backend in (get_backend("cpu"), PassByPass()):
        trainer = Trainer(new_training(how=replace(HOW, sgd=SGD(1e30))), backend=backend)
        with pytest.raises(DivergedError) as error:
            trainer.run_epoch()
        told.append(str(error.value))
    assert told[0] == told[1]


def _read_only(training):
    songs = training.sets.training
    songs.inputs.flags.writeable = False
    return training


@pytest.mark.parametrize(
    "training",
    [
        new_training([BLSTM(4), Linear(2)]),
        new_training(objective=OBJECTIVES["rmse"]),
        new_training(how=replace(HOW, weight_noise=0.1)),
        new_training(how=replace(HOW, stochastic=False)),
        new_training(sets=Sets(replace(new_training().sets.training, noisy=np.arange(79) % 2 == 0))),
        _read_only(new_training()),
    ],
    ids=["blstm", "objective", "weight noise", "batch", "noisy", "read only"],
)
def test_what_is_computed_pass_by_pass(training):
    trainer = Trainer(training)
    assert trainer._updates is None
    assert trainer.run_epoch().epoch == 1


def test_frames_side_by_side_are_put_together_by_python():
    training = new_training()
    songs = replace(training.sets.training, context=(1, 0))
    network = random_mixture(10, LAYERS["lstm"], seed=3, dtype="float32")
    assert Trainer(Training(network, Sets(songs), HOW, seed=5))._updates is None


def test_large_batches_are_computed_pass_by_pass(monkeypatch):
    training = new_training(how=replace(HOW, parallel_sequences=2))
    most = (30 + 19) * len(training.network.weights)  # the two longest sequences
    monkeypatch.setattr(updates, "_LARGE", most + 1)
    assert Trainer(training)._updates is not None
    monkeypatch.setattr(updates, "_LARGE", most)
    assert Trainer(training)._updates is None
