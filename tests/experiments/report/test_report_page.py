"""``report.html``: what it says, that names in it are text, that it stays small, and in a browser."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.datasets import Dataset, Song
from lstmcore.experiments.datasets.annotations import Raters
from lstmcore.experiments.datasets.song import Agreement
from lstmcore.experiments.report.answer import answer_of
from lstmcore.experiments.report.outlines import Outline
from lstmcore.experiments.report.report import Findings, write_report
from lstmcore.experiments.report.stages import Stage, slow_sheet
from lstmcore.experiments.report.training_data import ensemble_grids, learning_data
from lstmcore.experiments.scoring.annotation_quality import annotation_quality
from lstmcore.experiments.scoring.systems import Predictions
from lstmcore.experiments.training.folds import split_of

NASTY = "</script><img src=x onerror=alert(1)>\"'&"
FRAMES = 60


def history(folds=4, trials=2):
    rows = []
    for fold in range(folds):
        for trial in range(trials):
            for epoch in range(1, 7):
                error = 1 / epoch + 0.01 * fold + 0.1 * trial
                rows.append((f"fold {fold}, trial {trial}", epoch, error, error, 0.5, 5))
    names = [
        "job",
        "epoch",
        "training_error_per_frame",
        "validation_error_per_frame",
        "seconds",
        "best_epoch",
    ]
    return pd.DataFrame(rows, columns=names)


def findings(count, first_name=NASTY, *, scale=(1.0, 9.0)):
    """A run of so many songs, rated from 1 to 9 by five raters."""
    settings = [
        "data.root=.",
        "data.source=deam",
        "data.official_test_above=none",
        "data.scale=[1, 9]",
        "folds.count=4",
        "folds.team_test=none",
    ]
    experiment = load_experiment("quickstart", settings)
    rng = np.random.default_rng(2)
    songs, agreements, sounds = [], {}, {}
    for k in range(count):
        name = first_name if k == 0 else f"song-{k:03}"
        course = 5 + rng.normal(0, 1.5, 2) + 0.3 * rng.normal(size=(FRAMES, 2)).cumsum(0)
        times = 15 + np.arange(FRAMES) / 2
        songs.append(
            Song(name, times, rng.normal(size=(FRAMES, 4)) + rng.normal(size=4), np.clip(course, 1, 9))
        )
        stamps = [round(1000 * t) for t in times]
        agreements[name] = {
            t: Agreement(5, 0.5, Raters(stamps, songs[-1].annotation[:, n] + rng.normal(size=(5, FRAMES))))
            for n, t in enumerate(("arousal", "valence"))
        }
        sounds[name] = Outline(45.0, "AQIDBAUGBwgJCgsM" * 16)
    dataset = Dataset(
        songs, [], [], list("abcd"), "FS2", [f"A note on {first_name}."], agreements, scale=scale
    )
    split = split_of(dataset, experiment)
    noisy = [s.annotation + 0.5 * rng.normal(size=(FRAMES, 2)) for s in songs]
    flat = np.concatenate([s.annotation for s in songs]).mean(0)
    predictions = [
        Predictions("lstm_all", "cross_validation", songs, noisy, [np.full((FRAMES, 2), 0.2)] * count),
        Predictions("global_mean", "cross_validation", songs, [np.tile(flat, (FRAMES, 1))] * count),
        Predictions("ridge_memory", "cross_validation", songs, [v + 0.4 for v in noisy]),
    ]
    scores = [s for p in predictions for s in p.scores(dataset.targets)]
    facts = {
        "ensembles": {
            "lstm_all": {"features": "FS2", "criterion": "all", "networks": [{"fold": 0, "trial": 0}]}
        },
        "notes": dataset.notes,
    }
    return Findings(
        experiment,
        dataset,
        split,
        predictions,
        scores,
        history(),
        facts,
        annotation_quality(experiment, dataset, split, predictions),
        [],
        answer_of(predictions, scores, dataset.targets, 1),
        sounds,
        [Stage("networks", 8, 8, 60.0), Stage("networks", 8, 0, 30.0), Stage("features", 9, 9, 10.0)],
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, findings(24))
    return path


def test_the_answer_comes_before_any_table(page):
    text = page.read_text()
    answer = text.index("is better than the best baseline")
    assert answer < text.index("<table")
    assert "Arousal can be trusted" in text
    assert "24 annotated songs" in text


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.scripts, self._script = [], [], False

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self._script = tag == "script"

    def handle_data(self, data):
        if self._script:
            self.scripts.append(data)

    def handle_endtag(self, tag):
        self._script = False


def test_names_of_songs_are_text_and_nothing_is_loaded(page):
    elements = Elements()
    elements.feed(page.read_text())
    assert not [tag for tag, _ in elements.found if tag in ("img", "link", "iframe", "object")]
    assert not [a for _, a in elements.found if "src" in a or any(name.startswith("on") for name in a)]
    outside = [a["href"] for _, a in elements.found if re.match(r"[a-z]+:|//", a.get("href") or "")]
    assert not outside
    data = json.loads(elements.scripts[0])
    assert NASTY in {song[1] for song in data["songs"]}
    assert "url(" not in page.read_text()


def test_every_song_has_its_curves_on_the_scale_of_the_data(page):
    run = findings(24)
    elements = Elements()
    elements.feed(page.read_text())
    data = json.loads(elements.scripts[0])
    assert data["scale"] == [1, 9]
    assert len(data["songs"]) == 24
    songs = {song[1]: song for song in data["songs"]}
    for song, values in zip(run.predictions[0].songs, run.predictions[0].values, strict=True):
        _, _, start, length, of_targets, distance, outline = songs[song.song_id]
        assert (start, length) == (15, 30)
        assert distance > 0
        assert outline[0] == 45
        for k, (figures, kinds, ends, text) in enumerate(of_targets):
            assert kinds == "apsrb"
            bytes_of = np.frombuffer(__import__("base64").b64decode(text), np.uint8).reshape(5, -1)
            low, high = ends[2:4]
            curve = low + (high - low) * bytes_of[1] / 255
            assert np.abs(curve - values[:, k]).max() < 0.51 * (high - low) / 255 + 1e-2
            assert figures[1] == pytest.approx(
                np.sqrt(np.mean((values[:, k] - song.annotation[:, k]) ** 2)), rel=1e-3
            )


def test_500_songs_are_less_than_5_megabytes(tmp_path):
    write_report(tmp_path / "report.html", findings(500))
    assert (tmp_path / "report.html").stat().st_size < 5e6


def test_the_settings_that_differ_are_beside_their_defaults(page):
    text = page.read_text()
    assert re.search(r"<td>network.hidden</td><td>16, 8</td><td>200, 150, 25</td>", text)
    assert "<td>network.bias</td>" not in text


def test_learning_curves_know_fold_trial_and_best_epoch():
    (kind,) = learning_data(history())
    assert [title for title, _ in kind["panels"]] == ["fold 0", "fold 1", "fold 2", "fold 3"]
    trial, best, curve = kind["panels"][2][1][1]
    assert (trial, best) == (1, 5)
    assert [epoch for epoch, _ in curve] == [1, 2, 3, 4, 5, 6]
    assert curve[4][1] == pytest.approx(1 / 5 + 0.02 + 0.1, rel=1e-3)


def test_long_learning_curves_keep_their_best_epoch():
    table = pd.DataFrame({"job": "fold 0, trial 0", "epoch": np.arange(1, 1001), "best_epoch": 777})
    for name in ("training", "validation"):
        table[f"{name}_error_per_frame"] = 1.0
    ((_, rows),) = learning_data(table)[0]["panels"]
    epochs = [epoch for epoch, _ in rows[0][2]]
    assert 777 in epochs
    assert len(epochs) < 100


def test_what_an_ensemble_took_is_marked_beside_each_networks_error():
    ensemble = {"features": "FS2", "criterion": "rmse", "networks": [{"fold": 1, "trial": 1}]}
    grid = ensemble_grids({"ensembles": {"lstm_rmse": ensemble}}, history())["lstm_rmse"]
    assert [fold for fold, _ in grid["rows"]] == [0, 1, 2, 3]
    assert [taken for _, cells in grid["rows"] for _, taken in cells] == [False] * 3 + [True] + [False] * 4
    assert grid["rows"][1][1][1][0] == f"{1 / 6 + 0.01 + 0.1:.3g}"


def test_times_of_stages_are_added_up():
    rows = slow_sheet([Stage("a", 8, 8, 60.0), Stage("b", 9, 9, 100.0), Stage("a", 8, 0, 30.0)])
    assert rows == [["b", "9", "9", "1 min 40 s", "53%"], ["a", "8", "8", "1 min 30 s", "47%"]]


CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_in_a_browser_the_worst_song_is_drawn_and_nothing_fails(page, tmp_path):
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000"]
    # What fails in a script is told in the page, which is what comes out.
    watched = tmp_path / "watched.html"
    told = (
        "<script>addEventListener('error', e => document.documentElement.dataset.failed = e.message)</script>"
    )
    watched.write_text(page.read_text().replace("<head>", f"<head>{told}", 1))
    line = [CHROMIUM, *flags, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", f"file://{watched}"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    dom = done.stdout
    assert "data-failed" not in dom
    elements = Elements()
    elements.feed(dom)
    rows = [a for tag, a in elements.found if tag == "tr" and "aria-selected" in a]
    assert len(rows) == 24
    assert [a["aria-selected"] for a in rows].count("true") == 1
    charts = [a for tag, a in elements.found if tag == "svg" and a.get("role") == "img"]
    assert sum("over time" in a["aria-label"] for a in charts) == 2
    assert sum("through the plane" in a["aria-label"] for a in charts) == 1
    assert sum("over epochs" in a["aria-label"] for a in charts) == 4
    assert not [tag for tag, _ in elements.found if tag == "img"]
    assert "NaN" not in "".join(a.get("d") or "" for tag, a in elements.found if tag == "path")
