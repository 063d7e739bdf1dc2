"""The source ``audio``: which recording is which song, short ones, raters, and files that can't be used."""

import json
import re
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from lstmcore.experiments.config import Data, load_experiment
from lstmcore.experiments.datasets import load_dataset
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.prediction import open_predictor
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.features import Extraction, feature_names

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "use-your-own-audio.md"
SMALL = (
    *("folds.count=4", "folds.team_test=3", "network.hidden=[3]", "ensemble.trials=1"),
    *("training.max_epochs=3", "training.learning_rate=1e-3", "pretraining.max_epochs=2"),
)
SONGS = "abcdef"
RATE = 8000
FRAMES = 4  # of a song of 3 s


def write_song(path, seconds=3.0, seed=0):
    """A tone in noise, of a few seconds."""
    rng = np.random.default_rng(seed)
    times = np.arange(int(seconds * RATE)) / RATE
    sound = 0.3 * np.sin(2 * np.pi * 110 * 2 ** (seed / 6) * times) + 0.02 * rng.standard_normal(len(times))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, RATE)


def ratings(songs=SONGS, seconds=2.5, hop=0.5):
    times = np.arange(0, seconds, hop)
    parts = [
        pd.DataFrame({"song": song, "time": times, "arousal": 3 + n + 0.02 * times, "valence": 5 - 0.1 * n})
        for n, song in enumerate(songs)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Six songs of which two lie deeper, and one that nobody rated."""
    root = tmp_path_factory.mktemp("sounds")
    for n, song in enumerate(SONGS):
        write_song(root / "recordings" / ("deep" if n > 3 else "") / f"{song}.wav", seed=n)
    write_song(root / "recordings" / "unrated.flac", seed=9)
    return root


@pytest.fixture
def folder(sounds, tmp_path):
    (tmp_path / "recordings").symlink_to(sounds / "recordings")
    ratings().to_csv(tmp_path / "ratings.csv", index=False)
    return tmp_path


def load(root, data=(), **keys):
    config = {"folder": "recordings", "annotations": "ratings.csv"} | keys
    section = {"source": "audio", "root": str(root), "scale": [1, 9], "audio": config} | dict(data)
    return load_dataset(Data.model_validate(section), workers=1, progress=Quiet(), stop=threading.Event())


def refused(message, root, data=(), **keys):
    with pytest.raises(InputError, match=message):
        load(root, data, **keys)


def test_a_song_is_a_path_with_or_without_suffix_or_a_name_alone(folder):
    names = dict(zip(SONGS, ["a.wav", "b", "c.wav", "d", "deep/e", "f"], strict=True))
    frames = ratings()
    frames["song"] = frames["song"].map(names)
    frames.to_csv(folder / "ratings.csv", index=False)
    data = load(folder)
    assert [song.song_id for song in data.development] == sorted(names.values())
    assert [song.song_id for song in data.unlabelled] == ["unrated"]
    assert data.development[0].features.shape == (FRAMES, 260)
    assert data.targets == ("arousal", "valence")


def test_recordings_may_be_shorter_than_annotations(folder):
    ratings(seconds=20).to_csv(folder / "ratings.csv", index=False)
    data = load(folder, {"unlabelled": "none"})
    frames = {song.frames for song in data.development}
    assert frames == {FRAMES}
    assert "216 annotated frames have no features and were left out." in data.notes
    late = ratings(seconds=3)
    late["time"] += 30
    late.to_csv(folder / "ratings.csv", index=False)
    refused(r"line 2: song a: none of its 6 annotated frames has features at its time", folder)


def test_features_are_as_far_apart_as_annotations(folder):
    ratings(hop=0.2).to_csv(folder / "ratings.csv", index=False)
    data = load(folder)
    assert data.hop_seconds == 0.2
    assert np.allclose(np.diff(data.unlabelled[0].times), 0.2)
    ratings(hop=1 / 3).to_csv(folder / "ratings.csv", index=False)
    refused("annotations: frames are 0.333333 s apart, and features from audio can't be", folder)


def test_a_set_without_fs1_needs_no_opensmile_and_columns_are_chosen(folder, monkeypatch):
    monkeypatch.setattr("lstmcore.features.parts.fs1_rows", None)
    monkeypatch.setattr("lstmcore.features.smile.find_spec", lambda _: None)
    data = load(folder, {"features": {"columns": ["tonality_mode_*", "tempo"]}})
    assert data.feature_set == "tonality_mode_*, tempo"
    modes = [name for name in feature_names("tonality") if name.startswith("tonality_mode_")]
    assert data.feature_names == ["tempo", *modes]
    assert data.development[0].features.shape == data.unlabelled[0].features.shape == (FRAMES, 1 + len(modes))
    whole = load(folder, {"features": "music+tonality"})
    columns = [whole.feature_names.index(name) for name in data.feature_names]
    assert np.array_equal(whole.development[0].features[:, columns], data.development[0].features)


def test_from_a_set_of_ones_own_to_the_prediction_of_a_song(folder, monkeypatch):
    """What a model asks of a song is the smallest set that has its columns."""
    keys = ('data.feature_sets={own={sets=["music", "tonality"]}}', "data.features=own", *SMALL)
    texts = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.S)
    (folder / "mine.toml").write_text(texts[0])
    experiment = load_experiment(folder / "mine.toml", [f"data.root={folder}", *keys])
    monkeypatch.setattr("lstmcore.features.smile.find_spec", lambda _: None)
    run = run_experiment(experiment, Session(folder / "run", workers=1))
    facts = json.loads((run.folder / "ensemble.json").read_text())
    assert {one["features"] for one in facts["ensembles"].values()} == {"own"}
    assert "on own features" in (run.folder / "report.html").read_text()
    predictor = open_predictor(run.folder)
    assert predictor.feature_set == predictor.model.about.feature_set == "music+tonality"
    audio = folder / "recordings" / "a.wav"
    features = predictor.features_of(audio)
    assert len(predictor.song(Extraction(audio, features, None)).table) == FRAMES
    soundfile.write(folder / "silence.wav", np.zeros(3 * RATE), RATE)
    silence = predictor.features_of(folder / "silence.wav")
    said = predictor.song(Extraction(folder / "silence.wav", silence, None))
    assert said.warnings == ("is silent: its curve says nothing",)


def test_one_row_per_song_is_a_constant_target(folder):
    ratings().groupby("song")[["arousal", "valence"]].mean().to_csv(folder / "ratings.csv")
    song = load(folder).development[1]
    assert song.rated_once
    assert song.annotation.round(9).tolist() == [[4.02, 4.9]] * song.frames
    assert song.frames == len(song.times) == FRAMES


def test_a_file_per_rater_is_averaged_and_the_agreement_kept(folder):
    (folder / "raters").mkdir()
    for n, name in enumerate(("p", "q", "r")):
        own = ratings()
        own["arousal"] += 0.3 * (n - 1)
        own.to_csv(folder / "raters" / f"{name}.csv", index=False)
    data = load(folder, annotations="raters/*.csv", raters="files")
    assert np.allclose(data.development[0].annotation[:, 0], ratings()["arousal"][:FRAMES])
    assert {one["arousal"].raters for one in data.agreements.values()} == {3}
    refused("file 'raters/p.csv'|two rows of 0 s", folder, annotations="raters/*.csv")
    refused("data.quality: none of 6", folder, {"quality": {}}, annotations="raters/*.csv", raters="files")


def test_annotated_songs_without_audio_are_all_named(folder):
    frames = ratings()
    frames["song"] = frames["song"].replace({"a": "aa", "e": "ee"})
    frames.to_csv(folder / "ratings.csv", index=False)
    refused(
        r"2 annotated songs have no audio:\n.*line 2: song aa is annotated, but there is no.*\n.*song ee",
        folder,
    )


def test_a_song_that_is_called_as_its_file_is_expected_by_that_name(folder):
    frames = ratings()
    frames["song"] = frames["song"].replace({"a": "aa.wav"})
    frames.to_csv(folder / "ratings.csv", index=False)
    refused(r"song aa\.wav is annotated, but there is no audio of it: expected [^ ]*/aa\.wav(;|$)", folder)


def test_a_name_that_two_recordings_have_is_no_song(folder, sounds, tmp_path):
    write_song(tmp_path / "two" / "x" / "a.wav")
    write_song(tmp_path / "two" / "y" / "a.wav")
    ratings("a").to_csv(folder / "ratings.csv", index=False)
    refused(r"song a may be x/a\.wav or y/a\.wav", folder, folder="two")


def test_folders_without_audio(folder):
    (folder / "empty").mkdir()
    refused(r"empty: no audio in it or below it", folder, folder="empty")
    refused(r"nowhere: no such folder; expected the folder of the audio", folder, folder="nowhere")


def test_a_broken_file_is_named_and_what_was_computed_stays(folder, sounds, tmp_path):
    mixed = tmp_path / "mixed"
    for song in SONGS:
        (mixed / f"{song}.wav").parent.mkdir(exist_ok=True)
        (found,) = (sounds / "recordings").rglob(f"{song}.wav")
        (mixed / f"{song}.wav").symlink_to(found)
    (mixed / "broken.wav").write_bytes(b"RIFF nothing")
    data = load(folder, folder="mixed")
    assert any("A song without annotations was left out: song broken" in note for note in data.notes)
    (mixed / "c.wav").unlink()
    (mixed / "c.wav").write_bytes(b"RIFF nothing")
    refused(r"song c: .*mixed/c\.wav", folder, folder="mixed")


@pytest.mark.parametrize("number", [0, 1])
def test_the_experiments_of_the_page_run(folder, number):
    texts = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    (folder / "raters").mkdir()
    for name in ("p", "q"):
        ratings().to_csv(folder / "raters" / f"{name}.csv", index=False)
    (folder / "mine.toml").write_text(texts[number])
    lean = () if number else ("data.features=FS1",)  # the same way, without the music features' time
    experiment = load_experiment(folder / "mine.toml", [f"data.root={folder}", *SMALL, *lean])
    assert sum(bool(line) for line in texts[number].splitlines()) <= 11
    run = run_experiment(experiment, Session(folder / "run", workers=1))
    quality = (run.folder / "annotation_quality.csv").is_file()
    assert quality == (number == 1)
    predictor = open_predictor(run.folder)
    assert predictor.model.about.target_range == [1, 9]


def test_the_keys_of_the_page_are_those_there_are():
    cells = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE.read_text(), re.M)
    keys = {key for cell in cells for key in re.findall(r"\w+", cell)}
    assert keys == set(type(Data.model_validate(AUDIO).audio).model_fields)


AUDIO = {"source": "audio", "audio": {"annotations": "ratings.csv"}}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"features": "song_means"}, "expected FS1, FS2, FS3, music or tonality"),
        ({"quality": {"min_raters": 3}}, "quality needs raters; expected audio.rater"),
        ({"targets": {"arousal": "a", "valence": "v"}}, "targets is there.*expected audio.targets"),
        (
            {"audio": {"annotations": "r.csv", "raters": "files", "rater": "who"}},
            "raters is 'files' beside rater",
        ),
    ],
)
def test_keys_that_do_not_fit(keys, message):
    with pytest.raises(ValueError, match=message):
        Data.model_validate(AUDIO | keys)
