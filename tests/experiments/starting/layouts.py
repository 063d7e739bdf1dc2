"""Tiny folders in the layouts that data come in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from tests.experiments.conftest import write_dynamic

RATE = 8000
SONGS = 6
FRAMES = 6


def curve(song: int, target: int, low: float = -1.0, high: float = 1.0, frames: int = FRAMES) -> np.ndarray:
    """A slow curve inside a scale, which reaches far over it in some song."""
    place = 0.5 + 0.4 * np.sin(1.7 * song + target) + 0.05 * np.cos(np.arange(frames) + song)
    return np.round(low + (high - low) * place, 4)


def sounds(folder: Path, names, seconds: float = 4.5) -> None:
    """A tone in noise for each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for n, name in enumerate(names):
        rng = np.random.default_rng(n)
        times = np.arange(int(seconds * RATE)) / RATE
        tone = 0.3 * np.sin(2 * np.pi * 110 * 2 ** (n / 6) * times)
        soundfile.write(folder / f"{name}.wav", tone + 0.02 * rng.standard_normal(len(times)), RATE)


def tidy(names, low=1.0, high=9.0, song="song", time="time", targets=("arousal", "valence"), start=0.0):
    """Ratings with a row per song and time stamp."""
    times = start + np.arange(FRAMES) / 2
    parts = []
    for n, name in enumerate(names):
        columns = {target: curve(n, k, low, high) for k, target in enumerate(targets)}
        parts.append(pd.DataFrame({song: name, time: times, **columns}))
    return pd.concat(parts, ignore_index=True)


def once(names, low=1.0, high=9.0, song="song", targets=("arousal", "valence")):
    """Ratings with a row per song."""
    columns = {t: [curve(n, k, low, high)[0] for n in range(len(names))] for k, t in enumerate(targets)}
    return pd.DataFrame({song: list(names), **columns})


def features(count: int = 3, frames: int = FRAMES, seed: int = 0, prefix: str = "mfcc_") -> pd.DataFrame:
    """Rows of features."""
    values = np.random.default_rng(seed).standard_normal((frames, count)).round(4)
    return pd.DataFrame(values, columns=[f"{prefix}{k}" for k in range(count)])


def write(table: pd.DataFrame, path: Path, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, **options)


def emomusic(root: Path) -> None:
    """Wide files by target with their deviations, one rating a song beside, clips."""
    names = range(1, SONGS + 1)
    for k, target in enumerate(("arousal", "valence")):
        averages = {s: [*map(float, curve(s, k, -0.5, 0.6))] for s in names}
        write_dynamic(root / "annotations" / f"{target}_cont_average.csv", averages)
        write_dynamic(root / "annotations" / f"{target}_cont_std.csv", {s: [0.2] * FRAMES for s in names})
    static = once(names, song="song_id", targets=("mean_arousal", "mean_valence"))
    static["std_arousal"] = static["std_valence"] = 1.5
    write(static, root / "annotations" / "static_annotations.csv")
    artists = ["Ann", "Ann", "Bob", "Bob", "Cy", "Di"]
    info = pd.DataFrame({"song_id": names, "Artist": artists, "Song title": [f"T{s}" for s in names]})
    write(info, root / "annotations" / "songs_info.csv")
    sounds(root / "clips_45seconds", names, 19)


def pmemo(root: Path, audio: bool = True) -> None:
    names = range(1, SONGS + 1)
    where = root / "annotations"
    mean, std = ("Arousal(mean)", "Valence(mean)"), ("Arousal(std)", "Valence(std)")
    keys = {"song": "musicId", "time": "frameTime", "start": 15.0}
    write(tidy(names, 0, 1, targets=mean, **keys), where / "dynamic_annotations.csv")
    write(tidy(names, 0, 0.2, targets=std, **keys), where / "dynamic_annotations_std.csv")
    write(once(names, 0, 1, "musicId", mean), where / "static_annotations.csv")
    write(once(names, 0, 0.2, "musicId", std), where / "static_annotations_std.csv")
    frames = tidy(names, targets=(), **keys)
    values = features(4, len(frames), prefix="F0final_sma_")
    write(pd.concat([frames, values], axis=1), root / "features" / "dynamic_features.csv")
    known = {"musicId": names, "fileName": [f"{n}.mp3" for n in names], "title": [f"T{n}" for n in names]}
    artists = {"artist": [f"A{n % 3}" for n in names], "duration": 30.0}
    write(pd.DataFrame(known | artists), root / "metadata.csv")
    if audio:
        sounds(root / "chorus", names, 19)


def muse(root: Path) -> None:
    for song in range(1, SONGS + 1):
        stamps = pd.DataFrame({"timestamp": np.arange(FRAMES) * 500})
        for k, target in enumerate(("arousal", "valence")):
            labels = stamps.assign(value=curve(song, k), segment_id=1)
            write(labels, root / "label_segs" / target / f"{song}.csv")
        for name, width, prefix in (("bert", 5, "f"), ("vggish", 4, "")):
            own = pd.concat([stamps.assign(segment_id=1), features(width, seed=song, prefix=prefix)], axis=1)
            write(own, root / "feature_segs" / name / f"{song}.csv")
