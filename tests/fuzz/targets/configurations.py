"""Experiments: their file, and what the command line puts in place of its values."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from lstmcore.experiments.config import Experiment, load_experiment
from lstmcore.experiments.config.keys import with_values
from lstmcore.experiments.config.shipped import text_of
from lstmcore.experiments.datasets import load_dataset
from lstmcore.experiments.studies.ablation.ablated import ablation_config
from lstmcore.experiments.studies.search.searched import search_config
from lstmcore.experiments.terminal.progress import Quiet
from tests.fuzz.target import Target
from tests.fuzz.targets.tables import frames

OWN = """name = "own"
seed = 3
[data]
source = "table"
root = "."
scale = [1, 9]
test_songs = ["b"]
unlabelled = "others"
normal_scores = true
[data.table]
file = ["frames.csv"]
targets = ["joy", "tension"]
song = ["song"]
time = "time"
features = ["mfcc_*", "tempo"]
metadata = "songs.csv"
[folds]
count = 2
team_test = "none"
group = "artist"
[network]
hidden = [4, 2]
bidirectional = true
[training]
learning_rate = 1e-3
balance = { songs = 0.5 }
[pretraining]
enabled = true
strategy = "first_layer"
[predictions]
smoothing = 1.5
window = "training"
[ensemble]
trials = 2
choice = "best_k"
[engine]
backend = "cpu"
"""
STUDIED = """name = "studied"
[data]
source = "deam"
features = "FS2"
root = "."
[data.quality]
min_raters = 5
min_alpha = 0.6
[[systems]]
name = "SVR"
estimator = "sklearn.svm:SVR"
parameters = { C = 0.5, kernel = "rbf" }
sees = "memory"
[search]
method = "optuna"
optuna_trials = 3
criterion = "rmse"
folds = 5
[[search.steps]]
key = ["training.learning_rate", "pretraining.learning_rate"]
range = { low = 1e-6, high = 1e-4, log = true }
[[search.steps]]
key = "network.hidden"
values = [[200, 150, 25], [50]]
[[ablation]]
name = "no auto-encoder"
set = { "pretraining.enabled" = false, "network.hidden.0" = 12 }
unset = ["data.quality"]
[[runs]]
name = "run 1"
features = "FS2"
criterion = "rmse"
"""
FRAMES = frames().to_csv(index=False)
SONGS = "song,artist\na,x\nb,y\n12,z\n"


def _good(folder: Path) -> list[bytes]:
    own = OWN.replace("balance = { songs = 0.5 }\n", "")
    shipped = [text_of(name) for name in ("deam_means", "mediaeval2015", "quickstart")]
    rooted = [text.replace("[data]\n", '[data]\nroot = "."\n') for text in shipped]
    return [text.encode() for text in (own, STUDIED, *rooted)]


def used(experiment: Experiment, folder: Path) -> None:
    """Do with an experiment what commands do before anything is computed."""
    assert len(experiment.fingerprint) == 8
    written = folder / "again.toml"
    written.write_text(experiment.to_toml(), encoding="utf-8")
    again = load_experiment(written)
    assert json.dumps(again.model_dump(), sort_keys=True) == json.dumps(
        experiment.model_copy(update={"search": None, "ablation": []}).model_dump(), sort_keys=True
    )
    ablation_config(experiment)
    if experiment.search is not None:
        search_config(experiment)
    for ablation in experiment.ablation:
        with_values(experiment.alone(), ablation.set, ablation.unset)
    data = experiment.data
    if data.source == "table" and data.root is not None and Path(data.root) == folder and not data.also:
        load_dataset(data, workers=1, progress=Quiet(), stop=threading.Event(), group=experiment.folds.group)


def _tables(folder: Path) -> None:
    (folder / "frames.csv").write_text(FRAMES)
    (folder / "songs.csv").write_text(SONGS)


def _read(data: bytes, folder: Path) -> None:
    (folder / "mine.toml").write_bytes(data)
    if b'"table"' in data:
        _tables(folder)
    used(load_experiment(folder / "mine.toml"), folder)


def _good_overrides(folder: Path) -> list[bytes]:
    return [
        b"training.learning_rate=1e-5\nnetwork.hidden=[16, 8]\nname=x",
        b"data.root=songs\ndata.targets={ arousal = \"a.csv\", valence = 'v.csv' }\nfolds.team_test=none",
        b'data.features="FS3"\nseed=2015\nreuse=["runs/x"]\npredictions.window=training',
        b'systems=[{ name = "SVR", estimator = "sklearn.svm:SVR" }]\ndata.scale=[-1, 1]\nengine.backend=cpu',
    ]


def _read_overrides(data: bytes, folder: Path) -> None:
    (folder / "mine.toml").write_text('name = "x"\n[data]\nsource = "deam"\nroot = "."\nfeatures = "FS1"\n')
    (folder / "runs" / "x").mkdir(parents=True)
    # As the system hands over what a shell was given: any bytes but zero.
    words = [os.fsdecode(word.replace(b"\0", b"")) for word in data.split(b"\n")]
    used(load_experiment(folder / "mine.toml", words), folder)


_WORDS = (
    b"[data]",
    b"[[systems]]",
    b"[[search.steps]]",
    b"[[ablation]]",
    b"[[data.also]]",
    b"[network.front]",
    b"feature_sets",
    b"leave_out",
    b"root",
    b" = ",
    b"0.5",
    b"1e-3",
    b"true",
    b"inf",
    b"nan",
    b"[1, 2]",
    b"{ a = 1 }",
    b"07:32:00",
)
TARGETS = (
    Target("experiment-toml", _good, _read, _WORDS, ("input", "data.", "folds.")),
    Target("experiment-set", _good_overrides, _read_overrides, _WORDS, ("--set", "input", "data.")),
)
