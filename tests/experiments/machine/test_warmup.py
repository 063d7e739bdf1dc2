"""After ``lstmcore warmup`` nothing is left to compile; what a command doesn't need it doesn't import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lstmcore import PRECISIONS, ahead
from lstmcore.experiments import cli
from lstmcore.experiments.machine.warmup import Display
from lstmcore.features import settings

ROOT = Path(__file__).parent.parent.parent.parent

FORGOTTEN = """
import importlib, pkgutil
import lstmcore.experiments, lstmcore.features, lstmcore
from lstmcore.experiments.machine.warmup import kernels

for module in pkgutil.walk_packages(lstmcore.__path__, "lstmcore."):
    if module.name != "lstmcore.backends.cuda.native":  # needs numba-cuda, and has kernels of a GPU only
        importlib.import_module(module.name)
found = kernels()
result = [len(found), [n for n, kernel in found.items() if not kernel._cache._cache_file.stored()]]
"""

RUN = """
import threading
from pathlib import Path
import numpy as np
import soundfile
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.prediction.model import load_model
from lstmcore.experiments.datasets.procedural import ProceduralPlan
from lstmcore.experiments.datasets.procedural.song import song_files
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.machine.warmup import Compilations
from lstmcore.features import extract_fs2

watch = Compilations()
with watch.watching():
    config = load_experiment(Path("tiny.toml"), [])
    run_experiment(config, Session("out", workers=2))
    slow = sorted({"matplotlib", "scipy.stats"} & sys.modules.keys())
    load_model(Path("out/model")).predict(np.ones((9, 5)))
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (3 * 44100, 2))
    soundfile.write("noise.mp3", noise, 44100)
    extract_fs2("noise.mp3")
    plan = ProceduralPlan(development=2, unlabelled=0, test=0, seconds=21.0, raters=2, seed=7)
    song_files(plan, plan.songs()[1])
result = [[one.kernel for one in watch.done], slow]
"""

HELP = """
import sys
from lstmcore.experiments.cli import run_app
try:
    run_app(["--help"])
except SystemExit:
    result = sorted({"numpy", "numba", "pandas", "scipy", "matplotlib"} & sys.modules.keys())
"""

TRAINING = """
import sys
import lstmcore.experiments.run.experiment
late = {"pandas", "matplotlib", "jinja2", "opensmile", "soundfile"}
late |= {"scipy.stats", "scipy.special", "scipy.linalg"}
result = sorted(late & sys.modules.keys())
"""


def outcome(script: str, folder: Path = ROOT):
    """Run a script in a process of its own and return what it calls `result`."""
    script = (
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{script}\nimport json\nprint(json.dumps(result))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def warmup(*arguments: str) -> subprocess.CompletedProcess:
    command = [
        sys.executable,
        "-c",
        "from lstmcore.experiments.cli import main; main()",
        "warmup",
        *arguments,
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)


@pytest.fixture(scope="module")
def _warm():
    warmup("--quiet")


@pytest.mark.usefixtures("_warm")
def test_a_second_call_finds_nothing_to_do():
    done = warmup()
    assert done.stdout.startswith("nothing to do: all kernels were compiled before")
    assert str(ROOT / "lstmcore" / "backends") in done.stdout
    assert done.stderr == ""


@pytest.mark.usefixtures("_warm")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_nothing_is_left_to_be_compiled_ahead(precision, monkeypatch):
    monkeypatch.setattr(ahead, "_processors", lambda: 2)
    with ahead.compiling_ahead(precision):
        assert not ahead.in_progress()


@pytest.mark.usefixtures("_warm")
def test_no_kernel_of_any_module_is_forgotten():
    count, forgotten = outcome(FORGOTTEN)
    assert count > 20
    assert forgotten == []


@pytest.mark.usefixtures("_warm")
def test_a_run_after_it_compiles_nothing_and_imports_neither_plots_nor_statistics(tiny):
    assert outcome(RUN, tiny) == [[], []]


def test_what_cannot_be_done_is_told_and_the_rest_is_done(monkeypatch, capsys):
    from lstmcore.experiments.machine import warmup as module

    def fails():
        raise OSError("no openSMILE here")

    monkeypatch.setattr(module, "_parts", lambda: iter([("features", fails), ("music", lambda: None)]))
    with module.Display(quiet=False) as display:
        warmth = module.warm_up(display)
    assert warmth.notes == ["features: no openSMILE here"]
    assert "could not be done: features: no openSMILE here" in capsys.readouterr().err


def test_help_imports_no_numbers():
    assert outcome(HELP) == []


@pytest.mark.parametrize("name", ["SetharesWeight", "VassilakisWeight", "Spectra"])
def test_the_command_knows_the_words_of_the_features_without_importing_them(name):
    assert getattr(cli, name) == getattr(settings, name)


def test_training_begins_before_tables_plots_and_statistics_are_imported():
    assert outcome(TRAINING) == []


def test_a_display_that_isnt_shown_prints_nothing(capsys):
    with Display(quiet=False) as display:
        display.stage("a part", 1, 2)
    assert capsys.readouterr().err == ""
