"""Training together is training alone, whoever else is trained, stops or diverges."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from lstmcore import SGD, DivergedError, Trainer, TrainingSettings, train, train_together
from lstmcore.backends.cpu.backend import CpuBackend
from tests.lstmcore.networks import random_network, random_sequences

TRAINING = random_sequences([9, 4, 7, 12], 3, 2, seed=1)
VALIDATION = random_sequences([5, 8], 3, 2, seed=2)
SETTINGS = TrainingSettings(SGD(1e-2, 0.9), parallel_sequences=2, input_noise=0.3, max_epochs=8, patience=3)
DIVERGES = replace(SETTINGS, sgd=SGD(1e200))


class OnDevice(CpuBackend):
    """Called cuda, computed by the CPU."""

    name = "cuda"


def new_trainer(number=0, settings=SETTINGS, backend="cpu"):
    network = random_network(3, [(5, 1.0)], 2, seed=number)
    seed = np.random.SeedSequence(number)
    return Trainer(network, TRAINING, VALIDATION, settings, seed=seed, backend=backend)


def test_each_gets_what_it_gets_alone():
    heard = []
    found = train_together(
        [new_trainer(k) for k in range(3)], lambda place, report: heard.append((place, report.epoch))
    )
    for k, network in enumerate(found):
        reports = []
        np.testing.assert_array_equal(
            network.weights, train(new_trainer(k), reports.append).weights, strict=True
        )
        assert [epoch for place, epoch in heard if place == k] == [report.epoch for report in reports]


def test_the_state_is_up_to_date_when_an_epoch_is_told_and_one_that_is_finished_is_left():
    trainers = [new_trainer(k) for k in range(2)]
    train(trainers[0])
    before, states = trainers[0].state, []
    train_together(trainers, lambda place, report: states.append((place, trainers[1].state.epoch)))
    assert trainers[0].state is before
    assert states == [(1, n + 1) for n in range(len(states))]
    assert states


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
def test_one_that_diverges_is_told_and_the_others_go_on():
    heard = {}
    trainers = [new_trainer(0, DIVERGES), new_trainer(1)]
    first, second = train_together(trainers, None, lambda place, error: heard.update({place: str(error)}))
    assert list(heard) == [0]
    assert "try a learning_rate below 1e+200" in heard[0]
    np.testing.assert_array_equal(first.weights, trainers[0].state.best_weights)
    np.testing.assert_array_equal(second.weights, train(new_trainer(1)).weights)
    with pytest.raises(DivergedError):
        train_together([new_trainer(0, DIVERGES)])


def test_an_exception_ends_all_and_the_states_are_what_to_go_on_from():
    trainers = [new_trainer(k) for k in range(2)]

    def interrupt(place, report):
        if (place, report.epoch) == (1, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_together(trainers, interrupt)
    assert trainers[1].state.epoch == 2
    for k, network in enumerate(train_together(trainers)):
        np.testing.assert_array_equal(network.weights, train(new_trainer(k)).weights)


def test_those_of_cuda_are_one_ensemble_and_keep_their_places(monkeypatch):
    calls = []

    def train_ensemble(trainers, on_epoch, on_diverged):
        calls.append(len(trainers))
        for k, trainer in enumerate(trainers):
            train(trainer, lambda report, k=k: on_epoch(k, report))
        on_diverged(1, DivergedError("so it did"))

    ensemble = SimpleNamespace(train_ensemble=train_ensemble)
    monkeypatch.setitem(sys.modules, "lstmcore.backends.cuda.ensemble", ensemble)
    heard, diverged = [], []
    backends = ["cpu", OnDevice(), "cpu", OnDevice()]
    trainers = [new_trainer(k, backend=backend) for k, backend in enumerate(backends)]
    found = train_together(
        trainers, lambda place, _: heard.append(place), lambda place, _: diverged.append(place)
    )
    assert calls == [2]
    assert diverged == [3]
    assert set(heard) == {0, 1, 2, 3}
    for k, network in enumerate(found):
        np.testing.assert_array_equal(network.weights, train(new_trainer(k)).weights)
