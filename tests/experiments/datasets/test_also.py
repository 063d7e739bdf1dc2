"""Several data sets learnt from at once: joined by names, each standardised by itself, one of them scored."""

import json
import tomllib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.config import Data, Experiment, load_experiment, with_values
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.training.folds import split
from lstmcore.experiments.training.trial import TrialData
from tests.experiments.config.test_options import check_model, contents, jobs, run
from tests.experiments.conftest import DYNAMIC, write_dynamic, write_tiny_deam
from tests.experiments.datasets.test_deam import load


@pytest.fixture
def two(tmp_path):
    """``tiny.toml`` and ``data``, and beside it ``other``: six songs, whose features are on another scale."""
    from tests.experiments.conftest import EXPERIMENT

    (tmp_path / "tiny.toml").write_text(EXPERIMENT)
    write_tiny_deam(tmp_path / "data")
    write_tiny_deam(tmp_path / "other", range(31, 37))
    file = tmp_path / "other" / "song_mean_features.csv"
    table = pd.read_csv(file)
    table.iloc[:, 1:] = 100 + 30 * table.iloc[:, 1:]
    table.to_csv(file, index=False)
    return tmp_path


def beside(folder, **keys):
    section = {"source": "deam", "root": str(folder / "other")} | keys
    return "data.also=[{" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in section.items()) + "}]"


def trial_data(folder, *options):
    experiment, dataset = load_experiment(folder / "tiny.toml", list(options)), load(folder, *options)
    return TrialData(experiment, dataset, split(dataset.development, experiment.folds), [])


def test_each_data_set_is_standardised_by_itself_and_only_the_first_stops(two):
    alone, both = trial_data(two), trial_data(two, beside(two))
    without, sets = alone.sets(0, 0, None), both.sets(0, 0, None)
    own, total = len(without.training), len(sets.training)
    assert total - own == 6
    frames = without.training.frames
    np.testing.assert_array_equal(sets.training.inputs[:frames], without.training.inputs)
    np.testing.assert_array_equal(sets.training.targets[:frames], without.training.targets)
    for added in (sets.training.inputs[frames:], sets.training.targets[frames:]):
        np.testing.assert_allclose(added.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(added.std(0), 1, atol=1e-5)
    np.testing.assert_array_equal(sets.validation.inputs, without.validation.inputs)
    np.testing.assert_array_equal(sets.validation.targets, without.validation.targets)
    np.testing.assert_array_equal(sets.targets.mean, without.targets.mean)
    assert both.groups(0).keys() == alone.groups(0).keys()
    for group, songs in alone.groups(0).items():
        assert [s.digest for s in both.groups(0)[group]] == [s.digest for s in songs]


def test_excerpts_and_sequences_put_together_are_of_each_data_set(two):
    both = trial_data(two, beside(two))
    each = both.sets(0, 0, None).training.lengths
    excerpts = replace(both, split=replace(both.split, excerpt=2))
    assert set(excerpts.sets(0, 0, None).training.lengths) == {2}
    together = trial_data(two, beside(two), "training.sequence_seconds=4").sets(0, 0, None).training.lengths
    ends = np.cumsum(together)
    assert each[:-6].sum() in ends  # no sequence has songs of both
    assert len(together) < len(each)


@pytest.mark.parametrize(
    "more", [[], ["network.targets=single"], ["data.lead_in=1", "data.normal_scores=true"]]
)
def test_a_whole_run(two, more):
    options = [beside(two), *more]
    out = run(two, "one", *options)
    assert contents(out) == contents(run(two, "two", *options, workers=2))
    plain = run(two, "plain", *more)
    assert jobs(out, "autoencoder") == jobs(plain, "autoencoder")
    assert not jobs(out, "network") & jobs(plain, "network")
    ours, theirs = (pd.read_csv(folder / "predictions.csv") for folder in (out, plain))
    which = ["song_id", "time", "system"]
    pd.testing.assert_frame_equal(ours[which], theirs[which])
    networks = ours["system"].str.startswith("lstm")
    pd.testing.assert_frame_equal(ours[~networks], theirs[~networks])
    assert not np.allclose(ours[networks]["arousal"], theirs[networks]["arousal"], atol=1e-4)
    note = "Networks learn from 6 songs of another data set, too (data.also.0, "
    assert any(n.startswith(note) for n in json.loads((out / "ensemble.json").read_text())["notes"])
    if "data.normal_scores=true" not in more:
        check_model(two, out)


def test_a_song_more_is_another_network(two):
    first = run(two, "first", beside(two))
    fewer = run(two, "fewer", beside(two, development_songs=[31, 32, 33, 34, 35]))
    assert not jobs(first, "network") & jobs(fewer, "network")
    assert first.name != fewer.name


def test_columns_are_found_by_their_names_in_a_table(two):
    means = pd.read_csv(two / "data" / "song_mean_features.csv").set_index("song_id").loc[[1, 2, 3]]
    rows = []
    for song, values in means.iterrows():
        for k in range(6):
            rows.append(
                {"song": f"s{song}", "time": k / 2, "joy": 0.5, "valence": k, "arousal": -k}
                | {**values[::-1]}
            )
    (two / "tables").mkdir()
    pd.DataFrame(rows).to_csv(two / "tables" / "t.csv", index=False)
    table = {"file": "t.csv", "features": ["f*"], "targets": ["joy", "valence", "arousal"]}
    section = {"source": "table", "root": str(two / "tables"), "scale": [-9, 9], "table": table}
    config = with_values(load_experiment(two / "tiny.toml"), {"data.also": [section]})
    from tests.experiments.datasets.test_own_tables import Quiet, load_dataset, threading

    data = load_dataset(config.data, workers=1, progress=Quiet(), stop=threading.Event())
    [other] = data.also
    assert other.feature_names == data.feature_names == ["f0", "f1", "f2", "f3", "f4"]
    song = other.development[1]
    np.testing.assert_allclose(song.features[0], means.loc[2])
    np.testing.assert_array_equal(song.annotation, [[-k, k] for k in range(6)])


def test_what_doesnt_fit_is_told(two):
    table = pd.read_csv(two / "other" / "song_mean_features.csv")
    table.rename(columns={"f3": "g3", "f4": "g4"}).to_csv(
        two / "other" / "song_mean_features.csv", index=False
    )
    with pytest.raises(
        InputError, match=r"^data.also.0: no feature 'f3' \(2 such features\); expected the feat"
    ):
        load(two, beside(two))
    table.to_csv(two / "other" / "song_mean_features.csv", index=False)
    for target in ("arousal", "valence"):
        write_dynamic(two / "other" / DYNAMIC / f"{target}.csv", {31: [0.1, 0.2, 0.3]}, hop=1000)
    with pytest.raises(
        InputError, match=r"^data.also.0: frames are 1 s apart, and those of data 0.5 s; expected"
    ):
        load(two, beside(two))
    with pytest.raises(InputError, match=r"^data.also.0: .*nowhere.*: no such folder"):
        load(two, beside(two, root=str(two / "nowhere")))
    (two / "other" / DYNAMIC / "valence.csv").unlink()
    with pytest.raises(InputError, match=r"^data.also.0: .*valence.csv"):
        load(two, beside(two))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"lead_in": 1.0},
            "data.also.0 has lead_in, which is that of data for all songs; expected no lead_in",
        ),
        ({"unlabelled": "all"}, "data.also.0 has unlabelled, and the auto-encoder hears"),
        ({"also": []}, "data.also.0 has also"),
        ({"labelled_songs": 3}, "data.also.0 has labelled_songs, and all songs there are learnt from"),
        (
            {"features": "FS1"},
            "data.also.0.features is 'FS1', and features is 'song_means'; expected the same",
        ),
        ({"rot": "x"}, "unknown key 'data.also.0.rot'; did you mean 'root'"),
        ({"scale": [1, -1]}, r"data.also.0.scale is \[1.0, -1.0\]"),
    ],
)
def test_a_wrong_key_is_told_with_its_place(two, keys, message):
    with pytest.raises(InputError, match=message):
        load_experiment(two / "tiny.toml", [beside(two, **keys)])


def test_a_root_is_needed_and_relative_to_the_file(two):
    text = (two / "tiny.toml").read_text()
    for line in ("", 'root = "other"\n'):
        (two / "also.toml").write_text(
            text.replace("[folds]", f'[[data.also]]\nsource = "deam"\n{line}\n[folds]')
        )
        if line:
            assert load_experiment(two / "also.toml").data.also[0].root == str(two / "other")
        else:
            with pytest.raises(InputError, match=r"data.also.0.root is missing"):
                load_experiment(two / "also.toml")


def test_what_is_shared_follows_the_first_and_is_written_once(two):
    experiment = load_experiment(two / "tiny.toml", [beside(two), "data.lead_in=2"])
    assert [(o.lead_in, o.features) for o in experiment.data.others] == [(2.0, "song_means")]
    assert experiment.on("FS1").data.others[0].features == "FS1"
    changed = with_values(experiment, {"data.features": "FS2", "data.lead_in": 0.0})
    assert [(o.lead_in, o.features) for o in changed.data.others] == [(0.0, "FS2")]
    assert "lead_in" not in tomllib.loads(experiment.to_toml())["data"]["also"][0]
    assert Experiment.model_validate(tomllib.loads(experiment.to_toml())) == experiment
    assert Data.model_validate_json(experiment.data.model_dump_json()) == experiment.data


def test_without_it_a_run_keeps_its_name(two):
    plain = load_experiment(two / "tiny.toml")
    assert load_experiment(two / "tiny.toml", ["data.also=[]"]).fingerprint == plain.fingerprint
    assert load_experiment(two / "tiny.toml", [beside(two)]).fingerprint != plain.fingerprint


def test_it_is_an_ablation_whose_paths_are_relative_to_the_file(two):
    text = (two / "tiny.toml").read_text().replace("trials = 2", "trials = 1")
    change = 'set = { "data.also" = [{ source = "deam", root = "other" }] }'
    (two / "tiny.toml").write_text(f'{text}\n[[ablation]]\nname = "the other, too"\n{change}\n')
    line = ["ablate", str(two / "tiny.toml"), "--out", str(two / "out"), "--quiet"]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    rows = pd.read_csv(two / "out" / "ablation.csv").query("ablation == 'the other, too'")
    assert len(rows) == 6
    assert (rows["difference"] != 0).any()


def test_a_set_of_ones_own_is_that_of_all():
    sets = {"mine": {"sets": ["FS1"], "columns": ["pcm_fftMag_mfcc*"]}}
    values = {
        "source": "procedural",
        "features": "mine",
        "feature_sets": sets,
        "also": [{"source": "procedural"}],
    }
    data = Data.model_validate(values)
    chosen = [other.chosen_of([]) for other in data.others]
    assert chosen == [data.chosen_of([])]
    assert {name.split("[")[0] for name in chosen[0]} == {"pcm_fftMag_mfcc_sma", "pcm_fftMag_mfcc_sma_de"}
    assert Data.model_validate_json(data.model_dump_json()) == data
