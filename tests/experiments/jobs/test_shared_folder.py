"""Several processes that share the work in one folder: each job once, the bytes of a run alone."""

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lstmcore.experiments.config import Execution, load_experiment
from lstmcore.experiments.errors import Interrupted
from lstmcore.experiments.jobs import leases
from lstmcore.experiments.jobs.alone import alone
from lstmcore.experiments.jobs.leases import leases_in
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.run.folder import LOCK, WITNESS
from lstmcore.experiments.studies.ablation import run_ablations
from lstmcore.experiments.studies.search import run_search
from lstmcore.experiments.terminal.progress import Quiet
from tests.experiments.jobs.test_alone import SEARCH, Leaving
from tests.experiments.run.test_run import COMMAND, contents, run

pytestmark = pytest.mark.usefixtures("undrawn")
TOGETHER = Execution(engine="folder")
EPOCHS = ("training.max_epochs=40", "training.patience=40")
ABLATION = """
[[ablation]]
name = "no noise"
set = { "training.input_noise" = 0.0 }
"""
# As if each ran on a machine of its own, and leases ended sooner.
FAR = (
    "import os, lstmcore.experiments.jobs.leases as l; "
    "l.LEASE_SECONDS = 5; l._here = lambda: str(os.getpid()); "
)
DONE = re.compile(r"^ +\d+/\d+ (.+?): epoch", re.MULTILINE)


class Titles(Quiet):
    """Notes what is computed, and what is said; takes its time, for others to have some."""

    def __init__(self):
        self.computed, self.notes = [], []

    def advance(self, text="", *, fresh=True):
        if fresh and ": epoch" in text:
            self.computed.append(text.partition(": epoch")[0])

    def epoch(self, job, report):
        time.sleep(0.02)

    def note(self, text):
        self.notes.append(text)


def command(folder, log):
    line = [sys.executable, "-c", FAR + COMMAND, str(folder / "tiny.toml"), "--engine", "folder"]
    sets = [word for one in EPOCHS for word in ("--set", one)]
    with log.open("w") as file:
        return subprocess.Popen([*line, *sets, "--workers", "1", "--out", "out"], cwd=folder, stderr=file)


def left_by_a_dead_machine(folder, jobs):
    """Leave what another machine leaves that dies while it computes some jobs."""
    out = folder / "out"
    leases = [out / ".worker-far.1.lease"]
    for job in (out / "jobs").glob(jobs):
        job.unlink()
        leases.append(job.with_name(f".{job.stem}.1.lease"))
    for lease in leases:
        lease.write_text('{"process": 7, "machine": "far", "since": "noon", "here": "elsewhere", "begun": 1}')


def together(what, tiny, count=3, execution=TOGETHER):
    """Run the same in as many threads, as processes would; return who did what."""
    config = load_experiment(tiny / "tiny.toml", [])
    heard = [Titles() for _ in range(count)]
    sessions = [Session(tiny / "out", 1, one, execution=execution) for one in heard]
    with ThreadPoolExecutor(count) as pool:
        results = list(pool.map(lambda session: what(config, session), sessions))
    return results, heard


def test_one_of_three_is_killed_another_comes_late_and_each_job_is_done_once(tiny, monkeypatch):
    run(tiny, "whole", *EPOCHS)
    out, logs = tiny / "out", [tiny / f"log{k}" for k in range(3)]
    killed = command(tiny, logs[0])
    while not list(out.glob("jobs/network-*.partial.*")) and killed.poll() is None:
        time.sleep(0.005)
    processes = [command(tiny, logs[1])]
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    while not logs[1].read_text() and processes[0].poll() is None:
        time.sleep(0.005)
    processes.append(command(tiny, logs[2]))
    assert [process.wait(100) for process in processes] == [0, 0], logs[1].read_text() + logs[2].read_text()
    assert contents(out) == contents(tiny / "whole")
    computed = sorted(title for log in logs for title in DONE.findall(log.read_text()))
    folds = [f"fold {fold}, trial {trial}" for fold in range(3) for trial in range(2)]
    assert computed == ["auto-encoder, trial 0", "auto-encoder, trial 1", *folds]
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.5)
    run(tiny, "out", *EPOCHS)  # which sees the killed one's lease end, and clears away what that left
    # Of two that end at the same moment neither may be the last one, who clears the third away.
    assert {path.name for path in out.rglob(".*")} - {".written.json"} == {WITNESS, LOCK}


@pytest.mark.parametrize("what", [run_experiment, run_search, run_ablations])
def test_every_command_shares_its_jobs(tiny, what):
    (tiny / "tiny.toml").write_text((tiny / "tiny.toml").read_text() + SEARCH + ABLATION)
    config, alone_heard = load_experiment(tiny / "tiny.toml", []), Titles()
    what(config, Session(tiny / "whole", 1, alone_heard))
    _, heard = together(what, tiny)
    assert sorted(title for one in heard for title in one.computed) == sorted(alone_heard.computed)
    assert len([one for one in heard if one.computed]) > 1
    kinds = {".csv", ".json", ".safetensors", ".md"}
    files = [path.relative_to(tiny / "whole") for path in (tiny / "whole").rglob("*") if path.suffix in kinds]
    # "seconds" of jobs, and which of them were found done, are no results.
    files = [file for file in files if file.parts[0] != "jobs" and file.name not in NOT_THE_SAME]
    assert files
    for file in files:
        assert (tiny / "out" / file).read_bytes() == (tiny / "whole" / file).read_bytes(), file
    assert not leases_in(tiny / "out")


NOT_THE_SAME = {"stages.csv", "history.csv", "search.csv"}


def test_one_writes_the_results_and_all_return_them(tiny, monkeypatch):
    from lstmcore.experiments.run import experiment

    written = []
    write = experiment._write
    monkeypatch.setattr(experiment, "_write", lambda *given: (written.append(1), write(*given)))
    results, _ = together(run_experiment, tiny)
    assert written == [1]
    assert results[0].scores == results[1].scores == results[2].scores
    (tiny / "out" / "metrics.json").unlink()
    together(run_experiment, tiny, count=1)  # which comes later
    assert written == [1, 1]
    assert (tiny / "out" / "metrics.json").exists()


def test_results_that_were_damaged_while_others_waited_are_written_anew(tiny, monkeypatch):
    from lstmcore.experiments.run import experiment, session

    note, written, write = session.note_written, [], experiment._write

    def damage(folder):
        note(folder)
        if len(written) == 1:
            (folder / "predictions.csv").write_text("x")

    monkeypatch.setattr(session, "note_written", damage)
    monkeypatch.setattr(experiment, "_write", lambda *given: (written.append(1), write(*given)))
    run(tiny, "whole")
    written.clear()
    together(run_experiment, tiny, count=2)
    assert written == [1, 1]
    assert contents(tiny / "out") == contents(tiny / "whole")


def test_who_shares_waits_for_who_does_not_and_says_how_all_would(tiny):
    waiting = Leaving()
    config = load_experiment(tiny / "tiny.toml", [])
    session = Session(tiny / "out", 1, waiting, waiting.stop, TOGETHER)
    with alone(tiny / "out" / LOCK, tiny / "out", print, bool), pytest.raises(Interrupted):
        run_experiment(config, session)
    (note,) = waiting.notes
    assert note.startswith(f"{tiny / 'out'}: process {os.getpid()} on ")
    assert "are all started with engine = 'folder'" in note
    assert not leases_in(tiny / "out")


def test_who_does_not_share_waits_for_who_does(tiny):
    from lstmcore.experiments.jobs.alone import beside_others

    waiting = Leaving()
    with beside_others(tiny / "out" / LOCK, tiny / "out", print, bool), pytest.raises(Interrupted):
        run(tiny, "out", progress=waiting, stop=waiting.stop)
    (note,) = waiting.notes
    assert note.startswith(f"{tiny / 'out'}: process {os.getpid()} on ")
    assert note.endswith(" share the work here; waiting until they have ended")
    run(tiny)


def test_both_kinds_at_once_come_to_the_same_bytes(tiny):
    run(tiny, "whole")
    config = load_experiment(tiny / "tiny.toml", [])
    kinds = [TOGETHER, Execution(), TOGETHER, Execution()]
    heard = [Titles() for _ in kinds]
    sessions = [Session(tiny / "out", 1, one, execution=kind) for kind, one in zip(kinds, heard, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda session: run_experiment(config, session), sessions))
    assert contents(tiny / "out") == contents(tiny / "whole")
    assert len([title for one in heard for title in one.computed]) == 8


def test_a_job_of_a_machine_that_has_died_is_taken_up_when_its_lease_ends(tiny, monkeypatch):
    run(tiny, "whole")
    run(tiny)
    left_by_a_dead_machine(tiny, "network-*fold01-trial0-*")
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.5)
    _, (heard,) = together(run_experiment, tiny, count=1)
    assert heard.computed == ["fold 1, trial 0"]
    (note,) = heard.notes
    assert "at what is left of this stage (fold 1, trial 0: process 7 on far (since noon)); waiting" in note
    assert contents(tiny / "out") == contents(tiny / "whole")
    assert not leases_in(tiny / "out")


def test_who_waits_for_others_jobs_can_be_stopped(tiny):
    run(tiny)
    left_by_a_dead_machine(tiny, "network-*")
    waiting = Leaving()
    config = load_experiment(tiny / "tiny.toml", [])
    with pytest.raises(Interrupted):
        run_experiment(config, Session(tiny / "out", 1, waiting, waiting.stop, TOGETHER))
    assert "and 5 more" in waiting.notes[0]


def test_a_damaged_result_is_computed_anew_by_one(tiny):
    run(tiny)
    before = contents(tiny / "out")
    (job,) = (tiny / "out" / "jobs").glob("network-*fold01-trial0-*")
    job.write_bytes(job.read_bytes()[:-7])
    _, heard = together(run_experiment, tiny)
    assert [title for one in heard for title in one.computed] == ["fold 1, trial 0"]
    assert contents(tiny / "out") == before
