"""The golden cases that need more than the engine, through the Python API.

The other cases are in `tests.lstmcore.test_against_currennt`; all of them run through the command in
`test_command`.
"""

import numpy as np
import pytest

from lstmcore import SGD, Sets, Trainer, Training, TrainingSettings, predict
from lstmcore.experiments.currennt.data import sequence_set
from lstmcore.experiments.currennt.formats.netcdf import read_netcdf
from lstmcore.experiments.currennt.numerics.order import SequenceOrder
from tests.lstmcore.currennt_golden import FOLDER, INDEX, flat, load, network, option
from tests.lstmcore.test_against_currennt import _CASES, BACKENDS, PRECISION, assert_near

LEFT = [case for case in INDEX if case not in _CASES]


def data_of(case):
    name = INDEX[case]["data"].removesuffix(".json")
    return read_netcdf(FOLDER / "files" / f"{name}.nc")


def test_together_they_are_all():
    assert len(LEFT) + len(_CASES) == len(INDEX) == 61


@pytest.mark.golden
@pytest.mark.parametrize(("backend", "dtype"), BACKENDS)
@pytest.mark.parametrize("case", [c for c in LEFT if INDEX[c]["kind"] == "forward"])
def test_outputs(case, backend, dtype):
    data, lag = data_of(case), int(option(case, "output_time_lag", "0"))
    sequences = sequence_set(data, dtype)
    outputs = predict(network(INDEX[case]["net"], dtype), sequences, backend=backend)
    if option(case, "revert_std", "true") == "true":
        outputs = outputs * data.output_stdevs.astype(dtype) + data.output_means.astype(dtype)
    expected = load(INDEX[case]["file"])["precisions"][PRECISION[dtype]]
    for found, wanted in zip(sequences.split(outputs), expected.values(), strict=True):
        late = found[np.minimum(np.arange(len(found)) + lag, len(found) - 1)]
        assert_near(late, wanted, dtype)


@pytest.mark.golden
@pytest.mark.parametrize(("backend", "dtype"), BACKENDS)
@pytest.mark.parametrize("case", [c for c in LEFT if INDEX[c]["kind"] == "train"])
def test_training(case, backend, dtype):
    parallel = int(option(case, "parallel_sequences", "1"))
    sequences = sequence_set(data_of(case), dtype, lag=int(option(case, "output_time_lag", "0")))
    order = SequenceOrder(
        sequences.lengths,
        parallel,
        int(option(case, "random_seed", "")),
        option(case, "shuffle_sequences", "false") == "true",
        option(case, "shuffle_fractions", "false") == "true",
    )
    settings = TrainingSettings(
        SGD(float(option(case, "learning_rate", "")), float(option(case, "momentum", ""))),
        parallel_sequences=parallel,
        stochastic=True,
        max_epochs=int(option(case, "max_epochs", "")),
    )
    training = Training(
        network(INDEX[case]["net"], dtype), Sets(sequences), settings, seed=1, order=order.for_epoch
    )
    trainer = Trainer(training, backend=backend)
    expected = load(INDEX[case]["file"])["precisions"][PRECISION[dtype]]
    for row in expected["rows"]:
        report = trainer.run_epoch()
        assert report.training_error == pytest.approx(
            row["train_error"], rel=1e-12 if dtype == "float64" else 2e-6
        )
        after = expected["epochs"].get(str(report.epoch))
        if after is not None:
            assert_near(trainer.state.weights, flat(after["weights"]), dtype)
            assert_near(trainer.state.velocity, [v for part in after["weight_deltas"] for v in part], dtype)
    assert trainer.finished
