"""lstmcore search: what it tries and chooses, what it leaves alone, what is said about mistakes."""

import csv
import json
import re
import subprocess
import sys
import threading
import tomllib

import numpy as np
import pytest
from hypothesis import given, strategies as st
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.config import load_experiment, value_of, with_values
from lstmcore.experiments.config.variations import Range, SearchStep
from lstmcore.experiments.errors import InputError, Interrupted
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.studies.search import run_search
from lstmcore.experiments.studies.search.methods import Optuna, Sequential
from lstmcore.experiments.terminal.progress import Quiet

pytestmark = pytest.mark.usefixtures("undrawn")
SEARCH = """
[search]
folds = 2
trials = 1

[[search.steps]]
key = "network.hidden"
values = [[3, 2], [4]]

[[search.steps]]
key = ["training.learning_rate", "pretraining.learning_rate"]
values = [1e-3, 1e-2]

[[search.steps]]
key = "training.input_noise"
values = [0.1, 0.3]
"""


class Listener(Quiet):
    """Counts epochs, and can stop after some."""

    def __init__(self, stop=None, after=None):
        self.epochs, self._stop, self._after = 0, stop, after

    def epoch(self, job, report):
        self.epochs += 1
        if self.epochs == self._after:
            self._stop.set()


@pytest.fixture
def searching(tiny, monkeypatch):
    """The tiny experiment with a search, in the working directory."""
    with (tiny / "tiny.toml").open("a") as file:
        file.write(SEARCH)
    monkeypatch.chdir(tiny)
    return tiny


def test_sets_of_features_are_searched(tiny, monkeypatch):
    monkeypatch.chdir(tiny)
    two = {"sets": ["song_means"], "columns": ["f0", "f[13]"]}
    values = 'values = ["song_means", {sets = ["song_means"], columns = ["f0", "f[13]"]}]'
    with (tiny / "tiny.toml").open("a") as file:
        file.write(f"[search]\nfolds = 2\n[[search.steps]]\nkey = 'data.features'\n{values}\n")
    result = CliRunner().invoke(app, ["search", "tiny.toml", "--out", "out"])
    assert result.exit_code == 0, result.output
    assert "data.features = song_means (f0, f[13])" in result.stdout
    with (tiny / "out" / "search.csv").open() as file:
        assert [json.loads(row["data.features"]) for row in csv.DictReader(file)] == ["song_means", two]
    chosen = load_experiment(tiny / "out" / "chosen.toml")
    assert chosen.data.model_dump()["features"] in ("song_means", two)
    (tiny / "wrong.toml").write_text((tiny / "tiny.toml").read_text().replace('"f0"', '"g0"'))
    result = CliRunner().invoke(app, ["search", "wrong.toml", "--out", "wrong"])
    assert result.exit_code == 2
    assert "data.features.columns: no feature 'g0'" in result.stderr
    assert not (tiny / "wrong" / "jobs").exists()


def search(folder, out="out", *overrides, progress=None, stop=None):
    experiment = load_experiment(folder / "tiny.toml", list(overrides))
    stop = stop or threading.Event()
    return run_search(experiment, Session(folder / out, 1, progress or Quiet(), stop))


def rows(folder):
    with (folder / "search.csv").open() as file:
        return list(csv.DictReader(file))


def invoke(*arguments):
    return CliRunner().invoke(app, ["search", *map(str, arguments)])


def test_each_step_goes_on_from_what_was_chosen_before(searching):
    searched = search(searching)
    assert [t.step for t in searched.tried] == [0, 0, 1, 1, 2, 2]
    chosen = {}
    for step in (0, 1, 2):
        candidates = [t for t in searched.tried if t.step == step]
        for t in candidates:
            assert all(t.values[key] == value for key, value in chosen.items())
        keys = searched.search.steps[step].keys
        best = min(candidates, key=lambda t: t.score)
        chosen |= {key: best.values[key] for key in keys}
    assert searched.chosen == chosen
    for t in searched.tried:
        assert t.score == np.mean(t.fold_scores)
        assert t.standard_error == pytest.approx(abs(t.fold_scores[0] - t.fold_scores[1]) / 2)


@pytest.mark.usefixtures("drawn")
def test_what_a_search_leaves(searching):
    searched = search(searching)
    for name in ("search.png", "search.html", "search.csv", "chosen.toml", "config.toml"):
        assert (searching / "out" / name).stat().st_size > 0, name
    table = rows(searching / "out")
    assert [json.loads(row["network.hidden"]) for row in table[:2]] == [[3, 2], [4]]
    assert sum(row["chosen"] == "True" for row in table) == 1
    # The base of the second step is the winner of the first, and of the third that of the second.
    assert [row["reused"] == row["jobs"] for row in table] == [False, False, True, False, *[True, False]]
    final = load_experiment(searching / "out" / "chosen.toml", [])
    assert {key: value_of(final, key) for key in searched.chosen} == searched.chosen
    assert final.ensemble.trials == 2
    assert final.search is None


def test_the_score_is_that_of_the_run(searching):
    """Of one value on all folds and trials; the folds have 3, 2 and 2 songs."""
    one = "search.steps=[{key='training.momentum', values=[0.9]}]"
    whole = ["search.folds=3", "search.trials=2", "search.scope=per_song"]
    searched = search(searching, "s", one, *whole)
    experiment = load_experiment(searching / "tiny.toml", [])
    listener = Listener()
    reuse = experiment.model_copy(update={"reuse": [str(searching / "s")]})  # or its folder "jobs"
    run = run_experiment(reuse, Session(searching / "r", workers=1, progress=listener))
    assert listener.epochs == 0
    assert len(list((searching / "r" / "jobs").iterdir())) == 8
    found = [
        s.mean
        for s in run.scores
        if (s.system, s.set, s.metric, s.scope) == ("lstm_all", "cross_validation", "rmse", "per_song")
    ]
    assert np.average(searched.tried[0].fold_scores, weights=[3, 2, 2]) == pytest.approx(np.mean(found))


def test_running_the_chosen_computes_only_what_the_search_left(searching):
    search(searching)
    listener = Listener()
    experiment = load_experiment(searching / "out" / "chosen.toml", [])
    run_experiment(experiment, Session(searching / "run", workers=1, progress=listener))
    found = {p.name for p in (searching / "run" / "jobs").iterdir()}
    reused = found & {p.name for p in (searching / "out" / "jobs").iterdir()}
    assert len(found) == 2 + 6  # two trials, three folds
    assert len(reused) == 1 + 2  # of the search: one trial, two folds
    assert 0 < listener.epochs <= 6 * 4 + 3


def test_a_folder_to_reuse_that_isnt_there_is_named(searching):
    search(searching)
    (searching / "out" / "jobs").rename(searching / "moved")
    line = [str(searching / "out" / "chosen.toml"), "--out", str(searching / "run")]
    result = CliRunner().invoke(app, ["run", *line])
    assert result.exit_code == 2
    assert f"reuse: {searching / 'out' / 'jobs'}: no such folder" in result.output
    assert not (searching / "run").exists()


def test_a_run_before_the_search_is_found(searching):
    experiment = load_experiment(searching / "tiny.toml", [])

    run_experiment(experiment, Session(workers=1))
    assert search(searching).tried[0].reused == 3


def test_stopped_and_run_again_gives_the_same(searching):
    whole = search(searching, "whole")
    stop = threading.Event()
    with pytest.raises(Interrupted):
        search(searching, "parts", progress=Listener(stop, 40), stop=stop)
    kept = len(rows(searching / "parts"))
    assert 0 < kept < 6
    listener, everything = Listener(), Listener()
    again = search(searching, "parts", progress=listener)
    search(searching, "all", progress=everything)
    assert listener.epochs < everything.epochs
    assert [t.fold_scores for t in again.tried] == [t.fold_scores for t in whole.tried]
    chosen = [(searching / out / "chosen.toml").read_bytes() for out in ("whole", "parts")]
    assert chosen[0] == chosen[1]


def test_test_sets_are_not_looked_at(searching):
    before = search(searching, "before")
    for target in ("arousal", "valence"):
        (path,) = (searching / "data").rglob(f"{target}.csv")
        lines = path.read_text().splitlines()
        for n, line in enumerate(lines):
            song, *cells = line.split(",")
            if song in {"4", "8", "2001", "2002"}:  # the kept-out fold, and the official test
                lines[n] = ",".join([song, *("0.9" if c else "" for c in cells)])
        path.write_text("\n".join(lines) + "\n")
    after = search(searching, "after")
    assert [t.fold_scores for t in after.tried] == [t.fold_scores for t in before.tried]


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
@pytest.mark.usefixtures("drawn")
def test_a_candidate_that_diverges_is_passed_over_and_remembered(searching):
    step = "search.steps=[{key='training.learning_rate', values=[1e30, 1e-3]}]"
    longer = ["training.max_epochs=50", "training.patience=50"]
    searched = search(searching, "out", step, *longer)
    assert searched.tried[0].score is None
    assert searched.chosen == {"training.learning_rate": 1e-3}
    listener = Listener()
    search(searching, "out", step, *longer, progress=listener)
    assert listener.epochs == 0
    with pytest.raises(InputError, match=r"search.steps.0 \(training.learning_rate\): .* every value"):
        search(searching, "o", "search.steps=[{key='training.learning_rate', values=[1e30]}]", *longer)


def test_ccc_is_to_be_high(searching):
    searched = search(searching, "out", "search.criterion=ccc", "search.scope=per_song")
    last = [t for t in searched.tried if t.step == 2]
    assert (
        searched.chosen["training.input_noise"]
        == max(last, key=lambda t: t.score).values["training.input_noise"]
    )


def optuna_search(folder, out, *overrides):
    lists = "{key='network.hidden', values=[[3, 2], [4]]}"
    spans = (
        "{key='training.learning_rate', range={low=1e-4, high=1e-2, log=true}}, "
        "{key='training.parallel_sequences', range={low=1, high=3}}"
    )
    steps = f"search.steps=[{lists}, {spans}]"
    return search(folder, out, "search.method=optuna", "search.optuna_trials=5", steps, *overrides)


@pytest.mark.usefixtures("drawn")
def test_optuna_varies_all_at_once(searching):
    pytest.importorskip("optuna")
    one = optuna_search(searching, "one")
    assert len(one.tried) == 5
    for t in one.tried:
        assert t.values["network.hidden"] in ([3, 2], [4])
        assert 1e-4 <= t.values["training.learning_rate"] <= 1e-2
        assert t.values["training.parallel_sequences"] in (1, 2, 3)
    assert one.chosen == min(one.tried, key=lambda t: t.score).values
    two = optuna_search(searching, "two")
    assert [t.values for t in one.tried] == [t.values for t in two.tried]
    other = optuna_search(searching, "other", "search.seed=7")
    assert [t.values for t in one.tried] != [t.values for t in other.tried]


def test_optuna_finds_a_peak():
    pytest.importorskip("optuna")
    method = Optuna([SearchStep(key="training.momentum", range=Range(low=0.0, high=1.0))], 40, seed=1)
    while (proposal := method.propose()) is not None:
        value = proposal.values["training.momentum"]
        method.tell(None if value > 0.9 else -((value - 0.3) ** 2))
    assert method.best()["training.momentum"] == pytest.approx(0.3, abs=0.05)


def test_without_optuna_the_command_names_the_package(searching, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = invoke(searching / "tiny.toml", "--set", "search.method=optuna")
    assert result.exit_code == 2
    assert re.search(r"pip install .*'?optuna>=\d", result.output)
    assert not (searching / "runs").exists()


@given(st.lists(st.lists(st.floats(-10, 10), min_size=1, max_size=5), min_size=1, max_size=4))
def test_sequential_takes_the_best_of_every_step_unless_an_earlier_one_was_better(scores):
    names = ["training.momentum", "training.learning_rate", "training.input_noise", "network.bias"]
    steps = [
        SearchStep(key=name, values=list(range(len(part)))) for name, part in zip(names, scores, strict=False)
    ]
    method = Sequential(steps)
    asked = 0
    while (proposal := method.propose()) is not None:
        method.tell(scores[proposal.step][proposal.values[names[proposal.step]]])
        asked += 1
    assert asked == sum(map(len, scores))
    best, so_far = {}, -np.inf
    for name, part in zip(names, scores, strict=False):
        if max(part) >= so_far:
            best[name], so_far = int(np.argmax(part)), max(part)
    assert method.best() == best


def told(steps, score):
    """Run a sequential search on a function of the values; return all proposals and what was chosen."""
    method, proposed = Sequential([SearchStep(key=key, values=values) for key, values in steps]), []
    while (proposal := method.propose()) is not None:
        proposed.append(proposal.values)
        method.tell(score(proposal.values))
    return proposed, method.best()


def test_a_key_that_has_a_second_step_keeps_its_value_if_no_other_is_as_good():
    def score(values):
        return -abs(values["a.x"] - 3) - abs(values.get("a.y", 0) - 1)

    first = [("a.x", [1, 3]), ("a.y", [0, 1])]
    assert told([*first, ("a.x", [2, 5])], score)[1] == {"a.x": 3, "a.y": 1}
    assert told([*first, ("a.x", [2, 3])], score)[1] == {"a.x": 3, "a.y": 1}


def test_a_new_value_of_a_list_is_not_changed_by_what_was_chosen_for_its_places():
    steps = [("network.hidden", [[1, 2]]), ("network.hidden.0", [7]), ("network.hidden", [[4, 5], [1]])]
    proposed, chosen = told([*steps, ("network.hidden.1", [6])], lambda values: len(str(values)))
    assert proposed == [
        {"network.hidden": [1, 2]},
        {"network.hidden": [1, 2], "network.hidden.0": 7},
        {"network.hidden": [4, 5]},
        {"network.hidden": [1]},
        {"network.hidden": [1, 2], "network.hidden.0": 7, "network.hidden.1": 6},
    ]
    assert chosen == proposed[-1]


def test_what_stays_is_said_on_the_terminal_and_on_the_page(searching):
    text = (searching / "tiny.toml").read_text()
    step = '[[search.steps]]\nkey = "training.learning_rate"\nvalues = [1e-9, 1e-8]\n'
    (searching / "tiny.toml").write_text(text + step)
    result = invoke(searching / "tiny.toml", "--quiet", "--out", "out")
    assert result.exit_code == 0, result.output
    table = rows(searching / "out")
    scores = [float(row["score"]) for row in table]
    assert min(scores[6:]) > min(scores[:6])
    (chosen,) = [row for row in table if row["chosen"] == "True"]
    assert float(chosen["score"]) == min(scores)
    said = " ".join(result.stdout.split())
    rate = json.loads(chosen["training.learning_rate"])
    expected = (
        f"training.learning_rate stays {rate}: no value of step 4 is as good as what was found before it"
    )
    assert f"{expected} ({min(scores[6:]):.4f} at best; {min(scores):.4f} before)." in said
    assert expected in (searching / "out" / "search.html").read_text()
    final = load_experiment(searching / "out" / "chosen.toml", [])
    assert final.training.learning_rate == rate


def test_the_command_prints_the_table_and_the_way_on(searching):
    result = invoke(searching / "tiny.toml", "--quiet")
    assert result.exit_code == 0, result.output
    (folder,) = (searching / "runs").glob("tiny-search-*")
    assert "network.hidden = [3, 2]" in result.stdout
    assert "chosen: network.hidden = " in result.stdout
    assert f"lstmcore-run {folder.relative_to(searching)}" in result.stdout
    line = [sys.executable, "-c", "from lstmcore.experiments.cli import main_run; main_run()"]
    done = subprocess.run(
        [*line, str(folder / "chosen.toml"), "--quiet"], cwd=searching, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (
            "[{key='network.hiden', values=[[3]]}]",
            "steps.0.key: unknown key 'network.hiden'; did you mean 'hid",
        ),
        ("[{key='netwrk.hidden', values=[[3]]}]", "unknown key 'netwrk.hidden'; did you mean 'network'"),
        (
            "[{key='network.hidden.4', values=[3]}]",
            "unknown key 'network.hidden.4': the list has the places 0",
        ),
        (
            "[{key='folds.count', values=[3]}]",
            "'folds.count' can't be searched; expected a key of network, tra",
        ),
        ("[{key='network', values=[3]}]", "'network' can't be searched"),
        ("[{key='data.quality', values=[{}]}]", "'data.quality' can't be searched"),
        (
            "[{key='data.features', values=['FS1', {sets=['FS4']}]}]",
            "search.steps.0.values.1: data.features.sets has 'FS4'; expected some of FS1, FS2",
        ),
        ("[{key='training.momentum', values=[]}]", "search.steps.0.values is empty; expected what to try"),
        ("[{key='training.momentum', values=[0.5, 0.5]}]", "values has 0.5 twice"),
        (
            "[{key='training.momentum', values=[0.5, 1.5]}]",
            "tiny.toml: search.steps.0.values.1: training.momentum is 1.5; expected less than 1",
        ),
        ("[{key='training.momentum'}]", "search.steps.0.expected either values or range"),
        ("[{key='training.momentum', range={low=0, high=0.5}}]", "the sequential method tries values"),
        ("[{kei='training.momentum', values=[1]}]", "unknown key 'search.steps.0.kei'; did you mean 'key'"),
        ("[]", "search.steps is empty"),
    ],
)
def test_mistakes_are_named(searching, steps, message):
    result = invoke(searching / "tiny.toml", "--set", f"search.steps={steps}")
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (searching / "runs").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("search.folds=4", "search.folds is 4; expected at most 3"),
        ("search.method=grid", "search.method is 'grid'; expected 'sequential' or 'optuna'"),
        ("search.optuna_trials=0", "search.optuna_trials is 0"),
    ],
)
def test_mistakes_in_the_section_are_named(searching, setting, message):
    result = invoke(searching / "tiny.toml", "--set", setting)
    assert result.exit_code == 2
    assert message in result.output


def test_an_experiment_without_a_search_says_what_is_missing(tiny):
    result = invoke(tiny / "tiny.toml")
    assert result.exit_code == 2
    assert "experiment 'tiny': no section [search]" in result.output


def test_a_search_doesnt_change_the_run(searching):
    plain = tomllib.loads(load_experiment(searching / "tiny.toml", []).to_toml())
    assert "search" not in plain
    other = load_experiment(searching / "tiny.toml", ["search.folds=3"])
    assert other.fingerprint == load_experiment(searching / "tiny.toml", []).fingerprint


def test_values_are_put_where_their_keys_say(tiny):
    experiment = load_experiment(tiny / "tiny.toml", [])
    changed = with_values(experiment, {"network.hidden.1": 5, "training.momentum": 0.5})
    assert changed.network.hidden == [3, 5]
    assert value_of(changed, "network.hidden.1") == 5
    assert with_values(changed, {}, ["training.momentum"]).training.momentum == 0.9
