"""Features ``song_means`` of songs without a row in the table: window means of FS1, and what is left out."""

import math
import pickle
import threading

import numpy as np
import pandas as pd
import pytest
import soundfile

from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.datasets import load_dataset
from lstmcore.experiments.datasets.window_means import MEAN_NAMES, means_around, window_means
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.prediction import open_predictor, predict_files
from lstmcore.experiments.prediction.model import load_model
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.features import extract_features, feature_names
from tests.experiments.prediction.test_model_files import write_tiny_model

ANNOTATED = [*range(1, 10), 2001, 2002]
FS1 = feature_names("FS1")
RASTA = FS1.index("audspecRasta_lengthL1norm_sma_amean")


def load(folder, *overrides):
    data = load_experiment(folder / "tiny.toml", list(overrides)).data
    return load_dataset(data, workers=1, progress=Quiet(), stop=threading.Event())


def write_frames(folder, songs, rows=24):
    """Feature files of songs, from 12 s on; each song's values lie around its number."""
    found = {}
    (folder / "data" / "features").mkdir(exist_ok=True)
    for song in songs:
        values = song + np.random.default_rng(song).uniform(0, 1, (rows, len(FS1)))
        values[:, RASTA] = 1
        found[song] = pd.DataFrame(values, columns=list(FS1))
        table = found[song].copy()
        table.insert(0, "frameTime", 12 + np.arange(rows) / 2)
        table.to_csv(folder / "data" / "features" / f"{song}.csv", sep=";", index=False)
    return found


def write_table(folder, songs, names):
    lines = [",".join(["song_id", *names])]
    lines += [",".join(map(str, [s, *(s + k / 1000 for k in range(len(names)))])) for s in songs]
    (folder / "data" / "song_mean_features.csv").write_text("\n".join(lines) + "\n")


def test_a_mean_is_of_the_rows_at_most_half_a_window_away():
    times, rows = np.array([0, 0.5, 1.0, 2.5, 3.0, 7.0]), np.arange(12.0).reshape(6, 2) ** 2
    for seconds in (0.1, 1.0, 3.0, 100.0):
        near = [np.abs(times - t) <= seconds / 2 for t in times]
        expected = np.array([rows[chosen].mean(0) for chosen in near])
        np.testing.assert_allclose(means_around(times, rows, seconds), expected, rtol=1e-13)


def test_rows_that_do_not_count_are_left_out_but_where_there_are_no_others():
    times, rows = np.arange(6.0), np.array([[100.0], [1], [2], [3], [200], [300]])
    counted = rows[:, 0] < 50
    expected = [[1.0], [1.5], [2.0], [2.5], [3.0], [250.0]]
    np.testing.assert_allclose(means_around(times, rows, 2.0, counted), expected)


def test_an_hour_loses_no_digits():
    rng = np.random.default_rng(0)
    times, rows = np.arange(7200) / 2, 1e6 + rng.uniform(0, 1, (7200, 1))
    found = means_around(times, rows, 45.0)
    last = [math.fsum(rows[n - 45 : n + 46, 0]) / len(rows[n - 45 : n + 46]) for n in (100, 7100, 7199)]
    np.testing.assert_allclose(found[[100, 7100, 7199], 0], last, rtol=1e-14)


def test_columns_are_found_by_their_names_and_sound_out_of_silence_does_not_count():
    frames = np.random.default_rng(0).uniform(0, 1, (5, 260))
    frames[0, RASTA] = 25.0
    frames[1:, RASTA] = 1.0
    names = [MEAN_NAMES[70], MEAN_NAMES[3]]
    expected = frames[1:, [FS1.index(name) for name in names]].mean(0)
    np.testing.assert_allclose(window_means(np.arange(5.0), frames, names, 60.0)[2], expected)
    alone = window_means(np.zeros(1), frames[:1], names, 60.0)
    np.testing.assert_array_equal(alone, frames[:1, [FS1.index(name) for name in names]])


@pytest.mark.parametrize("names", [MEAN_NAMES, MEAN_NAMES[::-1], MEAN_NAMES[5:9]])
def test_songs_that_the_table_lacks_get_means_of_their_frames_by_name(tiny, names):
    frames = write_frames(tiny, [2, 3, 2002, 77])
    write_table(tiny, [s for s in [*ANNOTATED, 11] if s not in (2, 2002)], names)
    data = load(tiny, "data.window_seconds=3")
    assert tuple(data.feature_names) == names
    songs = {song.song_id: song for song in [*data.development, *data.official_test, *data.unlabelled]}
    assert {*songs} == {*ANNOTATED, 11, 77}
    assert (songs[3].features == songs[3].features[0]).all()
    assert songs[3].features[0, -1] == 3 + (len(names) - 1) / 1000
    # Its annotations begin at 15 s, the seventh of its frames; three before and after it are in the window.
    expected = frames[2][list(names)].iloc[3:10].mean()
    np.testing.assert_allclose(songs[2].features[0], expected)
    at_the_end = frames[77][list(names)].iloc[-4:].mean()
    np.testing.assert_allclose(songs[77].features[-1], at_the_end)


def test_without_a_table_all_means_are_of_frames(tiny):
    (tiny / "data" / "song_mean_features.csv").unlink()
    with pytest.raises(InputError, match=r"song_mean_features\.csv: no such file"):
        load(tiny)
    write_frames(tiny, [s for s in ANNOTATED if s != 4])
    with pytest.raises(InputError, match=r"no song_means features of it: expected a row in .*, .*4\.csv or"):
        load(tiny)
    write_frames(tiny, [4])
    data = load(tiny)
    assert tuple(data.feature_names) == MEAN_NAMES
    assert all(song.features.shape == (song.frames, 130) for song in data.development)


def test_a_table_of_other_columns_is_all_there_is(tiny):
    write_frames(tiny, [77])
    assert [song.song_id for song in load(tiny).unlabelled] == [11, 12, 13]


def test_features_are_left_out_by_name_and_pattern(tiny):
    write_table(tiny, [*ANNOTATED, 11], MEAN_NAMES)
    data = load(tiny, 'data.leave_out=["*_de*", "audSpec_Rfilt_sma[3]_amean"]', "data.normal_scores=true")
    assert len(data.feature_names) == 64
    assert not any("_de" in name or "[3]_amean" in name[:26] for name in data.feature_names)
    assert data.development[0].features.shape[1] == data.unlabelled[0].features.shape[1] == 64
    assert data.normal_scores is not None
    assert data.normal_scores.quantiles.shape[1] == 64
    with pytest.raises(
        InputError, match=r"data.leave_out: no feature '\*_delta'; expected names, or patterns"
    ):
        load(tiny, "data.leave_out=['*_delta']")
    chosen = load(tiny, "data.features={sets=['song_means'], columns=['audSpec_Rfilt_sma[*]_amean']}")
    assert len(chosen.feature_names) == chosen.development[0].features.shape[1] == 26
    assert chosen.feature_set == "song_means (audSpec_Rfilt_sma[*]_amean)"
    with pytest.raises(InputError, match=r"data.features.columns: no feature 'tempo'.* of song_means"):
        load(tiny, "data.features={sets=['song_means'], columns=['tempo']}")
    with pytest.raises(InputError, match="leaves out all 130 features"):
        load(tiny, "data.leave_out=['*']")


def test_a_model_of_song_means_predicts_audio_of_any_length(tiny, monkeypatch):
    """What networks hear of a file is what they would have of the same song in a data set."""
    monkeypatch.setenv("LSTMCORE_CACHE", str(tiny / "cache"))
    write_table(tiny, [*ANNOTATED, 11], MEAN_NAMES)
    options = ["data.window_seconds=4", "data.leave_out=['*_de*']"]
    run = run_experiment(load_experiment(tiny / "tiny.toml", options), Session(tiny / "out", 1)).folder
    assert load_model(run / "model").about.window_seconds == 4
    audio = tiny / "data" / "MEMD_audio"
    audio.mkdir()
    rng, rate = np.random.default_rng(0), 8000
    for song, seconds in ((11, 1.1), (12, 20.0)):
        soundfile.write(audio / f"{song}.wav", 0.3 * rng.standard_normal(int(seconds * rate)), rate)
    predictor = open_predictor(run)
    files = [audio / "11.wav", audio / "12.wav"]
    predicted = predict_files(predictor, files, workers=1)
    assert predicted.errors == []
    by_file = predicted.table.groupby("file")
    assert by_file.size().tolist() == [1, 38]
    frames = extract_features(files[1])
    near = frames["frameTime"].sub(10).abs() <= 2
    expected = frames.loc[near, [n for n in MEAN_NAMES if "_de" not in n]].astype(float).mean()
    np.testing.assert_allclose(predictor.inputs(frames)[20], expected)
    write_table(tiny, [*ANNOTATED, 11], MEAN_NAMES)
    (song,) = [s for s in load(tiny, *options).unlabelled if s.song_id == 12]
    np.testing.assert_array_equal(song.features, predictor.inputs(frames))


@pytest.mark.parametrize("seconds", [0.15, 0.3, 0.777, 1.0, 1.03])
def test_a_sound_shorter_than_a_row_of_features_has_the_mean_of_all_of_it(tmp_path, monkeypatch, seconds):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    write_tiny_model(tmp_path / "means", feature_set="song_means", feature_names=list(MEAN_NAMES))
    write_tiny_model(tmp_path / "frames")
    time = np.arange(round(44100 * seconds)) / 44100
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * time), 44100)
    predictor = open_predictor(tmp_path / "means")
    predicted = predict_files(predictor, [tmp_path / "a.wav"], workers=1)
    assert predicted.errors == []
    assert predicted.table["time"].tolist() == [0.0]
    rows = predictor.features_of(tmp_path / "a.wav")
    assert rows["pcm_RMSenergy_sma_amean"].item() == pytest.approx(0.5 / np.sqrt(2), rel=0.15)
    of_frames = predict_files(open_predictor(tmp_path / "frames"), [tmp_path / "a.wav"], workers=1)
    (error,) = of_frames.errors
    assert f"too short, {seconds:.2f} s; at least about 1.04 s" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(("rate", "samples"), [(22050, 11025), (22050, 22050), (22050, 22970), (11025, 2205)])
def test_a_short_sound_of_a_rate_whose_steps_are_no_whole_samples_has_a_row(
    tmp_path, monkeypatch, rate, samples
):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    write_tiny_model(tmp_path / "means", feature_set="song_means", feature_names=list(MEAN_NAMES))
    soundfile.write(tmp_path / "a.wav", np.sin(2 * np.pi * 440 * np.arange(samples) / rate) / 2, rate)
    predicted = predict_files(open_predictor(tmp_path / "means"), [tmp_path / "a.wav"], workers=1)
    assert (predicted.errors, predicted.table["time"].tolist()) == ([], [0.0])


def test_a_sound_of_a_tenth_of_a_second_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    write_tiny_model(tmp_path / "means", feature_set="song_means", feature_names=list(MEAN_NAMES))
    soundfile.write(tmp_path / "a.wav", np.full(4410, 0.1), 44100)
    predicted = predict_files(open_predictor(tmp_path / "means"), [tmp_path / "a.wav"], workers=1)
    assert [str(error).split(": ")[1] for error in predicted.errors] == [
        "too short, 0.10 s; at least about 0.14 s are expected"
    ]
