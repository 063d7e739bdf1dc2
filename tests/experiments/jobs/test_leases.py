"""Leases: held by one, ended when nobody touches them, whatever clocks say."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from lstmcore.experiments.errors import Interrupted
from lstmcore.experiments.jobs import leases as module
from lstmcore.experiments.jobs.leases import Leases, Watch, is_lease, leases_in, workers_in
from lstmcore.features.files import leftovers, replacing

ELSEWHERE = {"process": 1, "machine": "far", "since": "once", "here": "another boot", "begun": 5}


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "LEASE_SECONDS", 0.3)


def left_by(facts, folder):
    """A lease that somebody has left: of generation 1."""
    file = folder / ".job.1.lease"
    file.write_text(facts if isinstance(facts, str) else json.dumps(facts))
    return file


def until(told, seconds=20.0):
    end = time.monotonic() + seconds
    while not told():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_one_holds_a_lease_until_it_is_given_back(tmp_path):
    job = tmp_path / "jobs" / "job"
    with Leases() as mine, Leases() as other:
        with mine.taken(job) as first, other.taken(job) as second, mine.taken(job) as third:
            assert [first, second, third] == [True, False, False]
            assert other.holder(job).startswith(f"process {os.getpid()} on ")
            assert all(map(is_lease, (tmp_path / "jobs").iterdir()))
        with other.taken(job) as second:
            assert second
        mine.take(job)
    assert not list((tmp_path / "jobs").iterdir())  # what ends holds nothing any more
    assert other.holder(job) == "another process"


def test_a_lease_that_is_touched_lasts_longer_than_one_that_is_not(tmp_path, quick):
    watch, dead = Watch(), left_by(ELSEWHERE, tmp_path)
    with Leases() as alive:
        alive.take(tmp_path / "living")
        living = tmp_path / ".living.1.lease"
        until(lambda: not watch.ended(living) and watch.ended(dead))
        for _ in range(5):
            time.sleep(0.1)
            assert not watch.ended(living)
    assert not watch.ended(living)  # it is gone, which is no end of its holder


@pytest.mark.parametrize("when", [0, 4102444800])
def test_what_another_machines_clock_says_is_no_matter(tmp_path, quick, when):
    file, watch = left_by(ELSEWHERE, tmp_path), Watch()
    os.utime(file, (when, when))
    assert not watch.ended(file)
    time.sleep(0.2)
    os.utime(file, (when + 1, when + 1))
    assert not watch.ended(file)
    time.sleep(0.2)
    assert not watch.ended(file)  # touched less than 0.3 s ago
    until(lambda: watch.ended(file))


@pytest.mark.parametrize("facts", ["", "{", "[1]", '{"process": "x"}'])
def test_a_lease_of_which_nobody_knows_whose_it_is_ends_like_others(tmp_path, quick, facts):
    left_by(facts, tmp_path)
    with Leases() as mine:
        assert not mine.take(tmp_path / "job")
        assert mine.holder(tmp_path / "job") == "another process"
        until(lambda: mine.take(tmp_path / "job"))


def test_a_process_that_died_here_is_known_to_be_dead_at_once(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from lstmcore.experiments.jobs.leases import Leases\n"
        f"with Leases() as mine: mine.take(Path({str(tmp_path / 'job')!r})); print(flush=True); "
        "time.sleep(99)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    with Leases() as mine:
        assert not mine.take(tmp_path / "job")
        process.kill()
        until(lambda: mine.take(tmp_path / "job"))  # before anybody has waited for it
        process.communicate()
        assert sorted(file.name for file in leases_in(tmp_path)) == [".job.1.lease", ".job.2.lease"]
        mine.give_back(tmp_path / "job")
        assert not leases_in(tmp_path)


def test_of_another_process_with_its_number_a_dead_one_is_told_apart(tmp_path):
    with Leases() as mine:
        mine.take(tmp_path / "mine")
        facts = json.loads((tmp_path / ".mine.1.lease").read_text())
        left_by(facts | {"begun": facts["begun"] - 1}, tmp_path)
        assert mine.take(tmp_path / "job")


def test_one_of_many_takes_up_what_a_dead_one_left(tmp_path, quick):
    left_by(ELSEWHERE, tmp_path)
    taken, begin, end = [], threading.Barrier(6), threading.Barrier(6)

    def one():
        with Leases() as mine:
            begin.wait()
            until(lambda: mine.take(tmp_path / "job") or taken)
            if mine._held:
                taken.append(mine)
            end.wait()

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
    assert not list(tmp_path.glob(".job.2.lease"))


def test_who_waits_for_a_turn_says_once_for_whom_and_can_be_stopped(tmp_path):
    said, stop = [], threading.Event()

    def tell(who):
        said.append(who)
        stop.set()

    with (
        Leases() as mine,
        Leases() as other,
        mine.turn(tmp_path / "job", print, bool),
        pytest.raises(Interrupted),
        other.turn(tmp_path / "job", tell, stop.is_set),
    ):
        raise AssertionError
    assert len(said) == 1
    assert said[0].startswith(f"process {os.getpid()} on ")


def test_what_a_killed_process_left_is_cleared_away_by_the_last_one(tmp_path, quick):
    (tmp_path / "jobs").mkdir()
    (tmp_path / ".lstmcore-x.tmp").touch()
    left_by(ELSEWHERE, tmp_path / "jobs")
    with Leases() as mine, Leases() as other:
        mine.take(tmp_path / mine.worker)
        other.take(tmp_path / other.worker)
        assert workers_in(tmp_path) == sorted([mine.worker, other.worker])
        with replacing(tmp_path / "half.txt") as half:
            half.write(b"1")
            mine.clear(tmp_path, leftovers(tmp_path))
            assert len(leftovers(tmp_path)) == 2
        other.give_back(tmp_path / other.worker)
        mine.clear(tmp_path, leftovers(tmp_path))
        assert sorted(file.name for file in tmp_path.iterdir()) == [
            f".{mine.worker}.1.lease",
            "half.txt",
            "jobs",
        ]
        assert not list((tmp_path / "jobs").iterdir())
