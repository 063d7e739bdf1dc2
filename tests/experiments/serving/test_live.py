"""Runs that are watched while they work: read from their folders, whatever state these are in."""

import json
import os
import platform

import numpy as np
import pytest

from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.job import Result, save_result
from lstmcore.experiments.serving.live import Watch, read_runs

DIGEST = "0123456789abcdef"


def history(epochs: int) -> list[dict]:
    return [
        {
            "epoch": n,
            "best_epoch": min(n, 5),
            "training_error_per_frame": 1 / n,
            "validation_error_per_frame": 2 / n,
        }
        for n in range(1, epochs + 1)
    ]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.toml").write_text(load_experiment("quickstart").to_toml())
    (tmp_path / "jobs").mkdir()
    return tmp_path


def save(folder, name: str, facts: dict) -> None:
    save_result(folder / "jobs" / f"{name}.safetensors", Result({"weights": np.zeros(5)}, facts))


def test_a_run_without_a_result_yet(folder):
    state = Watch(folder).state()
    assert (state["state"], state["networks"], state["others"]) == ("stopped", [], [])
    assert (state["folds"], state["trials"]) == ([*range(10)], 5)


def test_trainings_that_ended_and_go_on(folder):
    save(folder, f"autoencoder-trial0-{DIGEST}", {"history": history(3), "trial": 0})
    save(folder, f"network-fold01-trial0-{DIGEST}", {"history": history(7), "fold": 1, "trial": 0})
    save(folder, f"network-fold00-trial2-{DIGEST}.partial", {"reports": history(4)})
    save(folder, f"network-fold00-trial1-loud_{DIGEST}", {"diverged": "the error is infinite"})
    save(folder, f"network-fold00-trial3-of.mine-{DIGEST}", {"diverged": "the error is infinite"})
    (folder / "jobs" / f"network-fold02-trial0-{DIGEST}.safetensors").write_bytes(b"half of it")
    state = Watch(folder).state()
    assert [job["name"] for job in state["others"]] == ["autoencoder-trial0"]
    found = [
        (job["fold"], job["trial"], job["target"], job["state"], job["epochs"]) for job in state["networks"]
    ]
    assert found == [
        (0, 2, None, "working", 4),
        (0, 3, "of.mine", "diverged", 0),
        (1, 0, None, "done", 7),
    ]
    assert state["networks"][2]["best_epoch"] == 5
    assert state["networks"][2]["curve"][1] == [2, 0.5, 1.0]


def test_what_changes_is_read_again(folder):
    watch = Watch(folder)
    name = f"network-fold00-trial0-{DIGEST}"
    save(folder, f"{name}.partial", {"reports": history(4)})
    assert [job["epochs"] for job in watch.state()["networks"]] == [4]
    save(folder, f"{name}.partial", {"reports": history(9)})
    assert [job["epochs"] for job in watch.state()["networks"]] == [9]
    save(folder, name, {"history": history(1000), "fold": 0, "trial": 0})
    [job] = watch.state()["networks"]
    assert (job["state"], job["epochs"], job["curve"][-1][0]) == ("done", 1000, 1000)
    assert len(job["curve"]) <= 122


def test_who_works_there_is_known_from_beside_the_lock(folder):
    held = {"machine": platform.node(), "process": os.getpid(), "since": "now"}
    watch = Watch(folder)
    (folder / ".lock.json").write_text(json.dumps(held))
    assert watch.state()["state"] == "working"
    (folder / ".lock.json").write_text(json.dumps(held | {"process": 2**22 + 1}))  # beyond any process
    assert watch.state()["state"] == "stopped"
    (folder / ".lock.json").write_text("half")
    assert watch.state()["state"] == "stopped"


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(InputError, match=r"neither config\.toml nor model\.json"):
        read_runs([tmp_path])


def test_numbers_that_json_has_not_are_left_out(folder):
    save(folder, f"network-fold00-trial0-{DIGEST}", {"history": [{"epoch": float("nan"), "best_epoch": "x"}]})
    [job] = Watch(folder).state()["networks"]
    assert (job["best_epoch"], job["curve"]) == (None, [[None, None, None]])
    json.dumps(job, allow_nan=False)
