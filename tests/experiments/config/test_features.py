"""What ``data.features`` may say: names, sets of one's own, and what is wrong with them."""

import pytest

from lstmcore.experiments.config import Experiment, load_experiment, value_of, with_values
from lstmcore.experiments.errors import InputError
from lstmcore.features import feature_names

FILE = """
name = "x"
[data]
source = "deam"
root = "songs"
"""


@pytest.fixture
def load(tmp_path):
    def load(*overrides, file=FILE):
        (tmp_path / "x.toml").write_text(file)
        return load_experiment(tmp_path / "x.toml", overrides)

    return load


@pytest.mark.parametrize(
    ("features", "name", "computed", "count"),
    [
        ("FS2", "FS2", "FS2", 264),
        ("FS1+tonality", "FS1+tonality", "FS1+tonality", 0),
        ('{sets=["tonality", "FS2"]}', "tonality+FS2", "FS3", len(feature_names("FS3"))),
        ('{columns=["tempo", "audSpec_Rfilt_sma[*]_amean"]}', None, "FS2", 27),
        (
            '{sets=["FS3"], columns=["tonality_*", "tempo"]}',
            "FS3 (tonality_*, tempo)",
            "music+tonality",
            None,
        ),
    ],
)
def test_a_set_is_named_and_the_smallest_that_has_its_columns_is_computed(
    load, features, name, computed, count
):
    data = load(f"data.features={features}").data
    assert data.feature_set == name or (name is None and data.feature_set == ", ".join(data.features.columns))
    assert data.computed_set == computed
    names = data.chosen_of(())
    assert names == [n for n in feature_names("FS3") if n in names]
    assert not count or len(names) == count


def test_what_is_left_out_need_not_be_computed(load):
    data = load("data.features=FS3", 'data.leave_out=["tonality_*", "tempo"]').data
    assert (data.feature_set, data.computed_set, len(data.chosen_of(()))) == ("FS3", "FS2", 263)


def test_sets_of_ones_own_have_names_for_runs(load):
    own = '[data.feature_sets]\nmine = {sets = ["music", "tonality"]}\n'
    runs = "".join(
        f'[[runs]]\nname = "{name}"\nfeatures = "{features}"\ncriterion = "rmse"\n'
        for name, features in {"Run 1": "mine", "Run 2": "FS1+tonality"}.items()
    )
    experiment = load("data.features=mine", file=FILE + own + runs)
    assert experiment.feature_sets == ["mine", "FS1+tonality"]
    assert [experiment.on(one).data.computed_set for one in experiment.feature_sets] == [
        "music+tonality",
        "FS1+tonality",
    ]
    again = load(file=experiment.to_toml())
    assert again == experiment
    assert again.fingerprint == experiment.fingerprint != load("data.features=music").fingerprint
    with pytest.raises(InputError, match=r"run 'Run 1': features is 'mine'; expected FS1, FS2.*'?"):
        load("data.features=FS1+tonality", file=FILE + runs)
    with pytest.raises(InputError, match=r"no run uses it; runs name one of data.feature_sets"):
        load('data.features={sets=["mine"]}'.replace("mine", "FS1"), file=FILE + own + runs)


def test_a_key_of_a_set_is_changed_and_read_as_it_is_written(load):
    own = {"sets": ["FS1", "tonality"]}
    changed = with_values(load(), {"data.features": own})
    assert value_of(changed, "data.features") == own
    assert isinstance(changed, Experiment)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "features=FS4",
            "data.features is 'FS4'; expected FS1, FS2, .*tonality, .*or song_means; did you mean",
        ),
        ("features=FS1+song_means", "data.features is 'FS1.song_means'; expected"),
        ('features=["FS1"]', r"data.features is \['FS1'\]; expected a name in quotes, or {sets = "),
        ("features={}", "data.features.sets is missing, and so is columns; expected one of them"),
        ("features={sets=[]}", r"data.features.sets is \[\]; expected at least 1"),
        ('features={sets=["FS1","FS1"]}', "data.features.sets has 'FS1' twice; expected each once"),
        ('features={sets=["song_means","FS1"]}', "sets has 'song_means' beside others; expected it alone"),
        ('features={colums=["tempo"]}', "data.features: unknown key 'colums'; did you mean 'columns'"),
        ('features={columns=["tempi*"]}', "features.columns: no feature 'tempi.*'.*did you mean 'tempo'"),
        (
            'features={sets=["FS1"],columns=["temp*"]}',
            "no feature 'temp.*' of the 260 of FS1; music has such",
        ),
        ('feature_sets={FS2={sets=["FS1"]}}', "feature_sets has 'FS2', which is there already"),
        ('feature_sets={"a/b"={sets=["FS1"]}}', "feature_sets has 'a/b'; expected a name of letters"),
        ('feature_sets={a={sets=["FS9"]}}', "data.feature_sets.a.sets has 'FS9'; expected some of FS1"),
        ("features=table", "features is 'table', and source is 'deam'; expected FS1"),
        (
            'leave_out=["tonality_*"]',
            "leave_out: no feature 'tonality_.*' of the 260 of FS1; tonality has such",
        ),
        ('leave_out=["*"]', "data.leave_out leaves out all 260 features"),
    ],
)
def test_mistakes_are_named(load, override, message):
    message = message.replace(" of the 260", "; expected names, or patterns with .*, of the 260")
    with pytest.raises(InputError, match=message):
        load(f"data.{override}")
