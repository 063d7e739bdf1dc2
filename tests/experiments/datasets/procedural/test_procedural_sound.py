"""The sound of the procedural songs: clean audio that really carries the parameters it was made from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lstmcore.experiments.datasets.procedural import ProceduralPlan, harmony
from lstmcore.experiments.datasets.procedural.compose import compose
from lstmcore.experiments.datasets.procedural.instruments import SAMPLE_RATE
from lstmcore.experiments.datasets.procedural.rhythm import BeatClock
from lstmcore.experiments.datasets.procedural.song import song_audio, song_curves, song_style
from lstmcore.experiments.datasets.procedural.synthesis import CEILING

PLAN = ProceduralPlan(development=28, unlabelled=0, test=0, seconds=20, seed=5)


@pytest.fixture(scope="module")
def songs():
    """Curves and audio of the plan's songs."""
    curves = [song_curves(PLAN.seed, song) for song in PLAN.songs()]
    return [(c, song_audio(PLAN.seed, song, c)) for c, song in zip(curves, PLAN.songs(), strict=True)]


def level(audio):
    return 10.0 * np.log10(np.mean(np.square(audio, dtype=np.float64)))


def spectra(audio, size=1024):
    frames = audio[: len(audio) // size * size].reshape(-1, size) * np.hanning(size)
    return np.abs(np.fft.rfft(frames, axis=1))


def centroid(audio):
    magnitude = spectra(audio).mean(axis=0)
    return (magnitude @ np.fft.rfftfreq(1024, 1.0 / SAMPLE_RATE)) / magnitude.sum()


def correlation(songs, name, measure):
    pairs = [(curves.curve(name).mean(), measure(audio)) for curves, audio in songs]
    return np.corrcoef(np.array(pairs).T)[0, 1]


def test_audio_is_clean(songs):
    for _, audio in songs:
        assert audio.shape == (21 * SAMPLE_RATE,)
        assert audio.dtype == np.float32
        assert np.isfinite(audio).all()
        assert np.abs(audio).max() <= CEILING
        assert abs(audio.mean()) < 1e-4
        crest = 20.0 * np.log10(np.abs(audio).max()) - level(audio)
        assert 8.0 < crest < 24.0


def test_no_song_falls_silent(songs):
    for curves, audio in songs:
        seconds = audio[: 20 * SAMPLE_RATE].reshape(20, SAMPLE_RATE)
        assert min(level(second) for second in seconds) > curves.loudness.min() - 20.0


def test_clipping_is_rare_even_in_loud_songs(songs):
    loud = max(songs, key=lambda song: song[0].loudness.mean())[1]
    assert np.mean(np.abs(loud) >= 0.999 * CEILING) < 1e-3


def test_loudness_differs_between_songs_as_the_curves_say(songs):
    assert np.std([level(audio) for _, audio in songs]) > 2.0
    assert correlation(songs, "loudness", level) > 0.97


def test_brighter_songs_have_a_higher_centroid(songs):
    assert correlation(songs, "brightness", centroid) > 0.7


def test_denser_songs_change_more(songs):
    """Rise of the log spectrum from frame to frame, a plain measure of onsets."""

    def flux(audio):
        magnitude = np.log(spectra(audio / np.sqrt(np.mean(audio**2)), 512) + 0.3)
        return np.maximum(np.diff(magnitude, axis=0), 0.0).mean()

    assert correlation(songs, "density", flux) > 0.4


def test_loudness_moves_within_a_song(songs):
    fits = []
    for curves, audio in songs:
        seconds = audio[: 20 * SAMPLE_RATE].reshape(10, -1)
        wanted = curves.at("loudness", np.arange(1.0, 20.0, 2.0))
        fits.append(np.corrcoef([level(part) for part in seconds], wanted)[0, 1])
    assert np.median(fits) > 0.5


def scores():
    for song in PLAN.songs():
        curves = song_curves(PLAN.seed, song)
        style = song_style(PLAN.seed, song, curves)
        yield curves, compose(np.random.default_rng(song.song_id), curves, style)


def test_mode_register_and_dissonance_are_in_the_score():
    rows = []
    for curves, score in scores():
        pad, lead = score.parts["pad"], score.parts["lead"]
        above = (np.rint(lead.pitch).astype(int) - score.tonic) % 12
        major = np.mean(above == 4) - np.mean(above == 3)
        semitones = np.abs(pad.pitch[:, None] - pad.pitch[None, :])
        together = pad.start[:, None] == pad.start[None, :]
        together |= np.abs(pad.start[:, None] - pad.start[None, :]) < 0.1
        rough = np.mean(together & (semitones > 0.6) & (semitones < 2.4)) / np.mean(together)
        rows.append(
            (
                *(curves.curve(n).mean() for n in ("mode", "register", "dissonance")),
                major,
                lead.pitch.mean(),
                rough,
            )
        )
    fits = np.corrcoef(np.array(rows).T)
    assert fits[0, 3] > 0.5
    assert fits[1, 4] > 0.9
    assert fits[2, 5] > 0.6


def test_beats_follow_the_tempo():
    curves = song_curves(PLAN.seed, PLAN.songs()[0])
    steady = dataclasses.replace(curves, tempo=np.full_like(curves.tempo, 120.0))
    np.testing.assert_allclose(BeatClock(steady, 0.5).seconds(np.arange(8) / 2.0), np.arange(8) * 0.25)
    swung = BeatClock(steady, 0.66).seconds(np.array([1.0, 1.5, 2.0]))
    np.testing.assert_allclose(swung, [0.5, 0.83, 1.0])


@pytest.mark.parametrize("mode", [0.0, 0.3, 0.5, 0.7, 1.0])
def test_voices_of_chords_move_little(mode):
    previous: list[int] = []
    for bar in range(12):
        chord = harmony.chord_of(2, mode, bar // 4, bar)
        assert (chord.fifth - chord.root) % 12 == 7  # no diminished triad
        placed = harmony.voice(chord, previous, 60.0)
        assert sorted(set(placed)) == placed
        assert {pitch % 12 for pitch in placed} == set(chord.tones)
        if previous:
            assert np.mean(np.abs(np.subtract(placed, previous))) <= 5.0
        previous = placed


def test_plain_triads_have_no_added_tones():
    chord = harmony.chord_of(0, 1.0, 0, 0)
    assert harmony.tensions(chord, [60, 64, 67, 72], 0.2) == []
    assert len(harmony.tensions(chord, [60, 64, 67, 72], 1.0)) == 4
