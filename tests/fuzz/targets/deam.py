"""Files in DEAM's layout: ratings, features, metadata, lists of songs, and what each rater said."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from lstmcore.experiments.datasets.deam_layout import PER_RATER
from lstmcore.features import feature_names
from tests.experiments.conftest import DYNAMIC, write_tiny_deam
from tests.fuzz.target import Target
from tests.fuzz.targets.tables import load

AROUSAL = f"{DYNAMIC}/arousal.csv"
MEANS = "song_mean_features.csv"
METADATA = (
    "song_id,artist,title,genre\n"
    '1,x,"a, b",rock\n2,y,c,pop\n3,z,d,jazz\n11,z,"d ""e""",\n2001,x,e,rock\n2002,w,f,pop\n'
)
_WORDS = (
    *(b"song_id", b"sample_15000ms", b"sample_15500ms", b"frameTime", b"artist", b"rater"),
    *(b",", b";", b"\n", b"\r\n", b"0.5", b"nan", b'"', b"2001", b"15.0"),
)


@cache
def whole() -> dict[str, bytes]:
    """Return the files of a tiny DEAM, by their place."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_tiny_deam(root, range(1, 4))
        return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def features(song: int) -> bytes:
    """Return features of a song in DEAM's format, of the set with the fewest columns."""
    names = feature_names("music")
    lines = [";".join(["frameTime", *names])]
    for k in range(9):
        lines.append(
            ";".join([f"{15 + k / 2}", *(f"{(song * n + k) % 7 / 7:.3f}" for n in range(len(names)))])
        )
    return ("\n".join(lines) + "\n").encode()


def raters(named: bool = True) -> bytes:
    """Return what three raters said of a song on a target."""
    rows = [["rater", *(f"sample_{15000 + 500 * k}ms" for k in range(4))]]
    for name, shift in (("m", 0.1), ("n", -0.2), ("o", 0.0)):
        rows.append([name, *(f"{0.1 * k + shift:.2f}" for k in range(4))])
    rows[-1][-1] = ""
    return ("\n".join(",".join(row if named else row[1:]) for row in rows) + "\n").encode()


def _with(name: str, others: dict[str, bytes], **section: Any) -> Callable[[bytes, Path], None]:
    """Read a data set of which one file is the input."""

    def read(data: bytes, folder: Path) -> None:
        group = section.get("group")
        for place, content in {**whole(), **others, name: data}.items():
            file = folder / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        keys = {key: value for key, value in section.items() if key != "group"}
        load({"source": "deam", "root": str(folder), "features": "song_means", **keys}, group)

    return read


def _ratings(_: Path) -> list[bytes]:
    rows = whole()[AROUSAL]
    short = b"\n".join(line.rstrip(b",") for line in rows.split(b"\n"))
    return [rows, short, b"\xef\xbb\xbf" + rows.replace(b"\n", b"\r\n")]


_SONGS = (1, 2, 3, 2001, 2002)
_FEATURES = {f"features/{song}.csv": features(song) for song in _SONGS}
_PER_RATER = {
    f"{PER_RATER}/{target}/{song}.csv": raters() for target in ("arousal", "valence") for song in (1, 2, 3)
}
_QUALITY = {"min_raters": 2, "min_alpha": 0.1}

TARGETS = (
    Target("deam-ratings", _ratings, _with(AROUSAL, {}), _WORDS, ("input",)),
    Target(
        "deam-song-means",
        lambda _: [whole()[MEANS]],
        _with(MEANS, {}),
        _WORDS,
        (MEANS, "arousal.csv", "input:"),
    ),
    Target(
        "deam-features",
        lambda _: [features(2), features(2).replace(b"\n", b"\r\n")],
        _with("features/2.csv", _FEATURES, features="music", unlabelled="none"),
        _WORDS,
        ("2.csv",),
    ),
    Target(
        "deam-metadata",
        lambda _: [METADATA.encode(), METADATA.replace("\n", "\r\n").encode("utf-8-sig")],
        _with("metadata.csv", {}, group="artist"),
        _WORDS,
        ("metadata.csv",),
    ),
    Target(
        "deam-songs",
        lambda _: [b"song_id,artist\n1,x\n2,y\n3,z\n", b"song_id\n1\n2\n"],
        _with("songs.csv", {}, development_songs="songs.csv"),
        _WORDS,
        ("songs.csv",),
    ),
    Target(
        "deam-raters",
        lambda _: [raters(), raters(named=False)],
        _with(f"{PER_RATER}/arousal/2.csv", _PER_RATER, quality=_QUALITY),
        _WORDS,
        ("2.csv", "input"),
    ),
)
