"""Jobs on a Dask cluster of processes: the bytes of a run without it, whatever happens to the cluster."""

import gc
import re
import threading
import warnings

import numba
import numpy as np
import pandas as pd
import pytest
import soundfile

from lstmcore.experiments.config import Execution, load_experiment
from lstmcore.experiments.errors import Diverged, InputError, Interrupted
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.features import extract
from tests.experiments.conftest import EXPERIMENT, write_tiny_deam
from tests.experiments.jobs.dask_processes import Cluster, kill, wait_for
from tests.experiments.jobs.test_shared_songs import EXPERIMENT as FROM_AUDIO
from tests.experiments.run.test_run import Listener, contents

pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.usefixtures("undrawn"),
    pytest.mark.filterwarnings("ignore"),
]  # Dask's own, not all of which xdist can pass on

LONG = ["training.max_epochs=2000", "training.patience=2000", "ensemble.trials=1"]
"""So that what happens after a job's first epoch happens in its middle."""


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Folder with an experiment, and what two runs of it leave that know nothing of Dask."""
    folder = tmp_path_factory.mktemp("songs")
    write_tiny_deam(folder / "data")
    (folder / "tiny.toml").write_text(EXPERIMENT)
    for name, said in (("short", []), ("long", LONG)):
        run_experiment(load_experiment(folder / "tiny.toml", said), Session(folder / name, 1))
    return folder


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path) as cluster:
        yield cluster
    with warnings.catch_warnings(action="ignore"):  # sockets that Dask leaves behind when the other end dies
        gc.collect()


class Watching(Listener):
    """Does something at the first epoch that a network, not an auto-encoder, is told to have trained for."""

    def __init__(self, then=lambda: None):
        super().__init__()
        self.notes, self.first, self._then = [], {}, then

    def epoch(self, job, report):
        super().epoch(job, report)
        self.first.setdefault(job, report.epoch)
        if job.startswith("fold") and self._then is not None:
            then, self._then = self._then, None
            then()

    def note(self, text):
        self.notes.append(text)


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory):
    """A cluster that nothing happens to."""
    folder = tmp_path_factory.mktemp("cluster")
    with Cluster(folder, LSTMCORE_CACHE=str(folder / "cache")) as cluster:
        for name in ("first", "second"):
            cluster.start_worker(name)
        wait_for(lambda: cluster.log().count("Registered to:") == 2, cluster.log)  # else a run says so
        yield cluster


def run(songs, out, cluster, said=(), progress=None, stop=None):
    execution = Execution(engine="dask", scheduler=cluster.address)
    session = Session(out, 1, progress or Listener(), stop or threading.Event(), execution)
    return run_experiment(load_experiment(songs / "tiny.toml", list(said)), session)


def test_a_worker_killed_in_the_middle_of_a_job_and_one_that_joins_late_leave_the_same_bytes(
    songs, tmp_path, cluster
):
    first = cluster.start_worker("first")

    def at_first_epoch():
        kill(first)  # it is the only one, so that it has the job
        cluster.start_worker("second")

    progress = Watching(at_first_epoch)
    run(songs, tmp_path / "out", cluster, LONG, progress)
    assert first.poll() is not None
    assert contents(tmp_path / "out") == contents(songs / "long")
    assert progress.fresh == 1 + 3 + 1  # auto-encoder, networks, report


def test_a_scheduler_that_is_killed_and_started_again_is_waited_for(songs, tmp_path, cluster):
    cluster.start_worker("first")

    def at_first_epoch():
        kill(cluster.scheduler)
        cluster.start_scheduler()
        cluster.start_worker("second")

    progress = Watching(at_first_epoch)
    run(songs, tmp_path / "out", cluster, LONG, progress)
    assert contents(tmp_path / "out") == contents(songs / "long")
    [note] = [note for note in progress.notes if "what is left is sent again" in note]
    assert note.startswith(cluster.address)


def test_who_is_interrupted_finds_the_state_that_workers_left_in_the_shared_folder(songs, tmp_path, cluster):
    worker, stop = cluster.start_worker("first"), threading.Event()
    with pytest.raises(Interrupted):
        run(songs, tmp_path / "out", cluster, LONG, Watching(stop.set), stop)
    jobs = tmp_path / "out" / "jobs"
    wait_for(lambda: list(jobs.glob("network-*.partial.safetensors")), cluster.log)
    assert worker.poll() is None
    progress = Watching()
    run(songs, tmp_path / "out", cluster, LONG, progress)
    assert contents(tmp_path / "out") == contents(songs / "long")
    assert progress.first["fold 0, trial 0"] > 1
    assert not list(jobs.glob("*.partial.*"))
    assert not list(jobs.glob(".seen-*"))


def test_a_run_on_a_cluster_leaves_the_same_bytes_and_tells_of_epochs(songs, tmp_path, two_workers):
    progress = Watching()
    run(songs, tmp_path / "out", two_workers, progress=progress)
    assert contents(tmp_path / "out") == contents(songs / "short")
    titles = {f"fold {fold}, trial {trial}" for fold in range(3) for trial in range(2)}
    assert progress.first.keys() == titles | {"auto-encoder, trial 0", "auto-encoder, trial 1"}
    assert [progress.fresh, progress.notes] == [9, []]
    run(songs, tmp_path / "out", two_workers, progress=(again := Watching()))
    assert [again.fresh, again.epochs] == [1, 0]


def test_a_search_on_a_cluster_chooses_the_same_and_sends_songs_once(
    songs, tmp_path, two_workers, monkeypatch
):
    from lstmcore.experiments.jobs.cluster.dask_jobs import DaskJobs
    from lstmcore.experiments.studies.search import run_search

    sent = []
    send = DaskJobs._send

    def counted(self, client, packed, packer):
        before = {*self._sent}
        send(self, client, packed, packer)
        sent.append([name.partition("-")[0] for name in self._sent if name not in before])

    monkeypatch.setattr(DaskJobs, "_send", counted)
    steps = "search.steps=[{key='network.hidden', values=[[3,2],[4]]}]"
    experiment = load_experiment(songs / "tiny.toml", [steps, "search.folds=2", "search.trials=1"])
    tables = []
    for name, execution in (("here", None), ("dask", Execution(scheduler=two_workers.address))):
        run_search(experiment, Session(tmp_path / name, 1, execution=execution))
        table = pd.read_csv(tmp_path / name / "search.csv")
        tables.append(table.drop(columns=[name for name in table if "seconds" in name]))
    pd.testing.assert_frame_equal(*tables)
    # Auto-encoders, then networks, of both candidates: other settings, and the same songs.
    assert sent == [["shared", "songs"], ["shared", "songs"], ["shared"], ["shared"]]


def test_ablations_on_a_cluster_come_to_the_same(songs, tmp_path, two_workers):
    from lstmcore.experiments.studies.ablation import run_ablations

    said = "ablation=[{name='no noise', set={'training.input_noise'=0.0}}]"
    experiment = load_experiment(songs / "tiny.toml", [said, "ensemble.trials=1"])
    tables = []
    for name, execution in (("here", None), ("dask", Execution(scheduler=two_workers.address))):
        run_ablations(experiment, Session(tmp_path / name, 1, execution=execution))
        tables.append((tmp_path / name / "ablation.csv").read_bytes())
    assert tables[0] == tables[1]
    assert b"no noise" in tables[0]


def test_an_experiment_from_audio_has_its_songs_computed_by_the_workers(tmp_path, two_workers, monkeypatch):
    for k in range(5):
        soundfile.write(tmp_path / f"{k}.wav", np.random.default_rng(k).uniform(-0.5, 0.5, 16000), 8000)
    rows = [f"{k},{t / 2},{k / 10 + t / 50},{t / 50}" for k in range(5) for t in range(2)]
    (tmp_path / "ratings.csv").write_text("\n".join(["song,time,arousal,valence", *rows, ""]))
    (tmp_path / "tiny.toml").write_text(FROM_AUDIO)
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache here"))
    run_experiment(load_experiment(tmp_path / "tiny.toml"), Session(tmp_path / "here", 1))
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache there"))
    monkeypatch.setattr(extract, "compute_parts", None)  # not by this process
    run(tmp_path, tmp_path / "there", two_workers)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_what_is_wrong_on_a_worker_is_told_as_if_it_were_here(songs, tmp_path, two_workers):
    said = ["training.learning_rate=1e30"]
    with pytest.raises(InputError) as here:
        run_experiment(load_experiment(songs / "tiny.toml", said), Session(tmp_path / "here", 1))
    with pytest.raises(InputError) as there:
        run(songs, tmp_path / "there", two_workers, said)
    assert type(there.value) is type(here.value) is Diverged
    # Of several that diverge, the first to do so is told of, each with its own error.
    said_here, said_there = (
        re.sub(r"error is \S+", "error is X", str(wrong.value).partition(":")[2]) for wrong in (here, there)
    )
    assert said_there == said_here


def test_other_versions_are_refused_with_both(songs, tmp_path, two_workers, monkeypatch):
    from lstmcore.experiments.jobs.cluster import connection

    other = connection.versions() | {"numba": "0.1"}
    monkeypatch.setattr(connection, "versions", lambda: other)
    wrong = rf"worker tcp://.* has numba {numba.__version__}, not 0.1, and results could differ; expected"
    with pytest.raises(InputError, match=wrong):
        run(songs, tmp_path / "out", two_workers)


def test_a_network_of_200_ms_changes_nothing_but_time(songs, tmp_path, cluster):
    cluster.go_far_away(seconds=0.1)
    cluster.start_worker("first")
    progress = Watching()
    run(songs, tmp_path / "out", cluster, progress=progress)
    assert contents(tmp_path / "out") == contents(songs / "short")
    assert progress.notes == []
