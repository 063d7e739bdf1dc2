"""Jobs on a Dask cluster of processes: the bytes of a run without it, whatever happens to the cluster."""

import gc
import threading
import warnings

import pytest

from lstmcore.experiments.config import Execution, load_experiment
from lstmcore.experiments.errors import Interrupted
from lstmcore.experiments.run import Session, run_experiment
from tests.experiments.conftest import EXPERIMENT, write_tiny_deam
from tests.experiments.jobs.dask_processes import Cluster, kill, wait_for
from tests.experiments.run.test_run import Listener, contents

pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("default")  # Dask's own

LONG = ["training.max_epochs=400", "training.patience=400", "ensemble.trials=1"]
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
