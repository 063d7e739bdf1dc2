"""Features on a Dask cluster, what is said where there is none, and what a job queue gets."""

import gc
import json
import mmap
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import dask
import pytest
import soundfile
from dask.utils import key_split
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.cluster import connection as connections
from lstmcore.experiments.jobs.cluster.connection import Connection, Place, check_dask, new_cluster
from lstmcore.experiments.jobs.cluster.dask_jobs import DaskJobs, _keys
from lstmcore.experiments.jobs.job import Computation, Result
from lstmcore.experiments.jobs.work import Computing
from lstmcore.features import FeatureStore
from lstmcore.features.settings import DEFAULT
from tests.experiments.jobs.dask_processes import Cluster

pytestmark = pytest.mark.filterwarnings("ignore")  # Dask's own, not all of which xdist can pass on
GOLDEN = Path(__file__).parents[2] / "golden" / "features"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    with Cluster(folder, LSTMCORE_CACHE=str(folder / "cache")) as cluster:
        cluster.start_worker("first")
        yield cluster


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Folder with five songs of 1.5 s and one that is none, and a cache of its own."""
    samples, rate = soundfile.read(GOLDEN / "mix12.flac", dtype="int16")
    (tmp_path / "library").mkdir()
    for k in range(5):
        soundfile.write(tmp_path / "library" / f"{k}.wav", samples[k * 70_000 :][: rate * 3 // 2], rate)
    (tmp_path / "library" / "broken.mp3").write_text("no audio " * 99)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def extract(out, *options):
    line = ["features", "library", "--out", out, "--set", "music", *options]
    return CliRunner().invoke(app, line)


def test_tables_of_a_cluster_are_the_same_and_so_is_what_is_said_of_bad_files(library, cluster):
    here = extract("here.csv", "--no-store", "--workers", "1")
    there = extract("there.csv", "--scheduler", cluster.address)
    assert (library / "here.csv").read_bytes() == (library / "there.csv").read_bytes()
    said = [[line for line in result.stderr.splitlines() if "broken" in line] for result in (here, there)]
    assert said[0] == said[1] != []
    assert here.exit_code == there.exit_code == 1
    again = extract("again.csv", "--workers", "1")  # the store is one that both see
    assert "5 from the store" in again.stdout


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_cluster_with_certificates_is_reached_with_them_alone(library, monkeypatch):
    line = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=lstmcore"]
    subprocess.run([*line, "-keyout", "key.pem", "-out", "cert.pem"], check=True, capture_output=True)
    cert, key = str(library / "cert.pem"), str(library / "key.pem")
    tls: dict[str, object] = {name: {"cert": cert, "key": key} for name in ("scheduler", "worker")}
    (library / "dask.yaml").write_text(  # JSON is YAML
        json.dumps({"distributed": {"comm": {"tls": tls | {"ca-file": cert}}}})
    )
    ours = {"ca-file": cert, "client.cert": cert, "client.key": key}
    with Cluster(library, "tls", DASK_CONFIG=str(library / "dask.yaml")) as cluster:
        cluster.start_worker("first")

        def said(**changed):
            with dask.config.set({f"distributed.comm.tls.{k}": v for k, v in (ours | changed).items()}):
                return extract("out.csv", "--no-store", "--scheduler", cluster.address)

        without = said(**dict.fromkeys(ours))
        assert without.exit_code == 2
        assert "and no certificates for it are in Dask's configuration; expected files" in without.stderr
        assert "can't be used ([Errno 2] No such file" in said(**{"client.cert": "/nowhere"}).stderr
        assert "5 songs" in said().stdout
    assert cluster.address.startswith("tls://")


def test_a_file_that_a_worker_does_not_see_is_named_with_the_worker(library, cluster, caplog):
    with (library / "library" / "0.wav").open("rb") as file:
        own = Path(f"/proc/self/fd/{os.dup2(file.fileno(), 217)}")  # which each process sees for itself
    paths = [own, *(library / "library" / f"{k}.wav" for k in range(1, 5))]
    with Connection(Place(cluster.address), None, print) as connection:
        songs = DaskJobs(connection, 1).extract(
            paths, "music", FeatureStore(), settings=DEFAULT, workers=1, on_done=lambda one: None
        )
        wrong = rf"{own}: worker tcp://127.* doesn't see this file; expected sound at the same path"
        with pytest.raises(InputError, match=wrong), songs as results:
            list(results)
    os.close(217)
    del songs, results, connection
    gc.collect()
    assert "never retrieved" not in caplog.text  # what asyncio says of those that nobody waits for any more


def test_where_nobody_answers_the_address_is_named(library, monkeypatch):
    monkeypatch.setattr(connections, "_FIRST_SECONDS", 0.5)
    monkeypatch.setattr(connections, "_TRY_SECONDS", 0.5)
    result = extract("out.csv", "--scheduler", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    said = "execution.scheduler is 'tcp://127.0.0.1:9', and no scheduler of Dask's answers there"
    assert said in result.stderr
    assert not Path("out.csv").exists()


def test_without_dask_the_extra_is_named(library, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = extract("out.csv", "--scheduler", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    assert "execution.engine is 'dask', and distributed is not installed" in result.stderr
    assert "dask-jobqueue" in result.stderr  # what to install


OPTIONS = {"queue": "long", "cores": 16, "memory": "32 GB", "walltime": "12:00:00"}


def test_a_job_queue_is_asked_for_one_process_of_many_threads():
    script = job_script(OPTIONS)
    for line in ("-p long", "-n 1", "--cpus-per-task=16", "--mem=30G", "-t 12:00:00"):
        assert f"#SBATCH {line}\n" in script
    assert "--nthreads 16" in script
    assert "--nworkers" not in script


def job_script(options):
    cluster = new_cluster(Place(kind="slurm", workers=2, options={**options, "interface": "lo"}))
    try:
        return cluster.job_script()
    finally:
        cluster.close()


def test_what_is_wrong_with_a_job_queue_is_told():
    with pytest.raises(InputError, match="kind is 'slurm', and there is no sbatch here; expected a machine"):
        check_dask(Place(kind="slurm"))
    with pytest.raises(InputError, match=r"no slurm cluster with these options: .*coores"):
        new_cluster(Place(kind="slurm", options={"coores": 1, "cores": 1, "memory": "1 GB"}))
    gc.collect()  # what Dask has begun says so when it goes, which is no other test's


def test_the_dashboard_has_stages_whole_and_each_job_by_its_title():
    jobs = [Computation(f"fold {fold}, trial 1", f"name{fold}", lambda: Result({}, {})) for fold in (0, 1)]
    keys = _keys("auto-encoders of layer 2, pre-training off", [Computing(job) for job in jobs])
    assert [name for _, name in keys] == ["fold 0, trial 1 (1 of 2)", "fold 1, trial 1 (2 of 2)"]
    assert {key_split(key) for key in keys} == {"auto‑encoders of layer 2, pre‑training off"}


FAULTS = """
import resource
import numpy as np
from lstmcore.experiments.jobs.cluster.worker import _prepare
_prepare()
np.ones(10**6)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(10**6)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="tells glibc what to do with freed memory")
def test_memory_is_kept_in_a_process_whose_nanny_had_it_given_back_at_once():
    pages = 50 * 8 * 10**6 // mmap.PAGESIZE
    line = [sys.executable, "-c", FAULTS]
    done = subprocess.run(
        line, env=os.environ | {"MALLOC_TRIM_THRESHOLD_": "65536"}, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < pages / 10
