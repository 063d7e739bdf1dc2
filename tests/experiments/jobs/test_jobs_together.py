"""All jobs of a stage trained in one call, as for CUDA: nothing that a run leaves shows it."""

import re
import threading

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
from typer.testing import CliRunner

from lstmcore import DivergedError, EngineError, get_backend
from lstmcore.backends.cpu.backend import CpuBackend
from lstmcore.experiments.cli import app
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.errors import Diverged, Interrupted
from lstmcore.experiments.jobs import checkpoint as checkpoints
from lstmcore.experiments.run import Session
from lstmcore.experiments.studies.search import run_search
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.experiments.training.pretraining import autoencoder_jobs
from lstmcore.experiments.training.trial import TrialData, network_jobs
from tests.experiments.run.test_run import Listener, contents, run


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """How many trainers each call got, with the CPU's jobs given all at once and trained as on a GPU."""
    sizes = []

    def train_ensemble(self, trainers, on_epoch, on_diverged):
        """Train each for an epoch, then each for another."""
        sizes.append(len(trainers))
        running = {place: trainer for place, trainer in enumerate(trainers) if not trainer.finished}
        while running:
            for place, trainer in list(running.items()):
                try:
                    report = trainer.run_epoch()
                except DivergedError as error:
                    del running[place]
                    on_diverged(place, error)
                    continue
                if trainer.finished:
                    del running[place]
                on_epoch(place, report)

    monkeypatch.setattr(CpuBackend, "train_ensemble", train_ensemble, raising=False)
    monkeypatch.setattr(CpuBackend, "trains_together", True)
    return sizes


def test_a_stage_is_one_call_and_the_bytes_are_the_same(tiny, calls, monkeypatch):
    run(tiny, "together", workers=2)
    assert calls == [2, 6]  # two trials; three folds of two trials
    monkeypatch.setattr(CpuBackend, "trains_together", False)
    run(tiny, "alone", workers=2)
    assert calls == [2, 6]
    assert contents(tiny / "together") == contents(tiny / "alone")
    files = [sorted(path.name for path in (tiny / folder).rglob("*")) for folder in ("together", "alone")]
    assert files[0] == files[1]
    histories = [pd.read_csv(tiny / folder / "history.csv") for folder in ("together", "alone")]
    pd.testing.assert_frame_equal(*(table.drop(columns="seconds") for table in histories))


def test_a_job_is_finished_as_soon_as_it_stops(tiny, calls):
    class Watching(Listener):
        def __init__(self):
            super().__init__()
            self.done = []

        def advance(self, text="", *, fresh=True):
            super().advance(text, fresh=fresh)
            self.done.append((self.epochs, len(list((tiny / "out" / "jobs").glob("*[0-9a-f].safetensors")))))

    listener = Watching()
    run(tiny, progress=listener)
    jobs = [files for _, files in listener.done[:-1]]  # the last is the report
    assert jobs == list(range(1, 9))
    epochs = [heard for heard, _ in listener.done[:-1]]
    assert epochs == sorted(set(epochs))


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize("stop_after", [1, 4, 9, 20])
def test_stopped_and_run_again_gives_the_same_bytes(tiny, stop_after):
    run(tiny, "whole")
    stop = threading.Event()

    class Stopping(Listener):
        def epoch(self, job, report):
            super().epoch(job, report)
            if self.epochs == stop_after:
                stop.set()

    with pytest.raises(Interrupted):
        run(tiny, "parts", progress=Stopping(), stop=stop)
    assert list((tiny / "parts" / "jobs").glob("*.partial.safetensors"))
    listener = Listener()
    run(tiny, "parts", progress=listener)
    assert contents(tiny / "parts") == contents(tiny / "whole")
    assert not list((tiny / "parts" / "jobs").glob("*.partial.safetensors"))
    whole = pd.read_csv(tiny / "whole" / "history.csv")
    assert listener.epochs == len(whole) - stop_after


def test_only_what_is_missing_is_trained(tiny, calls):
    run(tiny)
    before = contents(tiny / "out")
    for path in sorted((tiny / "out" / "jobs").glob("network-*"))[1:3]:
        path.unlink()
    run(tiny)
    assert calls == [2, 6, 2]
    assert contents(tiny / "out") == before


def songs_of(tiny):
    from lstmcore.experiments.datasets import load_dataset

    config = load_experiment(tiny / "tiny.toml", [])
    return load_dataset(config.data, workers=1, progress=Quiet(), stop=threading.Event()).unlabelled


def test_a_forget_bias_makes_other_jobs_and_other_networks(tiny):
    from lstmcore.experiments.datasets import load_dataset
    from lstmcore.experiments.training.folds import split

    jobs = {}
    for bias in (0, 3):
        config = load_experiment(tiny / "tiny.toml", [f"network.forget_bias={bias}"])
        dataset = load_dataset(config.data, workers=1, progress=Quiet(), stop=threading.Event())
        data = TrialData(config, dataset, split(dataset.development, config.folds), [])
        jobs[bias] = [network_jobs(data)[0], autoencoder_jobs(config, dataset.unlabelled)[0]]
    for usual, started in zip(*jobs.values(), strict=True):
        assert usual.name != started.name
        before, after = (job.training().network.parameters[0]["b"] for job in (usual, started))
        np.testing.assert_allclose(after[2] - before[2], 3, rtol=1e-6)
        np.testing.assert_array_equal(after[[0, 1, 3]], before[[0, 1, 3]])


def test_jobs_of_a_fold_share_their_songs_and_forget_them(tiny):
    from lstmcore.experiments.datasets import load_dataset
    from lstmcore.experiments.training.folds import split

    config = load_experiment(tiny / "tiny.toml", [])
    dataset = load_dataset(config.data, workers=1, progress=Quiet(), stop=threading.Event())
    data = TrialData(config, dataset, split(dataset.development, config.folds), [])
    folds = [job.training() for job in network_jobs(data)]
    assert folds[0].sets is folds[1].sets is not folds[2].sets
    encoders = [job.training() for job in autoencoder_jobs(config, dataset.unlabelled)]
    assert encoders[0].sets is encoders[1].sets
    assert len(data._sets._values) == 3
    del folds
    assert len(data._sets._values) == 0


@pytest.mark.usefixtures("calls")
def test_states_are_kept_of_all_and_a_finished_one_without_a_result_is_concluded(tiny, monkeypatch):
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SHARE", 1e9)
    run(tiny, "whole")

    class Power(Listener):
        """Fails when the first network ends, whose state is that of its last epoch."""

        def epoch(self, job, report):
            super().epoch(job, report)
            if job.startswith("fold") and report.epoch == 3:
                for path in (tiny / "cut" / "jobs").glob("*.partial.safetensors"):
                    kept.append(safetensors.numpy.load_file(path))
                raise RuntimeError("the power is cut")

    kept = []
    with pytest.raises(RuntimeError, match="power"):
        run(tiny, "cut", progress=Power())
    assert len(kept) == 6  # though the power is cut between an epoch and its state
    assert all(np.isfinite(state["weights"]).all() for state in kept)
    run(tiny, "cut")
    assert contents(tiny / "cut") == contents(tiny / "whole")


@pytest.mark.usefixtures("calls")
@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
def test_divergence_ends_all_and_is_remembered(tiny):
    wild = ("training.learning_rate=1e30", "training.max_epochs=50", "training.patience=50")
    for _ in range(2):
        with pytest.raises(Diverged, match=r"fold \d, trial \d: epoch \d+: the training error is"):
            run(tiny, "out", *wild)
    assert len(list((tiny / "out" / "jobs").glob("network-*[0-9a-f].safetensors"))) == 1


def test_a_correlation_that_runs_off_is_told(tiny):
    """Its error is bounded, whatever the outputs are."""
    with pytest.raises(
        Diverged, match=r"fold \d, trial \d: epoch 1: the outputs reach .*learning_rate below"
    ):
        run(tiny, "out", "training.objective=ccc", "training.learning_rate=1e10")


SEARCH = """
[search]
trials = 1
[[search.steps]]
key = "training.learning_rate"
values = [1e-3, 1e30]
"""


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
def test_a_search_bears_divergence(tiny, calls):
    path = tiny / "tiny.toml"
    path.write_text(path.read_text() + SEARCH)
    config = load_experiment(path, [])
    stop = threading.Event()
    searched = run_search(config, Session(tiny / "search", workers=1, stop=stop))
    assert [bool(tried.fold_scores) for tried in searched.tried] == [True, False]
    assert calls == [1, 3, 3]
    assert len(list((tiny / "search" / "jobs").glob("network-*"))) == 6


def cuda_is_there() -> bool:
    try:
        get_backend("cuda")
    except EngineError:
        return False
    return True


@pytest.mark.skipif(cuda_is_there(), reason="there is a GPU")
@pytest.mark.parametrize("command", ["run", "search", "ablate", "predict"])
def test_without_a_gpu_the_way_out_is_told_before_anything_is_done(tiny, command):
    path = tiny / "tiny.toml"
    path.write_text(path.read_text() + SEARCH)
    names = ("song.wav", "--model", "run") if command == "predict" else (path,)
    arguments = [command, *map(str, names), "--backend", "cuda", "--out", str(tiny / "out")]
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (2, True)
    assert re.search(r"error: .*cuda.*", result.output)
    assert re.search(r"pip install .*numba-cuda\[cu12\]>=", result.output) or "GPU" in result.output
    assert "Traceback" not in result.output
    assert not (tiny / "out").exists()


def test_the_backend_is_a_part_of_a_jobs_name(tiny):
    named = [
        autoencoder_jobs(load_experiment(tiny / "tiny.toml", [], backend), songs_of(tiny))[0].name
        for backend in ("cpu", "cuda")
    ]
    assert named[0] != named[1]
