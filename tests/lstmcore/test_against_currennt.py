"""The engine against CURRENNT 0.2: outputs, gradients, weights, momentum, errors, early stopping."""

from dataclasses import replace

import numpy as np
import pytest

from lstmcore import SGD, SequenceSet, Sets, Trainer, Training, TrainingSettings, predict
from tests.lstmcore.cuda_here import on_gpu
from tests.lstmcore.currennt_golden import INDEX, flat, load, network, objective, option, sequences

pytestmark = pytest.mark.golden
# float64 to 1e-12, float32 to 2e-6: relative to the largest value of the vector, because a
# weight that happens to lie near zero carries the rounding of the sums it came from.
TOLERANCE = {"float64": 1e-12, "float32": 2e-6}
PRECISION = {"float64": "f64", "float32": "f32"}
# What CURRENNT does to data and order before the engine sees them is tested with its command.
_NOT_THE_ENGINES = ("_lag2", "_revert", "shuffle_")
_CASES = {case: entry for case, entry in INDEX.items() if not any(p in case for p in _NOT_THE_ENGINES)}
FORWARD = [case for case, entry in _CASES.items() if entry["kind"] == "forward"]
TRAINING = [case for case in _CASES if case not in FORWARD]
BACKENDS = [
    ("cpu", "float64"),
    ("cpu", "float32"),
    ("reference", "float64"),
    on_gpu("cuda", "float64"),
    on_gpu("cuda", "float32"),
]


def assert_near(found, expected, dtype, rounding=0.0):
    expected = np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    allowed = max(TOLERANCE[dtype] * np.abs(expected).max(), rounding)
    np.testing.assert_allclose(found, expected, rtol=0, atol=allowed)


def rounding_of(found, exact, dtype, backend):
    """Return how far CURRENNT's float32 is from its float64: a GPU's, added in another order, may be so too.

    One case of ten epochs, an update after each sequence, makes 2.6e-6 of roundings.
    """
    if (backend, dtype) != ("cuda", "float32"):
        return 0.0
    return np.abs(np.subtract(found, exact)).max()


def velocities(epoch):
    return [v for part in epoch["weight_deltas"] for v in part]


@pytest.mark.parametrize(("backend", "dtype"), BACKENDS)
@pytest.mark.parametrize("case", FORWARD)
def test_outputs(case, backend, dtype):
    entry = INDEX[case]
    data = sequences(entry["data"], dtype)
    parallel = int(option(case, "parallel_sequences", "1"))
    outputs = predict(network(entry["net"], dtype), data, backend=backend, parallel_sequences=parallel)
    expected = load(entry["file"])["precisions"][PRECISION[dtype]]
    for found, wanted in zip(data.split(outputs), expected.values(), strict=True):
        assert_near(found, wanted, dtype)


def trainer_of(case: str, backend: str, dtype: str) -> Trainer:
    entry = INDEX[case]
    validation: SequenceSet | None = None
    if option(case, "val_file", ""):
        validation = sequences("data/val3.json", dtype)
    settings = TrainingSettings(
        sgd=SGD(float(option(case, "learning_rate", "1e-5")), float(option(case, "momentum", "0.9"))),
        parallel_sequences=int(option(case, "parallel_sequences", "1")),
        stochastic=option(case, "stochastic", "false") == "true",
        shuffle=False,
        max_epochs=int(option(case, "max_epochs", "")),
        patience=int(option(case, "max_epochs_no_best", "20")),
    )
    net, data = network(entry["net"], dtype), sequences(entry["data"], dtype)
    training = Training(net, Sets(data, validation), settings, 1, objective(entry["net"]))
    return Trainer(training, backend=backend)


@pytest.mark.parametrize(("backend", "dtype"), BACKENDS)
@pytest.mark.parametrize("case", TRAINING)
def test_training(case, backend, dtype):
    precisions = load(INDEX[case]["file"])["precisions"]
    expected, exact = precisions[PRECISION[dtype]], precisions["f64"]
    trainer = trainer_of(case, backend, dtype)
    checked = 0
    for row in expected["rows"]:
        assert not trainer.finished
        report = trainer.run_epoch()
        assert report.epoch == row["epoch"]
        assert report.training_error == pytest.approx(row["train_error"], rel=TOLERANCE[dtype])
        if "train_class_error" in row:
            assert report.training_class_error == pytest.approx(row["train_class_error"], rel=1e-6)
        if row["val_error"] is not None:
            assert report.validation_error == pytest.approx(row["val_error"], rel=TOLERANCE[dtype])
            assert report.new_best == (row["new_best"] == "yes")
        after = expected["epochs"].get(str(report.epoch))
        if after is not None:
            checked += 1
            weights = trainer.best_network().weights if trainer.finished else trainer.state.weights
            assert_near(weights, flat(after["weights"]), dtype)
            wanted = velocities(after)
            rounding = rounding_of(wanted, velocities(exact["epochs"][str(report.epoch)]), dtype, backend)
            assert_near(trainer.state.velocity, wanted, dtype, rounding)
    assert trainer.finished
    assert checked == len(expected["epochs"]) > 0
    if "final_weights" in expected:
        assert_near(trainer.best_network().weights, flat(expected["final_weights"]), dtype)


def test_the_limit_acts_in_the_cases_with_large_targets():
    """Without the limit the gradient of the `big7` case is another one, so that case proves it."""
    case = "grad_lstm54_big7"
    training = trainer_of(case, "cpu", "float64").training
    unlimited = TrainingSettings(
        sgd=SGD(1, 0), parallel_sequences=3, stochastic=False, shuffle=False, max_epochs=1, delta_limit=np.inf
    )
    trainer = Trainer(replace(training, settings=unlimited))
    trainer.run_epoch()
    after = load(INDEX[case]["file"])["precisions"]["f64"]["epochs"]["1"]
    expected = np.array([v for part in after["weight_deltas"] for v in part])
    assert np.abs(trainer.state.velocity - expected).max() > 1
