"""Trainings that run off: noticed also where the error is bounded, and only there."""

from dataclasses import replace

import numpy as np
import pytest

from lstmcore import (
    LSTM,
    OBJECTIVES,
    SGD,
    DivergedError,
    Linear,
    Logistic,
    SequenceSet,
    Sets,
    Trainer,
    Training,
    TrainingSettings,
    initial_network,
    predict,
    train,
)
from tests.lstmcore.cuda_here import on_gpu
from tests.lstmcore.networks import random_network, random_sequences

TRAINING = random_sequences([9, 4, 7, 12], 3, 2, seed=1, dtype="float32")
VALIDATION = random_sequences([5, 8], 3, 2, seed=2, dtype="float32")
NETWORK = random_network(3, [(5, 1.0)], 2, seed=3, dtype="float32", size=0.1)
WILD = TrainingSettings(SGD(1e10, 0.9), max_epochs=2, patience=2)
RUN_OFF = r"epoch \d+: the outputs reach .*, the targets .*; try a learning_rate below 1e\+10"


def problem(objective="ccc", settings=WILD, validation=VALIDATION, training=TRAINING):
    chosen = OBJECTIVES[objective]
    if chosen.target_size(2) == 4:  # weights beside the targets
        training, validation = (
            SequenceSet(s.inputs, np.repeat(s.targets, 2, 1), s.lengths) for s in (training, validation)
        )
    return Training(NETWORK, Sets(training, validation), settings, seed=1, objective=chosen)


@pytest.mark.parametrize("objective", ["ccc", "ccc_pooled", "sse", "rmse", "weightedsse"])
@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
def test_outputs_that_run_off_are_no_result(objective):
    wild = Trainer(problem(objective, replace(WILD, parallel_sequences=2)))
    with pytest.raises(DivergedError, match=r"epoch 1: .*learning_rate below 1e\+10"):
        wild.run_epoch()
    assert wild.state.epoch == 0
    np.testing.assert_array_equal(wild.best_network().weights, NETWORK.weights)


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
def test_weights_that_overflow_in_the_last_update_are_noticed():
    settings = TrainingSettings(SGD(3e38), parallel_sequences=4, max_epochs=1)
    with pytest.raises(
        DivergedError, match=r"epoch 1: the training error is \d.* and some weights are no longer"
    ):
        train([problem("sse", settings, validation=None)])


def test_a_concordance_says_how_far_the_outputs_are():
    with pytest.raises(DivergedError, match=RUN_OFF):
        train([problem()])


def test_without_a_validation_set_it_is_noticed_in_the_end():
    with pytest.raises(DivergedError, match=f"^{RUN_OFF}"):
        train([problem(validation=None)])


@pytest.mark.parametrize("name", ["cpu", on_gpu("cuda")])
@pytest.mark.parametrize("validation", [VALIDATION, None], ids=["watched", "not watched"])
def test_of_networks_trained_together_the_one_is_told_and_the_others_go_on(name, validation):
    tame = replace(WILD, sgd=SGD(1e-3))
    errors, epochs = [], []
    networks = train(
        [problem(settings=s, validation=validation) for s in (WILD, tame)],
        backend=name,
        on_epoch=lambda place, report, trainer: epochs.append((place, report.epoch)),
        on_diverged=lambda place, error: errors.append((place, str(error))),
    )
    assert [place for place, _ in errors] == [0]
    assert "the outputs reach" in errors[0][1]
    assert [epoch for place, epoch in epochs if place == 1] == [1, 2]
    assert np.abs(predict(networks[1], TRAINING)).max() < 10
    if validation is not None:
        np.testing.assert_array_equal(networks[0].weights, NETWORK.weights)


def test_a_bad_epoch_after_a_good_one_is_left_to_early_stopping():
    class Unsteady(Trainer):
        """Learns a little, then jumps."""

        def _train(self, epoch):
            found = super()._train(epoch)
            if epoch > 1:
                self._network.weights[-12:] *= 1e7
            return found

    settings = TrainingSettings(SGD(1e-3), max_epochs=3)
    unsteady = Unsteady(problem("sse", settings))
    while not unsteady.finished:
        unsteady.run_epoch()
    assert unsteady.state.best_epoch == 1


@pytest.mark.parametrize("validation", [VALIDATION, None], ids=["watched", "not watched"])
def test_large_outputs_from_the_start_are_not_running_off(validation):
    """Inputs that nobody scaled, and a layer without bounds: outputs come down as it learns."""
    loud = SequenceSet(1e4 * TRAINING.inputs, 1e-3 * TRAINING.targets, TRAINING.lengths)
    network = initial_network(3, [Linear(2)], 1)
    watched = validation and SequenceSet(1e4 * VALIDATION.inputs, VALIDATION.targets, VALIDATION.lengths)
    settings = TrainingSettings(SGD(1e-13), max_epochs=1)
    (trained,) = train([Training(network, Sets(loud, watched), settings, seed=1)])
    assert np.abs(predict(trained, loud)).max() > 1000 * np.abs(loud.targets).max()


def test_classes_do_not_run_off():
    songs = SequenceSet(TRAINING.inputs, np.zeros((32, 1), np.float32), TRAINING.lengths)
    network = initial_network(3, [LSTM(4), Logistic(1)], 1)
    settings = TrainingSettings(SGD(1e4), max_epochs=2)
    train([Training(network, Sets(songs, songs), settings, 1, OBJECTIVES["binary_classification"])])
