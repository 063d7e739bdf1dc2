"""Whole runs on tiny data: what they leave, the same bytes however they are run, nothing lost."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.datasets import Song
from lstmcore.experiments.errors import InputError, Interrupted
from lstmcore.experiments.jobs import checkpoint as job_training
from lstmcore.experiments.prediction.model import load_model
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.terminal.progress import Quiet

OUTPUTS = (
    "predictions.csv",
    "metrics.json",
    "ensemble.json",
    "model/networks.safetensors",
    "model/model.json",
)
ROW = {"system", "set", "target", "metric", "scope", "mean", "std", "songs", "undefined"}
COMMAND = (
    "import lstmcore.experiments.jobs.checkpoint as t; t.CHECKPOINT_SECONDS = 0; t.CHECKPOINT_SHARE = 1e9; "
    "from lstmcore.experiments.cli import main_run; main_run()"
)


class Listener(Quiet):
    """Counts epochs and finished jobs."""

    def __init__(self):
        self.epochs, self.fresh = 0, 0

    def epoch(self, job, report):
        self.epochs += 1

    def advance(self, text="", *, fresh=True):
        self.fresh += fresh


def run(folder: Path, out: str = "out", *overrides: str, workers=1, progress=None, stop=None):
    config = load_experiment(folder / "tiny.toml", list(overrides))
    stop = stop or threading.Event()
    return run_experiment(config, Session(folder / out, workers, progress or Quiet(), stop))


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def command(folder: Path, *arguments: str, **options) -> subprocess.Popen:
    line = [sys.executable, "-c", COMMAND, str(folder / "tiny.toml"), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(line, cwd=folder, **{**pipes, **options})


def test_what_a_run_leaves(tiny):
    result = run(tiny)
    out = tiny / "out"
    for name in (*OUTPUTS, "config.toml", "environment.json", "history.csv", "report.html", "stages.csv"):
        assert (out / name).stat().st_size > 0, name
    assert not list(out.rglob("*.tmp"))
    assert not list(out.rglob("*partial*"))
    assert len(list((out / "jobs").glob("autoencoder-*"))) == 2
    assert len(list((out / "jobs").glob("network-*"))) == 6
    rows = json.loads((out / "metrics.json").read_text())
    assert all(set(row) == ROW for row in rows)
    assert rows == [s.as_row() for s in result.scores]
    systems = {(row["set"], row["system"]) for row in rows}
    baselines = {"global_mean", "song_mean_oracle", "linear_regression", "ridge", "ridge_memory"}
    assert systems == {
        *(("cross_validation", s) for s in {"lstm_all"} | baselines),
        *(
            (g, s)
            for g in ("team_test", "official_test")
            for s in {"lstm_all", "lstm_rmse", "lstm_ccc"} | baselines
        ),
    }
    history = pd.read_csv(out / "history.csv")
    assert history["job"].nunique() == 8
    assert {"epoch", "training_error", "validation_error", "seconds"} <= set(history.columns)


def test_the_time_of_each_stage_is_kept_for_each_run(tiny):
    for _ in range(2):
        run(tiny)
    table = pd.read_csv(tiny / "out" / "stages.csv")
    assert list(table["stage"]) == 2 * [
        "auto-encoders",
        "networks (folds × trials)",
        "ensemble, scores and report",
    ]
    assert list(table["pieces"]) == 2 * [2, 6, 1]
    assert list(table["computed"]) == [2, 6, 1, 0, 0, 1]
    assert (table["seconds"] >= 0).all()


def test_predictions_hold_every_frame_of_every_set_and_give_the_scores(tiny):
    result = run(tiny)
    table = pd.read_csv(tiny / "out" / "predictions.csv")
    assert list(table.columns[:5]) == ["song_id", "time", "system", "arousal", "valence"]
    assert not table.duplicated(["song_id", "time", "system"]).any()
    assert set(table.loc[table.system == "lstm_all", "song_id"]) == {*range(1, 10), 2001, 2002}
    config = load_experiment(tiny / "tiny.toml", [])
    from lstmcore.experiments.datasets import load_dataset

    data = load_dataset(config.data, workers=1, progress=Quiet(), stop=threading.Event())
    song = data.official_test[0]
    ours = table[(table.song_id == 2001) & (table.system == "lstm_ccc")]
    errors = [np.sqrt(np.mean((ours["arousal"].to_numpy() - song.annotation[:, 0]) ** 2))]
    ours = table[(table.song_id == 2002) & (table.system == "lstm_ccc")]
    errors.append(
        np.sqrt(np.mean((ours["arousal"].to_numpy() - data.official_test[1].annotation[:, 0]) ** 2))
    )
    (found,) = [
        s.mean
        for s in result.scores
        if (s.system, s.set, s.target, s.metric, s.scope)
        == ("lstm_ccc", "official_test", "arousal", "rmse", "per_song")
    ]
    assert found == pytest.approx(np.mean(errors), abs=1e-5)


def test_the_saved_model_predicts_what_the_run_predicted(tiny):
    run(tiny)
    model = load_model(tiny / "out" / "model")
    table = pd.read_csv(tiny / "out" / "predictions.csv")
    means = pd.read_csv(tiny / "data" / "song_mean_features.csv").set_index("song_id")
    for system in ("lstm_rmse", "lstm_ccc"):
        ours = table[(table.song_id == 2001) & (table.system == system)]
        features = np.repeat(means.loc[[2001], model.description["feature_names"]].to_numpy(), len(ours), 0)
        mean, spread = model.predict(features, system)
        np.testing.assert_allclose(mean, ours[["arousal", "valence"]], atol=1e-6)
        np.testing.assert_allclose(spread, ours[["arousal_spread", "valence_spread"]], atol=1e-6)
        np.testing.assert_allclose(model.predict(features, system, "reference")[0], mean, atol=1e-6)


def test_networks_are_not_trained_on_what_they_are_scored_on(tiny):
    """A song's targets don't reach the networks that predict it in cross-validation."""
    run(tiny, "a", "pretraining.enabled=false", "training.max_epochs=1")
    for target in ("arousal", "valence"):
        (path,) = (tiny / "data").rglob(f"{target}.csv")
        rows = path.read_text().splitlines()
        cells = rows[4].split(",")
        assert cells[0] == "4"  # index 3: the team's test set
        rows[4] = ",".join([cells[0], *("0.9" if c else "" for c in cells[1:])])
        path.write_text("\n".join(rows) + "\n")
    run(tiny, "b", "pretraining.enabled=false", "training.max_epochs=1")
    a, b = (pd.read_csv(tiny / f / "predictions.csv").query("system == 'lstm_all'") for f in "ab")
    pd.testing.assert_frame_equal(a, b)


def test_one_and_two_workers_give_the_same_bytes(tiny):
    run(tiny, "one", workers=1)
    run(tiny, "two", workers=2)
    assert contents(tiny / "one") == contents(tiny / "two")


def test_running_again_recomputes_nothing(tiny):
    run(tiny)
    before = contents(tiny / "out")
    listener = Listener()
    run(tiny, progress=listener)
    assert listener.epochs == 0
    assert contents(tiny / "out") == before


def test_only_what_is_missing_or_damaged_is_computed(tiny):
    run(tiny)
    before = contents(tiny / "out")
    jobs = sorted((tiny / "out" / "jobs").glob("network-*"))
    jobs[0].unlink()
    jobs[3].write_bytes(jobs[3].read_bytes()[:-20])
    jobs[4].write_bytes(b"")
    listener = Listener()
    run(tiny, progress=listener)
    assert 3 <= listener.epochs <= 18
    assert contents(tiny / "out") == before


def test_changed_data_are_computed_anew(tiny):
    run(tiny)
    path = tiny / "data" / "song_mean_features.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join([*rows[:-1], "13,1,2,3,4,5"]) + "\n")
    listener = Listener()
    run(tiny, progress=listener)
    assert listener.epochs > 8


def test_changed_annotations_are_learnt_anew(tiny):
    """In the folder of networks that learnt the old ones, and without a trace of these."""
    few = ("pretraining.enabled=false", "training.max_epochs=1", "ensemble.trials=1")
    run(tiny, "out", *few)
    before = contents(tiny / "out")
    (path,) = (tiny / "data").rglob("arousal.csv")
    rows = path.read_text().splitlines()
    assert rows[1].startswith("1,")  # which two of three networks learn from; the third is scored on it
    rows[1] = ",".join(["1", *("-0.75" if cell else "" for cell in rows[1].split(",")[1:])])
    path.write_text("\n".join(rows) + "\n")
    listener = Listener()
    run(tiny, "out", *few, progress=listener)
    assert listener.epochs == 3
    run(tiny, "fresh", *few)
    assert contents(tiny / "out") == contents(tiny / "fresh")
    assert contents(tiny / "out")["predictions.csv"] != before["predictions.csv"]


@pytest.mark.parametrize("part", ["times", "features", "targets", "lead_in"])
def test_a_song_is_told_by_all_that_it_holds(part):
    values = {"times": np.arange(3.0), **{k: np.ones((3, 2)) for k in ("features", "targets", "lead_in")}}
    other = dict(values, **{part: values[part] + 1})
    assert Song(1, **values).digest == Song(1, **{k: v.copy() for k, v in values.items()}).digest
    assert Song(1, **other).digest != Song(1, **values).digest


def test_pretraining_changes_the_networks_and_can_be_left_away(tiny):
    run(tiny, "with")
    run(tiny, "without", "pretraining.enabled=false")
    assert not list((tiny / "without" / "jobs").glob("autoencoder-*"))
    assert contents(tiny / "with")["predictions.csv"] != contents(tiny / "without")["predictions.csv"]


def test_the_reference_backend_gives_what_the_cpu_backend_gives_in_double(tiny):
    run(tiny, "cpu", "engine.precision=float64")
    run(tiny, "reference", "engine.backend=reference")
    a, b = (pd.read_csv(tiny / f / "predictions.csv") for f in ("cpu", "reference"))
    np.testing.assert_allclose(a[["arousal", "valence"]], b[["arousal", "valence"]], atol=2e-6)


def test_stopped_between_epochs_and_run_again_gives_the_same_bytes(tiny, monkeypatch):
    monkeypatch.setattr(job_training, "CHECKPOINT_SECONDS", 0)
    run(tiny, "whole")
    listener = Listener()
    for stop_after in (1, 4, 9):
        stop = threading.Event()

        class Stopping(Listener):
            def epoch(self, job, report, stop=stop, stop_after=stop_after):
                super().epoch(job, report)
                if self.epochs == stop_after:
                    stop.set()

        with pytest.raises(Interrupted):
            run(tiny, "parts", progress=Stopping(), stop=stop)
    run(tiny, "parts", progress=listener)
    assert contents(tiny / "parts") == contents(tiny / "whole")


@pytest.mark.parametrize("jobs_done", [0, 1, 5])
def test_killed_and_run_again_gives_the_same_bytes(tiny, jobs_done):
    longer = ["training.max_epochs=15", "training.patience=15"]
    long = ["--workers", "2", *(part for setting in longer for part in ("--set", setting))]
    process = command(tiny, "--out", "killed", *long)
    deadline = time.monotonic() + 60
    while len(list((tiny / "killed").glob("jobs/*-[0-9a-f]*[0-9a-f].safetensors"))) < jobs_done or not (
        list((tiny / "killed").glob("jobs/*"))
    ):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tiny / "killed" / "metrics.json").exists()
    process = command(tiny, "--out", "killed", *long)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    run(tiny, "whole", *longer)
    assert contents(tiny / "killed") == contents(tiny / "whole")


def test_ctrl_c_ends_at_once_and_says_how_to_go_on(tiny):
    process = command(
        tiny, "--out", "o", "--set", "training.max_epochs=100000", "--set", "training.patience=99999"
    )
    while not list((tiny / "o").glob("jobs/network-*")):
        assert process.poll() is None
        time.sleep(0.01)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert time.monotonic() - started < 4
    assert process.returncode == 130
    assert "Run the same command again to go on" in errors
    assert "Traceback" not in errors + output


def test_a_folder_from_before_a_key_came_is_the_same_experiments(tiny):
    run(tiny)
    before = contents(tiny / "out")
    config = tiny / "out" / "config.toml"
    lines = config.read_text().splitlines(keepends=True)
    scale = lines.index("scale = [\n")
    config.write_text("".join(lines[:scale] + lines[scale + 4 :]))
    run(tiny)
    assert before.keys() == contents(tiny / "out").keys()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name = [", r"config\.toml: can't be read"),
        ("other = 1", "another experiment; different: data is None"),
    ],
)
def test_a_folder_whose_configuration_is_damaged_is_refused(tiny, content, message):
    (tiny / "out").mkdir()
    (tiny / "out" / "config.toml").write_text(content)
    with pytest.raises(InputError, match=message):
        run(tiny)
    assert (tiny / "out" / "config.toml").read_text() == content


def test_the_folder_of_a_run_that_computed_nothing_is_taken_over(tiny):
    with pytest.raises(InputError, match=r"metadata\.csv: no such file"):
        run(tiny, "out", 'folds.group="singer"')
    assert (tiny / "out" / "config.toml").is_file()
    run(tiny)
    assert "singer" not in (tiny / "out" / "config.toml").read_text()


def test_another_experiments_folder_is_refused(tiny):
    run(tiny)
    before = contents(tiny / "out")
    with pytest.raises(
        InputError, match=r"another experiment; different: training.patience is 3 there and 4 here"
    ):
        run(tiny, "out", "training.patience=4")
    assert contents(tiny / "out") == before


def test_a_folder_with_something_else_in_it_is_refused(tiny):
    with pytest.raises(InputError, match=r"data: holds files but no config\.toml"):
        run(tiny, "data")
    with pytest.raises(InputError, match=r"tiny\.toml: is a file"):
        run(tiny, "tiny.toml")


def test_more_folds_than_songs(tiny):
    with pytest.raises(InputError, match=r"folds.count is 11 and there are 9 development songs"):
        run(tiny, "out", "folds.count=11", "folds.team_test=0")


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
def test_divergence_names_the_network_and_the_way_out(tiny):
    with pytest.raises(
        InputError, match=r"fold \d, trial \d: epoch \d+: the training error is .* learning_rate"
    ):
        run(tiny, "out", "training.learning_rate=1e30", "training.max_epochs=50", "training.patience=50")


def test_a_full_disk_is_named_and_nothing_is_lost(tiny, monkeypatch):
    real, written = os.fsync, []

    def full_after_five(descriptor):
        if stat.S_ISREG(os.fstat(descriptor).st_mode):  # no folder
            written.append(descriptor)
        if len(written) > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full_after_five)
    with pytest.raises(OSError, match=r"No space left on device: .*jobs/.*safetensors") as error:
        run(tiny, "full")
    assert error.value.errno == errno.ENOSPC
    kept = list((tiny / "full" / "jobs").iterdir())
    assert len(kept) == 2
    monkeypatch.setattr(os, "fsync", real)
    run(tiny, "full")
    run(tiny, "whole")
    assert contents(tiny / "full") == contents(tiny / "whole")
