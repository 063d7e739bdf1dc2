"""Training: stopping, resuming, noise, order, the auto-encoder."""

import time
from dataclasses import replace

import numpy as np
import pytest

from lstmcore import (
    BLSTM,
    LSTM,
    SGD,
    Convolution,
    DivergedError,
    EngineError,
    InputNoise,
    Linear,
    Network,
    SequenceSet,
    Sets,
    Tanh,
    Trainer,
    Training,
    TrainingSettings,
    as_autoencoder_set,
    evaluate,
    new_autoencoder,
    pack,
    predict,
    start_from_autoencoder,
    train,
)
from lstmcore.backends.cpu.backend import CpuBackend
from lstmcore.batches import choose
from tests.lstmcore.networks import random_mixture, random_network, random_sequences

TRAINING = random_sequences([9, 4, 7, 12, 3, 6, 10], 3, 2, seed=1, dtype="float32")
VALIDATION = random_sequences([5, 8], 3, 2, seed=2, dtype="float32")
NETWORK = random_network(3, [(5, 1.0), (4, 1.0)], 2, seed=3, dtype="float32")
SETTINGS = TrainingSettings(SGD(1e-3, 0.9), parallel_sequences=2, input_noise=0.3, max_epochs=12, patience=5)
SEED = np.random.SeedSequence(7)


def new_training(settings=SETTINGS, validation=VALIDATION, seed=SEED, test=None, **more):
    return Training(NETWORK, Sets(TRAINING, validation, test), settings, seed, **more)


def new_trainer(*args, state=None, **more):
    return Trainer(new_training(*args, **more), state=state)


def run(trainer):
    """Train to the end; return the reports."""
    reports = []
    while not trainer.finished:
        reports.append(trainer.run_epoch())
    return reports


@pytest.mark.parametrize("stop_after", [1, 3, 8])
@pytest.mark.parametrize("stochastic", [True, False])
def test_interrupted_and_continued_is_uninterrupted_bit_for_bit(stop_after, stochastic):
    settings = replace(SETTINGS, stochastic=stochastic, patience=30)
    whole = new_trainer(settings)
    reports = [whole.run_epoch() for _ in range(12)]

    first = new_trainer(settings)
    for _ in range(stop_after):
        first.run_epoch()
    second = new_trainer(settings, state=first.state)
    continued = [second.run_epoch() for _ in range(12 - stop_after)]

    for a, b in zip(reports[stop_after:], continued, strict=True):
        assert replace(a, seconds=0) == replace(b, seconds=0)
    for name in ("weights", "velocity", "best_weights"):
        np.testing.assert_array_equal(getattr(whole.state, name), getattr(second.state, name))


def test_a_callback_can_interrupt_and_nothing_is_lost():
    states, epochs = [], []

    def interrupt(place, report, trainer):
        states.append(trainer.state)
        if report.epoch == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([new_training()], on_epoch=interrupt)
    assert states[-1].epoch == 4
    (continued,) = train(
        [new_training()],
        states=[states[-1]],
        on_epoch=lambda place, report, trainer: epochs.append(report.epoch),
    )
    assert epochs[0] == 5
    np.testing.assert_array_equal(continued.weights, train([new_training()])[0].weights)


def test_stops_after_patience_and_gives_back_the_best_weights():
    trainer = new_trainer(replace(SETTINGS, sgd=SGD(3e-2, 0.9), max_epochs=200, patience=6))
    reports = run(trainer)
    best = trainer.best_network()
    errors = [r.validation_error for r in reports]
    best_epoch = int(np.argmin(errors)) + 1
    assert len(reports) == best_epoch + 6 < 200
    assert reports[-1].best_epoch == best_epoch
    assert reports[-1].best_error == errors[best_epoch - 1]
    assert [r.new_best for r in reports] == [e < min([np.inf, *errors[:k]]) for k, e in enumerate(errors)]
    assert evaluate(best, VALIDATION).per_sequence == pytest.approx(errors[best_epoch - 1], rel=1e-6)


def test_an_equal_error_is_no_improvement():
    trainer = new_trainer(replace(SETTINGS, sgd=SGD(0.0), patience=3))
    assert [trainer.run_epoch().new_best for _ in range(4)] == [True, False, False, False]
    assert trainer.finished
    assert trainer.state.best_epoch == 1


def test_without_validation_the_last_weights_are_the_best():
    trainer = new_trainer(validation=None)
    run(trainer)
    best = trainer.best_network()
    np.testing.assert_array_equal(best.weights, trainer.state.weights)
    assert trainer.state.epoch == 12


def test_errors_are_reported_by_sequence_and_by_frame():
    report = new_trainer().run_epoch()
    assert report.training_error * 7 == pytest.approx(report.training_error_per_frame * TRAINING.frames)
    assert report.validation_error * 2 == pytest.approx(report.validation_error_per_frame * VALIDATION.frames)


def test_an_epoch_tells_how_long_it_took():
    trainer, begun = new_trainer(), time.perf_counter()
    told = sum(trainer.run_epoch().seconds for _ in range(3))
    assert 0 < told <= time.perf_counter() - begun


def test_the_training_set_is_left_alone_and_noise_is_fresh_at_each_visit():
    before = TRAINING.inputs.copy()
    still = new_trainer(replace(SETTINGS, sgd=SGD(0.0)))
    errors = [still.run_epoch().training_error for _ in range(3)]
    assert len(set(errors)) == 3
    np.testing.assert_array_equal(TRAINING.inputs, before)


def test_each_epoch_has_its_own_order_and_each_seed_its_own():
    orders = [tuple(new_training(seed=s).order_of(e)) for s in (1, 2) for e in (1, 2, 3)]
    assert len(set(orders)) == 6
    assert all(sorted(o) == list(range(7)) for o in orders)


def test_batch_mode_does_not_depend_on_parallel_sequences():
    weights = []
    for parallel in (1, 3, 7):
        settings = replace(SETTINGS, stochastic=False, parallel_sequences=parallel, input_noise=0.0)
        trainer = new_trainer(settings)
        trainer.run_epoch()
        weights.append(trainer.state.weights)
    np.testing.assert_allclose(weights[0], weights[1], rtol=0, atol=1e-6)
    np.testing.assert_allclose(weights[0], weights[2], rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
def test_divergence_says_the_epoch_and_keeps_the_state():
    trainer = new_trainer(replace(SETTINGS, sgd=SGD(1e30, 0.9), max_epochs=50))
    with pytest.raises(DivergedError, match=r"epoch \d+: .*learning_rate"):
        run(trainer)
    assert np.isfinite(trainer.state.best_weights).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parallel_sequences": 0}, "parallel_sequences is 0"),
        ({"patience": 0}, "patience is 0"),
        ({"max_epochs": 0}, "max_epochs is 0"),
        ({"input_noise": -1.0}, "input_noise is -1.0"),
        ({"input_noise": np.nan}, "input_noise is nan"),
        ({"delta_limit": 0.0}, "delta_limit is 0.0"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(EngineError, match=message):
        TrainingSettings(**settings)


def test_a_set_that_does_not_fit_is_refused():
    with pytest.raises(EngineError, match="validation set has 4 inputs and 2 targets"):
        new_trainer(validation=random_sequences([3], 4, 2, dtype="float32"))
    with pytest.raises(EngineError, match="float64"):
        new_trainer(validation=random_sequences([3], 3, 2))


def test_training_that_would_never_end_is_refused():
    with pytest.raises(EngineError, match="max_epochs"):
        new_trainer(replace(SETTINGS, max_epochs=None), validation=None)


def test_the_autoencoder_learns_to_remove_noise():
    rng = np.random.default_rng(0)
    clean = random_sequences([40] * 12, 6, 1, seed=4, dtype="float32")
    clean.inputs[:] = (rng.standard_normal((480, 2)) @ rng.standard_normal((2, 6))).astype(np.float32)
    sequences = as_autoencoder_set(clean)
    network = new_autoencoder(6, LSTM(8), np.random.default_rng(1))
    settings = TrainingSettings(SGD(1e-3, 0.9), parallel_sequences=2, input_noise=0.3, max_epochs=60)
    (trained,) = train([Training(network, Sets(sequences), settings, SEED)])
    assert sequences.targets is sequences.inputs
    assert evaluate(trained, sequences).error < 0.1 * evaluate(network, sequences).error


def test_the_autoencoders_hidden_layer_starts_the_network_and_nothing_else_changes():
    auto = new_autoencoder(3, LSTM(5), np.random.default_rng(9))
    started = start_from_autoencoder(NETWORK, auto)
    for name in ("W", "b", "R", "p"):
        np.testing.assert_array_equal(started.parameters[0][name], auto.parameters[0][name])
    after = auto.parameters[0]["W"].size + auto.parameters[0]["b"].size + auto.parameters[0]["R"].size + 15
    np.testing.assert_array_equal(started.weights[after:], NETWORK.weights[after:])
    assert not np.array_equal(started.weights[:after], NETWORK.weights[:after])
    with pytest.raises(EngineError, match="hidden layer"):
        start_from_autoencoder(NETWORK, new_autoencoder(3, LSTM(6), np.random.default_rng(9)))


def test_a_layer_may_have_its_own_learning_rate_and_0_freezes_it():
    layers = [LSTM(4, learning_rate=0.0), LSTM(3), Linear(2, learning_rate=1e-4)]
    network = random_mixture(3, layers, seed=1, dtype="float32")
    settings = replace(SETTINGS, sgd=SGD(1e-3, 0.0), stochastic=False, input_noise=0.0)
    trainer = Trainer(Training(network, Sets(TRAINING), settings, SEED))
    trainer.run_epoch()
    moved = network.architecture.views(trainer.state.weights - network.weights)
    other = random_mixture(3, [LSTM(4), LSTM(3), Linear(2)], seed=1, dtype="float32")
    alone = Trainer(Training(other, Sets(TRAINING), settings, SEED))
    alone.run_epoch()
    reference = network.architecture.views(alone.state.weights - network.weights)
    assert all((piece == 0).all() for piece in moved[0].values())
    for name in reference[1]:
        np.testing.assert_array_equal(moved[1][name], reference[1][name])
    np.testing.assert_allclose(moved[2]["W"], 0.1 * reference[2]["W"], rtol=0, atol=1e-7)


def test_weight_noise_reaches_the_lower_layers_only_and_is_taken_off():
    settings = replace(SETTINGS, stochastic=False, input_noise=0.0, shuffle=False)
    clean, noisy = (new_trainer(replace(settings, weight_noise=s)) for s in (0.0, 0.3))
    errors = [t.run_epoch().training_error for t in (clean, noisy)]
    assert errors[0] == errors[1]
    a, b = (NETWORK.architecture.views(t.state.velocity) for t in (clean, noisy))
    np.testing.assert_array_equal(a[2]["W"], b[2]["W"])
    assert not np.allclose(a[0]["W"], b[0]["W"])
    np.testing.assert_array_equal(noisy.state.weights, NETWORK.weights + noisy.state.velocity)


def test_an_error_in_the_backward_pass_takes_the_noise_off_the_weights_too():
    class Failing(CpuBackend):
        def backward(self, *args):
            raise KeyboardInterrupt

    trainer = Trainer(new_training(replace(SETTINGS, weight_noise=0.3)), backend=Failing())
    with pytest.raises(KeyboardInterrupt):
        trainer.run_epoch()
    np.testing.assert_array_equal(trainer._network.weights, NETWORK.weights)


def test_validation_and_test_at_their_own_intervals():
    settings = replace(SETTINGS, sgd=SGD(0.0), validate_every=3, test_every=2, patience=7, max_epochs=None)
    trainer = new_trainer(settings, test=VALIDATION)
    reports = run(trainer)
    assert [r.epoch for r in reports if r.validation_error is not None] == [3, 6, 9, 12]
    assert [r.epoch for r in reports if r.test_error is not None] == [2, 4, 6, 8, 10, 12]
    assert trainer.state.without_better == 9  # counts epochs, in steps of the interval


def test_a_context_of_frames_is_the_same_as_frames_side_by_side():
    left, right = 2, 1
    x = TRAINING.split(TRAINING.inputs)
    spliced = []
    for frames in x:
        padded = np.concatenate([frames[:1]] * left + [frames] + [frames[-1:]] * right)
        n = len(frames)
        spliced.append(np.hstack([padded[k : k + n] for k in range(left + 1 + right)]))
    by_hand = SequenceSet.from_lists(spliced, TRAINING.split(TRAINING.targets))
    with_context = replace(TRAINING, context=(left, right))
    network = random_network(12, [(5, 1.0)], 2, dtype="float32")
    np.testing.assert_array_equal(predict(network, with_context), predict(network, by_hand))
    assert with_context.input_size == 12


def test_noise_is_the_same_for_a_frame_in_all_its_contexts():
    with_context = replace(TRAINING, context=(1, 1))
    batch = pack(with_context, np.array([3]), InputNoise(SEED, 1, 1.0))
    np.testing.assert_array_equal(batch.inputs[1:, :3], batch.inputs[:-1, 3:6])
    np.testing.assert_array_equal(batch.inputs[:-1, 6:], batch.inputs[1:, 3:6])


def test_a_given_order_is_followed():
    asked = []

    def order(epoch):
        asked.append(epoch)
        return np.arange(7)[::-1]

    trainer = new_trainer(order=order)
    trainer.run_epoch()
    trainer.run_epoch()
    assert asked == [1, 2]


def test_sets_that_are_watched_are_put_together_once_unless_they_are_large(monkeypatch):
    packed = []

    def counted(sequences, chosen, noise=None):
        packed.append(sequences)
        return choose(sequences, chosen, noise)

    monkeypatch.setattr("lstmcore.prediction.choose", counted)
    test = random_sequences([4, 11, 6], 3, 2, seed=5, dtype="float32")
    kept = new_trainer(test=test)
    reports = [replace(kept.run_epoch(), seconds=0) for _ in range(3)]
    assert [one is VALIDATION for one in packed] == [True, False]
    monkeypatch.setattr("lstmcore.training._KEPT", VALIDATION.frames * VALIDATION.input_size * 4 - 1)
    packed.clear()
    anew = new_trainer(test=test)
    assert reports == [replace(anew.run_epoch(), seconds=0) for _ in range(3)]
    assert len(packed) == 6
    np.testing.assert_array_equal(kept.state.weights, anew.state.weights)


@pytest.mark.parametrize("first", [BLSTM(4), Tanh(4), Convolution(shape=(1, 3, 1), window=(1, 2), filters=2)])
def test_validating_leaves_the_set_as_it_is(first):
    network = random_mixture(3, [first, Linear(2)], seed=4, dtype="float32")
    trainer = Trainer(Training(network, Sets(TRAINING, VALIDATION), SETTINGS, SEED))
    for _ in range(3):
        report = trainer.run_epoch()
    now = evaluate(Network(network.architecture, trainer.state.weights), VALIDATION)
    assert report.validation_error_per_frame == now.per_frame
