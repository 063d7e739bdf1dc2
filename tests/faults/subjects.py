"""Commands that faults happen to, each with what must be the same after them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from tests.experiments.conftest import EXPERIMENT, write_tiny_deam

CACHE, OUT = "cache", "run"
"""Of a command's place: the folder that ``LSTMCORE_CACHE`` names, and that of its results."""

_SHORTER = ["folds.count=3", "folds.team_test=2", "ensemble.trials=1", "training.max_epochs=4"]
_STUDIES = """
[search]
[[search.steps]]
key = "training.learning_rate"
values = [1e-3, 2e-3]
[[ablation]]
name = "no noise"
set = { "training.input_noise" = 0.0 }
"""
_FROM_AUDIO = """
name = "audio"
[data]
source = "audio"
root = "."
features = "music"
scale = [-1, 1]
unlabelled = "none"
[data.audio]
folder = "songs"
annotations = "ratings.csv"
[folds]
count = 3
team_test = "none"
[network]
hidden = [2]
[training]
max_epochs = 3
[ensemble]
trials = 1
"""
_SONGS, _SECONDS, _RATE = 5, 3, 8000
_NOT_RESULTS = {"reused", "seconds"}  # columns of search.csv: of the past, and of the clock


@dataclass(frozen=True)
class Subject:
    """A command.

    Parameters
    ----------
    program
        Its name.
    line
        From the folder with the data and its own place to its arguments.
    results
        Patterns of files, below its place, whose bytes must be the same.
    has_a_folder
        Whether the folder of its results is its own: nothing is left behind there.
    """

    program: str
    line: Callable[[Path, Path], list[str]]
    results: tuple[str, ...]
    has_a_folder: bool = True

    def bytes_of(self, place: Path) -> dict[str, bytes]:
        """Return what must be the same, by its name."""
        files = [file for pattern in self.results for file in sorted(place.glob(f"{OUT}/{pattern}"))]
        return {str(file.relative_to(place)): _compared(file) for file in files if file.is_file()}


def _compared(file: Path) -> bytes:
    if file.name != "search.csv":
        return file.read_bytes()
    rows = [*csv.reader(io.StringIO(file.read_text()))]
    kept = [k for k, name in enumerate(rows[0]) if name not in _NOT_RESULTS] if rows else []
    return repr([[row[k] for k in kept] for row in rows]).encode()


def _experiment(file: str, *more: str) -> Callable[[Path, Path], list[str]]:
    def line(source: Path, place: Path) -> list[str]:
        sets = [word for one in _SHORTER for word in ("--set", one)] if file == "tiny.toml" else []
        return [*more, str(source / file), "--workers", "2", *sets, "--out", str(place / OUT)]

    return line


def _songs(command: str, *more: str) -> Callable[[Path, Path], list[str]]:
    def line(source: Path, place: Path) -> list[str]:
        words = [str(source / word) if word == "model" else word for word in more]
        return [command, str(source / "songs"), "--workers", "2", *words, "--out", str(place / OUT)]

    return line


_OF_A_RUN = ("predictions.csv", "metrics.json", "ensemble.json", "model/*")
SUBJECTS = {
    "run": Subject("lstmcore-run", _experiment("tiny.toml"), _OF_A_RUN),
    "run from audio": Subject("lstmcore-run", _experiment("audio.toml"), _OF_A_RUN),
    "search": Subject("lstmcore", _experiment("tiny.toml", "search"), ("search.csv", "chosen.toml")),
    "ablation": Subject("lstmcore", _experiment("tiny.toml", "ablate"), ("*.csv",)),
    "features": Subject("lstmcore", _songs("features", "--set", "music"), ("*.csv",), has_a_folder=False),
    "prediction": Subject("lstmcore", _songs("predict", "--model", "model"), ("*.csv",), has_a_folder=False),
    "run in a shared folder": Subject(
        "lstmcore-run",
        lambda source, place: [*_experiment("tiny.toml")(source, place), "--engine", "folder"],
        _OF_A_RUN,
    ),
}


def write_source(source: Path) -> None:
    """Write the data and experiments of all commands, but for the model that predicts."""
    write_tiny_deam(source / "data")
    (source / "tiny.toml").write_text(EXPERIMENT + _STUDIES)
    rng = np.random.default_rng(0)
    times = np.arange(_SECONDS * _RATE) / _RATE
    (source / "songs").mkdir()
    lines = ["song,time,arousal,valence"]
    for k in range(_SONGS):
        sound = 0.3 * np.sin(2 * np.pi * 110 * (k + 2) * times) + 0.02 * rng.standard_normal(len(times))
        soundfile.write(source / "songs" / f"{k}.wav", sound, _RATE)
        lines += [f"{k},{t / 2},{k / 10 + t / 50},{0.3 - k / 20 - t / 60}" for t in range(4)]
    (source / "ratings.csv").write_text("\n".join([*lines, ""]))
    (source / "audio.toml").write_text(_FROM_AUDIO)
