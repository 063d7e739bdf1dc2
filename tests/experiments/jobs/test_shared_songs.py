"""Features of songs that several commands compute into one store: each song by one of them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.errors import Interrupted
from lstmcore.experiments.jobs.leases import Leases, leases_in
from lstmcore.experiments.jobs.shared_songs import SharedSongs
from lstmcore.experiments.run import run_experiment
from lstmcore.features import FeatureStore, extract, extract_features
from lstmcore.features.sets import feature_names
from lstmcore.features.settings import DEFAULT
from tests.experiments.jobs.test_shared_folder import Titles, together

EXPERIMENT = """
name = "tiny"
[data]
source = "audio"
root = "."
features = "music"
scale = [-1, 1]
unlabelled = "none"
[data.audio]
folder = "."
annotations = "ratings.csv"
[folds]
count = 3
team_test = "none"
[network]
hidden = [2]
[training]
max_epochs = 2
[ensemble]
trials = 1
"""


@pytest.fixture
def songs(tmp_path):
    files = [tmp_path / f"{k}.wav" for k in range(5)]
    for k, file in enumerate(files):
        soundfile.write(file, np.full(16000, k / 10), 8000)
    return files


@pytest.fixture
def computed(monkeypatch):
    """Songs that are computed, in their order; the features mean nothing."""
    found = []

    def compute(path, parts, settings, *, stop=None):
        found.append(path)
        time.sleep(0.05)
        return {part: np.full((3, len(feature_names(part))), 0.5, np.float32) for part in parts}

    monkeypatch.setattr(extract, "compute_parts", compute)
    return found


def test_each_song_is_computed_once_and_all_find_it(songs, computed, tmp_path):
    store, bad = FeatureStore(tmp_path / "store"), tmp_path / "missing.wav"

    def share(progress):
        with Leases() as leases:
            shared = SharedSongs(leases, progress)
            shared.compute([*songs, bad], "music+tonality", DEFAULT, store, 2, threading.Event())
            return [extract_features(song, "music+tonality", store) for song in songs]

    with ThreadPoolExecutor(3) as pool:
        tables = list(pool.map(share, [Titles() for _ in range(3)]))
    assert sorted(computed) == songs
    assert all(len(table) == 3 for found in tables for table in found)
    assert not leases_in(tmp_path / "store")


def test_who_waits_for_anothers_song_says_so_and_can_be_stopped(songs, computed, tmp_path):
    store, stop, progress = FeatureStore(tmp_path / "store"), threading.Event(), Titles()
    place = store.path_of(extract.keys_of(extract.digest_of(songs[0]), "music", DEFAULT)["music"])
    with Leases() as other, Leases() as leases:
        other.take(place)
        threading.Timer(0.5, stop.set).start()
        with pytest.raises(Interrupted):
            SharedSongs(leases, progress).compute(songs, "music", DEFAULT, store, 1, stop)
    assert computed == songs[1:]
    assert progress.notes == ["others are at the songs that are left (1); waiting for them"]


def test_what_is_wrong_with_the_store_ends_it(songs, computed, tmp_path):
    (tmp_path / "store").write_text("no folder")
    with Leases() as leases:
        shared, store = SharedSongs(leases, Titles()), FeatureStore(tmp_path / "store")
        with pytest.raises(OSError, match="store"):
            shared.compute(songs, "music", DEFAULT, store, 1, threading.Event())


def test_an_experiment_from_audio_shares_its_songs(songs, computed, tmp_path, monkeypatch):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    rows = [
        f"{song.stem},{t / 2},{k / 10 + t / 50},{t / 50}" for k, song in enumerate(songs) for t in range(3)
    ]
    (tmp_path / "ratings.csv").write_text("\n".join(["song,time,arousal,valence", *rows, ""]))
    (tmp_path / "tiny.toml").write_text(EXPERIMENT)
    results, _ = together(run_experiment, tmp_path)
    assert sorted(computed) == songs
    assert results[0].scores == results[1].scores == results[2].scores


def test_the_command_shares_its_songs_by_the_cache(songs, computed, tmp_path, monkeypatch):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    line = ["features", *map(str, songs), "--set", "music", "--engine", "folder", "--out"]
    for out in ("a", "b"):
        result = CliRunner().invoke(app, [*line, str(tmp_path / out), "--workers", "1"])
        assert result.exit_code == 0, result.output
    assert computed == songs
    assert (tmp_path / "a" / "3.csv").read_bytes() == (tmp_path / "b" / "3.csv").read_bytes()
    result = CliRunner().invoke(app, [*line, str(tmp_path / "c"), "--no-store"])
    assert result.exit_code == 2
    assert "songs are shared by a store; expected one" in result.stderr
