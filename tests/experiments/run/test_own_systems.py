"""Models of one's own: in every table beside the ridges, done once, and mistakes told in words."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.terminal.progress import Quiet

MODELS = '''
import numpy as np

NUMBER = 3

class Level:
    """The mean of what it learnt from, and what it was given."""
    seen = []

    def __init__(self, plus=0.0):
        self.plus = plus

    def fit(self, X, y):
        self.seen.append((X, y))
        if isinstance(X, list):
            X, y = np.concatenate(X), np.concatenate(y)
        assert len(X) == len(y)
        self.level = y.mean(0) + self.plus

    def predict(self, X):
        if isinstance(X, list):
            return [np.tile(self.level, (len(x), 1)) for x in X]
        return np.tile(self.level, (len(X), 1))

class Mute:
    def fit(self, X, y): ...

class Short(Level):
    def predict(self, X): return np.zeros(3)

class Words(Level):
    def predict(self, X): return ["high"] * len(X)

class Endless(Level):
    def predict(self, X): return np.full(len(X), np.inf)

class Fewer(Level):
    def predict(self, X): return [np.zeros(len(x)) for x in X][1:]

class Refusing(Level):
    def fit(self, X, y): raise RuntimeError("not today")
'''


class Listener(Quiet):
    def __init__(self):
        self.done, self.fresh = [], 0

    def advance(self, text="", *, fresh=True):
        self.done.append(text)
        self.fresh += fresh


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A module of one's own, which Python finds, under a name that no other test has imported."""
    name = f"models_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(MODELS)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def experiment(folder: Path, *systems: str, more=()):
    return load_experiment(folder / "tiny.toml", [f"systems=[{', '.join(systems)}]", *more])


def run(folder, *systems, out="out", more=(), progress=None):
    more = [text.replace("FOLDER", str(folder)) for text in more]
    config = experiment(folder, *systems, more=more)
    return run_experiment(config, Session(folder / out, 1, progress or Quiet()))


def test_a_model_stands_in_every_table_and_the_others_stay(tiny, models):
    alone = run(tiny, out="alone")
    svr = "{name='SVR', estimator='sklearn.svm:SVR', parameters={kernel='linear', C=0.1}, sees='memory'}"
    both = run(tiny, svr, f"{{name='level', estimator='{models}:Level'}}", more=["reuse=['FOLDER/alone']"])
    sets = ["cross_validation", "team_test", "official_test"]
    new = [s for s in both.scores if s.system in ("SVR", "level")]
    assert [s.set for s in new if s.system == "SVR" and s.scope == "pooled" and s.metric == "rmse"] == [
        group for group in sets for _ in ("arousal", "valence")
    ]
    assert [s for s in both.scores if s not in new] == alone.scores
    assert both.notes == [
        *alone.notes,
        'SVR is sklearn.svm:SVR with kernel = "linear", C = 0.1: it sees frames with memory, '
        "one model a target.",
        f"level is {models}:Level: it sees single frames, one model a target.",
    ]
    before, after = (pd.read_csv(r.folder / "predictions.csv") for r in (alone, both))
    rest = after[~after["system"].isin(["SVR", "level"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, before)
    # A model of the training mean is the baseline of that name, on all frames of all songs.
    level, mean = (
        after[after["system"] == name].drop(columns="system").reset_index(drop=True)
        for name in ("level", "global_mean")
    )
    pd.testing.assert_frame_equal(level, mean)
    apart = json.loads((both.folder / "annotation_quality.json").read_text())["apart"]
    assert [row["system"] for row in apart] == ["lstm_all"] * 3 + ["SVR", "level"] * 3
    old = json.loads((alone.folder / "annotation_quality.json").read_text())["apart"]
    assert apart[: len(old)] == old
    for file in ("model/model.json", "model/networks.safetensors"):
        assert (alone.folder / file).read_bytes() == (both.folder / file).read_bytes()


@pytest.mark.parametrize(("sees", "columns"), [("frame", 5), ("memory", 15), ("song", 5)])
@pytest.mark.parametrize("targets", ["single", "joint"])
def test_what_a_model_is_given(tiny, models, sees, columns, targets):
    run(tiny, f"{{name='level', estimator='{models}:Level', sees='{sees}', targets='{targets}'}}")
    seen = __import__(models).Level.seen
    assert len(seen) == 4 * (2 if targets == "single" else 1)  # three folds, and all of them
    for x, y in seen:
        if sees == "song":
            assert [len(one) for one in x] == [len(one) for one in y]
            x, y = np.concatenate(x), np.concatenate(y)
        assert x.shape == (len(y), columns)
        assert y.shape[1:] == ((2,) if targets == "joint" else ())
        np.testing.assert_allclose(x[:, :5].mean(0), 0, atol=1e-9)
        np.testing.assert_allclose(x[:, :5].std(0), 1)


def test_what_is_done_is_found_again_unless_something_changed(tiny, models):
    def fresh(out, plus, more=()):
        listener = Listener()
        system = f"{{name='level', estimator='{models}:Level', parameters={{plus={plus}}}}}"
        run(tiny, system, out=out, progress=listener, more=more)
        return sum("level" in text and "done before" not in text for text in listener.done)

    assert fresh("a", 0.0) == 4
    assert fresh("a", 0.0) == 0
    assert fresh("b", 0.0, ["reuse=['FOLDER/a']"]) == 0
    assert fresh("c", 0.5, ["reuse=['FOLDER/a']"]) == 4
    module = Path(__import__(models).__file__)
    module.write_text(module.read_text() + "\n# changed\n")
    assert fresh("d", 0.0, ["reuse=['FOLDER/a']"]) == 4


def test_what_draws_has_a_seed_made_from_the_experiments(tiny):
    forest = (
        "{name='forest', estimator='sklearn.ensemble:RandomForestRegressor', parameters={n_estimators=3}}"
    )
    first, again, other = (
        pd.read_csv(run(tiny, forest, out=out, more=more).folder / "predictions.csv").query(
            "system=='forest'"
        )
        for out, more in (("a", []), ("b", []), ("c", ["seed=2"]))
    )
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first["arousal"], other["arousal"])


def test_without_systems_names_of_runs_stay(tiny):
    plain = load_experiment(tiny / "tiny.toml")
    one = experiment(tiny, "{name='a', estimator='x:Y'}")
    assert plain.fingerprint == experiment(tiny).fingerprint != one.fingerprint
    assert one.alone().systems == []


@pytest.mark.parametrize(
    ("system", "said"),
    [
        (
            "name='a', estimator='sklearn.svm'",
            "systems.0.estimator is 'sklearn.svm'; expected a module, a colon",
        ),
        ("name='a_b', estimator='x:Y'", "systems.0.name is 'a_b'; expected letters"),
        ("name='ridge', estimator='x:Y'", "'ridge' is the name of the baseline"),
        ("name='a', estimator='x:Y', parameters={when=2026-01-01}", "have a date"),
        ("name='a', estimator='x:Y', see='song'", "unknown key 'systems.0.see'; did you mean 'sees'?"),
    ],
)
def test_a_mistake_in_the_file_is_told(tiny, system, said):
    with pytest.raises(InputError, match=r"tiny\.toml") as error:
        experiment(tiny, f"{{{system}}}")
    assert said in str(error.value)


def test_two_systems_have_two_names(tiny):
    with pytest.raises(InputError, match="'a' is the name of another of"):
        experiment(tiny, *["{name='a', estimator='x:Y'}"] * 2)


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        ("no_such_module:X", "no module 'no_such_module'; expected one that Python finds. PYTHONPATH="),
        ("sklearn.svm:SRV", "sklearn.svm has no 'SRV'; did you mean 'SVR'?"),
        ("MODELS:NUMBER", "is a int; expected a class"),
        ("MODELS:Mute", "has no predict; expected an object with fit"),
        ("sklearn.svm:SVR', parameters={D=1}, targets='single", "can't be made of its parameters: TypeError"),
    ],
)
def test_what_cannot_be_made_is_told_before_anything_is_written(tiny, models, estimator, said):
    with pytest.raises(InputError) as error:
        run(tiny, f"{{name='a', estimator='{estimator.replace('MODELS', models)}'}}")
    assert said in str(error.value)
    assert not (tiny / "out").exists()


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        ("MODELS:Short", "predict gave an array of shape (3,); expected (21,)"),
        ("MODELS:Words", "predict gave no numbers"),
        ("MODELS:Endless", "21 of 21 predictions are not finite numbers"),
        ("MODELS:Refusing", "fit: RuntimeError: not today"),
        ("MODELS:Fewer', sees='song", "predict gave 2 curves for 3 songs"),
        ("sklearn.svm:SVR', parameters={C=-1}, sees='frame", "fit: InvalidParameterError: The 'C' parameter"),
        ("sklearn.svm:SVR', targets='joint", "fit: ValueError: y should be a 1d array"),
    ],
)
def test_what_fails_is_told_before_networks_are_trained(tiny, models, estimator, said):
    with pytest.raises(InputError) as error:
        run(tiny, f"{{name='a', estimator='{estimator.replace('MODELS', models)}'}}")
    assert "systems: 'a', " in str(error.value)
    assert said in str(error.value)
    assert not [*(tiny / "out" / "jobs").glob("fold*")]
