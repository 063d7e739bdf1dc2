"""Sound itself as features: samples at 16 kHz whatever the file has, and a log-mel spectrogram of them."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from lstmcore.features import AudioError, FeatureSettings, FeatureStore, extract_features, feature_names
from lstmcore.features.sets import is_feature_set, is_sound, parts_of
from lstmcore.features.sound import Resampled, mel_bands
from lstmcore.features.sound_names import block_shape


def tone(path, rate, hz=440.0, seconds=4.3, amplitude=0.5):
    times = np.arange(round(seconds * rate)) / rate
    sound = amplitude * np.sin(2 * np.pi * hz * times)
    soundfile.write(path, np.stack([sound, sound], 1), rate, subtype="FLOAT")
    return path


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_samples_are_those_of_the_sound_at_16_khz_in_each_rows_window(tmp_path, rate):
    table = extract_features(tone(tmp_path / "a.wav", rate), "waveform")
    rows = table.to_numpy()[:, 1:]
    assert rows.shape == (7, 16000)
    times = 0.5 * np.arange(7)[:, None] + np.arange(16000) / 16000
    expected = 0.5 * np.sin(2 * np.pi * 440 * times)
    np.testing.assert_allclose(rows[1:], expected[1:], atol=1e-3)
    np.testing.assert_allclose(rows[0, 100:], expected[0, 100:], atol=1e-3)  # silence lies before the start


def test_a_piece_is_the_same_wherever_it_is_cut():
    """A song of any length is brought to 16 kHz piece by piece."""
    noise = np.random.default_rng(1).uniform(-1, 1, 50_000)
    for rate in (44100, 22050, 8000, 44101):
        signal = Resampled(noise, rate)
        whole = signal.piece(0, 16_000)
        parts = [signal.piece(at, min(at + 1234, 16_000)) for at in range(0, 16_000, 1234)]
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-12)
    assert not signal.piece(-500, -400).any()
    assert not signal.piece(60_000, 60_100).any()


@pytest.mark.parametrize("name", ["log-mel", "log-mel-64x10ms", "log-mel-8x50ms"])
def test_a_tone_is_in_the_band_that_it_lies_in_with_its_energy(tmp_path, name):
    times, bands, _ = block_shape(name)
    centres = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), bands + 2)[1:-1] / 2595) - 1)
    for band in (bands // 3, bands // 2, 3 * bands // 4):  # the low-pass filter begins above
        path = tone(tmp_path / "a.wav", 44100, centres[band])
        block = extract_features(path, name).to_numpy()[2, 1:].reshape(times, bands)
        assert (block.argmax(1) == band).all()
        energy = (10 ** (block / 10)).sum(1)
        np.testing.assert_allclose(energy, 0.25, rtol=0.02)


def test_a_frame_is_the_same_in_both_rows_that_have_it(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(1).uniform(-0.5, 0.5, 5 * 22050), 22050)
    table = extract_features(path, "log-mel")
    blocks = table.to_numpy()[:, 1:].reshape(-1, 50, 40)
    np.testing.assert_array_equal(blocks[1:, :25], blocks[:-1, 25:])
    assert list(table.columns[1:]) == list(feature_names("log-mel"))
    assert table.columns[1 + 40 * 3 + 7] == "mel_003_007"


def test_a_click_is_in_the_frames_that_hear_it(tmp_path):
    sound = np.zeros(3 * 16000)
    sound[round(1.256 * 16000)] = 1.0
    soundfile.write(tmp_path / "a.wav", sound, 16000)
    blocks = extract_features(tmp_path / "a.wav", "log-mel").to_numpy()[:, 1:].reshape(-1, 50, 40)
    row, frames = 1, np.flatnonzero(blocks[1].max(1) > -100)  # its window begins at .5 s
    heard = 0.5 * row + (frames + 0.5) * 0.02  # middles
    assert len(frames) == 2
    assert (np.abs(heard - 1.256) < 0.02).all()


def test_bands_share_out_the_spectrum():
    """Between the middles of the first and the last band each bin is in two, which have all of it."""
    weights = mel_bands(40, 1024)
    inside = slice(weights[:, 0].argmax() + 1, weights[:, -1].argmax())
    np.testing.assert_allclose(weights[inside].sum(1), 1)


def test_sound_is_kept_in_the_store_and_settings_apart(tmp_path, monkeypatch):
    path, store = tone(tmp_path / "a.wav", 16000), FeatureStore(tmp_path / "store")
    first = extract_features(path, "log-mel", store)
    extract_features(path, "log-mel-64x10ms", store)
    assert len(list((tmp_path / "store").iterdir())) == 2
    monkeypatch.setattr("lstmcore.features.parts.sound_rows", None)  # not computed again
    again = extract_features(path, "log-mel-40x20ms", store)
    np.testing.assert_array_equal(first.to_numpy(), again.to_numpy())


def test_memory_grows_with_the_rows_alone(tmp_path):
    def most(seconds):
        path = tone(tmp_path / "a.wav", 44100, seconds=seconds)
        tracemalloc.start()
        extract_features(path, "log-mel-8x100ms")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(2)
    assert most(240) < most(60) + 2e6  # three minutes of sound in one channel are 60 MB, and rows .2


def test_names():
    assert parts_of("log-mel") == ("log-mel-40x20ms",)
    assert is_sound("waveform")
    assert is_feature_set("log-mel-64x10ms")
    assert not is_sound("FS1")
    assert not is_feature_set("log-mel-64")
    assert not is_feature_set("FS1+waveform")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("log-mel-64", "'log-mel-64': log-mel, or log-mel-40x20ms with the numbers of bands"),
        ("log-mel-500x20ms", "4 to 128 bands are expected"),
        ("log-mel-40x7ms", "a whole number of them in a second, are expected"),
        ("FS1+waveform", "unknown feature set 'waveform'"),
    ],
)
def test_a_set_that_there_can_not_be_is_refused_in_words(name, said):
    with pytest.raises(ValueError, match="expected") as caught:
        feature_names(name)
    assert said in str(caught.value)


def test_what_can_not_be_computed_is_refused_in_words(tmp_path):
    path = tone(tmp_path / "a.wav", 16000)
    with pytest.raises(ValueError, match=r"window_seconds is 2; 1 is expected for waveform"):
        extract_features(path, "waveform", settings=FeatureSettings(window_seconds=2))
    with pytest.raises(ValueError, match=r"rows are 0\.25 s apart, and frames of log-mel-40x20ms 0\.02 s"):
        extract_features(path, "log-mel", settings=FeatureSettings(hop_seconds=0.25))
    with pytest.raises(AudioError, match="too short"):
        extract_features(tone(tmp_path / "b.wav", 16000, seconds=0.5), "log-mel")
