"""Workers that have nothing to do help others: when, with how many threads, and with the same bytes."""

import threading
import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from lstmcore.backends.cpu import backend as cpu
from lstmcore.experiments.cli import run_app
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs import work
from lstmcore.experiments.jobs.cluster.worker import _Task
from lstmcore.experiments.jobs.executor import Threads
from lstmcore.experiments.jobs.shared import SharedFolder
from lstmcore.experiments.run import Session, run_experiment
from tests.experiments.run.test_run import contents


class Piece:
    """A piece of work that ends when it may, and then asks for its threads."""

    def __init__(self, name, executor, heard):
        self.name, self.executor, self.heard = name, executor, heard
        self.jobs = [SimpleNamespace(name=name, title=name)]
        self.may_end = threading.Event()

    def of(self, jobs):
        return self

    def do(self, site):
        self.heard.append((self.name, self.executor.threads))  # at the begin and at the end
        assert self.may_end.wait(60)
        self.heard.append((self.name, self.executor.threads))


@pytest.mark.parametrize(("workers", "before", "after"), [(4, 2, 4), (5, 2, 5), (2, 1, 2), (1, 1, 1)])
def test_a_piece_takes_the_workers_of_one_that_has_ended(workers, before, after):
    executor, heard = Threads(workers), []
    pieces = [Piece(name, executor, heard) for name in "ab"]
    done = threading.Thread(target=executor.do, args=(pieces, None, threading.Event()))
    done.start()
    while len(heard) < min(workers, 2):
        assert done.is_alive()
        time.sleep(0.001)
    assert {threads for _, threads in heard} == {before}  # that of the first, too: two are left
    pieces[0].may_end.set()
    while executor._cores._pieces == 2:
        assert done.is_alive()
        time.sleep(0.001)
    pieces[1].may_end.set()
    done.join(60)
    assert heard[-1] == ("b", after)


def test_of_more_pieces_than_workers_each_has_one():
    executor, heard = Threads(2), []
    pieces = [Piece(str(k), executor, heard) for k in range(5)]
    for piece in pieces:
        piece.may_end.set()
    executor.do(pieces, None, threading.Event())
    assert [threads for _, threads in heard[:2]] == [1, 1]
    assert max(threads for _, threads in heard) <= 2


def test_in_a_shared_folder_those_count_that_are_done_here(tmp_path):
    leases = SimpleNamespace(taken=lambda place: nullcontext(place.name == "mine"), holder=str)
    executor = SharedFolder(3, tmp_path, leases, None)
    heard, found = [], set()
    mine, others = (Piece(name, executor, heard) for name in ("mine", "others"))

    def notes(text):
        found.add("others")  # which they have done by now

    site = SimpleNamespace(found=lambda job: job.name in found, note=notes)
    mine.may_end.set()
    executor.do([mine, others], site, threading.Event())
    assert heard == [("mine", 3), ("mine", 3)]


@pytest.mark.parametrize(("nthreads", "executing", "share"), [(1, 1, 1), (4, 1, 4), (4, 3, 1), (4, 0, 4)])
def test_a_worker_of_dask_shares_its_own_threads(nthreads, executing, share):
    task = object.__new__(_Task)
    task._worker = SimpleNamespace(state=SimpleNamespace(nthreads=nthreads, executing=set(range(executing))))
    assert task.threads == share


@pytest.fixture
def used(monkeypatch):
    """How many threads were used, epoch by epoch; also for networks that are too small to share."""
    monkeypatch.setattr(cpu, "_MUCH_TO_COMPUTE", 0)
    found, honest = [], work.use_threads
    monkeypatch.setattr(work, "use_threads", lambda backend, n: (found.append(n), honest(backend, n)))
    return found


def test_a_run_has_the_same_bytes_on_any_number_of_threads(tiny, used):
    for name, workers, settings in (("one", 1, []), ("idle", 5, []), ("asked", 1, ["engine.threads=3"])):
        run_experiment(load_experiment(tiny / "tiny.toml", settings), Session(tiny / name, workers))
        if name == "one":
            assert set(used) == {1}
        if name == "idle":
            assert {1, 5} <= set(used)  # six networks at first, one in the end; two auto-encoders: 2
        if name == "asked":
            assert set(used) == {3}
        used.clear()
    assert contents(tiny / "idle") == contents(tiny / "one")
    assert contents(tiny / "asked") == contents(tiny / "one")


def test_neither_config_nor_names_know_of_threads(tiny):
    usual, several = (load_experiment(tiny / "tiny.toml", said) for said in ([], ["engine.threads=2"]))
    assert several.engine.threads == 2
    assert several.to_toml() == usual.to_toml()
    assert several.fingerprint == usual.fingerprint


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["engine.threads=0"], "engine.threads is 0; expected greater than or equal to 1"),
        (
            ["engine.threads=2", "engine.backend=reference"],
            "threads is 2, and the backend 'reference' has none",
        ),
    ],
)
def test_what_can_be_no_number_of_threads(tiny, said, told):
    with pytest.raises(InputError, match=told):
        load_experiment(tiny / "tiny.toml", said)


def test_the_command_takes_threads(tiny):
    line = [str(tiny / "tiny.toml"), "--threads", "2", "--backend", "reference"]
    result = CliRunner().invoke(run_app, line)
    assert result.exit_code == 2
    assert "engine.threads is 2, and the backend 'reference' has none" in result.output
