"""Onset curve, onset times and event density: the reference's numbers, and what must hold besides."""

import json

import numpy as np
import pytest

from lstmcore.features.frames import cut, frames_of
from lstmcore.features.onsets import OnsetCurve, event_density, onset_curve, onset_times
from tests.features.golden_rows import (
    FOLDER,
    assert_same,
    golden_signal,
    golden_table,
    intermediates,
    numbers,
)
from tests.features.signals import NOTES

FRAMES = {"whole": None, "10s/10s": (10.0, 10.0), "1s/0.5s": (1.0, 0.5), "3s/0.5s": (3.0, 0.5)}


@pytest.mark.golden
def test_every_density_and_onset_is_the_references() -> None:
    table = golden_table("tempo_density")
    table = table[table["function"] != "mirtempo"]
    assert len(table) == 64
    for signal, rows in table.groupby("signal"):
        curve = onset_curve(*golden_signal(signal))
        for _, row in rows.iterrows():
            frames = FRAMES[row["frame/hop"]]
            if row["function"] == "mironsets_peaktimes":
                found = onset_times(curve)
            else:
                found = event_density(curve) if frames is None else event_density(curve, *frames)
            assert len(found) == row["n"]
            assert_same(found, numbers(row["values"]), f"{list(row)[:3]}")


@pytest.mark.golden
def test_the_curve_is_the_references() -> None:
    golden = intermediates()
    curve = onset_curve(*golden_signal("clicks_120"))
    expected = golden["clicks_120_onsetcurve"]
    assert_same(curve.values[: len(expected)], expected, "values")
    assert_same(curve.times[: len(expected)], golden["clicks_120_onsetcurve_t"], "times")
    assert curve.rate == 22050 / 220


def test_the_sum_of_the_spectrum_needs_no_transform() -> None:
    for length in (1000, 4410, 4801):  # the rate is ten times the length
        samples = np.random.default_rng(length).normal(size=3 * length)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, length + 1) / (length + 1))
        frames = cut(samples, frames_of(len(samples), 10 * length, 0.1, 0.01)) * window
        spectra = np.fft.rfft(frames, 1 << (length - 1).bit_length())
        energies = (np.abs(spectra) ** 2).sum(axis=1)
        curve = onset_curve(samples, 10 * length)
        np.testing.assert_allclose(curve.values, energies / energies.max(), rtol=1e-12)


@pytest.mark.parametrize("name", NOTES)
def test_onsets_follow_the_notes(name: str) -> None:
    """Three of four notes have an onset at their energy's peak, within .05 s of their begin."""
    true = np.array(json.loads((FOLDER / "notes_onset_times.json").read_text())[name])
    found = onset_times(onset_curve(*golden_signal(name)))
    nearest = np.abs(true[:, None] - found[None, :]).min(axis=1)
    assert np.mean(nearest < 0.05) > 0.75


@pytest.mark.parametrize("length", [1, 4409, 4410, 44100])
def test_silence_and_what_is_shorter_than_a_frame_have_no_events(length: int) -> None:
    curve = onset_curve(np.zeros((length, 2), np.int16), 44100)
    np.testing.assert_array_equal(curve.values, 0)
    np.testing.assert_array_equal(event_density(curve), [0])
    assert not event_density(curve, 1.0).any()
    assert len(onset_times(curve)) == 0


def test_blocks_and_channels_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, rate = golden_signal("clicks_090")
    whole = onset_curve(samples, rate)
    monkeypatch.setattr("lstmcore.features.onsets._BLOCK_FRAMES", 7)
    apart = onset_curve(np.stack([1.5 * samples, 0.5 * samples], axis=1), rate)
    np.testing.assert_allclose(apart.values, whole.values, rtol=1e-12)


def test_an_end_that_lies_above_its_neighbour_is_an_event() -> None:
    values = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.5])
    curve = OnsetCurve(values, np.arange(6) / 100, 100.0)
    np.testing.assert_allclose(event_density(curve), [3 * 100 / 6])
    np.testing.assert_allclose(event_density(curve, 0.03, 0.03), [2 * 100 / 3, 100 / 3])
    np.testing.assert_array_equal(onset_times(curve), [0.02])


def test_lengths_that_are_none_are_refused() -> None:
    curve = onset_curve(*golden_signal("clicks_090"))
    with pytest.raises(ValueError, match="more than 0 is expected"):
        event_density(curve, 1.0, 0.0)
    with pytest.raises(ValueError, match="without samples"):
        onset_curve(np.zeros(0), 44100)
