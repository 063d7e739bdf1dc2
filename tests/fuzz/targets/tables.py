"""Tables of people's own: features and annotations by song and time, as CSV and Parquet."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstmcore.experiments.config import Data
from lstmcore.experiments.datasets import load_dataset
from lstmcore.experiments.datasets.song import Dataset
from lstmcore.experiments.terminal.progress import Quiet
from tests.fuzz.target import Target


def load(section: dict[str, Any], group: str | None = None) -> Dataset:
    """Load a data set as a run does, and see that it can be learnt from."""
    config = Data.model_validate(section)
    data = load_dataset(config, workers=1, progress=Quiet(), stop=threading.Event(), group=group)
    assert data.development
    for song in [*data.development, *data.official_test]:
        assert len(song.times) == len(song.features) == len(song.targets) > 0
        assert song.features.shape[1] == len(data.feature_names) > 0
        assert song.targets.shape[1] == len(data.targets)
        assert np.isfinite(song.features).all()
        assert np.isfinite(song.targets).all()
        assert (np.diff(song.times) > 0).all()
        low, high = data.scale
        assert ((song.targets >= low - 1e-6) & (song.targets <= high + 1e-6)).all()
    for song in data.unlabelled:
        assert np.isfinite(song.features).all()
    return data


def frames() -> pd.DataFrame:
    """Return some frames of three songs."""
    rng = np.random.default_rng(0)
    rows = []
    for n, song in enumerate(["a", "b", "12"]):
        for k in range(4 - n % 2):
            x = rng.standard_normal(2).round(3)
            rows.append([song, k * 0.5, *x, *np.clip(5 + x, 1, 9).round(2)])
    return pd.DataFrame(rows, columns=["song", "time", "mfcc_1", "tempo", "joy", "tension"])


def _table(name: str, **keys: Any) -> dict[str, Any]:
    own = {"targets": ["joy", "tension"], "file": name} | keys
    return {"source": "table", "scale": [1, 9], "table": own}


def _csv_seeds(folder: Path) -> list[bytes]:
    table = frames()
    once = table.groupby("song", as_index=False).mean().drop(columns="time")
    quoted = table.assign(note='said "so",\nand more')
    return [
        table.to_csv(index=False).encode(),
        table.to_csv(index=False, sep=";", lineterminator="\r\n").encode("utf-8-sig"),
        once.to_csv(index=False).encode(),
        quoted.to_csv(index=False).encode(),
    ]


def _read_csv(data: bytes, folder: Path) -> None:
    (folder / "frames.csv").write_bytes(data)
    features = ["mfcc_1", "tempo"] if b"note" in data else ["*"]
    load(_table("frames.csv", features=features) | {"root": str(folder)})


def _parquet_seeds(folder: Path) -> list[bytes]:
    found = []
    for compression in (None, "snappy", "zstd"):
        path = folder / "one.parquet"
        frames().to_parquet(path, index=False, compression=compression)
        found.append(path.read_bytes())
    return found


def _read_parquet(data: bytes, folder: Path) -> None:
    (folder / "frames.parquet").write_bytes(data)
    load(_table("frames.parquet") | {"root": str(folder)})


TARGETS = (
    Target(
        "tidy-csv",
        _csv_seeds,
        _read_csv,
        (b"song", b"time", b"joy", b"tension", b",", b";", b"\t", b'"', b"0.5", b"1.5", b"\r\n"),
        ("frames.csv",),
    ),
    Target("tidy-parquet", _parquet_seeds, _read_parquet, (b"PAR1", b"ARROW:schema"), ("frames.parquet",)),
)
