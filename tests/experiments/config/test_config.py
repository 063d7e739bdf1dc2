"""The configuration: defaults, overrides, and what is said about mistakes."""

import tomllib

import pytest

from lstmcore.experiments.config import Experiment, load_experiment
from lstmcore.experiments.errors import InputError
from tests.shared_data import CONFIGURATIONS

RUNS = "[[runs]]\nname = 'a'\nfeatures = 'FS1'\ncriterion = 'rmse'\n"
SHIPPED = sorted(CONFIGURATIONS.glob("*.toml"))
MINIMAL = 'name = "x"\n[data]\nsource = "procedural"\n'


def load(tmp_path, text=MINIMAL, overrides=(), backend=None):
    file = tmp_path / "e.toml"
    file.write_text(text)
    return load_experiment(file, list(overrides), backend)


def test_defaults_are_the_papers(tmp_path):
    e = load(tmp_path)
    assert e.network.hidden == [200, 150, 25]
    assert (e.training.learning_rate, e.training.momentum, e.training.input_noise) == (5e-6, 0.9, 0.3)
    assert (e.training.patience, e.folds.count, e.ensemble.trials) == (20, 11, 5)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda f: f.name)
def test_shipped_experiments_are_valid(file):
    assert load_experiment(file, ["data.root=."]).name == file.stem


def test_the_resolved_configuration_reads_back_as_itself(tmp_path):
    e = load(tmp_path, overrides=["training.learning_rate=1e-4"])
    again = Experiment.model_validate(tomllib.loads(e.to_toml()))
    assert again == e
    assert again.fingerprint == e.fingerprint


def test_every_change_is_another_run(tmp_path):
    changes = [[], ["seed=3"], ["training.patience=5"], ["data.procedural.seed=1"], ["name=y"]]
    assert len({load(tmp_path, overrides=c).fingerprint for c in changes}) == len(changes)


def test_overrides_are_toml_values_or_bare_text(tmp_path):
    e = load(
        tmp_path, overrides=["network.hidden=[4, 2]", "ensemble.choice=greedy", "training.stochastic=false"]
    )
    assert (e.network.hidden, e.ensemble.choice, e.training.stochastic) == ([4, 2], "greedy", False)


def test_a_root_in_the_file_is_relative_to_the_file_and_an_override_to_here(tmp_path, monkeypatch):
    text = 'name = "x"\n[data]\nsource = "deam"\nroot = "d"\n'
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load(tmp_path, text).data.root == str(tmp_path / "d")
    assert load(tmp_path, text, ["data.root=d"]).data.root == str(tmp_path / "elsewhere" / "d")


def test_the_reference_backend_computes_in_double(tmp_path):
    assert load(tmp_path).engine.dtype == "float32"
    assert load(tmp_path, backend="reference").engine.dtype == "float64"


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("", [], r"e\.toml: the file is empty"),
        ("name = = 1", [], r"e\.toml: not valid TOML: .*line 1"),
        (MINIMAL + "[trainin]\n", [], "unknown key 'trainin'; did you mean 'training'"),
        (
            MINIMAL + "[training]\nlearning_rat = 1\n",
            [],
            "'training.learning_rat'; did you mean 'learning_rate'",
        ),
        (MINIMAL + "zzz = 1\n", [], "unknown key 'data.zzz'$"),
        (MINIMAL, ["pretraining.enable=false"], "'pretraining.enable'; did you mean 'enabled'"),
        (MINIMAL + "[training]\nmomentum = 1.0\n", [], "training.momentum is 1.0; expected less than 1"),
        (
            MINIMAL + "[training]\nlearning_rate = nan\n",
            [],
            "training.learning_rate is nan; expected a finite",
        ),
        (
            MINIMAL + "[training]\npatience = 0\n",
            [],
            "training.patience is 0; expected greater than or equal to 1",
        ),
        (MINIMAL + "[network]\nhidden = []\n", [], "network.hidden"),
        (MINIMAL + "[network]\nhidden = [0]\n", [], r"network.hidden.0 is 0; expected"),
        (MINIMAL + "[folds]\ncount = 2\n", [], "folds.count is 2, of which one fold is the team's"),
        (MINIMAL + "[folds]\ncount = 1\n", [], "folds.count is 1; expected greater than or equal to 2"),
        (MINIMAL + "[folds]\nteam_test = true\n", [], "folds.team_test is True; expected a fold's number fr"),
        (MINIMAL + "[folds]\nteam_test = -1\n", [], "folds.team_test is -1; expected a fold's number from 0"),
        (MINIMAL, ["folds={count=2, team_test='none', stopping='next'}"], "expected a count from 3"),
        (MINIMAL + "[folds]\ngroup = ''\n", [], "folds.group is ''; expected"),
        (MINIMAL + RUNS, ["folds.team_test=none"], r"the networks of \[\[runs\]\] are chosen on the team's"),
        (MINIMAL + "[folds]\nteam_test = 11\n", [], "folds.team_test is 11; expected a fold from 0 to 10"),
        (MINIMAL, ["folds={count=3, team_test=2, stopping='next'}"], "folds.stopping is 'next' and count 3"),
        (MINIMAL, ["folds={count=3, team_test=2, stopping='rotating'}"], "folds.stopping is 'rotating' and"),
        (MINIMAL, ["data.development_songs=[]"], "data.development_songs"),
        (MINIMAL, ["training.shuffle=perhaps"], "training.shuffle is .perhaps.; expected true or false"),
        (MINIMAL, ["ensemble.choice=best"], "ensemble.choice is 'best'; expected 'best_k' or 'greedy'"),
        (MINIMAL, ["data.source=deam"], "data.root is missing.*--set data.root=FOLDER"),
        ('[data]\nsource = "procedural"\n', [], "key 'name' is missing"),
        (MINIMAL, ["training"], "--set training: expected KEY=VALUE"),
        (MINIMAL, ["engine.backend=gpu"], "engine.backend is 'gpu'; expected 'cpu', 'cuda' or 'reference'"),
        (
            MINIMAL,
            ["network.bidirectional=true"],
            r"network.hidden is \[200, 150, 25\]; expected even sizes, since bidirectional",
        ),
        (MINIMAL, ["network.bidirectonal=true"], "'network.bidirectonal'; did you mean 'bidirectional'"),
        (MINIMAL, ["network.targets=both"], "network.targets is 'both'; expected 'joint' or 'single'"),
        (
            MINIMAL,
            ["training.objective=mse"],
            "training.objective is 'mse'; expected 'sse', 'ccc' or 'ccc_pooled'",
        ),
        (MINIMAL, ["training.objective=ccc_pooled"], "training.objective is ccc_pooled .* nothing is pooled"),
        (MINIMAL, ["pretraining.objective=ccc"], "unknown key 'pretraining.objective'"),
        (
            MINIMAL,
            ["predictions.smoothing=1e308"],
            r"predictions.smoothing is 1e\+308; expected less than or",
        ),
        (MINIMAL, ["data.lead_in=1e308"], r"data.lead_in is 1e\+308; expected less than or equal to 3600"),
        (
            MINIMAL,
            ["ensemble.trials=1000000000"],
            "ensemble.trials is 1000000000; expected less than or equal",
        ),
        (MINIMAL, ["data.scale=[9, 1]"], r"data.scale is \[9.0, 1.0\]; expected the lowest value, then"),
        (MINIMAL, ["data.scale=[1]"], r"data.scale is \[1\]; expected at least 2$"),
        (MINIMAL, ["network.hidden=[]"], r"network.hidden is \[\]; expected at least 1$"),
        (MINIMAL, ["data.scale=[0, 1e300]"], r"data.scale.1 is 1e\+300; expected less than"),
        (MINIMAL, ["published=mediaeval2015", "data.scale=[1, 9]"], r"published is 'mediaeval2015' and data"),
        *(
            (
                MINIMAL,
                [f"data.official_test_above={value}"],
                "^.*: data.official_test_above is .*, or 'none'$",
            )
            for value in ("all", "2.5", "-1", "true", "[1]")
        ),
        (MINIMAL, ["seed=" + "9" * 5000], "--set seed: can't be read: Exceeds the limit"),
        (MINIMAL + f"[training]\npatience = {'9' * 5000}\n", [], "e.toml: not valid TOML: Exceeds the limit"),
        (MINIMAL + f"[training]\npatience = {'[' * 20000}\n", [], "e.toml: not valid TOML: "),
        (MINIMAL, ["data.root=~nobody-of-this-name/x"], "data.root is '~nobody-of-this-name/x', which is no"),
        (MINIMAL, ['data.root="a\\u0000"'], "data.root is .*, which is no path here: .*null"),
        (MINIMAL, ["predictions.smoothing=-1"], "predictions.smoothing is -1; expected greater than"),
        (MINIMAL, ["predictions.smothing=3"], "'predictions.smothing'; did you mean 'smoothing'"),
        (MINIMAL, ["engine.backend=reference", "engine.precision=float32"], "the reference backend computes"),
        (MINIMAL, ["hidden=[3]"], "unknown key 'hidden'; did you mean 'network.hidden'"),
        (
            MINIMAL,
            ["learning_rate=1e-3"],
            "'learning_rate'; did you mean 'training.learning_rate' or 'pretraining.learning_rate'",
        ),
        (MINIMAL, ["momentm=0"], "'momentm'; did you mean 'training.momentum' or 'pretraining.momentum'"),
        (MINIMAL, ["raters=3"], "'raters'; did you mean 'data.procedural.raters'"),
        (MINIMAL + "[network]\nlearning_rate = 1\n", [], "'network.learning_rate'; did you mean 'training."),
        (
            MINIMAL + '[[search.steps]]\nkey = "training.hidden"\nvalues = [1]\n',
            [],
            "unknown key 'training.hidden'; did you mean 'network.hidden'",
        ),
        (MINIMAL, ["training.input_noise=true"], "training.input_noise is true; expected a number"),
        (MINIMAL, ["seed=false"], "seed is false; expected a number"),
        (
            MINIMAL,
            ["data.official_test_above=true"],
            "official_test_above is True; expected a whole number from 0, or 'none'",
        ),
        (MINIMAL, ["network.hidden=[16, true]"], "network.hidden is .*; expected numbers"),
        (
            MINIMAL + '[[search.steps]]\nkey = "training.input_noise"\nvalues = [0, true]\n',
            [],
            "search.steps.0.values.1: training.input_noise is true; expected a number",
        ),
        (MINIMAL, ["network.hidden=[16,"], r"--set network.hidden=\[16,: .*quoted: --set 'network.hidden=\["),
        (MINIMAL, ["training=3"], "training is 3; expected a section$"),
    ],
)
def test_mistakes_are_named(tmp_path, text, overrides, message):
    with pytest.raises(InputError, match=message):
        load(tmp_path, text, overrides)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: no such file"):
        load_experiment(tmp_path / "none.toml", [])


def test_the_official_test_set_can_be_switched_off_and_stays_so(tmp_path):
    e = load(tmp_path, MINIMAL + 'official_test_above = "none"\n')
    assert e.data.official_test_above == "none"
    assert Experiment.model_validate(tomllib.loads(e.to_toml())) == e


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('name = "a b"', "name is 'a b'; expected letters, digits, dots, dashes and underscores"),
        ('runs = [{name="a_b"}]\nname="a"', "runs.0.name is 'a_b'; expected letters, digits, spaces, dots"),
        (
            'ablation = [{name="a:b"}]\nname="a"',
            "ablation.0.name is 'a:b'; expected one line without",
        ),
    ],
)
def test_what_a_name_may_be_is_told_in_words(tmp_path, line, expected):
    without = "\n".join(one for one in MINIMAL.splitlines() if not one.startswith("name"))
    with pytest.raises(InputError, match=expected):
        load(tmp_path, f"{line}\n{without}\n")


def test_all_mistakes_are_told_at_once(tmp_path):
    with pytest.raises(InputError) as error:
        load(tmp_path, MINIMAL + "[training]\npatience = 0\nmomentum = 2\n")
    assert "patience" in str(error.value)
    assert "momentum" in str(error.value)


def test_a_key_that_came_later_does_not_rename_runs_that_were_made_before():
    (quickstart,) = [path for path in SHIPPED if path.stem == "quickstart"]
    assert load_experiment(quickstart, []).fingerprint == "33d8857a"
    sets = 'data.feature_sets={own={sets=["FS1"]}}'
    later = ("data.scale=[0, 1]", "data.annotation_delay=1", "folds.group=artist", "predictions.window=30")
    for changed in (*later, sets, "training.excerpt_seconds=30", "training.sequence_seconds=240"):
        assert load_experiment(quickstart, [changed]).fingerprint != "33d8857a"
