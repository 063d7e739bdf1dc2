"""One network on several threads: the same bits as on one, whatever the network and the batch."""

import multiprocessing
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lstmcore import (
    BLSTM,
    LSTM,
    SGD,
    EngineError,
    Linear,
    Logistic,
    Sets,
    Softmax,
    Tanh,
    Trainer,
    Training,
    TrainingSettings,
    evaluate,
    get_backend,
    predict,
    train,
)
from lstmcore.backends.cpu import backend as cpu
from lstmcore.backends.cpu.team import Team
from lstmcore.batches import pack
from tests.lstmcore.networks import random_mixture, random_sequences

LAYERS = {
    "lstm": [LSTM(20, 0.7), LSTM(9), Linear(2)],
    "blstm": [BLSTM(18), Tanh(7), Linear(2)],
    "feedforward": [Tanh(33), Logistic(5), Softmax(3), Linear(2)],
    "wide": [LSTM(70), Linear(2)],
    "both": [LSTM(20), BLSTM(8), Tanh(5), LSTM(6), Linear(2)],
}


@pytest.fixture(autouse=True)
def _however_small(monkeypatch):
    """Share out work that is too little to be worth it."""
    monkeypatch.setattr(cpu, "_MUCH_TO_COMPUTE", 0)
    monkeypatch.setattr(cpu, "_MUCH_TO_UPDATE", 0)


def _pass(network, batch, threads, limit=1.0):
    """Outputs and gradient of a batch."""
    backend = get_backend("cpu", threads)
    workspace = backend.workspace(network)
    outputs = backend.forward(network, batch, workspace).copy()
    gradient = np.full_like(network.weights, np.nan)
    backend.backward(network, batch, workspace, outputs - batch.targets, gradient, limit)
    return outputs, gradient


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("lengths", [[9], [30, 7, 7, 1], [3] * 11, [130] * 9], ids=str)
def test_outputs_and_gradient_have_the_same_bits(layers, lengths, dtype):
    network = random_mixture(6, LAYERS[layers], seed=3, dtype=dtype)
    songs = random_sequences(lengths, 6, 2, seed=4, dtype=dtype)
    batch = pack(songs, np.arange(len(lengths)))
    outputs, gradient = _pass(network, batch, 1)
    assert np.isfinite(gradient).all()
    for threads in (2, 3, 5):
        found = _pass(network, batch, threads)
        np.testing.assert_array_equal(found[0], outputs)
        np.testing.assert_array_equal(found[1], gradient)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=9),
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
    st.integers(2, 7),
)
def test_whatever_the_shapes(lengths, units, threads):
    network = random_mixture(3, [*(LSTM(n) for n in units), Linear(2)], seed=1)
    batch = pack(random_sequences(lengths, 3, 2), np.arange(len(lengths)))
    for one, several in zip(_pass(network, batch, 1), _pass(network, batch, threads), strict=True):
        np.testing.assert_array_equal(one, several)


def _training():
    songs = random_sequences([40, 31, 25, 40, 12], 6, 2, seed=7, dtype="float32")
    watched = random_sequences([30, 20], 6, 2, seed=8, dtype="float32")
    network = random_mixture(6, LAYERS["lstm"], seed=3, dtype="float32")
    how = TrainingSettings(SGD(1e-3), parallel_sequences=3, input_noise=0.1, max_epochs=4)
    return Training(network, Sets(songs, watched), how, seed=5)


def test_a_training_has_the_same_bits_and_may_change_its_threads():
    alone, changing = Trainer(_training()), Trainer(_training(), threads=2)
    for threads in (2, 1, 4, 3):
        changing.backend.threads = threads
        one, other = alone.run_epoch(), changing.run_epoch()
        assert (one.training_error, one.validation_error) == (other.training_error, other.validation_error)
    np.testing.assert_array_equal(alone.state.weights, changing.state.weights)
    np.testing.assert_array_equal(alone.state.velocity, changing.state.velocity)
    [best] = train([_training()], threads=2)
    np.testing.assert_array_equal(best.weights, alone.best_network().weights)
    songs = _training().sets.training
    np.testing.assert_array_equal(predict(best, songs, threads=2), predict(best, songs))
    assert evaluate(best, songs, threads=2).error == evaluate(best, songs).error


def test_too_little_work_is_not_handed_around(monkeypatch):
    monkeypatch.setattr(cpu, "_MUCH_TO_COMPUTE", 10**9)
    monkeypatch.setattr(cpu, "_MUCH_TO_UPDATE", 10**9)
    monkeypatch.setattr(Team, "run", lambda team, share: pytest.fail("handed around"))
    Trainer(_training(), threads=2).run_epoch()


@pytest.mark.parametrize("failing", range(3))
def test_an_error_is_raised_when_nobody_works_any_more(failing):
    """Who catches it may use the arrays again."""
    done = []

    def share(k):
        if k == failing:
            raise ArithmeticError(k)
        time.sleep(0.05)
        done.append(k)

    with pytest.raises(ArithmeticError):
        Team(3).run(share)
    assert sorted(done) == sorted({0, 1, 2} - {failing})


def test_what_is_left_for_later_waits_for_the_next_phase():
    """Shares of one phase go on by themselves; those left for later come when all of them are over."""
    done, team, other_began = [], Team(2), threading.Event()

    def first(k):
        if k == 1:
            other_began.wait(10)  # the other's second share may not wait for this
        done.append(("first", k))

    def second(k):
        other_began.set()
        done.append(("second", k))

    team.later(lambda k: done.append(("later", k)))
    team.add(first)
    team.add(second)
    assert not done
    team.wait()
    assert done == [("first", 0), ("second", 0), ("first", 1), ("second", 1)]
    team.add(lambda k: done.append(("last", k)))
    team.finish()
    assert sorted(done[4:]) == [(name, k) for name in ("last", "later") for k in range(2)]
    team.finish()
    team.wait()
    assert len(done) == 8


def test_larger_parts_come_first_or_last():
    """What one range gives a thread too much, the other gives it too little."""
    assert Team(2).cut(25 * 16, 16) == [(0, 12 * 16), (12 * 16, 25 * 16)]
    assert Team(2).cut(25 * 16, 16, larger_first=True) == [(0, 13 * 16), (13 * 16, 25 * 16)]


@pytest.mark.parametrize("larger_first", [False, True])
@pytest.mark.parametrize(("count", "unit"), [(0, 1), (1, 16), (47, 16), (48, 16), (800, 16), (5, 1)])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_parts_cover_a_range_once(count, unit, size, larger_first):
    parts = Team(size).cut(count, unit, larger_first)
    assert len(parts) == size
    assert [k for first, last in parts for k in range(first, last)] == list(range(count))
    assert all(first % unit == 0 or first == count for first, last in parts)


def test_sequences_are_cut_about_equally():
    batch = pack(random_sequences([100, 10, 10, 10, 10, 60], 1, 1), np.arange(6))
    parts = Team(2).cut_sequences(batch)
    assert parts == [(0, 1), (1, 6)]
    assert Team(3).cut_sequences(pack(random_sequences([4], 1, 1), np.arange(1)))[-1][1] == 1


def _in_a_child(network, batch, expected, found):
    found.put(bool(np.array_equal(_pass(network, batch, 2)[0], expected)))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    network = random_mixture(6, LAYERS["lstm"], seed=3)
    batch = pack(random_sequences([9, 5], 6, 2), np.arange(2))
    expected = _pass(network, batch, 2)[0]  # the threads are there
    context = multiprocessing.get_context("fork")
    found = context.Queue()
    child = context.Process(target=_in_a_child, args=(network, batch, expected, found))
    child.start()
    assert found.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_what_is_no_number_of_threads(threads):
    with pytest.raises(EngineError, match="threads"):
        Trainer(_training(), threads=threads)


def test_a_backend_that_has_none():
    with pytest.raises(EngineError, match="the reference backend has none"):
        get_backend("reference", 2)
    with pytest.raises(EngineError, match="expected the name of a backend"):
        Trainer(_training(), backend=get_backend("cpu"), threads=2)
