"""The CUDA kernels with all blocks running at once: they wait for each other, and no bit depends on them."""

import functools
import sys
import threading
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from lstmcore import (
    BLSTM,
    LSTM,
    OBJECTIVES,
    SGD,
    EngineError,
    Linear,
    Sets,
    Softmax,
    Tanh,
    Trainer,
    Training,
    TrainingSettings,
)
from lstmcore.backends.cuda.backend import CudaBackend
from lstmcore.backends.cuda.device import Device
from tests.lstmcore.blocks_together import Blocks
from tests.lstmcore.networks import random_mixture, random_sequences, run_all

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")

TRAINING = random_sequences([3, 1, 4, 2], 3, 2, seed=1)
VALIDATION = random_sequences([2, 3], 3, 2, seed=2)
OTHER = random_sequences([2, 4], 3, 2, seed=3)
LAYERS = [LSTM(5, 0.7), Softmax(3), BLSTM(4), Tanh(3), Linear(2)]


@pytest.fixture(autouse=True)
def _threads_change_places_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def backend(blocks=1, networks=1, shared_bytes=4096):
    device = Device(
        Blocks(), simulated=True, threads=4, multiprocessors=blocks * networks, shared_bytes=shared_bytes
    )
    return CudaBackend(device)


def trainers(engine, objective="sse", epochs=2, layers=LAYERS):
    """Three networks that differ in all that members of one launch may differ in."""
    rows = [
        (1, TRAINING, VALIDATION, SGD(1e-3, 0.9), {"parallel_sequences": 3, "input_noise": 0.3}),
        (2, OTHER, None, SGD(3e-3, 0.5), {"stochastic": False, "shuffle": False}),
        (3, TRAINING, OTHER, SGD(2e-3), {"parallel_sequences": 2, "delta_limit": 0.01, "validate_every": 2}),
    ]
    return [
        Trainer(
            Training(
                random_mixture(3, layers, seed),
                Sets(training, validation, OTHER if seed == 1 else None),
                TrainingSettings(sgd, max_epochs=epochs + (seed == 3), **more),
                seed,
                OBJECTIVES[objective],
            ),
            backend=engine,
        )
        for seed, training, validation, sgd, more in rows
    ]


def states(some):
    return [
        (t.state.weights, t.state.velocity, t.state.best_weights, t.state.best_error, t.state.best_epoch)
        for t in some
    ]


@functools.cache
def of_one_block(objective="sse"):
    """What training with one block comes to."""
    some = trainers(backend(), objective)
    run_all(some)
    return states(some)


def assert_same_bits(found, expected):
    for one, other in zip(found, expected, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("objective", "blocks", "networks"),
    [("sse", 3, 2), ("ccc", 3, 2), ("ccc_pooled", 3, 2), ("sse", 7, 1)],  # 7: more than a layer has units
)
def test_blocks_that_wait_for_each_other_compute_the_bits_of_one(objective, blocks, networks):
    many = trainers(backend(blocks, networks), objective)
    run_all(many)
    assert_same_bits(states(many), of_one_block(objective))


def test_the_bits_do_not_depend_on_the_room_in_shared_memory():
    wide, narrow = trainers(backend(2)), trainers(backend(2, shared_bytes=1024))
    run_all(wide)
    run_all(narrow)
    assert_same_bits(states(narrow), states(wide))


@pytest.mark.parametrize("objective", ["sse", "ccc_pooled"])
def test_it_is_what_the_cpu_computes(objective):
    found, expected = trainers(backend(2, 3), objective), trainers("cpu", objective)
    reports, wanted = [[], [], []], [[], [], []]
    run_all(found, lambda place, report: reports[place].append(report))
    run_all(expected, lambda place, report: wanted[place].append(report))
    for a, b in zip(found, expected, strict=True):
        largest = np.abs(b.state.weights).max()
        assert np.abs(a.state.weights - b.state.weights).max() < 1e-8 * largest
        assert a.state.epoch == b.state.epoch
    for one, other in zip(reports, wanted, strict=True):
        for a, b in zip(one, other, strict=True):
            assert (a.epoch, a.best_epoch, a.new_best) == (b.epoch, b.best_epoch, b.new_best)
            for name in ("training_error", "validation_error", "test_error", "best_error"):
                ours, theirs = getattr(a, name), getattr(b, name)
                assert ours == (None if theirs is None else pytest.approx(theirs, rel=1e-8)), name


def test_without_waiting_for_other_blocks_the_result_is_another():
    """Shows that the tests above would notice a barrier that doesn't hold."""
    wrong = trainers(engine := backend(4))
    engine.device.kernels("float64").train_epoch.function.__globals__["barrier"] = lambda team: (
        engine.device.cuda.syncthreads()
    )
    heard = []
    with suppress(threading.BrokenBarrierError):  # threads of a block that have gone different ways
        run_all(wrong, on_diverged=lambda place, error: heard.append(error))  # memory not written is NaN
    same = [np.array_equal(a.state.weights, b) for a, (b, *_) in zip(wrong, of_one_block(), strict=True)]
    assert heard or not all(same)


def test_interrupted_and_continued_is_uninterrupted_bit_for_bit():
    first = trainers(engine := backend())
    heard = []

    def interrupt(place, report):
        heard.append((place, report.epoch, first[place].state.weights.copy()))
        if place == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(first, interrupt)
    assert [(place, epoch) for place, epoch, _ in heard] == [(0, 1), (1, 1), (2, 1)]
    for (_, _, weights), trainer in zip(heard, first, strict=True):
        np.testing.assert_array_equal(trainer.state.weights, weights)
    second = [Trainer(before.training, backend=engine, state=before.state) for before in first]
    run_all(second)
    assert_same_bits(states(second), of_one_block())


def test_a_state_that_is_kept_stays_what_it_was():
    kept = []
    some = trainers(backend())
    run_all(some, lambda place, report: kept.append(some[0].state) if place == 0 else None)
    one = trainers(backend(), epochs=1)
    run_all(one)
    np.testing.assert_array_equal(kept[0].weights, one[0].state.weights)
    assert [state.epoch for state in kept] == [1, 2]
    assert not np.array_equal(kept[0].weights, kept[1].weights)


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
def test_one_that_diverges_does_not_stop_the_others():
    rate = TrainingSettings(SGD(1e300, 0.9), max_epochs=4)
    some = _diverging(rate)
    heard = []
    run_all(some, on_diverged=lambda place, error: heard.append((place, str(error))))
    assert len(heard) == 1
    assert heard[0][0] == 0
    assert "learning_rate below 1e+300" in heard[0][1]
    assert [t.state.epoch for t in some[1:]] == [2, 3]
    assert np.isfinite(some[0].state.weights).all()
    with pytest.raises(ValueError, match=r"network 1 of 3, epoch \d+"):
        run_all(_diverging(rate))


def _diverging(settings):
    first, *others = trainers(backend())
    return [with_settings(first, settings), *others]


def with_settings(trainer, settings):
    return Trainer(replace(trainer.training, settings=settings), backend=trainer.backend)


def test_training_goes_on_one_epoch_at_a_time_where_the_ensemble_left_it():
    together, alone = trainers(backend(), epochs=1), trainers(backend(), epochs=1)
    run_all(together)
    for trainer in alone:
        while not trainer.finished:
            trainer.run_epoch()
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a.state.weights, b.state.weights, rtol=0, atol=1e-12)
        a.run_epoch()
        b.run_epoch()
        np.testing.assert_allclose(a.state.weights, b.state.weights, rtol=0, atol=1e-12)


def test_what_cannot_be_trained_together_is_named():
    noisy = TrainingSettings(weight_noise=0.1, max_epochs=1)
    trainer = with_settings(trainers(backend())[0], noisy)
    with pytest.raises(EngineError, match=r"weight_noise is 0\.1"):
        run_all([trainer])


def test_a_layer_too_large_for_shared_memory_is_named():
    with pytest.raises(EngineError, match="layer 1 has 200 units"):
        trainers(backend(), layers=[LSTM(200), Linear(2)])


def test_a_thread_that_leaves_its_block_waiting_is_found_out():
    cuda = Blocks()

    def kernel():
        if cuda.threadIdx.x != 1:
            cuda.syncthreads()

    with pytest.raises(threading.BrokenBarrierError):
        cuda.jit(kernel)[2, 4, 0, 16]()
