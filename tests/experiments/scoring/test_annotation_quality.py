"""Agreement of raters, the rule that selects songs, and how arousal goes with valence."""

import json
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import run_app
from lstmcore.experiments.config import Data, Experiment, Folds, load_experiment
from lstmcore.experiments.datasets import Dataset, Song, load_dataset
from lstmcore.experiments.datasets.agreement import cronbach_alpha
from lstmcore.experiments.datasets.annotations import read_raters
from lstmcore.experiments.datasets.deam_layout import rater_file
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.scoring.annotation_quality import annotation_quality
from lstmcore.experiments.scoring.carried_correlation import pairs_of
from lstmcore.experiments.scoring.statistics import RESAMPLES, bootstrap_correlations
from lstmcore.experiments.scoring.systems import Predictions
from lstmcore.experiments.scoring.told_apart import told_apart
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.experiments.training.folds import split

RULE = ("data.quality.min_raters=5", "data.quality.min_alpha=0.6")
FEW, DISAGREEING = 2, 7


def load(folder, *overrides):
    config = load_experiment(folder / "tiny.toml", list(overrides))
    return load_dataset(config.data, workers=1, progress=Quiet(), stop=threading.Event())


def write_raters(path, answers, worker_ids=False):
    header = [*(["WorkerId"] if worker_ids else []), *(f"sample_{15000 + 500 * k}ms" for k in range(6))]
    rows = [[*([f"w{n}"] if worker_ids else []), *map(str, row)] for n, row in enumerate(answers)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n")


@pytest.fixture
def rated(tiny):
    """The tiny data with six raters a song; song 2 has four, those of song 7 disagree on valence."""
    rng = np.random.default_rng(5)
    for song in [*range(1, 10), 2001, 2002]:
        for target in ("arousal", "valence"):
            raters = 4 if song == FEW else 6
            answers = np.linspace(-0.4, 0.5, 6) + rng.normal(0, 0.1, (raters, 6))
            if song == DISAGREEING and target == "valence":
                answers = np.linspace(-0.4, 0.5, 6) * np.array([[1, -1] * 3]).T + rng.normal(0, 0.1, (6, 6))
            write_raters(tiny / "data" / rater_file(target, song), answers.round(3), worker_ids=song % 2)
    return tiny


def test_alpha_of_an_example_worked_by_hand():
    # Variances of the raters 1, 1 and 13/3; of their sums 5, 9, 6 also 13/3: 3/2 (1 - (19/3) / (13/3)).
    answers = np.array([[1, 2, 3], [3, 2, 1], [1, 5, 2]], float)
    assert cronbach_alpha(answers) == pytest.approx(-9 / 13)
    # Raters who differ by a constant agree wholly; two who contradict each other cancel out.
    curve = np.array([0.1, 0.4, -0.2, 0.3])
    assert cronbach_alpha(np.stack([curve, curve + 0.3, curve - 0.1])) == pytest.approx(1)
    assert cronbach_alpha(np.stack([curve, -curve])) is None
    assert cronbach_alpha(np.stack([curve, -0.5 * curve])) < 0


def test_alpha_is_spearman_and_browns_formula_for_equal_variances():
    rng = np.random.default_rng(1)
    answers = rng.standard_normal((7, 40)) + rng.standard_normal(40)
    answers /= answers.std(1, keepdims=True)
    r = np.corrcoef(answers)[np.triu_indices(7, 1)].mean()
    assert cronbach_alpha(answers) == pytest.approx(7 * r / (1 + 6 * r))


@pytest.mark.parametrize("answers", [np.ones((3, 5)), np.ones((1, 5)), np.arange(3.0)[:, None]])
def test_alpha_is_undefined_without_raters_frames_or_movement(answers):
    assert cronbach_alpha(answers) is None


def test_frames_that_a_rater_left_out_do_not_count():
    answers = np.random.default_rng(2).standard_normal((4, 9))
    gaps = answers.copy()
    gaps[1, 0] = gaps[3, 8] = np.nan
    assert cronbach_alpha(gaps) == pytest.approx(cronbach_alpha(answers[:, 1:8]))


def test_reading_passes_over_names_and_raters_without_an_answer(tmp_path):
    file = tmp_path / "3.csv"
    file.write_text("WorkerId,sample_15000ms,sample_15500ms\na,0.1,0.2\nb,,\nc,NaN,-0.3\nd,0.5\n")
    expected = [[0.1, 0.2], [np.nan, -0.3], [0.5, np.nan]]
    np.testing.assert_array_equal(read_raters(file).answers, expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"3\.csv: the file is empty"),
        ("a,b\n1,2\n", r"line 1: no column with a name like 'sample_15000ms'"),
        ("sample_15000ms\nx\n", r"line 2: column sample_15000ms is 'x'; expected a finite number"),
        ("sample_15000ms\n1,2\n", "line 2: 2 columns; the header has 1"),
    ],
)
def test_what_is_wrong_with_a_file_of_raters_is_named(tmp_path, text, message):
    (tmp_path / "3.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_raters(tmp_path / "3.csv")


def test_the_rule_drops_songs_names_them_and_leaves_them_to_the_auto_encoder(rated):
    data = load(rated, *RULE)
    assert data.dropped == [FEW, DISAGREEING]
    assert [song.song_id for song in data.development] == [1, 3, 4, 5, 6, 8, 9]
    assert [song.song_id for song in data.unlabelled] == [FEW, DISAGREEING, 11, 12, 13]
    (note,) = [note for note in data.notes if "dropped" in note]
    assert note.startswith("2 of 9 songs were dropped")
    assert note.endswith(": 2, 7.")


@pytest.mark.parametrize(
    ("raters", "alpha", "dropped"), [(4, 0.6, [7]), (5, -50, [2]), (4, -50, []), (7, 0, 9)]
)
def test_both_halves_of_the_rule_count(rated, raters, alpha, dropped):
    rule = [f"data.quality.min_raters={raters}", f"data.quality.min_alpha={alpha}"]
    if dropped == 9:
        with pytest.raises(InputError, match="none of 9 development songs has 7 raters and α = 0"):
            load(rated, *rule)
    else:
        assert load(rated, *rule).dropped == dropped


def test_the_official_test_songs_are_never_selected(rated):
    write_raters(rated / "data" / rater_file("valence", 2001), np.random.default_rng(0).normal(0, 1, (2, 6)))
    data = load(rated, *RULE)
    assert [song.song_id for song in data.official_test] == [2001, 2002]


def test_without_the_rule_nothing_is_dropped_and_the_files_need_not_be_there(rated, tiny):
    assert load(rated).dropped == []
    assert set(load(rated).agreements) == {*range(1, 10), 2001, 2002}
    (rated / "data" / rater_file("valence", 4)).unlink()
    assert set(load(rated).agreements) == {*range(1, 10), 2001, 2002} - {4}


def test_the_rule_without_the_files_is_an_error_with_exit_code_2(tiny):
    line = [str(tiny / "tiny.toml"), "--out", str(tiny / "out"), *(p for r in RULE for p in ("--set", r))]
    result = CliRunner().invoke(run_app, line)
    assert result.exit_code == 2
    assert "annotations per each rater" in result.output
    assert "no such folder; data.quality needs the answers of each rater" in result.output
    assert "Traceback" not in result.output


def test_a_single_missing_file_is_named(rated):
    (rated / "data" / rater_file("valence", 4)).unlink()
    with pytest.raises(InputError, match=r"valence/4\.csv: no such file; data\.quality needs it for song 4"):
        load(rated, *RULE)


def songs_with_correlation(r, first, rng, count=40):
    """Songs whose means correlate about r, each with its own wiggle."""
    found = []
    for number in range(first, first + count):
        a, b = rng.standard_normal(2)
        mean = np.array([a, r * a + np.sqrt(1 - r**2) * b])
        found.append(
            Song(number, np.arange(5) / 2, np.zeros((5, 1)), mean + 0.1 * rng.standard_normal((5, 2)))
        )
    return found


def predicted(songs, slope):
    """Arousal as it is, with an error; valence from arousal alone, or without a slope as it is."""
    rng = np.random.default_rng(3)
    values = []
    for song in songs:
        value = song.annotation + 0.3 * rng.standard_normal(2)
        if slope is not None:
            value[:, 1] = slope * value[:, 0]
        values.append(value)
    return values


def quality_of(r_development, r_test, seed=1, slope=None):
    rng = np.random.default_rng(8)
    development = songs_with_correlation(r_development, 1, rng, 80)
    test = songs_with_correlation(r_test, 2001, rng)
    dataset = Dataset(development, [], test, ["f"], "song_means", [])
    experiment = Experiment(name="x", seed=seed, data=Data(source="procedural"))
    cut = split(development, Folds(count=4, team_test=3))
    sets = {"cross_validation": cut.others(None), "team_test": cut.team_test_songs, "official_test": test}
    predictions = [Predictions("lstm_all", g, songs, predicted(songs, slope)) for g, songs in sets.items()]
    predictions.append(Predictions("linear_regression", "cross_validation", [], []))
    return dataset, annotation_quality(experiment, dataset, cut, predictions)


def test_correlations_are_pearsons_over_frames_and_over_means():
    dataset, quality = quality_of(0.7, 0.7)
    rows = {(row.set, row.over): row for row in quality.correlation}
    frames = np.concatenate([song.annotation for song in dataset.official_test])
    means = np.array([song.annotation.mean(0) for song in dataset.official_test])
    assert rows["official_test", "frames"].r == pytest.approx(np.corrcoef(frames.T)[0, 1])
    assert rows["official_test", "songs"].r == pytest.approx(np.corrcoef(means.T)[0, 1])
    assert (rows["training", "frames"].songs, rows["team_test", "frames"].songs) == (60, 20)
    assert all(row.low < row.r < row.high for row in quality.correlation)


@pytest.mark.parametrize(
    ("r_test", "differ", "words"), [(-0.5, True, "leaves out 0"), (0.8, False, "holds 0")]
)
def test_whether_correlations_differ_is_said(r_test, differ, words):
    _, quality = quality_of(0.8, r_test)
    for row in quality.differences:
        if row.set == "official_test":
            assert row.differ is differ
            assert words in row.sentence
        else:
            assert row.differ is False
    assert len(quality.differences) == 4


@pytest.mark.parametrize(
    ("r_test", "slope", "misled", "words"),
    [
        # Valence from arousal, as the training songs have it, where the test songs have it the other way.
        (-0.5, 0.8, True, "the correlation of the training songs misleads the networks: "),
        # The same networks, where it holds.
        (0.8, 0.8, False, "nor is there a lower correlation to be misled by: "),
        # Networks that know valence for itself.
        (-0.5, None, False, "that the correlation of the training songs misleads the networks isn't shown: "),
    ],
)
def test_whether_networks_are_misled_is_said(r_test, slope, misled, words):
    dataset, quality = quality_of(0.8, r_test, slope=slope)
    team, official = quality.misled
    assert (team.set, team.misled) == ("team_test", False)
    assert (official.set, official.misled) == ("official_test", misled)
    assert words in official.sentence
    rows = {row.set: row for row in quality.carried}
    assert {*rows} == {"cross_validation", "team_test", "official_test"}
    songs = dataset.official_test
    values = np.concatenate(predicted(songs, slope))
    truth = np.concatenate([song.annotation for song in songs])
    row = rows["official_test"]
    assert row.predicted == pytest.approx(np.corrcoef(values.T)[0, 1])
    assert row.annotated == pytest.approx(np.corrcoef(truth.T)[0, 1])
    assert row.error == pytest.approx(np.corrcoef(values[:, 0], values[:, 1] - truth[:, 1])[0, 1])
    assert row.low < row.error < row.high


@pytest.mark.parametrize(
    ("slope", "apart", "words"),
    [
        (0.8, False, "r = 1.00, the annotations with 0."),  # the same curve on another scale
        (None, True, "it tells the two apart."),
    ],
)
def test_whether_networks_tell_targets_apart_is_said(slope, apart, words):
    dataset, quality = quality_of(0.7, 0.7, slope=slope)
    assert [row.set for row in quality.apart] == ["cross_validation", "team_test", "official_test"]
    for row in quality.apart:
        assert row.apart is apart
        assert words in row.sentence
        assert ("isn't shown" in row.sentence) is not apart
    row = quality.apart[2]
    values = np.concatenate(predicted(dataset.official_test, slope))
    truth = np.concatenate([song.annotation for song in dataset.official_test])
    assert row.predicted == pytest.approx(np.corrcoef(values.T)[0, 1])
    if slope is None:
        differences = [np.subtract(*((v - v.mean(0)) / v.std(0)).T) for v in (values, truth)]
        assert row.difference == pytest.approx(np.corrcoef(*differences)[0, 1])
        assert 0 < row.low < row.difference < row.high


def test_one_curve_with_chance_for_a_difference_tells_nothing_apart():
    rng = np.random.default_rng(3)
    songs = songs_with_correlation(0.7, 1, rng, 60)
    common = [song.annotation.mean(1, keepdims=True) for song in songs]
    values = [c + 0.05 * rng.standard_normal((len(c), 2)) for c in common]
    (pair,) = pairs_of(["arousal", "valence"])
    row = told_apart(Predictions("lstm_all", "official_test", songs, values), pair, "test", rng)
    assert row.predicted > 0.9
    assert row.apart is False
    assert row.low < 0 < row.high
    truth = [c + 0.1 * (song.annotation - c) for song, c in zip(songs, common, strict=True)]
    little = told_apart(Predictions("lstm_all", "official_test", songs, truth), pair, "test", rng)
    assert little.low > 0
    assert little.apart is False
    assert "its curves are nearly one, though" in little.sentence
    few = told_apart(Predictions("lstm_all", "official_test", songs[:9], values[:9]), pair, "test", rng)
    assert few.apart is None
    assert "whether it tells the two apart can't be told." in few.sentence


def test_the_bootstrap_is_seeded_and_draws_whole_songs():
    assert quality_of(0.5, 0.2)[1] == quality_of(0.5, 0.2)[1]
    assert quality_of(0.5, 0.2)[1] != quality_of(0.5, 0.2, seed=2)[1]
    rng = np.random.default_rng(0)
    means = rng.standard_normal((30, 2))
    once = bootstrap_correlations([m[None] for m in means], np.random.default_rng(1))
    many = bootstrap_correlations([np.tile(m, (50, 1)) for m in means], np.random.default_rng(1))
    np.testing.assert_allclose(once, many)  # repeated frames are no new evidence
    assert once.shape == (RESAMPLES,)
    draw = np.random.default_rng(1).multinomial(30, np.full(30, 1 / 30), RESAMPLES)[0]
    assert once[0] == pytest.approx(np.corrcoef(np.repeat(means, draw, axis=0).T)[0, 1])


def test_what_a_run_says_of_its_annotations(rated):
    line = [str(rated / "tiny.toml"), "--out", str(rated / "out"), *(p for r in RULE for p in ("--set", r))]
    result = CliRunner().invoke(run_app, [*line, "--set", "folds.count=3", "--set", "folds.team_test=2"])
    assert result.exit_code == 0, result.output
    quality = json.loads((rated / "out" / "annotation_quality.json").read_text())
    assert quality["dropped"] == [FEW, DISAGREEING]
    means = {(r["set"], r["selection"], r["target"]): r for r in quality["agreement"]}
    table = pd.read_csv(rated / "out" / "annotation_quality.csv")
    valence = table[table.target == "valence"].set_index("song_id")
    assert valence.loc[[FEW, DISAGREEING], "set"].tolist() == ["dropped", "dropped"]
    everything = valence.loc[range(1, 10), "alpha"]
    assert means["development", "before", "valence"]["mean_alpha"] == pytest.approx(
        everything.mean(), abs=1e-6
    )
    kept = everything.drop([FEW, DISAGREEING])
    assert means["development", "after", "valence"]["mean_alpha"] == pytest.approx(kept.mean(), abs=1e-6)
    test = valence.loc[[2001, 2002], "alpha"]
    assert means["official_test", "after", "valence"]["mean_alpha"] == pytest.approx(test.mean(), abs=1e-6)
    page = (rated / "out" / "report.html").read_text()
    assert "mean of Cronbach's α over songs" in page.replace("&#39;", "'")
    assert f"{everything.mean():.3f}" in page
    assert "can&#39;t be told from 2 songs; it takes 10 at least" in page
    assert {row["set"] for row in quality["carried"]} == {"cross_validation", "team_test", "official_test"}
    assert [row["misled"] for row in quality["misled"]] == [None, None]
    assert "official test set: whether the networks are misled by it can&#39;t be told." in page
    assert [row["apart"] for row in quality["apart"]] == [None] * 3
    assert "Do the networks tell the two apart? lstm_all" in page


def with_targets(songs, names):
    """Give songs the columns of targets that are named: a for arousal, v for valence."""
    columns = [{"a": 0, "v": 1}[name[0]] for name in names]
    return [replace(song, targets=song.annotation[:, columns]) for song in songs]


def quality_of_targets(names):
    rng = np.random.default_rng(8)
    songs = with_targets(songs_with_correlation(0.7, 1, rng, 80), names)
    dataset = Dataset(songs, [], [], ["f"], "song_means", [], targets=tuple(names))
    cut = split(songs, Folds(count=4, team_test=3))
    sets = {"cross_validation": cut.others(None), "team_test": cut.team_test_songs}
    predictions = [Predictions("lstm_all", g, s, [song.annotation for song in s]) for g, s in sets.items()]
    experiment = Experiment(name="x", data=Data(source="procedural"))
    return annotation_quality(experiment, dataset, cut, predictions)


def test_one_target_has_no_correlation_with_another():
    quality = quality_of_targets(["arousal"])
    assert quality.correlation == quality.differences == quality.carried == quality.misled == []


def test_of_three_targets_each_pair_is_correlated():
    quality = quality_of_targets(["arousal", "valence", "anew"])
    frames = {(row.first, row.second): row.r for row in quality.correlation if row.over == "frames"}
    assert frames["arousal", "anew"] == pytest.approx(1)
    assert frames["arousal", "valence"] == pytest.approx(frames["valence", "anew"])
    said = [row.sentence for row in quality.differences if (row.first, row.second) == ("valence", "anew")]
    assert "valence correlates with anew with" in said[0]
    told = [row.sentence.partition(":")[0] for row in quality.misled]
    assert told[2] == "the team's test set (valence, anew)"
