"""Trackers: TensorBoard's files are read back, and MLflow is told the same through its client."""

import struct
import subprocess
import sys
import types

import numpy as np
import pytest

from lstmcore import (
    LSTM,
    SGD,
    EngineError,
    Linear,
    MLflowTracker,
    SequenceSet,
    Sets,
    TensorBoardTracker,
    Training,
    TrainingSettings,
    initial_network,
    train,
)

RNG = np.random.default_rng(1)
X = [RNG.standard_normal((6, 2)) for _ in range(3)]
SETS = SequenceSet.from_lists(X, [x[:, :1] for x in X])


def trainings(count=2, epochs=3):
    network = initial_network(2, [LSTM(2), Linear(1)], 1)
    settings = TrainingSettings(SGD(1e-3), max_epochs=epochs)
    return [Training(network, Sets(SETS, SETS), settings, seed) for seed in range(count)]


def scalars(folder):
    """What TensorBoard's files of a folder hold: (tag, step) to value."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for file in sorted(folder.glob("events.*")):
        content, at = file.read_bytes(), 0
        while at < len(content):
            (length,) = struct.unpack("<Q", content[at : at + 8])
            event = Event.FromString(content[at + 12 : at + 12 + length])
            found |= {(v.tag, event.step): v.simple_value for v in event.summary.value}
            at += 12 + length + 4
    return found


def test_tensorboard_gets_a_folder_for_each_training(tmp_path):
    reports = {}

    def on_epoch(place, report, trainer):
        reports[place, report.epoch] = report
        tracker(place, report, trainer)

    with TensorBoardTracker(tmp_path, ["wide", "narrow"]) as tracker:
        train(trainings(), on_epoch=on_epoch)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["narrow", "wide"]
    for place, name in enumerate(("wide", "narrow")):
        found = scalars(tmp_path / name)
        for epoch in (1, 2, 3):
            report = reports[place, epoch]
            assert found["error/training", epoch] == pytest.approx(report.training_error_per_frame)
            assert found["error/validation", epoch] == pytest.approx(report.validation_error_per_frame)
        assert any(tag.startswith("settings") for tag, _ in found)
        assert not any("class" in tag for tag, _ in found)


class Client:
    """MLflow's client, as far as it is used."""

    def __init__(self, tracking_uri=None):
        self.uri, self.runs, self.experiments = tracking_uri, {}, {}
        Client.last = self

    def get_experiment_by_name(self, name):
        return None

    def create_experiment(self, name):
        self.experiments["7"] = name
        return "7"

    def create_run(self, experiment_id, run_name):
        run = f"run-{len(self.runs)}"
        self.runs[run] = {"name": run_name, "of": experiment_id, "params": {}, "metrics": {}, "end": None}
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id=run))

    def log_param(self, run, key, value):
        assert key not in self.runs[run]["params"]
        self.runs[run]["params"][key] = value

    def log_metric(self, run, key, value, step):
        self.runs[run]["metrics"][key, step] = value

    def set_terminated(self, run, status):
        assert self.runs[run]["end"] is None
        self.runs[run]["end"] = status


@pytest.fixture
def mlflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", types.SimpleNamespace(MlflowClient=Client))


def test_mlflow_gets_a_run_for_each_training(mlflow):
    with MLflowTracker("songs", tracking_uri="http://somewhere") as tracker:
        train(trainings(), on_epoch=tracker)
    client = Client.last
    assert (client.uri, client.experiments) == ("http://somewhere", {"7": "songs"})
    assert [run["name"] for run in client.runs.values()] == ["training-1", "training-2"]
    for run in client.runs.values():
        assert run["end"] == "FINISHED"
        assert run["params"]["learning_rate"] == 1e-3
        assert run["params"]["network"] == "2 → LSTM(2) → Linear(1)"
        assert {step for key, step in run["metrics"] if key == "error/validation"} == {1, 2, 3}


def test_a_training_that_an_error_ends_has_failed(mlflow):
    class Stop(Exception):
        pass

    def stopping(place, report, trainer):
        tracker(place, report, trainer)
        if report.epoch == 2:
            raise Stop

    with pytest.raises(Stop), MLflowTracker() as tracker:
        train(trainings(1), on_epoch=stopping)
    assert [run["end"] for run in Client.last.runs.values()] == ["FAILED"]


def test_a_training_that_is_not_finished_ends_with_the_block(mlflow):
    tracker = MLflowTracker()
    train(
        trainings(1),
        on_epoch=lambda place, report, trainer: report.epoch > 1 or tracker(place, report, trainer_at(1)),
    )
    tracker.close()
    assert [run["end"] for run in Client.last.runs.values()] == ["FINISHED"]


def trainer_at(epochs):
    from lstmcore import Trainer

    trainer = Trainer(trainings(1)[0])
    for _ in range(epochs):
        trainer.run_epoch()
    return trainer


def test_names_are_one_for_each_training(tmp_path):
    with pytest.raises(EngineError, match="names is 'wide'; expected a list"):
        TensorBoardTracker(tmp_path, "wide")
    with (
        pytest.raises(EngineError, match="1 names, and a training 2; expected one for each"),
        TensorBoardTracker(tmp_path, ["wide"]) as tracker,
    ):
        train(trainings(), on_epoch=tracker)


@pytest.mark.parametrize(
    ("tracker", "module", "package"),
    [
        ("TensorBoardTracker('x')", "tensorboardX", "tensorboardX>="),
        ("MLflowTracker()", "mlflow", "mlflow-skinny>="),
    ],
)
def test_what_is_missing_is_told(tracker, module, package):
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "import lstmcore\n"
        f"try:\n    lstmcore.{tracker}\nexcept lstmcore.EngineError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"needs {'MLflow' if module == 'mlflow' else module}" in said
    assert package.lower() in said.lower()
