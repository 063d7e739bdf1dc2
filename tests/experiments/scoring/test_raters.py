"""lstmcore raters: how well raters agree, and who is to be looked at twice."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.datasets.annotations import Raters, read_raters
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.scoring.rater_files import find_answers
from lstmcore.experiments.scoring.raters import krippendorff_alpha, measure_raters
from lstmcore.experiments.terminal.progress import Quiet

FRAMES = 80
STAMPS = [15000 + 500 * k for k in range(FRAMES)]
WHO = ("Ann", "Bo", "Cy", "Di", "Ed", "Flo")


def lstmcore(*arguments, env=None):
    return CliRunner(env=env).invoke(app, [str(a) for a in arguments])


def curves(songs=6, noise=0.03, seed=0):
    """What six raters say who agree, shape (raters, frames) by song."""
    rng = np.random.default_rng(seed)
    found = {}
    for song in range(1, songs + 1):
        place = np.arange(FRAMES) / 2
        truth = 0.4 * np.sin(place / 3 + song) + 0.15 * np.sin(place / 1.1 + 2 * song) + 0.2 * np.cos(song)
        found[song] = np.clip(truth + noise * rng.standard_normal((len(WHO), FRAMES)), -1, 1)
    return found


def measured(songs, names=WHO):
    return measure_raters({"arousal": {n: Raters(STAMPS, a, names) for n, a in songs.items()}})


def why(found):
    return {row.rater: row.why for row in found.raters if row.why}


def test_raters_who_agree_are_left_alone():
    found = measured(curves())
    assert why(found) == {}
    [row] = found.targets
    assert (row.songs, row.raters, row.named, row.undefined) == (6, 6, True, 0)
    assert min(row.alpha, row.krippendorff, row.one_to_others) > 0.95
    assert row.alpha_low is None  # of six songs there is no interval
    assert {(rater.songs, rater.frames) for rater in found.raters} == {(6, 6 * FRAMES)}


def test_who_goes_against_the_others_is_found():
    songs = curves()
    for answers in songs.values():
        answers[2] *= -1
    assert why(measured(songs)) == {"Cy": ["against the others: upside down?", "far from the others"]}


def test_who_never_moves_is_found_and_not_blamed_for_more():
    songs = curves()
    for n, answers in songs.items():
        if n != 3:
            answers[1] = 0.1
    found = why(measured(songs))["Bo"]
    assert found[0] == "never moves in 5 of 6 songs"
    assert not any("against" in reason or "behind" in reason for reason in found)


def test_who_is_late_is_found_with_the_seconds():
    songs = curves()
    for answers in songs.values():
        answers[4] = np.concatenate([np.full(7, answers[4, 0]), answers[4, :-7]])
    found = measured(songs)
    assert "3.5 s behind the others" in why(found)["Ed"]
    assert [*why(found)] == ["Ed"]
    assert all(abs(row.lag) <= 0.5 for row in found.raters if row.rater != "Ed")


def test_who_is_far_from_the_others_is_found():
    songs = curves()
    for answers in songs.values():
        answers[5] = np.clip(answers[5] + 0.7, -1, 1)
    assert why(measured(songs)) == {"Flo": ["far from the others"]}


def test_of_two_raters_nobody_can_be_blamed():
    songs = {n: np.stack([answers[0], -answers[1]]) for n, answers in curves().items()}
    assert why(measured(songs, ("Ann", "Bo"))) == {}


def test_without_names_a_row_is_a_rater_of_its_own():
    songs = curves()
    songs[2][3] *= -1
    found = measured(songs, ())
    assert len(found.raters) == 36
    assert [*why(found)] == ["2, row 4"]
    assert found.targets[0].raters == 6
    assert not found.targets[0].named


def test_krippendorffs_alpha_by_hand():
    """Two frames, two raters, by the definition: mean squared differences within frames, and of all pairs."""
    answers = np.array([[1.0, 3.0, 5.0], [2.0, 3.0, np.nan]])  # the third frame has one answer
    values = np.array([1.0, 3.0, 2.0, 3.0])
    pairs = [(a - b) ** 2 for i, a in enumerate(values) for j, b in enumerate(values) if i != j]
    within = np.mean([1.0, 1.0, 0.0, 0.0])
    assert krippendorff_alpha([answers]) == pytest.approx(1 - within / np.mean(pairs))
    assert krippendorff_alpha([np.ones((3, 4))]) is None
    assert krippendorff_alpha([np.tile(np.arange(5.0), (3, 1))]) == 1


def test_alpha_has_an_interval_from_ten_songs_on():
    [row] = measured(curves(songs=12, noise=0.3)).targets
    assert row.alpha_low < row.alpha < row.alpha_high
    assert row.krippendorff_low < row.krippendorff < row.krippendorff_high
    assert measured(curves(songs=12, noise=0.3)).targets == [row]  # drawn from a seed


def write(root, songs, target="arousal", names=WHO):
    folder = root / target
    folder.mkdir(parents=True)
    for n, answers in songs.items():
        table = pd.DataFrame(answers.round(4), columns=[f"sample_{s}ms" for s in STAMPS])
        table.insert(0, "rater", names)
        table.to_csv(folder / f"{n}.csv", index=False)


def test_a_folder_of_files_by_rater_is_read(tmp_path):
    songs = curves()
    songs[4][1, 10:20] = np.nan
    write(tmp_path / "annotations per each rater", songs)
    write(tmp_path / "annotations per each rater", songs, "groove")  # a target that no list has
    write(tmp_path / "annotations per each rater", songs, "valence")
    where, answers = find_answers(tmp_path, Quiet())
    assert where.endswith("annotations per each rater")
    assert [*answers] == ["arousal", "valence", "groove"]  # the usual ones first, in the usual order
    assert all([*found] == [*range(1, 7)] for found in answers.values())
    assert answers["arousal"][4].names == WHO
    np.testing.assert_allclose(answers["arousal"][4].answers, songs[4].round(4))


def test_a_table_with_a_column_of_raters_gives_the_same(tmp_path):
    songs = curves()
    rows = [
        {"song": n, "time": s / 1000, "worker_id": name, "arousal": answers[k, f], "valence": -answers[k, f]}
        for n, answers in songs.items()
        for k, name in enumerate(WHO)
        for f, s in enumerate(STAMPS)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "ratings.csv", index=False)
    for place in (tmp_path, tmp_path / "ratings.csv"):
        _, answers = find_answers(place, Quiet())
        assert [*answers] == ["arousal", "valence"]
        found = measure_raters({"arousal": answers["arousal"]})
        assert found.songs == measured(songs).songs
        assert [r.rater for r in found.raters] == [*WHO]


def test_who_answered_is_known_by_the_column_beside(tmp_path):
    path = tmp_path / "1.csv"
    path.write_text("WorkerId,sample_0ms,sample_500ms\nA1,1,2\nB2,,\nC3,3,\n")
    raters = read_raters(path)
    assert raters.names == ("A1", "C3")  # B2 never answered
    path.write_text(",sample_0ms\n0,1\n1,2\n")  # an index that pandas wrote names nobody
    assert read_raters(path).names == ()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("rater,sample_0ms\nAnn,much\n", "1.csv, line 2: column sample_0ms is 'much'"),
        ("rater,sample_0ms\nAnn,1,2\n", "1.csv, line 2: 3 columns; the header has 2"),
    ],
)
def test_a_file_that_can_not_be_read_is_named(tmp_path, content, told):
    (tmp_path / "arousal").mkdir()
    (tmp_path / "arousal" / "1.csv").write_text(content)
    with pytest.raises(InputError, match=told):
        find_answers(tmp_path, Quiet())


def test_what_is_no_rating_is_refused(tmp_path):
    with pytest.raises(InputError, match="nothing tells what each rater said"):
        find_answers(tmp_path, Quiet())
    with pytest.raises(InputError, match="no such folder"):
        find_answers(tmp_path / "no", Quiet())
    write(tmp_path / "one", curves())
    write(tmp_path / "other", curves())
    with pytest.raises(InputError, match="several places: one, other"):
        find_answers(tmp_path, Quiet())


def test_the_command_fits_a_terminal_and_writes_files(tmp_path):
    songs = curves(songs=12)
    for answers in songs.values():
        answers[2] *= -1
    write(tmp_path / "ratings", songs)
    result = lstmcore("raters", tmp_path / "ratings", "--out", tmp_path / "raters.csv", env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    assert "Raters to look at twice: 1 of 6" in result.output
    assert "Cy" in result.output
    table = pd.read_csv(tmp_path / "raters.csv")
    assert [*table.rater] == [*WHO]
    assert table.why[2].startswith("against the others")
    result = lstmcore("raters", tmp_path / "ratings", "--out", tmp_path / "raters.json")
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "raters.json").read_text())
    assert [len(content[key]) for key in ("targets", "raters", "songs")] == [1, 6, 12]


def test_the_command_refuses_other_files(tmp_path):
    write(tmp_path / "ratings", curves())
    result = lstmcore("raters", tmp_path / "ratings", "--out", tmp_path / "raters.txt")
    assert result.exit_code == 2
    assert "expected the name of a file that ends in .csv or .json" in result.output
