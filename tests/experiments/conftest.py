"""A tiny data set in DEAM's layout, and an experiment on it that takes a second."""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer.testing
from typer.testing import CliRunner

from lstmcore.experiments.cli import run_app
from lstmcore.features import feature_names

# Making typer's command of all that the app has takes as long as many a test: once is enough.
typer.testing._get_command = functools.cache(typer.testing._get_command)
DYNAMIC = "annotations/annotations averaged per song/dynamic (per second annotations)"
EXPERIMENT = """
name = "tiny"
seed = 1

[data]
source = "deam"
root = "data"
features = "song_means"

[folds]
count = 4
team_test = 3

[network]
hidden = [3, 2]

[training]
learning_rate = 1e-3
input_noise = 0.1
parallel_sequences = 2
max_epochs = 6
patience = 3

[pretraining]
learning_rate = 1e-3
max_epochs = 3

[ensemble]
trials = 2
"""


def write_dynamic(path: Path, curves: dict[int, list[float]], hop: int = 500, start: int = 15000) -> None:
    """Official format: a row a song, empty cells after its end; start and hop in ms."""
    most = max(len(c) for c in curves.values())
    lines = ["song_id," + ",".join(f"sample_{start + hop * k}ms" for k in range(most))]
    for song, curve in curves.items():
        lines.append(",".join([str(song), *map(str, curve), *[""] * (most - len(curve))]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def write_tiny_deam(root: Path, development: Sequence[int] = range(1, 10)) -> None:
    """Some development, three unlabelled and two test songs of different lengths, five features."""
    rng = np.random.default_rng(0)
    songs = [*development, 2001, 2002]
    features = {song: rng.standard_normal(5) for song in [*songs, 11, 12, 13]}
    for k, target in enumerate(("arousal", "valence")):
        curves = {}
        for song in songs:
            steps = np.arange(6 + song % 3)
            curve = 0.3 * np.tanh(features[song][k]) + 0.02 * np.sin(steps + song)
            curves[song] = [round(float(v), 5) for v in curve]
        write_dynamic(root / DYNAMIC / f"{target}.csv", curves)
    lines = ["song_id," + ",".join(f"f{k}" for k in range(5))]
    lines += [f"{song}," + ",".join(f"{v:.6f}" for v in row) for song, row in features.items()]
    (root / "song_mean_features.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def fs1_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished run on FS1, whose features are random."""
    root = tmp_path_factory.mktemp("trained")
    write_tiny_deam(root / "data")
    (root / "tiny.toml").write_text(EXPERIMENT)
    (root / "data" / "features").mkdir()
    rng = np.random.default_rng(1)
    for song in [*range(1, 10), 2001, 2002]:
        table = pd.DataFrame(rng.standard_normal((8, 260)), columns=list(feature_names("FS1")))
        table.insert(0, "frameTime", 15 + np.arange(8) / 2)
        table.to_csv(root / "data" / "features" / f"{song}.csv", sep=";", index=False)
    line = [root / "tiny.toml", "--set", "data.features=FS1", "--out", root / "run", "--quiet"]
    result = CliRunner().invoke(run_app, [str(word) for word in line])
    assert result.exit_code == 0, result.output
    return root / "run"


@pytest.fixture
def drawn() -> None:
    """For tests that want pictures though those around them don't."""


@pytest.fixture
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made and not drawn: that took half the time of studies, and few tests look at one."""
    from matplotlib.figure import Figure

    def savefig(_: Figure, file: str | Path | io.StringIO, **__: object) -> None:
        if isinstance(file, io.StringIO):
            file.write("<svg></svg>")
        else:
            Path(file).touch()

    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(Figure, "savefig", savefig)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Folder with ``tiny.toml`` and ``data/``."""
    write_tiny_deam(tmp_path / "data")
    (tmp_path / "tiny.toml").write_text(EXPERIMENT)
    return tmp_path
