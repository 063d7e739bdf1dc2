"""A state of a training that was damaged on disk: the training begins anew, and a line says so."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from lstmcore import SGD, EngineError, EpochReport, Trainer, TrainingSettings
from lstmcore.experiments.jobs import checkpoint as job_training
from lstmcore.experiments.jobs.checkpoint import JobTraining
from lstmcore.experiments.jobs.job import Job, Prepared, Result, load_result, save_result
from lstmcore.experiments.progress import Live, PlainLines, Quiet
from tests.experiments.run.test_run import Listener, contents, run
from tests.lstmcore.networks import random_network, random_sequences

SONGS = random_sequences([4, 3], 3, 2, dtype="float32")


def prepare(state):
    network = random_network(3, [(4, 1.0)], 2, dtype="float32")
    settings = TrainingSettings(SGD(1e-3), max_epochs=5)
    trainer = Trainer(network, SONGS, SONGS, settings, seed=1, state=state)
    return Prepared(trainer, lambda network, reports: Result({}, {}), SONGS)


JOB = Job("fold 0, trial 0", "network", prepare)


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "network.partial.safetensors"
    training = JobTraining(JOB, path)
    for _ in range(3):
        training.hear(training.trainer.run_epoch())
    training.save()
    return path


def test_a_sound_state_is_gone_on_from(checkpoint):
    training = JobTraining(JOB, checkpoint)
    assert training.note is None
    assert training.trainer.state.epoch == 3


def cut(name):
    return lambda t, f: ({**t, name: t[name][:10]}, f)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut("weights"), r"state: weights: an array of shape \(10,\)"),
        (cut("deltas"), r"state: deltas: an array of shape \(10,\)"),
        (cut("best_weights"), r"state: best_weights: an array of shape \(10,\)"),
        (lambda t, f: ({**t, "deltas": t["deltas"].astype(float)}, f), r"state: deltas: .*float64"),
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
        (lambda t, f: (t, []), "reports: Input should be a valid list"),
    ],
)
def test_a_damaged_state_is_left_aside(checkpoint, damage, message):
    found = load_result(checkpoint)
    save_result(checkpoint, Result(*damage(found.tensors, found.facts)))
    training = JobTraining(JOB, checkpoint)
    assert training.trainer.state.epoch == 0
    assert training.note.startswith(f"{checkpoint}: ")
    assert training.note.endswith("; fold 0, trial 0 is trained from the start")
    with pytest.raises(EngineError, match=message):
        raise EngineError(training.note)
    training.hear(training.trainer.run_epoch())
    training.save()
    assert JobTraining(JOB, checkpoint).trainer.state.epoch == 1


@pytest.mark.parametrize("size", [0, 5, 200])
def test_a_state_that_was_cut_off_is_left_aside(checkpoint, size):
    checkpoint.write_bytes(checkpoint.read_bytes()[:size])
    training = JobTraining(JOB, checkpoint)
    assert training.trainer.state.epoch == 0
    assert "can't be read" in training.note


def test_a_mistake_that_is_not_the_states_is_told(checkpoint):
    def wrong(state):
        raise EngineError("the network is wrong")

    with pytest.raises(EngineError, match="the network is wrong"):
        JobTraining(replace(JOB, prepare=wrong), checkpoint)


def test_reports_are_read_as_they_were_written():
    report = EpochReport(7, 9.0, 0.15, None, float("inf"), 1.0, 4, 11.0, False)
    text = json.dumps([asdict(report)])
    assert job_training._REPORTS.validate_python(json.loads(text)) == [report]


class Told(Listener):
    def __init__(self):
        super().__init__()
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_a_run_with_a_damaged_state_says_so_and_comes_to_the_same(tiny, monkeypatch):
    monkeypatch.setattr(job_training, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(job_training, "CHECKPOINT_SHARE", 1e9)
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
    assert str(state) in told.notes[0]
    assert "deltas" in told.notes[0]
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
