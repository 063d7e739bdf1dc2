"""The paper's protocol: the very TOML, shrunk, on procedural music in DEAM's layout."""

import json
import shutil
import threading

import numpy as np
import pandas as pd
import pytest

from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.datasets import load_dataset
from lstmcore.experiments.datasets.deam_layout import averaged_file, rater_file
from lstmcore.experiments.datasets.procedural import ProceduralPlan, write_collection
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.prediction.model import load_model
from lstmcore.experiments.report.paper_table import TABLE_1, cells_of
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.features import feature_names
from tests.shared_data import CONFIGURATIONS

PROTOCOL = CONFIGURATIONS / "mediaeval2015.toml"
RUNS = ["run 1", "run 2", "run 3", "run 4"]
SHRUNK = (
    "folds.count=3",
    "folds.team_test=2",
    "network.hidden=[4, 3, 2]",
    "training.max_epochs=2",
    "pretraining.max_epochs=2",
    "ensemble.trials=2",
    # So that epochs on so few songs move the networks at all.
    "training.learning_rate=1e-3",
    "pretraining.learning_rate=1e-3",
)
FEW_RATERS = 5


def load(overrides):
    return load_experiment(PROTOCOL, list(overrides))


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """A full DEAM in small: audio, FS1's feature files, averages, raters, the task's own targets."""
    root = tmp_path_factory.mktemp("protocol") / "deam"
    write_collection(root, ProceduralPlan(8, 1, 3, seconds=20, test_seconds=20, raters=5, seed=3))
    for target in ("arousal", "valence"):
        shutil.copy(root / averaged_file(target), root / f"mediaeval2015_dev431_{target}.csv")
        file = root / rater_file(target, FEW_RATERS)
        file.write_text("\n".join(file.read_text().splitlines()[:-1]) + "\n")
    rng = np.random.default_rng(0)
    (root / "features").mkdir()
    for song in [*range(1, 9), 1001, 2001, 2002, 2003]:
        rows = [[k / 2, *rng.normal(0, 1, 260).round(4)] for k in range(40)]
        lines = [";".join(map(str, row)) for row in [("frameTime", *feature_names("FS1")), *rows]]
        (root / "features" / f"{song}.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def overrides(collection):
    # As in the task, songs are selected; with a low α, for synthetic raters of short songs.
    rule = (f"data.quality.min_raters={FEW_RATERS}", "data.quality.min_alpha=-99")
    return (f"data.root={collection}", *rule, *SHRUNK)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSTMCORE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def finished(overrides, cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "out"
    run = run_experiment(load(overrides), Session(folder, workers=2))
    return run, folder


def test_the_numbers_of_the_paper():
    e = load(["data.root=."])
    assert e.network.hidden == [200, 150, 25]
    assert e.network.targets == "joint"
    for section in (e.training, e.pretraining):
        assert (section.learning_rate, section.momentum, section.input_noise) == (5e-6, 0.9, 0.3)
        assert (section.patience, section.shuffle) == (20, True)
    assert e.pretraining.enabled
    assert e.training.objective == "sse"
    assert (e.folds.count, e.ensemble.trials) == (11, 5)
    assert e.data.unlabelled == "all"
    described = [(r.name, r.features, r.criterion, r.together) for r in e.runs]
    assert described == [
        ("run 1", "FS1", "rmse", []),
        ("run 2", "FS2", "rmse", []),
        ("run 3", "FS2", "ccc", []),
        ("run 4", None, None, ["run 2", "run 3"]),
    ]
    assert e.feature_sets == ["FS2", "FS1"]


def test_the_search_has_the_papers_order_and_holds_its_results():
    e = load(["data.root=."])
    assert (e.search.method, e.search.criterion) == ("sequential", "ccc")
    keys = [step.keys for step in e.search.steps]
    both = ("training", "pretraining")
    assert keys == [
        ["network.hidden"],
        [f"{s}.learning_rate" for s in both],
        [f"{s}.input_noise" for s in both],
    ]
    for step, value in zip(e.search.steps, ([200, 150, 25], 5e-6, 0.3), strict=True):
        assert value in step.values


def test_every_run_is_a_system_of_the_table(finished):
    run, _ = finished
    for group in ("team_test", "official_test"):
        systems = list(dict.fromkeys(s.system for s in run.scores if s.set == group))
        ours = ["lstm_all FS2", "lstm_all FS1", *RUNS]
        assert systems[:6] == ours
        regressions = {
            f"{name} {on}" for name in ("linear_regression", "ridge", "ridge_memory") for on in ("FS1", "FS2")
        }
        assert {*systems[6:-3]} == {"global_mean", "song_mean_oracle"} | regressions
        assert systems[-3:] == ["raters_half", "raters_all", "raters_one"]
        assert len(systems) == 17
    validated = {s.system for s in run.scores if s.set == "cross_validation"}
    assert not validated & {*RUNS}


def test_each_network_is_trained_once_and_serves_all_runs_of_its_features(finished):
    _, folder = finished
    names = [file.name for file in (folder / "jobs").iterdir()]
    assert len([n for n in names if n.startswith("autoencoder-")]) == 2 * 2
    assert len([n for n in names if n.startswith("network-")]) == 2 * 2 * 2
    titles = set(pd.read_csv(folder / "history.csv")["job"])
    assert {"fold 0, trial 1, FS1", "fold 0, trial 1, FS2", "auto-encoder, trial 0, FS1"} <= titles


def test_runs_are_chosen_by_their_criterion_and_the_fourth_has_the_networks_of_two(finished):
    _, folder = finished
    ensembles = json.loads((folder / "ensemble.json").read_text())["ensembles"]
    assert list(ensembles) == RUNS
    assert [ensembles[r]["features"] for r in RUNS] == ["FS1", "FS2", "FS2", "FS2"]
    assert [ensembles[r]["criterion"] for r in RUNS] == ["rmse", "rmse", "ccc", "run 2 + run 3"]
    assert [ensembles[r]["subtask"] for r in RUNS] == [2, 3, 3, 3]
    second, third, fourth = ({(n["fold"], n["trial"]) for n in ensembles[r]["networks"]} for r in RUNS[1:])
    assert fourth == second | third
    assert len(ensembles["run 4"]["networks"]) == len(fourth)


def test_the_models_of_both_feature_sets_give_the_predictions_of_the_table(finished, overrides):
    _, folder = finished
    table = pd.read_csv(folder / "predictions.csv")
    for name, systems, features in (("model", RUNS[1:], "FS2"), ("model_FS1", RUNS[:1], "FS1")):
        model = load_model(folder / name)
        assert list(model.description["systems"]) == systems
        assert model.description["feature_set"] == features
        data = load_dataset(
            load(overrides).on(features).data, workers=1, progress=Quiet(), stop=threading.Event()
        )
        song = data.official_test[0]
        for system in systems:
            rows = table[(table.song_id == song.song_id) & (table.system == system)]
            mean, _ = model.predict(song.features, system)
            np.testing.assert_allclose(rows[["arousal", "valence"]], mean, atol=2e-6)


@pytest.fixture(scope="module")
def both_sets(overrides, cache):
    def songs(features):
        data = load(overrides).on(features).data
        return load_dataset(data, workers=2, progress=Quiet(), stop=threading.Event())

    return songs("FS1"), songs("FS2")


def test_the_auto_encoder_sees_all_songs_but_the_official_tests(both_sets):
    for dataset in both_sets:  # development songs and dropped ones too, without their targets
        assert [s.song_id for s in dataset.unlabelled] == [*range(1, 9), 1001]
        assert all(s.targets is None for s in dataset.unlabelled)


def test_a_file_with_fs1_gets_the_other_four_of_fs2_from_the_audio(both_sets, collection):
    first, second = both_sets
    from lstmcore.features import FeatureStore, extract_features

    audio = extract_features(collection / "MEMD_audio" / "1.flac", "FS2", FeatureStore())
    audio = audio[audio.frameTime.isin(second.development[0].times)]
    np.testing.assert_array_equal(second.development[0].features[:, 260:], audio.iloc[:, 261:])
    for a, b in zip(first.development, second.development, strict=True):
        np.testing.assert_array_equal(a.features, b.features[:, :260])
        np.testing.assert_array_equal(a.annotation, b.annotation)


def test_a_file_with_fs1_or_fs2_gets_the_others_of_fs3_from_the_audio(overrides, collection, tmp_path):
    from lstmcore.features import FeatureStore, columns, extract_features, feature_names

    root = tmp_path / "deam"
    shutil.copytree(collection, root)
    audio = extract_features(root / "MEMD_audio" / "1.flac", "FS3", FeatureStore())
    audio[list(columns("FS2"))].to_csv(root / "features" / "1.csv", sep=";", index=False)
    data = load([*overrides, f"data.root={root}"]).on("FS3").data
    loaded = load_dataset(data, workers=1, progress=Quiet(), stop=threading.Event())
    for song in loaded.development[:2]:
        whole = extract_features(root / "MEMD_audio" / f"{song.song_id}.flac", "FS3", FeatureStore())
        whole = whole[whole.frameTime.isin(song.times)]
        np.testing.assert_array_equal(song.features[:, 264:], whole.iloc[:, 265:])
        held = 0 if song.song_id == 1 else 260  # FS2 from its own file, or four of FS2 from the audio
        np.testing.assert_allclose(song.features[:, held:264], whole.iloc[:, 1 + held : 265], rtol=1e-5)
    for features in ("FS1+tonality", "music+tonality", "FS1"):  # a file may hold more than is wanted
        part = load([*overrides, f"data.root={root}"]).on(features).data
        some = load_dataset(part, workers=1, progress=Quiet(), stop=threading.Event())
        assert some.feature_names == list(feature_names(features))
        kept = [loaded.feature_names.index(name) for name in some.feature_names]
        for one, other in zip(loaded.development, some.development, strict=True):
            np.testing.assert_array_equal(one.features[:, kept], other.features)
    (root / "MEMD_audio" / "1.flac").unlink()
    with pytest.raises(
        InputError, match=r"1\.csv: has FS2's features, and there is no audio of song 1 to take"
    ):
        load_dataset(data, workers=1, progress=Quiet(), stop=threading.Event())


def test_without_audio_the_other_four_are_missed(overrides, collection, tmp_path):
    root = tmp_path / "deam"
    shutil.copytree(collection, root)
    (root / "MEMD_audio" / "4.flac").unlink()
    with pytest.raises(
        InputError, match=r"features/4\.csv: has FS1's features, and there is no audio of song 4"
    ):
        load_dataset(
            load([*overrides, f"data.root={root}"]).data, workers=1, progress=Quiet(), stop=threading.Event()
        )


def test_table_1_has_our_scores_beside_the_papers_and_never_mixes_them(finished):
    run, folder = finished
    scores = {(s.set, s.system, s.target, s.metric): s for s in run.scores if s.scope == "per_song"}
    table = pd.read_csv(folder / "table_1.csv")
    for _, row in table.iterrows():
        theirs = TABLE_1.get((row["set"], row.metric, row.row))
        k = ("arousal", "valence").index(row.target)
        assert (
            (row.published_mean, row.published_std) == theirs[k] if theirs else np.isnan(row.published_mean)
        )
        system = {"CB": "linear_regression FS1", "me14": None}.get(row.row, row.row)
        if system:
            ours = scores[row["set"], system, row.target, row.metric]
            assert row["mean"] == pytest.approx(ours.mean, abs=1e-6)
            assert row["std"] == pytest.approx(ours.std, abs=1e-6)
        else:
            assert np.isnan(row["mean"])
    parts = table.groupby("set")["row"].unique().map(list).to_dict()
    assert parts == {"official_test": [*RUNS, "CB"], "team_test": [*RUNS, "me14"]}
    shown = {(r.part, r.metric, r.row): cells_of(r) for r in run.paper_table}
    assert shown["official_test", "r", "run 4"][1::2] == ["0.613 ± 0.278", "0.026 ± 0.500"]
    assert shown["official_test", "r", "run 1"][1::2] == ["–", "–"]
    assert shown["team_test", "rmse", "me14"][::2] == ["–", "–"]


def test_the_subtasks_are_named_with_their_systems(finished):
    page = (finished[1] / "report.html").read_text()
    assert "1 (features): linear_regression FS2; " in page
    assert "2 (regression on given features): run 1; 3 (both free): run 2, run 3, run 4." in page


def test_the_report_has_table_1_the_annotations_and_the_dropped_song(finished):
    run, folder = finished
    page = (folder / "report.html").read_text()
    assert "Beside the paper" in page
    assert "0.613 ± 0.278" in page
    assert "those of run 2 + run 3 together" in page
    assert "1 of 8 songs were dropped from development" in page
    assert any(note.endswith(f": {FEW_RATERS}.") for note in run.notes)
    quality = json.loads((folder / "annotation_quality.json").read_text())
    assert quality["dropped"] == [FEW_RATERS]
    assert {row["set"] for row in quality["agreement"]} == {"development", "team_test", "official_test"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('runs=[{name = "a", features = "FS2"}]', "run 'a': expected features and criterion, or together"),
        ('runs=[{name = "a", together = ["b"]}]', "run 'a' puts together 'b'; expected runs above it"),
        (
            'runs=[{name = "a", features = "FS1", criterion = "ccc"}]',
            "data.features is FS2 and no run uses it",
        ),
        ('runs=[{name = "a", feature = "FS2"}]', "unknown key 'runs.0.feature'; did you mean 'features'"),
        ('runs=[{name = "lstm_all"}]', "runs.0.name is 'lstm_all'"),
        (
            'runs=[{name = "ridge FS2", features = "FS2", criterion = "ccc"}]',
            "run 'ridge FS2' is called like the baseline; expected another name",
        ),
        (
            'runs=[{name = "a", features = "FS2", criterion = "ccc", together = ["b"]}]',
            "run 'a' has together, and features or criterion",
        ),
        (
            'runs=[{name = "a", features = "FS2", criterion = "ccc"}, '
            '{name = "a", features = "FS2", criterion = "rmse"}]',
            "two runs have the name 'a'",
        ),
        (
            'runs=[{name = "a", features = "FS2", criterion = "ccc"}, '
            '{name = "b", features = "FS1", criterion = "ccc"}, {name = "c", together = ["a", "b"]}]',
            "run 'c' puts together runs of FS1 and FS2",
        ),
    ],
)
def test_mistakes_in_runs_are_named(change, message):
    with pytest.raises(InputError, match=message):
        load(["data.root=.", change])
