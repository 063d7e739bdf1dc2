"""Commands that fail end, whenever the garbage collector runs: here as often as it can."""

import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests.experiments.conftest import EXPERIMENT, write_tiny_deam

# The collector in every thread and at every turn, once all is imported.
COLLECTING = """
import gc, sys
import opensmile
import lstmcore.experiments.extraction, lstmcore.experiments.prediction.songs
import lstmcore.experiments.run.experiment, lstmcore.experiments.studies.ablation
from lstmcore.experiments.cli import main, main_run
gc.collect()
gc.freeze()
gc.set_threshold(1)
"""
# Where it is worst: in the threads that the garbage holds, and nowhere else.
ABANDONING = """
import threading, time
from lstmcore.features import extract_many
gc.disable()
class Song:
    def __init__(self, name):
        self.name = name
    def __fspath__(self):
        if threading.current_thread() is not threading.main_thread():
            gc.collect()
        return self.name
def failing(paths):
    with extract_many(paths, workers=2) as results:
        for result in results:
            if result.error is not None:
                raise result.error
for _ in range(3):
    try:
        failing([Song(name) for name in sys.argv[1:]])
    except ValueError as error:
        error.itself = error  # garbage that only the collector finds
while threading.active_count() > 1:
    time.sleep(0.05)
print("ended")
"""


def ended(code, *arguments, cache):
    """Run a program in a process of its own: it ends, and nothing is left to the collector that complains."""
    command = [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", COLLECTING + code]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "LSTMCORE_CACHE": str(cache)},
    )
    assert "Exception ignored" not in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """A file that is no song, and eight that are."""
    folder = tmp_path_factory.mktemp("songs")
    (folder / "0.wav").write_text("no audio")
    for song in range(1, 9):
        noise = np.random.default_rng(song).integers(-9000, 9000, 8 * 8000, np.int16)
        soundfile.write(folder / f"{song}.wav", noise, 8000)
    return sorted(folder.iterdir())


def test_a_loop_over_results_that_raises(songs, tmp_path):
    done = ended(ABANDONING, *songs, cache=tmp_path / "cache")
    assert (done.returncode, done.stdout) == (0, "ended\n")


@pytest.mark.parametrize("out", ["all.csv", "all.parquet", "out"])
def test_features(songs, tmp_path, out):
    done = ended("main()", "features", *songs, "--out", tmp_path / out, "--workers", 2, cache=tmp_path / "c")
    assert done.returncode == 1
    assert done.stderr.endswith("1 of 9 songs can't be used\n")


def test_predict(songs, fs1_run, tmp_path):
    line = ["predict", *songs, "--model", fs1_run, "--out", tmp_path / "p.csv", "--workers", 2]
    done = ended("main()", *line, cache=tmp_path / "cache")
    assert done.returncode == 1
    assert done.stderr.endswith("1 of 9 songs can't be used\n")


@pytest.mark.parametrize("out", ["all.csv", "all.parquet"])
def test_features_where_the_disk_is_full(songs, tmp_path, out):
    full = "import os\ndef sync(_): raise OSError(28, 'No space left on device')\nos.fsync = sync\n"
    line = ["features", *songs[1:], "--out", tmp_path / out, "--workers", 2, "--no-store"]
    done = ended(full + "main()", *line, cache=tmp_path / "cache")
    assert done.returncode == 2
    assert "No space left on device" in done.stderr


def test_a_run_with_audio_that_cannot_be_used(songs, tmp_path):
    write_tiny_deam(tmp_path / "data")
    (tmp_path / "tiny.toml").write_text(EXPERIMENT)
    (tmp_path / "data" / "MEMD_audio").mkdir()
    for number, song in zip([*range(1, 10), 2001, 2002], [*songs, *songs], strict=False):
        (tmp_path / "data" / "MEMD_audio" / f"{number}.wav").write_bytes(song.read_bytes())
    line = [tmp_path / "tiny.toml", "--set", "data.features=FS1", "--out", tmp_path / "run", "--workers", 2]
    done = ended("main_run()", *line, cache=tmp_path / "cache")
    assert done.returncode == 2
    assert "1.wav: cannot be decoded" in done.stderr


def test_a_training_that_diverges(tmp_path):
    write_tiny_deam(tmp_path / "data")
    (tmp_path / "tiny.toml").write_text(EXPERIMENT)
    line = [tmp_path / "tiny.toml", "--set", "training.learning_rate=1e30", "--out", tmp_path / "run"]
    done = ended("main_run()", *line, "--workers", 2, cache=tmp_path / "cache")
    assert done.returncode == 2
    assert "try a learning_rate below 1e+30" in done.stderr
