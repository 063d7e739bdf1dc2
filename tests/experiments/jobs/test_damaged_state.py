"""A state of a training that was damaged on disk: the training begins anew, and a line says so."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from lstmcore import SGD, EngineError, EpochReport, Sets, Trainer, Training, TrainingSettings
from lstmcore.experiments.jobs import checkpoint as checkpoints
from lstmcore.experiments.jobs.checkpoint import Checkpoint
from lstmcore.experiments.jobs.job import Result, load_result, save_result
from lstmcore.experiments.terminal.progress import Live, PlainLines, Quiet
from tests.experiments.run.test_run import Listener, contents, run
from tests.lstmcore.networks import random_network, random_sequences

SONGS = random_sequences([4, 3], 3, 2, dtype="float32")


SETTINGS = TrainingSettings(SGD(1e-3), max_epochs=5)
TRAINING = Training(random_network(3, [(4, 1.0)], 2, dtype="float32"), Sets(SONGS, SONGS), SETTINGS, seed=1)


@pytest.fixture
def path(tmp_path):
    """File of the state after three epochs."""
    path = tmp_path / "network.partial.safetensors"
    found, trainer = Checkpoint(path, TRAINING), Trainer(TRAINING)
    assert found.state is found.damage is None
    for _ in range(3):
        found.on_epoch(trainer.run_epoch(), trainer)
    assert not path.exists()
    found.save()
    return path


def test_a_sound_state_is_gone_on_from(path):
    found = Checkpoint(path, TRAINING)
    assert found.damage is None
    assert found.state.epoch == 3
    assert [report.epoch for report in found.reports] == [1, 2, 3]


def cut(name):
    return lambda t, f: ({**t, name: t[name][:10]}, f)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut("weights"), r"state: weights: an array of shape \(10,\)"),
        (cut("deltas"), r"state: velocity: an array of shape \(10,\)"),
        (cut("best_weights"), r"state: best_weights: an array of shape \(10,\)"),
        (lambda t, f: ({**t, "deltas": t["deltas"].astype(float)}, f), r"state: velocity: .*float64"),
        (lambda t, f: ({**t, "deltas": np.full_like(t["deltas"], np.nan)}, f), "not finite"),
        (lambda t, f: ({"weights": t["weights"]}, f), "expected what a TrainingState has"),
        (lambda t, f: ({**t, "more": t["weights"]}, f), "expected what a TrainingState has"),
        (lambda t, f: (t, {**f, "epoch": "3"}), "expected one of each up to '3'"),
        (lambda t, f: (t, {**f, "epoch": 300}), "expected one of each up to 300"),
        (lambda t, f: (t, {**f, "without_better": 1.5}), r"without_better is 1\.5"),
        (lambda t, f: (t, {**f, "best_error": None}), "best_error is None"),
        (lambda t, f: (t, {**f, "reports": "all"}), "reports: Input should be a valid list"),
        (lambda t, f: (t, {**f, "reports": [{"epoch": 1}] * 3}), r"reports\.0\.training_error"),
        (lambda t, f: (t, {**f, "reports": f["reports"][:1] * 3}), r"reports of epochs \[1, 1, 1\]"),
        (lambda t, f: (t, []), "can't be read"),
    ],
)
def test_a_damaged_state_is_left_aside(path, damage, message):
    saved = load_result(path)
    save_result(path, Result(*damage(saved.tensors, saved.facts)))
    found = Checkpoint(path, TRAINING)
    assert found.state is None
    assert found.reports == []
    with pytest.raises(EngineError, match=message):
        raise EngineError(found.damage)
    trainer = Trainer(TRAINING, state=found.state)
    found.on_epoch(trainer.run_epoch(), trainer)
    found.save()
    assert Checkpoint(path, TRAINING).state.epoch == 1


@pytest.mark.parametrize("size", [0, 5, 200])
def test_a_state_that_was_cut_off_is_left_aside(path, size):
    path.write_bytes(path.read_bytes()[:size])
    found = Checkpoint(path, TRAINING)
    assert found.state is None
    assert found.damage == "can't be read"


def test_reports_are_read_as_they_were_written():
    report = EpochReport(7, 9.0, 0.15, None, float("inf"), 1.0, 4, 11.0, False)
    text = json.dumps([asdict(report)])
    assert checkpoints._REPORTS.validate_python(json.loads(text)) == [report]


class Told(Listener):
    def __init__(self):
        super().__init__()
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_a_run_with_a_damaged_state_says_so_and_comes_to_the_same(tiny, monkeypatch):
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SHARE", 1e9)
    run(tiny, "whole")

    class Power(Told):
        def epoch(self, job, report):
            super().epoch(job, report)
            if job.startswith("fold") and report.epoch == 3:
                raise RuntimeError("the power is cut")

    with pytest.raises(RuntimeError, match="power"):
        run(tiny, "cut", progress=Power())
    state = min((tiny / "cut" / "jobs").glob("network*.partial.safetensors"))
    found = load_result(state)
    save_result(state, Result({**found.tensors, "deltas": found.tensors["deltas"][:10]}, found.facts))
    told = Told()
    run(tiny, "cut", progress=told)
    assert len(told.notes) == 1
    assert told.notes[0].startswith(f"{state}: ")
    assert told.notes[0].endswith("; fold 0, trial 0 is trained from the start")
    assert "velocity" in told.notes[0]
    assert contents(tiny / "cut") == contents(tiny / "whole")


def test_notes_are_printed(capsys):
    PlainLines().note("the state is damaged")
    Quiet().note("the state is damaged")
    assert capsys.readouterr().err == "the state is damaged\n"
    live = Live()
    try:
        live.note("the state is damaged")
    finally:
        live.close()
    assert "the state is damaged" in capsys.readouterr().err
