"""What raters said, as ``lstmcore raters``, ``annotate`` and ``init`` find it."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from lstmcore.experiments.datasets.rating_scheme import SETTINGS
from lstmcore.experiments.scoring.rater_files import find_answers
from lstmcore.experiments.scoring.raters import measure_raters
from lstmcore.experiments.serving.annotation.store import Store
from lstmcore.experiments.starting.start import start
from lstmcore.experiments.terminal.progress import Quiet
from tests.fuzz.target import Target
from tests.fuzz.targets.deam import raters
from tests.fuzz.targets.tables import frames

_WORDS = (
    *(
        b"rater",
        b"song",
        b"time",
        b"arousal",
        b"valence",
        b"worker",
        b"sample_0ms",
        b"sample_500ms",
        b"song_id",
    ),
    *(b",", b";", b"\n", b"\r\n", b'"', b"0.5", b"nan", b"targets", b"scale", b"hop_ms"),
)


def _tidy(_: Path) -> list[bytes]:
    rows = [
        {
            "song": song,
            "time": k / 2,
            "rater": who,
            "arousal": round(0.1 * k + n / 9, 3),
            "valence": -0.25 * n,
        }
        for song in ("a", "b")
        for n, who in enumerate("xyz")
        for k in range(3)
    ]
    table = pd.DataFrame(rows)
    return [
        table.to_csv(index=False).encode(),
        table.drop(columns="time").iloc[::3].to_csv(index=False).encode(),
    ]


def _measured(place: Path, measured: bool) -> None:
    _, answers = find_answers(place, Quiet())
    if not measured:  # which takes longer than reading, and is no reader
        return
    found = measure_raters(answers)
    for row in found.raters:
        assert all(math.isfinite(v) for v in vars(row).values() if isinstance(v, float)), row
    for row in [*found.targets, *found.songs]:
        assert all(math.isfinite(v) for v in vars(row).values() if isinstance(v, float)), row


def _read_table(data: bytes, folder: Path) -> None:
    (folder / "said.csv").write_bytes(data)
    _measured(folder / "said.csv", len(data) % 8 == 0)


def _read_files(data: bytes, folder: Path) -> None:
    for target in ("arousal", "valence"):
        (folder / target).mkdir()
        for song in (1, 2):
            (folder / target / f"{song}.csv").write_bytes(raters())
    (folder / "arousal" / "2.csv").write_bytes(data)
    _measured(folder, len(data) % 8 == 0)


_SCHEME = b'targets = ["arousal"]\nscale = [-1, 1]\nhop_ms = 500\n'
_CUT = b"\n----\n"


def _kept(_: Path) -> list[bytes]:
    said = b"rater,sample_0ms,sample_500ms,sample_1000ms\nm,0.1000,0.2000,\nn,-1.0000,,1.0000\n"
    return [_SCHEME + _CUT + said, _SCHEME.replace(b"hop_ms = 500", b"hop_ms = 250") + _CUT + said]


def _read_kept(data: bytes, folder: Path) -> None:
    scheme, _, said = data.partition(_CUT)
    (folder / "arousal").mkdir()
    (folder / SETTINGS).write_bytes(scheme)
    (folder / "arousal" / "s.csv").write_bytes(said)
    store = Store(folder)
    targets = store.scheme.targets
    store.raters(["s"])
    store.done("m", ["s"])
    hop = store.scheme.hop
    low, high = store.scheme.scale
    store.save("new", "s", {target: {k * hop: (low + high) / 2 for k in range(3)} for target in targets})
    store.finish("new", "s", targets)
    assert ("s", targets[0]) in store.done("new", ["s"])


def _begun(_: Path) -> list[bytes]:
    over_time = frames()[["song", "time", "joy", "tension"]].rename(columns={"joy": "arousal"})
    once = pd.DataFrame({"song": ["12", "a", "b"], "valence": [1.5, 2.0, 8.25], "artist": ["x", "y", "x"]})
    return [over_time.to_csv(index=False).encode(), once.to_csv(index=False).encode(), _tidy(Path())[0]]


_FEATURES = frames()[["song", "time", "mfcc_1", "tempo"]].to_csv(index=False)


def _read_begun(data: bytes, folder: Path) -> None:
    songs = folder / "songs"
    songs.mkdir()
    (songs / "ratings.csv").write_bytes(data)
    (songs / "features.csv").write_text(_FEATURES)
    started = start(songs, folder / "mine.toml", progress=Quiet())
    assert started.file.is_file()


TARGETS = (
    Target("raters-table", _tidy, _read_table, _WORDS, ("said.csv",)),
    Target(
        "raters-files", lambda _: [raters(), raters(named=False)], _read_files, _WORDS, ("2.csv", "input")
    ),
    Target("annotate", _kept, _read_kept, _WORDS, (SETTINGS, "s.csv", "arousal")),
    Target("init", _begun, _read_begun, _WORDS, ("songs", "ratings.csv")),
)
