"""Gammatone filterbank, envelope and tempo: the reference's numbers, and what must hold besides."""

import numpy as np
import pytest

from lstmcore.features.frames import Frames, frames_of
from lstmcore.features.gammatone import centre_frequencies, differentiated_envelope, gammatone_filterbank
from lstmcore.features.peaks import pick_peaks
from lstmcore.features.tempo_estimation import autocorrelations, enhance, resonance, tempo
from tests.features.golden_rows import assert_same, golden_signal, golden_table, intermediates, numbers

FRAMES = {"3s/0.3s": (3.0, 0.3), "3s/0.5s": (3.0, 0.5), "1s/0.5s": (1.0, 0.5)}


@pytest.mark.golden
def test_every_tempo_is_the_references() -> None:
    table = golden_table("tempo_density")
    table = table[table["function"] == "mirtempo"]
    assert len(table) == 39
    for signal, rows in table.groupby("signal"):
        envelope = differentiated_envelope(*golden_signal(signal))
        for _, row in rows.iterrows():
            frames = FRAMES.get(row["frame/hop"])
            found = tempo(envelope) if frames is None else tempo(envelope, *frames)
            assert len(found) == row["n"]
            assert_same(found, numbers(row["values"]), f"{list(row)[:3]}")


@pytest.mark.golden
def test_every_stage_is_the_references() -> None:
    golden = {name.removeprefix("clicks_120_"): values for name, values in intermediates().items()}
    samples, rate = golden_signal("clicks_120")
    energies = (gammatone_filterbank(samples, rate) ** 2).sum(axis=1)
    assert_same(energies, golden["gammatone_energy_low_to_high"], "filterbank")
    envelope = differentiated_envelope(samples, rate)
    assert_same([envelope.rate], golden["diffenv_sr"], "rate")
    assert_same(envelope.values[299:500], golden["diffenv_300_500"], "envelope")
    whole = Frames(np.zeros(1, np.int64), len(envelope.values), envelope.rate)
    lags, (curve,) = autocorrelations(envelope, whole)
    valleys = curve[pick_peaks(-curve, 0.01).places]
    lowest = curve[pick_peaks(curve, 0.01, first=False, last=False).places].min()
    weights = resonance(lags) / resonance(lags).max()
    enhanced = enhance(lags, curve * weights, valleys[valleys < lowest].max())
    assert_same(lags[::20], golden["ac_lag_every20"], "lags")
    assert_same(enhanced[::20], golden["ac_enhanced_every20"], "enhanced")


def test_the_filters_pass_their_centre_and_lie_evenly() -> None:
    rate = 44100
    centres = centre_frequencies(rate)
    assert centres[0] == pytest.approx(50.0)
    assert (np.diff(np.log(centres + 9.26449 * 24.7)) > 0).all()
    assert np.ptp(np.diff(np.log(centres + 9.26449 * 24.7))) < 1e-12
    click = np.zeros(rate)
    click[0] = 1.0
    spectra = np.abs(np.fft.rfft(gammatone_filterbank(click, rate)))
    for centre, spectrum in zip(centres, spectra, strict=True):
        assert np.interp(centre, np.arange(len(spectrum)), spectrum) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("channels", [1, 4, 10])
def test_smoothing_the_sum_by_sixteens_is_smoothing_each_channel(channels: int) -> None:
    samples, rate = golden_signal("accent_090")
    samples = samples[:40001]
    a = np.exp(-1 / (0.02 * rate))
    total = np.zeros(2501)
    for channel in np.abs(gammatone_filterbank(samples, rate, channels)):
        for way in (slice(None, None, -1), slice(None)):
            smoothed, held = channel[way].copy(), 0.0
            for i, value in enumerate(smoothed):
                smoothed[i] = held = (1 - a) * value + a * held
            channel[:] = smoothed[way]
        total += channel[::16]
    expected = np.diff(total)
    expected /= np.abs(expected).max()
    found = differentiated_envelope(samples, rate, channels).values
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_blocks_and_channels_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, rate = golden_signal("clicks_150")
    whole = differentiated_envelope(samples, rate).values
    monkeypatch.setattr("lstmcore.features.gammatone._BLOCK", 160)
    apart = differentiated_envelope(np.stack([1.5 * samples, 0.5 * samples], axis=1), rate).values
    np.testing.assert_allclose(apart, whole, rtol=0, atol=1e-12)


def test_a_long_frame_is_correlated_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    envelope = differentiated_envelope(*golden_signal("accent_120"))
    frames = frames_of(len(envelope.values), envelope.rate, 6.0, 2.0)
    whole = autocorrelations(envelope, frames)
    monkeypatch.setattr("lstmcore.features.tempo_estimation._LONG", 1000)
    monkeypatch.setattr("lstmcore.features.tempo_estimation._BLOCK_POINTS", 2)
    pieces = autocorrelations(envelope, frames)
    np.testing.assert_allclose(pieces.values, whole.values, rtol=0, atol=1e-13)
    centred = envelope.values[: frames.length] - envelope.values[: frames.length].mean()
    shift = round(whole.lags[7] * envelope.rate)
    direct = centred[shift:] @ centred[:-shift] / (centred @ centred)
    assert whole.values[0, 7] == pytest.approx(direct, rel=1e-9)


@pytest.mark.parametrize("length", [17, 4000, 16000, 66150, 441000])
def test_silence_has_no_tempo(length: int) -> None:
    envelope = differentiated_envelope(np.zeros((length, 2), np.int16), 22050)
    np.testing.assert_array_equal(envelope.values, 0)
    assert np.isnan(tempo(envelope)).all()
    assert np.isnan(tempo(envelope, 3.0)).all()
    assert len(tempo(envelope, 3.0)) == max(1, int((length / 22050 - 3) / 0.5 + 0.999))


def test_a_signal_shorter_than_a_frame_is_one_frame() -> None:
    samples, rate = golden_signal("clicks_150")
    envelope = differentiated_envelope(samples[: 2 * rate], rate)
    assert tempo(envelope, 3.0)[0] == tempo(envelope)[0] == pytest.approx(150, rel=1e-2)


def test_people_tap_half_seconds_best() -> None:
    np.testing.assert_allclose(
        resonance(np.array([0.125, 0.25, 0.5, 1.0, 2.0, 4.0])), [0, 0.75, 1, 0.75, 0, 0]
    )


def test_a_falling_or_short_curve_is_enhanced_to_nothing_or_itself() -> None:
    lags = 0.3 + np.arange(100) / 100
    np.testing.assert_array_equal(enhance(lags, np.linspace(1, 0.1, 100))[:99], 0)
    flat = enhance(lags, np.full(100, 0.5))
    np.testing.assert_array_equal(flat[:30], 0.5)
    np.testing.assert_array_equal(flat[31:], 0.0)


def test_what_cannot_be_filtered_is_refused() -> None:
    with pytest.raises(ValueError, match="16 samples; more than 16 are expected"):
        differentiated_envelope(np.zeros(16), 44100)
    with pytest.raises(ValueError, match="10 channels at 100 Hz"):
        differentiated_envelope(np.zeros(44100), 100)
    with pytest.raises(ValueError, match="0 channels at 44100 Hz"):
        gammatone_filterbank(np.zeros(44100), 44100, 0)
