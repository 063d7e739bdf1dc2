"""Many trainings in one call: each is what it is alone, whoever else is trained, stops or diverges."""

from dataclasses import replace

import numpy as np
import pytest

from lstmcore import SGD, DivergedError, Sets, Trainer, Training, TrainingSettings, train
from lstmcore.backends.cpu.backend import CpuBackend
from tests.lstmcore.networks import random_network, random_sequences

TRAINING = random_sequences([9, 4, 7, 12], 3, 2, seed=1)
VALIDATION = random_sequences([5, 8], 3, 2, seed=2)
SETTINGS = TrainingSettings(SGD(1e-2, 0.9), parallel_sequences=2, input_noise=0.3, max_epochs=8, patience=3)
DIVERGES = replace(SETTINGS, sgd=SGD(1e200))


class OnDevice(CpuBackend):
    """Trains all at once, an epoch of each in turn."""

    trains_together = True

    def __init__(self):
        self.calls = []

    def train_ensemble(self, trainers, on_epoch, on_diverged):
        self.calls.append(len(trainers))
        running = {place: trainer for place, trainer in enumerate(trainers) if not trainer.finished}
        while running:
            for place, trainer in list(running.items()):
                report = trainer.run_epoch()
                if trainer.finished:
                    del running[place]
                on_epoch(place, report)
        on_diverged(1, DivergedError("so it did"))


def new_training(number=0, settings=SETTINGS):
    return Training(
        random_network(3, [(5, 1.0)], 2, seed=number), Sets(TRAINING, VALIDATION), settings, number
    )


def alone(number):
    """Train one an epoch at a time; return the trainer and the reports."""
    trainer, reports = Trainer(new_training(number)), []
    while not trainer.finished:
        reports.append(trainer.run_epoch())
    return trainer, reports


def test_each_gets_what_it_gets_alone():
    epochs = []
    found = train(
        [new_training(k) for k in range(3)],
        on_epoch=lambda place, report, trainer: epochs.append((place, report.epoch)),
    )
    for k, network in enumerate(found):
        trainer, reports = alone(k)
        np.testing.assert_array_equal(network.weights, trainer.best_network().weights, strict=True)
        assert [epoch for place, epoch in epochs if place == k] == [report.epoch for report in reports]


def test_the_state_is_that_after_the_epoch_and_one_that_is_finished_is_left():
    done, _ = alone(0)
    trainings, states = [done.training, new_training(1)], []
    first, _ = train(
        trainings,
        states=[done.state, None],
        on_epoch=lambda place, report, trainer: states.append((place, report.epoch, trainer.state.epoch)),
    )
    np.testing.assert_array_equal(first.weights, done.best_network().weights)
    assert states == [(1, n + 1, n + 1) for n in range(len(states))]
    assert states


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
def test_one_that_diverges_is_reported_and_the_others_go_on():
    errors = {}
    trainings = [new_training(0, DIVERGES), new_training(1)]
    first, second = train(trainings, on_diverged=lambda place, error: errors.update({place: str(error)}))
    assert list(errors) == [0]
    assert "try a learning_rate below 1e+200" in errors[0]
    np.testing.assert_array_equal(first.weights, trainings[0].network.weights)
    np.testing.assert_array_equal(second.weights, alone(1)[0].best_network().weights)
    with pytest.raises(DivergedError):
        train([new_training(0, DIVERGES)])


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
def test_after_a_divergence_a_trainer_goes_on_from_its_state():
    whole, _ = alone(0)
    trainer = Trainer(new_training())
    trainer.run_epoch()
    failing = Trainer(replace(trainer.training, settings=DIVERGES), state=trainer.state)
    with pytest.raises(DivergedError):
        failing.run_epoch()
    rest = Trainer(trainer.training, state=failing.state)
    while not rest.finished:
        rest.run_epoch()
    np.testing.assert_array_equal(rest.state.weights, whole.state.weights)


def test_an_exception_ends_all_and_the_states_are_what_to_go_on_from():
    trainings, trainers = [new_training(k) for k in range(2)], {}

    def interrupt(place, report, trainer):
        trainers[place] = trainer
        if (place, report.epoch) == (1, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(trainings, on_epoch=interrupt)
    assert trainers[1].state.epoch == 2
    continued = train(trainings, states=[trainers[k].state for k in range(2)])
    for k, network in enumerate(continued):
        np.testing.assert_array_equal(network.weights, alone(k)[0].best_network().weights)


def test_a_backend_that_trains_together_gets_all_in_one_call():
    backend, epochs, diverged = OnDevice(), [], []
    found = train(
        [new_training(k) for k in range(3)],
        backend=backend,
        on_epoch=lambda place, report, trainer: epochs.append((place, trainer.training.seed.entropy)),
        on_diverged=lambda place, error: diverged.append(place),
    )
    assert backend.calls == [3]
    assert diverged == [1]
    assert set(epochs) == {(k, k) for k in range(3)}
    for k, network in enumerate(found):
        np.testing.assert_array_equal(network.weights, alone(k)[0].best_network().weights)


def test_arrays_that_lie_elsewhere_are_fetched_once_when_they_are_asked_for():
    trainer, fetched = Trainer(new_training()), []
    done, _ = alone(0)

    def fetch():
        fetched.append(1)
        return done.state.weights, done.state.velocity, done.state.best_weights

    trainer.set_progress(done.progress, fetch)
    assert trainer.finished
    assert not fetched
    assert trainer.state is trainer.state
    np.testing.assert_array_equal(trainer.best_network().weights, done.best_network().weights)
    assert len(fetched) == 1
