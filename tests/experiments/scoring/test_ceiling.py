"""The raters' ceiling: rows of raters who predict each other, beside those of systems."""

import json
from itertools import combinations

import numpy as np
import pytest

from lstmcore.experiments.datasets import Dataset, Song
from lstmcore.experiments.datasets.agreement import agreement_of
from lstmcore.experiments.datasets.annotations import Raters
from lstmcore.experiments.datasets.deam_layout import rater_file
from lstmcore.experiments.report.table import ceiling_note, score_sheets
from lstmcore.experiments.scoring.ceiling import ceiling, stepped_up
from tests.experiments.run.test_run import run

FRAMES = 40
STAMPS = [15000 + 500 * k for k in range(FRAMES)]
TIMES = np.array(STAMPS) / 1000


def rated(answers, scale=(-1.0, 1.0)):
    """Data whose songs have these raters, shape (raters, frames) each, of one target."""
    songs = [Song(k, TIMES, np.zeros((FRAMES, 1)), np.zeros((FRAMES, 1))) for k in range(len(answers))]
    agreements = {k: {"tension": agreement_of(Raters(STAMPS, a))} for k, a in enumerate(answers)}
    return Dataset(songs, [], [], ["f"], "x", [], agreements, targets=("tension",), scale=scale)


def scores(answers, seed=1, **options):
    data = rated(answers, **options)
    found = ceiling(data, {"cross_validation": data.development}, seed)
    return {(s.system, s.metric, s.scope): s for s in found}


def noisy(songs, raters, noise, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.cumsum(rng.normal(0, 0.1, (songs, 1, FRAMES)), axis=2)
    return list(truth + noise * rng.standard_normal((songs, raters, FRAMES)))


def test_raters_with_independent_errors_have_the_errors_that_theory_says():
    """Two halves of n / 2 differ by 2 s / √n, one of n from the others by s √(n / (n - 1))."""
    found = scores(noisy(40, 8, 0.3))
    assert found["raters_half", "rmse", "pooled"].mean == pytest.approx(2 * 0.3 / np.sqrt(8), rel=0.02)
    assert found["raters_one", "rmse", "pooled"].mean == pytest.approx(0.3 * np.sqrt(8 / 7), rel=0.02)
    assert found["raters_half", "rmse", "per_song"].songs == 40


def test_spearman_brown_says_what_twice_as_many_raters_have():
    answers = noisy(60, 16, 0.5)
    half = scores([a[:8] for a in answers])["raters_all", "r", "pooled"].mean  # stepped up to 8 against 8
    assert half == pytest.approx(scores(answers)["raters_half", "r", "pooled"].mean, abs=0.015)
    assert (stepped_up(0.5), stepped_up(-0.5), stepped_up(None)) == (pytest.approx(2 / 3), -0.5, None)


def test_four_raters_by_hand():
    """Of four there are three splits in halves, each as likely; of one song, all is pooled."""
    (answers,) = noisy(1, 4, 0.2, seed=3)
    halves = [answers[list(pair)].mean(0) for pair in combinations(range(4), 2)]
    by_hand = [np.corrcoef(halves[k], halves[5 - k])[0, 1] for k in range(3)]
    found = scores([answers])
    assert min(by_hand) <= found["raters_half", "r", "pooled"].mean <= max(by_hand)
    drawn = {scores([answers], seed)["raters_half", "r", "pooled"].mean for seed in range(40)}
    assert np.mean(list(drawn)) == pytest.approx(np.mean(by_hand), abs=0.01)
    others = [np.delete(answers, k, axis=0).mean(0) for k in range(4)]
    expected = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(answers, others, strict=True)])
    assert found["raters_one", "r", "per_song"].mean == pytest.approx(expected)
    assert found["raters_one", "r", "pooled"].mean == pytest.approx(
        np.corrcoef(answers.ravel(), np.ravel(others))[0, 1]
    )


def test_the_same_seed_draws_the_same_halves():
    answers = noisy(5, 7, 0.4)
    assert scores(answers) == scores(answers) != scores(answers, seed=2)


@pytest.mark.parametrize(("scale", "rest"), [((-1.0, 1.0), 0.0), ((1.0, 9.0), 5.0)])
def test_before_the_first_move_a_rater_has_not_answered(scale, rest):
    """Two agree; the third rests in the middle of the scale for half the song, then agrees too."""
    curve = rest + np.linspace(0.5, 1, FRAMES) * np.sin(np.arange(FRAMES))
    late = np.where(np.arange(FRAMES) < 20, rest, curve)
    for system in ("raters_half", "raters_one"):
        found = scores([np.array([curve, curve, late])], scale=scale)[system, "rmse", "pooled"]
        assert found.mean == pytest.approx(0, abs=1e-12)
        # Where it comes back there later, it means it.
        back = np.where(np.arange(FRAMES) > 20, rest, curve)
        found = scores([np.array([curve, curve, back])], scale=scale)[system, "rmse", "pooled"]
        assert found.mean > 0.1


def test_missing_answers_cost_their_frames_only():
    (answers,) = noisy(1, 6, 0.0)
    answers = answers + 1
    answers[0, 5:9] = np.nan
    answers[1:, 30] = np.nan  # one rater only
    assert scores([answers])["raters_one", "rmse", "pooled"].mean == pytest.approx(0, abs=1e-12)


def test_songs_of_fewer_than_two_raters_are_left_out():
    answers = noisy(3, 5, 0.2)
    answers[0] = answers[0][:1]
    answers[1][:] = 0.0  # nobody ever moved
    found = scores(answers)
    assert {s.songs for s in found.values()} == {1}
    assert scores(answers[:2]) == {}


def test_without_raters_there_are_no_rows(tiny):
    result = run(tiny)
    assert not [s for s in result.scores if s.system.startswith("rater")]
    assert ceiling_note(result.scores) == ""


def test_a_run_says_how_well_raters_do(tiny):
    rng = np.random.default_rng(0)
    for target in ("arousal", "valence"):
        for song in (1, 2, 3, 4, 2001):
            file = tiny / "data" / rater_file(target, song)
            file.parent.mkdir(parents=True, exist_ok=True)
            rows = rng.uniform(0.1, 1, (4, 6)).round(3)
            text = [",".join(f"sample_{15000 + 500 * k}ms" for k in range(6))]
            file.write_text("\n".join([*text, *(",".join(map(str, row)) for row in rows)]) + "\n")
    result = run(tiny)
    rows = json.loads((tiny / "out" / "metrics.json").read_text())
    found = {(r["set"], r["system"], r["songs"]) for r in rows if r["system"].startswith("rater")}
    sets = {("cross_validation", 3), ("team_test", 1), ("official_test", 1)}  # song 4 is in fold 3
    assert found == {(g, s, n) for g, n in sets for s in ("raters_half", "raters_all", "raters_one")}
    assert {r["metric"] for r in rows if r["system"] == "raters_all"} == {"r"}
    (by_song, *_) = score_sheets(result.scores)
    (cells,) = [cells for _, cells in by_song.rows if cells[0] == "raters_all"]
    assert cells[2:4] == ["–", "–"]
    report = (tiny / "out" / "report.html").read_text()
    assert "<td>raters_one</td>" in report
    assert "by Spearman and Brown" in report
