"""What came out, in two sentences: every case that there can be."""

import numpy as np
import pytest

from lstmcore.experiments.datasets import Song
from lstmcore.experiments.report.answer import answer_of, is_baseline, main_set
from lstmcore.experiments.scoring.metrics import Score
from lstmcore.experiments.scoring.systems import Predictions

FRAMES = 12


def songs(count, targets=1, *, once=False):
    rng = np.random.default_rng(3)
    found = []
    for k in range(count):
        level = rng.uniform(-0.6, 0.6, targets)
        course = 0 if once else 0.2 * np.sin(np.arange(FRAMES) / 2 + k)[:, None]
        annotation = np.tile(level, (FRAMES, 1)) + course
        found.append(Song(k, np.arange(FRAMES) / 2, np.zeros((FRAMES, 1)), annotation, rated_once=once))
    return found


def system(name, of, error, group="cross_validation", *, networks=False, course=1.0, seed=0):
    """Predict annotations with an error of each song's level; the course times a factor."""
    rng = np.random.default_rng(seed)
    values = []
    for song in of:
        level = song.annotation.mean(0)
        shift = error * (1 + 0.1 * rng.standard_normal(level.shape))
        values.append(level + shift + course * (song.annotation - level))
    spread = [np.zeros_like(v) for v in values] if networks else None
    return Predictions(name, group, of, values, spread)


def guess(of, group="cross_validation"):
    mean = np.concatenate([song.annotation for song in of]).mean(0)
    return Predictions("global_mean", group, of, [np.tile(mean, (FRAMES, 1)) for _ in of])


def told(*predictions, scores=(), targets=("tension",), stopping="next"):
    return answer_of(predictions, scores, targets, 1, stopping)


def test_better_networks():
    of = songs(20)
    answer = told(system("lstm_all", of, 0.05, networks=True), guess(of), system("ridge_memory", of, 0.2))
    (finding,) = answer.findings
    assert finding.outcome == "better"
    assert finding.baseline == "ridge_memory", "a memory counts among the baselines"
    first = answer.sentences()[0]
    assert first.startswith(
        "In cross-validation (20 songs) the average of all networks (lstm_all) is better than"
    )
    assert "RMSE by song 0.049 against 0.196 of ridge_memory, difference −0.147" in first
    assert "95 % interval −0." in first
    assert finding.trust == "yes"


def test_worse_networks_are_said_to_be_worse():
    of = songs(20)
    answer = told(system("lstm_all", of, 0.3, networks=True), guess(of), system("ridge", of, 0.05))
    assert answer.findings[0].outcome == "worse"
    assert "is worse than the best baseline in tension" in answer.sentences()[0]


def test_not_told_apart():
    of = songs(20)
    answer = told(system("lstm_all", of, 0.1, networks=True), system("ridge", of, 0.1, seed=5), guess(of))
    assert answer.findings[0].outcome == "not told apart"
    assert "is not told apart from the best baseline in tension" in answer.sentences()[0]


def test_few_songs_are_not_judged():
    of = songs(4)
    answer = told(system("lstm_all", of, 0.1, networks=True), guess(of))
    assert (answer.findings[0].outcome, answer.findings[0].trust) == ("too few songs", "unknown")
    assert "can't be told, for it takes 10 songs at least" in answer.sentences()[0]
    assert "Tension can't be judged on so few songs" in answer.sentences()[1]


def test_no_baseline():
    of = songs(12)
    answer = told(system("lstm_all", of, 0.1, networks=True))
    assert answer.findings[0].outcome == "no baseline"
    assert "there is no baseline" in answer.sentences()[0]


def test_an_oracle_and_other_folds_are_no_baselines():
    of = songs(12)
    names = ("song_mean_oracle", "ridge_mixed", "ridge_mixed FS1", "ridge FS1", "my_forest")
    assert [n for n in names if is_baseline(system(n, of, 0))] == ["ridge FS1", "my_forest"]


def test_targets_that_differ_are_told_together_where_they_don_t():
    of = songs(20, 3)
    networks, ridge = system("lstm_all", of, 0.05, networks=True), system("ridge", of, 0.2)
    for values in networks.values:
        values[:, 1] += 0.5
    answer = told(networks, ridge, guess(of), targets=("calm", "joy", "power"))
    assert [f.outcome for f in answer.findings] == ["better", "worse", "better"]
    first = answer.sentences()[0]
    assert "better than the best baseline in calm (" in first
    assert " and power (" in first
    assert "; worse than the best baseline in joy (" in first


@pytest.mark.parametrize(
    ("course", "shift", "trust"),
    [(1.0, 0.02, "yes"), (-0.2, 0.02, "songs only"), (1.0, 0.9, "course only"), (-0.2, 0.9, "no")],
)
def test_what_can_be_trusted(course, shift, trust):
    of = songs(20)
    answer = told(system("lstm_all", of, shift, networks=True, course=course), guess(of))
    assert answer.findings[0].trust == trust
    assert answer.findings[0].forward == (20 if course > 0 else 0)


def test_below_a_rater_it_is_trusted_with_care():
    of = songs(20)
    rng = np.random.default_rng(1)
    networks = system("lstm_all", of, 0.02, networks=True)
    for values in networks.values:
        values += 0.15 * rng.standard_normal(values.shape)
    raters = [
        Score("raters_one", "cross_validation", "tension", "r", scope, r, None, 20, 0)
        for scope, r in (("per_song", 0.97), ("pooled", 0.1))
    ]
    assert told(networks, guess(of)).findings[0].trust == "yes"
    answer = told(networks, guess(of), scores=raters)
    assert answer.findings[0].trust == "with care"
    assert "a rater with the others: 0.97" in answer.sentences()[1]


def test_songs_that_were_rated_once_have_no_course():
    of = songs(15, once=True)
    answer = told(system("lstm_all", of, 0.02, networks=True), guess(of))
    assert answer.whole
    assert answer.findings[0].forward is None
    assert answer.findings[0].trust == "yes"
    assert "r over songs is 1.00" in answer.sentences()[1]
    assert "by song" not in answer.sentences()[0]


def test_a_large_official_test_set_answers_and_the_teams_never():
    few, many = songs(4), songs(15)
    networks = [
        system("lstm_all", many, 0.1, group, networks=True) for group in ("cross_validation", "team_test")
    ]
    assert (
        main_set([*networks, system("lstm_all", few, 0, "official_test", networks=True)])
        == "cross_validation"
    )
    test = [
        *networks,
        system("lstm_all", many, 0.1, "official_test", networks=True),
        guess(many, "official_test"),
    ]
    assert main_set(test) == "official_test"
    best = told(*test, system("run 2", many, 0.05, "official_test", networks=True))
    assert best.system == "run 2"
    assert best.sentences()[0].startswith("On the official test set (15 songs) “run 2” is")


def test_early_stopping_that_watched_is_told():
    of = songs(12)
    predictions = system("lstm_all", of, 0.1, networks=True), guess(of)
    assert len(told(*predictions).sentences()) == 2
    assert "Early stopping watched" in told(*predictions, stopping="same").sentences()[2]
