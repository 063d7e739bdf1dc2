"""Training on a GPU, or on the simulator of one, against the CPU."""

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
    Logistic,
    SequenceSet,
    Sets,
    Softmax,
    Trainer,
    Training,
    TrainingSettings,
    gradient_check,
)
from tests.lstmcore.cuda_here import SIMULATED, gpu, large
from tests.lstmcore.networks import random_mixture, random_sequences, run_all

pytestmark = gpu

CLOSE = {"float32": 1e-4, "float64": 1e-10}
# The noise is Gaussian in single precision: its last bit is the compiler's.
CLOSE_WITH_NOISE = {"float32": 1e-4, "float64": 1e-7}


def pair(layers, training, validation, settings, objective="sse", dtype="float64", seed=1):
    """Return the same trainer for the GPU and for the CPU."""
    network = random_mixture(training.input_size, layers, seed, dtype, size=0.3)
    problem = Training(network, Sets(training, validation), settings, seed, OBJECTIVES[objective])
    return [Trainer(problem, backend=backend) for backend in ("cuda", "cpu")]


def difference(one, other):
    return np.abs(one.state.weights - other.state.weights).max() / np.abs(other.state.weights).max()


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_epochs_on_the_gpu_are_those_of_the_cpu(dtype, noise):
    lengths, units, epochs = ([4, 2, 5], 3, 3) if SIMULATED else ([60, 37, 60, 52, 11], 40, 10)
    training = random_sequences(lengths, 5, 2, 1, dtype)
    validation = random_sequences(lengths[:2], 5, 2, 2, dtype)
    settings = TrainingSettings(
        SGD(1e-4, 0.9), parallel_sequences=2, input_noise=noise, max_epochs=epochs, patience=20
    )
    trainers = pair([LSTM(units), LSTM(units), Linear(2)], training, validation, settings, dtype=dtype)
    found, expected = [], []
    run_all(trainers[:1], lambda place, report: found.append(report))
    run_all(trainers[1:], lambda place, report: expected.append(report))
    close = (CLOSE_WITH_NOISE if noise else CLOSE)[dtype]
    assert difference(*trainers) < close
    assert len(found) == len(expected) == epochs
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.training_error == pytest.approx(theirs.training_error, rel=close)
        assert ours.validation_error == pytest.approx(theirs.validation_error, rel=close)
    assert trainers[0].state.best_epoch == trainers[1].state.best_epoch


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective(objective, dtype):
    rng, outputs = np.random.default_rng(1), 1 if objective == "binary_classification" else 3
    width = OBJECTIVES[objective].target_size(outputs)
    targets = {
        "ce": lambda n: rng.dirichlet(np.ones(outputs), n),
        "binary_classification": lambda n: rng.choice([-1, 0, 0.3, 1], (n, 1)),
        "multiclass_classification": lambda n: rng.integers(-1, outputs, (n, 1)),
    }.get(objective, lambda n: rng.standard_normal((n, width)))
    lengths = (2, 1, 3) if SIMULATED else (40, 2, 25)
    sequences = SequenceSet.from_lists(
        [rng.standard_normal((n, 3)) for n in lengths], [targets(n) for n in lengths], dtype=dtype
    )
    output = {"ce": Softmax, "multiclass_classification": Softmax, "binary_classification": Logistic}
    layers = [LSTM(3), output.get(objective, Linear)(outputs)]
    settings = TrainingSettings(SGD(1e-3, 0.9), parallel_sequences=2, max_epochs=1)
    trainers = pair(layers, sequences, sequences, settings, objective, dtype)
    found, expected = [], []
    run_all(trainers[:1], lambda place, report: found.append(report))
    run_all(trainers[1:], lambda place, report: expected.append(report))
    assert difference(*trainers) < CLOSE[dtype]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.validation_error == pytest.approx(theirs.validation_error, rel=CLOSE[dtype])
        assert ours.training_class_error == theirs.training_class_error
        assert ours.validation_class_error == theirs.validation_class_error


def test_the_gradient_is_that_of_central_differences():
    between, lengths = ([], [2, 1]) if SIMULATED else ([Softmax(2)], [3, 1])
    network = random_mixture(1, [BLSTM(2), *between, LSTM(1, 0.7), Linear(1)], 3)
    check = gradient_check(network, random_sequences(lengths, 1, 1, 3), backend="cuda")
    assert check.largest < 1e-6, check.worst


@pytest.mark.parametrize("context", [(0, 0), (1, 2)])
def test_a_set_with_context_and_noise(context):
    plain = random_sequences([4, 1, 3], 3, 2, 1)
    sequences = SequenceSet(plain.inputs, plain.targets, plain.lengths, context)
    settings = TrainingSettings(SGD(1e-3, 0.9), parallel_sequences=2, input_noise=0.5, max_epochs=2)
    trainers = pair([BLSTM(4), Linear(2)], sequences, sequences, settings)
    for trainer in trainers:
        run_all([trainer])
    assert difference(*trainers) < CLOSE_WITH_NOISE["float64"]


def test_frames_without_noise():
    plain = random_sequences([4, 1, 3], 3, 2, 1)
    some = SequenceSet(plain.inputs, plain.targets, plain.lengths, noisy=np.arange(8) % 2 == 0)
    settings = TrainingSettings(SGD(1e-3, 0.9), parallel_sequences=2, input_noise=0.5, max_epochs=2)
    layers = [LSTM(4), Linear(2)]
    ours, theirs = pair(layers, some, plain, settings)
    others, _ = pair(layers, plain, plain, settings)
    for trainer in (ours, theirs, others):
        run_all([trainer])
    assert difference(ours, theirs) < CLOSE_WITH_NOISE["float64"]
    assert difference(ours, others) > 1e-5  # with noise on all


def test_early_stopping_is_that_of_the_cpu():
    training, validation = random_sequences([4, 2, 5], 3, 2, 1), random_sequences([3, 4], 3, 2, 2)
    settings = TrainingSettings(SGD(3e-2, 0.9), parallel_sequences=2, max_epochs=30, patience=2)
    trainers = pair([LSTM(3), Linear(2)], training, validation, settings)
    for trainer in trainers:
        run_all([trainer])
    ours, theirs = (trainer.state for trainer in trainers)
    assert (ours.epoch, ours.best_epoch) == (theirs.epoch, theirs.best_epoch)
    assert ours.epoch < 30
    np.testing.assert_allclose(ours.best_weights, theirs.best_weights, rtol=0, atol=1e-8)


def test_own_learning_rates_of_layers():
    layers = [LSTM(3, learning_rate=0.0), Linear(2, learning_rate=1e-4)]
    training = random_sequences([4, 2, 5], 3, 2, 1)
    settings = TrainingSettings(SGD(1e-2, 0.9), parallel_sequences=2, max_epochs=2)
    trainers = pair(layers, training, None, settings)
    for trainer in trainers:
        run_all([trainer])
    assert difference(*trainers) < CLOSE["float64"]


def test_what_is_not_trained_together():
    """Data of the sets lie in one array: a set of another shape would be read as what it isn't."""
    training = random_sequences([4, 2], 3, 2, 1)
    settings = TrainingSettings(SGD(1e-2), max_epochs=2)
    spread = replace(training, inputs=training.inputs[:, :1].copy(), context=(1, 1))
    trainer = pair([LSTM(3), Linear(2)], training, spread, settings)[0]
    with pytest.raises(
        EngineError, match=r"validation set: inputs, targets and context are \(1, 2, \(1, 1\)\)"
    ):
        run_all([trainer])
    trainer = pair([LSTM(3), Linear(2)], training, training, replace(settings, weight_noise=0.1))[0]
    with pytest.raises(EngineError, match=r"weight_noise is 0\.1"):
        run_all([trainer])


@large
@pytest.mark.parametrize("dtype", CLOSE)
def test_a_network_of_the_papers_size_alone_and_among_others(dtype):
    """More networks than multiprocessors, so that blocks a network and its team change."""
    training = random_sequences([60] * 20, 260, 2, 1, dtype)
    settings = TrainingSettings(SGD(1e-6, 0.9), parallel_sequences=10, input_noise=0.3, max_epochs=2)

    def new(seed):
        layers = [LSTM(200), LSTM(150), LSTM(25), Linear(2)]
        return pair(layers, training, training, settings, dtype=dtype, seed=seed)

    alone, cpu = new(1)
    run_all([alone])
    run_all([cpu])
    assert difference(alone, cpu) < CLOSE_WITH_NOISE[dtype]
    for networks in (30, 140):
        among = [new(seed)[0] for seed in range(1, networks + 1)]
        run_all(among)
        np.testing.assert_array_equal(among[0].state.weights, alone.state.weights)
