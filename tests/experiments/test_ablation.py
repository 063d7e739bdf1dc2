"""Ablations: the statistics against hand-made values, the variants, and the command."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from experiments.ablation.comparison import (
    MEASURES,
    Difference,
    bootstrap_interval,
    corrected_t_test,
    holm,
    measure,
    song_terms,
)
from experiments.ablation.variants import frame_wise_sizes, usual_variants
from experiments.cli import app
from experiments.config import Experiment, load_experiment, with_values
from experiments.datasets import Song
from experiments.score import score
from lstmcore import LSTM, Architecture, Linear, Tanh

RNG = np.random.default_rng(5)
SONGS = [
    Song(k, np.arange(n) / 2, RNG.standard_normal((n, 3)), RNG.uniform(-1, 1, (n, 2)))
    for k, n in enumerate((8, 5, 13, 9, 7, 11, 6, 10, 12, 4, 9, 8))
]


def _guess(error, seed=0):
    rng = np.random.default_rng(seed)
    return [song.annotation + error * rng.standard_normal(song.annotation.shape) for song in SONGS]


@pytest.mark.parametrize("target", ["arousal", "valence"])
def test_measures_are_those_of_the_table_of_scores(target):
    guess = _guess(0.3)
    terms = list(song_terms(SONGS, guess, target).values())
    rows = {(s.target, s.metric, s.scope): s.mean for s in score("x", "y", SONGS, guess)}
    for name, metric, scope in zip(
        MEASURES, ("rmse", "ccc", "r"), ("per_song", "per_song", "pooled"), strict=True
    ):
        assert measure(name, terms)[0] == pytest.approx(rows[target, metric, scope], rel=1e-12)


def test_a_resample_counts_a_song_as_often_as_it_is_drawn():
    terms = list(song_terms(SONGS[:3], _guess(0.3)[:3], "valence").values())
    for name in MEASURES:
        weighted = measure(name, terms, np.array([[2.0, 0.0, 1.0]]))
        assert weighted == pytest.approx(measure(name, [terms[0], terms[0], terms[2]]))


def test_the_interval_is_of_the_paired_difference():
    before = list(song_terms(SONGS, _guess(0.3), "arousal").values())
    after = list(song_terms(SONGS, _guess(0.1), "arousal").values())
    assert bootstrap_interval("RMSE by song", before, before, np.random.default_rng(1)) == (0, 0)
    low, high = bootstrap_interval("RMSE by song", before, after, np.random.default_rng(1))
    difference = (measure("RMSE by song", after) - measure("RMSE by song", before))[0]
    assert low < difference < high < 0
    paired = np.array([b.rmse - a.rmse for a, b in zip(before, after, strict=True)])
    width = 2 * 1.96 * paired.std() / np.sqrt(len(paired))  # of the mean, by the normal distribution
    assert high - low == pytest.approx(width, rel=0.2)


def test_without_the_correction_the_test_is_the_t_test():
    d = [0.1, -0.02, 0.07, 0.05, 0.0, 0.04]
    assert corrected_t_test(d, 0.0) == pytest.approx(stats.ttest_1samp(d, 0).pvalue)


def test_the_correction_widens_the_variance():
    d = np.array([0.1, -0.02, 0.07, 0.05, 0.0, 0.04, 0.06, 0.03, 0.08, 0.02])
    t = d.mean() / np.sqrt((1 / 10 + 1 / 9) * d.var(ddof=1))
    assert corrected_t_test(d, 1 / 9) == pytest.approx(2 * stats.t.sf(t, 9))
    assert corrected_t_test(d, 1 / 9) > corrected_t_test(d, 0.0)
    assert corrected_t_test([0.1, 0.2], 0.1) is None
    assert corrected_t_test([0.1, np.nan, 0.2], 0.1) is None
    assert corrected_t_test([0.0, 0.0, 0.0], 0.1) == 1


def test_holm_on_a_published_example():
    """Holm 1979: the smallest of n counts n times, the next n - 1 times, never less than one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_p_and_bonferroni(p):
    adjusted = np.array(holm(p))
    assert (adjusted >= np.array(p) - 1e-15).all()
    assert (adjusted <= np.minimum(1, len(p) * np.array(p)) + 1e-15).all()


@pytest.mark.parametrize(
    ("measure_name", "difference", "p", "verdict"),
    [
        ("RMSE by song", -0.1, 0.01, "better"),
        ("RMSE by song", 0.1, 0.01, "worse"),
        ("pooled r", 0.1, 0.01, "better"),
        ("pooled r", 0.1, 0.06, "no difference shown"),
        ("CCC by song", -0.1, None, "no difference shown"),
    ],
)
def test_verdicts(measure_name, difference, p, verdict):
    found = Difference("x", "arousal", measure_name, 0.5, 0.5 + difference, difference, 0, 0, p, p, 9)
    assert found.verdict == verdict


@pytest.mark.parametrize(("hidden", "inputs"), [([200, 150, 25], 264), ([16, 8], 260), ([1], 1)])
def test_frame_wise_layers_have_as_many_parameters(hidden, inputs):
    lstm = Architecture(inputs, (*(LSTM(n) for n in hidden), Linear(2))).parameters
    tanh = Architecture(inputs, (*(Tanh(n) for n in frame_wise_sizes(hidden, inputs)), Linear(2))).parameters
    assert abs(tanh / lstm - 1) < (0.01 if inputs > 1 else 0.2)


def test_the_usual_variants_suit_the_experiment(tiny):
    experiment = load_experiment(tiny / "tiny.toml", [])
    names = [v.name for v in usual_variants(experiment, 5)]
    assert names == [
        "no auto-encoder",
        "auto-encoder without noise",
        "training without noise",
        "1 hidden layer",
        "single targets",
        "no memory",
    ]
    alone = with_values(experiment, {"pretraining.enabled": False, "data.features": "FS2"})
    assert [v.name for v in usual_variants(alone, 264)][:3] == [
        "training without noise",
        "1 hidden layer",
        "FS1",
    ]


def test_a_selection_of_songs_can_be_taken_away(tiny):
    experiment = with_values(load_experiment(tiny / "tiny.toml", []), {"data.quality": {"min_raters": 3}})
    last = usual_variants(experiment, 5)[-1]
    assert (last.name, last.unset) == ("no selection of songs", ["data.quality"])
    assert with_values(experiment, last.set, last.unset).data.quality is None


def test_ablations_dont_make_another_run(tiny):
    experiment = load_experiment(tiny / "tiny.toml", [])
    named = experiment.model_dump() | {"ablation": [{"name": "a", "set": {"training.momentum": 0.5}}]}
    assert Experiment.model_validate(named).fingerprint == experiment.fingerprint


ABLATION = """
[[ablation]]
name = "no memory"
set = { "network.cell" = "tanh", "network.hidden" = [9, 5] }

[[ablation]]
name = "the same again"
set = { "training.momentum" = 0.9 }
"""


def _ablate(folder, *more):
    arguments = ["ablate", str(folder / "tiny.toml"), "--out", str(folder / "run"), "--workers", "2", *more]
    return CliRunner().invoke(app, arguments)


def test_the_command(tiny):
    with (tiny / "tiny.toml").open("a") as file:
        file.write(ABLATION)
    first = _ablate(tiny)
    assert first.exit_code == 0, first.output
    table = pd.read_csv(tiny / "run" / "ablation.csv")
    assert len(table) == 2 * 2 * len(MEASURES)
    same = table[table["variant"] == "the same again"]
    assert (same[["difference", "low", "high"]] == 0).all(axis=None)
    assert (same["p"] == 1).all()
    memory = table[table["variant"] == "no memory"]
    assert (memory["difference"] != 0).all()
    assert "no memory (network.cell = tanh, network.hidden = [9, 5]): arousal:" in first.output
    sizes = pd.read_csv(tiny / "run" / "ensemble_size.csv")
    assert sorted(sizes["networks"].unique()) == [1, 2]
    assert (tiny / "run" / "ablation.svg").read_text().count("no memory") == 1
    jobs = {file: file.stat().st_mtime_ns for file in (tiny / "run" / "jobs").iterdir()}
    again = _ablate(tiny)
    assert {file: file.stat().st_mtime_ns for file in (tiny / "run" / "jobs").iterdir()} == jobs
    assert "done before" in again.output


def test_it_uses_the_networks_of_the_run(tiny):
    run = ["run", str(tiny / "tiny.toml"), "--out", str(tiny / "run"), "--quiet"]
    assert CliRunner().invoke(app, run).exit_code == 0
    jobs = set((tiny / "run" / "jobs").iterdir())
    found = _ablate(tiny, "--quiet")
    assert found.exit_code == 0, found.output
    after = set((tiny / "run" / "jobs").iterdir())
    # Variants: 2 auto-encoders twice, networks of 3 folds and 2 trials each, of two targets once; no memory
    # has auto-encoders of its own.
    assert jobs < after
    assert len(after - jobs) == 2 + 2 + 6 * 5 + 12


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('name = "a"\nset = { "network.hiden" = [3] }', "ablation.0: unknown key 'network.hiden'; did you"),
        ('name = "a"\nset = { "training.momentum" = 2 }', "ablation.0 (a): training.momentum is 2"),
        (
            'name = "a"\nset = { "folds.count" = 2 }',
            "ablation.0: 'folds.count' can't be changed by an ablation",
        ),
        ('name = "a"\nset = {}', "ablation 'a' changes nothing"),
        ('set = { "training.momentum" = 0.8 }', "key 'ablation.0.name' is missing"),
    ],
)
def test_mistakes_are_named(tiny, text, expected):
    with (tiny / "tiny.toml").open("a") as file:
        file.write(f"\n[[ablation]]\n{text}\n")
    found = _ablate(tiny)
    assert found.exit_code == 2
    assert expected in found.output
    assert not list((tiny / "run").glob("jobs/*"))
