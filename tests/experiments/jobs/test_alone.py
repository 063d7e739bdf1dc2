"""Two runs in one folder: the second says who is there, waits, and computes nothing twice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pandas as pd
import pytest

from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.datasets import load_dataset
from lstmcore.experiments.errors import InputError, Interrupted
from lstmcore.experiments.jobs.alone import alone
from lstmcore.experiments.run.experiment import run_experiment
from lstmcore.experiments.run.folder import LOCK
from lstmcore.experiments.run.session import Session
from lstmcore.experiments.studies.ablation import run_ablations
from lstmcore.experiments.studies.search import run_search
from lstmcore.experiments.terminal.progress import Quiet
from tests.experiments.run.test_run import Listener, contents, run

SEARCH = """
[search]
[[search.steps]]
key = "training.learning_rate"
values = [1e-3, 2e-3]
"""
LONG = ["--set", "training.max_epochs=40", "--set", "training.patience=40"]


class Leaving(Quiet):
    """Doesn't wait for long."""

    def __init__(self):
        self.notes, self.stop = [], threading.Event()

    def note(self, text):
        self.notes.append(text)
        self.stop.set()


def command(folder, *arguments):
    line = [
        sys.executable,
        "-c",
        "from lstmcore.experiments.cli import main_run; main_run()",
        str(folder / "tiny.toml"),
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*line, "--out", "out", *LONG, *arguments], cwd=folder, **pipes)


def test_two_commands_at_once_compute_everything_once(tiny):
    processes = [command(tiny), command(tiny)]
    said = []
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        said.append(errors)
    stages = pd.read_csv(tiny / "out" / "stages.csv")
    trained = stages[stages["stage"].str.startswith(("auto-encoders", "networks"))]
    assert sorted(trained["computed"]) == [0, 0, 2, 6]
    waited = [k for k in (0, 1) if "is at work here; waiting until that has ended" in said[k]]
    assert len(waited) <= 1  # none if one was over before the other began
    if waited:
        assert f"process {processes[1 - waited[0]].pid} on " in said[waited[0]]
    run(tiny, "whole", *LONG[1::2])
    assert contents(tiny / "out") == contents(tiny / "whole")
    assert not (tiny / "out" / f"{LOCK}.json").exists()


def test_a_killed_process_keeps_nobody_out(tiny):
    process = command(tiny, "--set", "training.max_epochs=100000", "--set", "training.patience=100000")
    while not list((tiny / "out").glob("jobs/autoencoder-*")) and process.poll() is None:
        time.sleep(0.01)
    assert json.loads((tiny / "out" / f"{LOCK}.json").read_text())["process"] == process.pid
    waiting = Leaving()
    with pytest.raises(Interrupted):
        run(tiny, "out", *LONG[1::2], progress=waiting, stop=waiting.stop)
    (note,) = waiting.notes
    assert note.startswith(f"{tiny / 'out'}: process {process.pid} on ")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    started = time.monotonic()
    with pytest.raises(InputError, match="another experiment"):  # it gets as far as that
        run(tiny, "out", *LONG[1::2], progress=Listener())
    assert time.monotonic() - started < 5


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("what", [run_experiment, run_search, run_ablations])
def test_every_command_that_has_a_folder_waits_for_its_turn(tiny, what):
    (tiny / "tiny.toml").write_text((tiny / "tiny.toml").read_text() + SEARCH)
    config, waiting = load_experiment(tiny / "tiny.toml", []), Leaving()
    with (
        alone(tiny / "out" / LOCK, tiny / "out", waiting.note, waiting.stop.is_set),
        pytest.raises(Interrupted),
    ):
        what(config, Session(tiny / "out", 1, waiting, waiting.stop))
    assert len(waiting.notes) == 1
    assert f"process {os.getpid()} on " in waiting.notes[0]
    what(config, Session(tiny / "out", workers=1))
    assert (tiny / "out" / "config.toml").exists()


def test_the_lock_is_free_after_an_error_and_nobody_is_named(tiny):
    with pytest.raises(ZeroDivisionError), alone(tiny / "a" / LOCK, tiny, print, bool):
        raise ZeroDivisionError
    (tiny / "a" / f"{LOCK}.json").write_text("{")
    with alone(tiny / "a" / LOCK, tiny, print, bool):
        (tiny / "a" / f"{LOCK}.json").write_text("{")
        waiting = Leaving()
        with pytest.raises(Interrupted), alone(tiny / "a" / LOCK, tiny, waiting.note, waiting.stop.is_set):
            pass
    assert waiting.notes == [f"{tiny}: another process is at work here; waiting until that has ended"]


def test_a_folder_of_something_else_is_refused_untouched(tiny):
    before = sorted((tiny / "data").iterdir())
    with pytest.raises(InputError, match="holds files but no config"):
        run(tiny, "data")
    assert sorted((tiny / "data").iterdir()) == before


def test_a_procedural_collection_is_made_by_one_at_a_time(tiny):
    root = tiny / "songs"
    config = load_experiment(
        tiny / "tiny.toml",
        ["data.source=procedural", f"data.root={root}", "data.features=FS1", "data.procedural.development=1"],
    )
    waiting = Leaving()
    with (
        alone(tiny / ".songs.lock", root, waiting.note, waiting.stop.is_set),
        pytest.raises(Interrupted),
    ):
        load_dataset(config.data, workers=1, progress=waiting, stop=waiting.stop)
    assert len(waiting.notes) == 1
    assert not root.exists()
