"""Songs a second of ``lstmcore predict``: procedural music of two minutes, as MP3 and WAV in turn.

    python -m benchmarks.songs

Features by openSMILE and an ensemble of five networks of the paper's size, untrained, without the cache.
That two workers say what one says is checked first.  What a song takes of a processor's time depends
less on what else the machine does than the time that passes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.signal import resample_poly

from benchmarks.measuring import publish
from lstmcore import LSTM, Architecture, Linear
from lstmcore.experiments.datasets.procedural.plan import ProceduralPlan
from lstmcore.experiments.datasets.procedural.song import song_audio, song_curves
from lstmcore.experiments.prediction import Predictor, open_predictor, predict_many, write_model
from lstmcore.experiments.prediction.model import layers_as_json
from lstmcore.features import feature_names

SECONDS, RATE, SONGS, NETWORKS = 120, 44100, 4, 5
LAYERS = (LSTM(200), LSTM(150), LSTM(25), Linear(2))
MANY = 20_000


def make_song(path: Path, plan: ProceduralPlan, number: int) -> None:
    """Write a song of a plan, at 44.1 kHz, in stereo."""
    song = plan.songs()[number]
    voice = resample_poly(song_audio(plan.seed, song, song_curves(plan.seed, song)), 2, 1)
    stereo = np.stack([voice, np.roll(voice, 40)], 1)[: SECONDS * RATE]
    if path.suffix == ".mp3":
        soundfile.write(path, stereo, RATE, format="MP3", subtype="MPEG_LAYER_III")
    else:
        soundfile.write(path, stereo, RATE)


def make_model(folder: Path) -> Predictor:
    """Write an ensemble of random networks, and open it."""
    names = list(feature_names("FS1"))
    architecture, rng = Architecture(len(names), LAYERS), np.random.default_rng(1)
    description = {
        "layers": layers_as_json(architecture),
        "feature_set": "FS1",
        "feature_names": names,
        "targets": ["arousal", "valence"],
        "hop_seconds": 0.5,
        "networks": [{"fold": 0, "trial": k} for k in range(NETWORKS)],
        "systems": {"lstm_all": list(range(NETWORKS))},
    }
    weights = rng.uniform(-0.1, 0.1, (NETWORKS, architecture.parameter_count)).astype(np.float32)
    means, scales = np.zeros((NETWORKS, len(names))), np.full((NETWORKS, len(names)), 50.0)
    tensors = {"weights": weights, "input_mean": means, "input_scale": scales}
    tensors |= {"target_mean": np.zeros((NETWORKS, 2)), "target_scale": np.ones((NETWORKS, 2))}
    write_model(folder, description, tensors)
    return open_predictor(folder)


def predicted(predictor: Predictor, songs: list[Path], workers: int) -> list[Any]:
    """Return the tables of songs."""
    with predict_many(predictor, songs, workers=workers, keep=False) as results:
        return [result.song.table for result in results if result.song is not None]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=SONGS)
    count = parser.parse_args().songs
    with tempfile.TemporaryDirectory() as folder:
        songs = [Path(folder, f"{k}{'.wav' if k % 2 else '.mp3'}") for k in range(count)]
        plan = ProceduralPlan(development=count, unlabelled=0, test=0, seconds=SECONDS)
        for number, path in enumerate(songs):
            make_song(path, plan, number)
        predictor = make_model(Path(folder, "model"))
        one, two = predicted(predictor, songs[:2], 1), predicted(predictor, songs[:2], 2)
        assert len(one) == 2
        assert all(a.equals(b) for a, b in zip(one, two, strict=True))
        rows = []
        for workers in (1, 2):
            began, cpu = time.perf_counter(), time.process_time()
            assert len(predicted(predictor, songs, workers)) == count
            wall, processor = time.perf_counter() - began, time.process_time() - cpu
            rows.append(
                {
                    "workers": workers,
                    "songs": count,
                    "wall s a song": wall / count,
                    "processor s a song": processor / count,
                    "songs/s": count / wall,
                    "× real time": SECONDS * count / wall,
                    f"h for {MANY}": MANY * wall / count / 3600,
                    "the same on processors of its own": MANY * processor / count / workers / 3600,
                }
            )
    publish("songs", f"Songs of {SECONDS} s, FS1 and {NETWORKS} networks of the paper's size", rows)


if __name__ == "__main__":
    main()
