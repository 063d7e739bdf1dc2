"""From Python: an experiment needs nothing but its file, and results are those of the command line."""

import json

import pytest

import lstmcore.experiments
from lstmcore.experiments import (
    InputError,
    Interrupted,
    Session,
    load_experiment,
    run_ablations,
    run_experiment,
    run_search,
    with_values,
)
from lstmcore.experiments.run import default_folder

STEPS = "search.steps=[{key='training.momentum', values=[0.8, 0.9]}]"
FAST = ("training.max_epochs=1", "pretraining.max_epochs=1", "ensemble.trials=1")


@pytest.fixture
def here(tiny, monkeypatch):
    monkeypatch.chdir(tiny)
    return tiny


def test_an_experiment_needs_nothing_but_its_file(here, capsys):
    experiment = load_experiment("tiny.toml", FAST)
    run = run_experiment(experiment)
    assert run.folder == default_folder(experiment)
    assert json.loads((run.folder / "metrics.json").read_text())
    assert capsys.readouterr() == ("", "")
    other = run_experiment(experiment, Session(str(here / "other"), workers=1))
    assert (other.folder / "predictions.csv").read_bytes() == (run.folder / "predictions.csv").read_bytes()


def test_so_do_a_search_and_ablations(here):
    experiment = load_experiment(
        "tiny.toml", [*FAST, STEPS, "ablation=[{name='small', set={'network.hidden'=[2]}}]"]
    )
    searched, ablated = run_search(experiment), run_ablations(experiment)
    assert set(searched.chosen) == {"training.momentum"}
    regressions = {f"{name} in place of networks" for name in ("ridge", "ridge_memory")}
    assert {row.ablation for row in ablated.rows} == {"small"} | regressions
    for done, kind in ((searched, "search"), (ablated, "ablate")):
        assert done.folder.parent.name == "runs"
        assert done.folder.name.startswith(f"tiny-{kind}-")


def test_a_search_that_the_file_doesnt_ask_for_is_refused(here):
    with pytest.raises(InputError, match=r"experiment 'tiny': no section \[search\]"):
        run_search(load_experiment("tiny.toml"))
    assert not (here / "runs").exists()


@pytest.mark.usefixtures("here")
def test_a_session_can_be_stopped():
    session = Session()
    session.stop.set()
    with pytest.raises(Interrupted):
        run_experiment(load_experiment("tiny.toml"), session)


def test_the_shipped_experiments_have_names():
    experiment = with_values(load_experiment("quickstart"), {"ensemble.trials": 1})
    assert (experiment.name, experiment.ensemble.trials) == ("quickstart", 1)


@pytest.mark.parametrize(
    "room", ["", ".config", ".datasets", ".extraction", ".prediction", ".run", ".studies", ".studies.search"]
)
def test_doors_say_what_they_have(room):
    door = __import__(f"lstmcore.experiments{room}", fromlist=["__all__"])
    assert door.__all__
    assert all(hasattr(door, name) for name in door.__all__)
    assert door.__doc__
    assert lstmcore.experiments
