"""A second process compiles kernels while the first begins: which, when, for how long, and no bit changes."""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import psutil
import pytest

from lstmcore import Trainer, ahead
from lstmcore.backends.cpu import updates
from lstmcore.experiments import cli, load_experiment
from tests.lstmcore.test_updates import new_training

ROOT = Path(__file__).parent.parent.parent

COMPILED = """
import json
from lstmcore import predict, Trainer
from lstmcore.backends.cpu.compile_ahead import compile_all
from lstmcore.backends.cpu.updates import run_updates
from lstmcore.experiments.machine.warmup import kernels
from tests.lstmcore.test_updates import LAYERS, PassByPass, new_training

def versions():
    return {name: len(kernel.overloads) for name, kernel in kernels().items() if kernel.overloads}

compile_all("float32")
ahead = versions()
for layers in LAYERS:
    training = new_training(layers)
    for backend in ("cpu", PassByPass()):
        trainer = Trainer(training, backend=backend)
        trainer.run_epoch()
    predict(training.network, training.sets.training)
print(json.dumps([ahead, versions()]))
"""

ENDED = """
import os, signal
from lstmcore import ahead
with ahead.compiling_ahead("float32"):
    print(ahead._helper.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def _nothing_compiled(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    monkeypatch.setattr(ahead, "_processors", lambda: 2)


def is_gone(process: int) -> bool:
    """Whether a process has ended, though nobody may have asked how."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_what_is_compiled_ahead_is_what_training_needs_and_nothing_else():
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{COMPILED}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    compiled, needed = json.loads(done.stdout)
    assert "lstmcore.backends.cpu.updates.run_updates" in compiled
    assert compiled == needed
    assert set(compiled.values()) == {1}


@pytest.mark.usefixtures("_nothing_compiled")
def test_the_process_ends_with_the_block_and_is_not_started_twice():
    with ahead.compiling_ahead("float32"):
        helper = ahead._helper
        assert ahead.in_progress()
        with ahead.compiling_ahead("float32"):
            assert ahead._helper is helper
        assert ahead.in_progress()
    assert not ahead.in_progress()
    assert helper.returncode is not None
    assert helper.stdin.closed


@pytest.mark.usefixtures("_nothing_compiled")
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_the_process_ends_when_its_parent_is_killed():
    command = [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{ENDED}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode < 0
    assert is_gone(int(done.stdout))


@pytest.mark.usefixtures("_nothing_compiled")
def test_where_there_is_nothing_to_do_or_no_place_for_it_nobody_is_started(monkeypatch, tmp_path):
    def started(precision="float32"):
        with ahead.compiling_ahead(precision):
            return ahead.in_progress()

    with monkeypatch.context() as patch:
        patch.setattr(ahead, "_processors", lambda: 1)
        assert not started()
    with monkeypatch.context() as patch:
        patch.setenv("NUMBA_DISABLE_JIT", "1")
        assert not started()
    with monkeypatch.context() as patch:  # such as where root installed it
        patch.setattr(os, "access", lambda path, mode: False)
        assert not started()
    (tmp_path / "kernels").mkdir()
    ahead.note("float32")
    assert not started()
    assert started("float64")
    with monkeypatch.context() as patch:  # others then compile anew
        patch.setattr(ahead, "sources_of", lambda folder: "changed")
        assert started()
        ahead.note("float32")
    assert len(list((tmp_path / "kernels").glob("ahead-float32-*"))) == 1
    assert started()


@pytest.mark.usefixtures("_nothing_compiled")
def test_a_system_that_starts_no_process_is_no_reason_to_stop(monkeypatch):
    def full(*arguments, **options):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", full)
    with ahead.compiling_ahead("float32"):
        assert not ahead.in_progress()


def test_an_epoch_learns_pass_by_pass_while_the_kernel_of_many_updates_is_compiled(monkeypatch):
    def state_after(*in_progress):
        trainer = Trainer(new_training())
        for one in in_progress:
            monkeypatch.setattr(updates, "in_progress", lambda one=one: one)
            trainer.run_epoch()
        return trainer.state

    calls = []
    kernel = updates.run_updates
    monkeypatch.setattr(updates, "run_updates", lambda *arguments: calls.append(1) or kernel(*arguments))
    one = state_after(True, True)
    assert not calls
    other = state_after(True, False)
    assert len(calls) == 1
    for name in ("weights", "velocity", "best_weights"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], ["float32"]),
        (["engine.precision=float64"], ["float64"]),
        (["engine.backend=reference"], []),
        (["execution.engine=dask", "execution.scheduler=tcp://node:8786"], []),
        (["execution.engine=folder"], []),
    ],
)
def test_only_commands_that_train_here_have_kernels_compiled_ahead(monkeypatch, changes, expected):
    asked = []

    def noted(precision):
        asked.append(precision)
        return ExitStack()

    monkeypatch.setattr(ahead, "compiling_ahead", noted)
    with cli._kernels_ahead(load_experiment("quickstart", changes)):
        assert asked == expected
