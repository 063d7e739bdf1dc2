"""Everything but FS1 works where openSMILE isn't installed: its import is blocked, in other processes."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from lstmcore.features import (
    AudioError,
    FeatureSettings,
    columns,
    extract_fs2,
    extract_music,
    extract_tonality,
)
from lstmcore.features.sets import MUSIC
from tests.experiments.currennt.golden_files import FILES

# Laid before everything else on Python's path: then no package opensmile is found, nor its version.
BLOCK = """
import importlib.metadata, sys

sys.modules["opensmile"] = None
real = importlib.metadata.version

def version(name):
    if name == "opensmile":
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)

importlib.metadata.version = version
"""


@pytest.fixture
def lstmcore(tmp_path):
    """Return a function that runs the command without openSMILE, in a folder with a song."""
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "sitecustomize.py").write_text(BLOCK)
    paths = [str(tmp_path / "blocked"), os.environ.get("PYTHONPATH", "")]
    cache = {"LSTMCORE_CACHE": str(tmp_path / "cache")}
    environment = os.environ | cache | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    time = np.arange(6 * 22050) / 22050
    soundfile.write(tmp_path / "song.wav", 0.3 * np.sin(2 * np.pi * 220 * time) * (time % 0.5 < 0.1), 22050)

    def run(*arguments):
        command = [sys.executable, "-m", "lstmcore", *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
        )

    return run


def test_an_experiment_its_model_and_its_report(tiny, lstmcore):
    done = lstmcore("run", "tiny.toml", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert (tiny / "out" / "report.html").stat().st_size > 10_000
    assert "lstm_all" in done.stdout


def test_a_plot_of_the_four(lstmcore, tmp_path):
    done = lstmcore("plot", "song.wav")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "song.png").stat().st_size > 10_000


def test_music_and_tonality_by_the_command(lstmcore, tmp_path):
    done = lstmcore("features", "song.wav", "--set", "music, tonality", "--out", "x.csv")
    assert done.returncode == 0, done.stderr
    assert "10 rows of music+tonality" in done.stdout
    header = (tmp_path / "x.csv").read_text().splitlines()[0]
    assert header.split(";") == ["file", *columns("music+tonality")]


def test_the_doctor_is_content(lstmcore):
    report = json.loads(lstmcore("doctor", "--json").stdout)
    assert report["ok"]
    states = {one["name"]: one["state"] for one in report["findings"]}
    assert (states["opensmile"], states["openSMILE"]) == ("absent", "absent")


@pytest.mark.parametrize(
    "arguments",
    [
        ("features", "song.wav", "--out", "x.csv"),
        ("features", "song.wav", "--set", "FS2", "--out", "x.csv", "--no-store"),
        ("features", "song.wav", "--set", "FS3", "--out", "x.csv"),
        ("run", "quickstart"),
    ],
)
def test_what_needs_fs1_says_so_before_anything_is_made(lstmcore, tmp_path, arguments):
    done = lstmcore(*arguments)
    assert done.returncode == 2, done.stderr
    assert "computed by openSMILE, which is not installed; expected: pip install 'opensmile" in done.stderr
    assert "private, research and educational use only" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("cache/procedural/*/MEMD_audio/*"))


@pytest.mark.parametrize(("seconds", "rate"), [(1.05, 44100), (5.54, 44100), (7.2, 16000), (45.0, 11025)])
def test_the_four_alone_are_those_of_fs2(tmp_path, seconds, rate):
    noise = 0.1 * np.random.default_rng(1).standard_normal((round(seconds * rate), 2))
    soundfile.write(tmp_path / "noise.wav", noise, rate)
    whole = extract_fs2(tmp_path / "noise.wav")
    assert extract_music(tmp_path / "noise.wav").equals(whole[["frameTime", *MUSIC]])
    assert len(extract_tonality(tmp_path / "noise.wav")) == len(whole)


def test_the_four_alone_of_too_short_a_sound(tmp_path):
    soundfile.write(tmp_path / "click.wav", np.zeros(10_000), 22050)
    with pytest.raises(AudioError, match=r"too short, 0.45 s; at least about 1.04 s"):
        extract_music(tmp_path / "click.wav", settings=FeatureSettings())


def test_currennts_command_and_the_engine_need_neither_opensmile_nor_matplotlib(tmp_path):
    block = BLOCK + 'sys.modules["matplotlib"] = None\n'
    forward = ["--network", FILES / "nets/blstm64.jsn", "--ff_input_file", FILES / "data/val3.nc"]
    script = f"""
from lstmcore.experiments.currennt.cli import run
import lstmcore
sys.exit(run({[*map(str, forward), "--ff_output_file", str(tmp_path / "out.csv")]!r}))
"""
    done = subprocess.run([sys.executable, "-c", block + script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out.csv").stat().st_size > 100
