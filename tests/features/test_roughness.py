"""Sensory dissonance and roughness: the reference's numbers, and what theory says of them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lstmcore.features.roughness import (
    dissonance_curve,
    sethares_dissonance,
    vassilakis_roughness,
    vassilakis_weight,
)
from lstmcore.features.spectrum import SpectralPeaks, spectral_peaks
from tests.features.golden_rows import assert_same, golden_signal, golden_table, numbers

KEYS = ["signal", "frame_s", "hop_s"]


def measured(peaks: SpectralPeaks, method: str) -> NDArray[np.float64]:
    match method:
        case "Sethares":
            return sethares_dissonance(peaks)
        case "Sethares-Min":
            return sethares_dissonance(peaks, "min")
        case "Vassilakis-1.6.1":
            return vassilakis_roughness(peaks)
    return vassilakis_roughness(peaks, "published")


@pytest.fixture(scope="module")
def values() -> dict[tuple[str, str, float], NDArray[np.float64]]:
    """Values of all frames by signal, method and frame length, for every reference row."""
    out = {}
    for (signal, frame, hop), rows in golden_table("roughness_mean").groupby(KEYS):
        peaks = spectral_peaks(*golden_signal(signal), frame, hop)
        out |= {(signal, method, frame): measured(peaks, method) for method in rows["method"]}
    return out


@pytest.mark.golden
def test_every_summary_is_the_references(values: dict[tuple[str, str, float], NDArray[np.float64]]) -> None:
    table = golden_table("roughness_mean")
    assert len(table) == len(values) == 1142
    for row in table.itertuples():
        found = values[row.signal, row.method, row.frame_s]
        expected = [row.n_frames, row.mean, row.min, row.max, row.n_zero]
        summary = [len(found), found.mean(), found.min(), found.max(), np.sum(found == 0)]
        assert_same(summary, expected, f"{row}")


@pytest.mark.golden
def test_every_frame_is_the_references(values: dict[tuple[str, str, float], NDArray[np.float64]]) -> None:
    table = golden_table("roughness_frames")
    assert len(table) == 450
    for row in table.itertuples():
        assert_same(values[row.signal, row.method, row.frame_s], numbers(row.values), f"{row[1:4]}")


@pytest.mark.golden
def test_the_closed_forms_are_the_references() -> None:
    table = golden_table("dissonance_curve")
    first = table["f1_hz"].to_numpy(np.float64)
    second = first * 2.0 ** (table["cents"].to_numpy() / 1200)
    assert_same(dissonance_curve(first, second), table["plomp_levelt_d"], "curve")
    assert_same(dissonance_curve(second, first), table["plomp_levelt_d"], "either way round")
    weights = [column for column in table if "weight" in column]
    assert len(weights) == 2
    for formula, column in zip(("2015", "published"), weights, strict=True):
        assert_same(np.full(len(table), vassilakis_weight(1.0, 0.5, formula)), table[column], formula)


def test_most_dissonant_at_a_quarter_of_the_critical_band() -> None:
    for low in (110.0, 440.0, 1000.0):
        apart = np.linspace(0, 200, 20001)
        curve = dissonance_curve(low, low + apart)
        assert apart[curve.argmax()] == pytest.approx(0.918 * (0.0207 * low + 18.96), rel=1e-3)
        assert curve.max() == pytest.approx(0.17976, abs=1e-5)


def test_harmonic_intervals_are_less_dissonant_than_their_neighbours() -> None:
    partials = np.arange(1, 7)
    strengths = 0.88 ** (partials - 1)

    def total(ratio: float) -> float:
        f, v = np.concatenate([261.6 * partials, 261.6 * ratio * partials]), np.tile(strengths, 2)
        pairs = np.outer(v, v) * dissonance_curve(f[:, None], f[None, :])
        return float(pairs.sum())

    for ratio in (3 / 2, 4 / 3, 5 / 3, 5 / 4, 2 / 1):
        assert total(ratio) < min(total(ratio * 0.985), total(ratio * 1.015))


@pytest.mark.parametrize("count", [2, 7, 200])
def test_the_sum_over_pairs_is_that_of_the_closed_forms(count: int) -> None:
    numbers = np.random.default_rng(count)
    f = np.sort(numbers.uniform(20, 20000, count))
    v = 10.0 ** numbers.uniform(-3, 3, count)
    peaks = SpectralPeaks(f, v, np.array([0, count, 0]), np.arange(3.0))
    i, j = np.triu_indices(count, 1)
    curve = dissonance_curve(f[i], f[j])
    assert_same(sethares_dissonance(peaks), [0, np.sum(v[i] * v[j] * curve), 0], "product")
    smaller = np.sum(np.minimum(v[i], v[j]) * curve)
    assert_same(sethares_dissonance(peaks, "min"), [0, smaller, 0], "min")
    for formula in ("2015", "published"):
        total = np.sum(vassilakis_weight(v[i], v[j], formula) * curve)
        assert_same(vassilakis_roughness(peaks, formula), [0, total, 0], formula)


def test_how_the_measures_grow_with_amplitude() -> None:
    samples, rate = golden_signal("harm_0150c")
    loud, soft = spectral_peaks(samples, rate), spectral_peaks(samples / 10, rate)
    np.testing.assert_allclose(sethares_dissonance(soft), sethares_dissonance(loud) / 100, rtol=1e-9)
    np.testing.assert_allclose(sethares_dissonance(soft, "min"), sethares_dissonance(loud, "min") / 10)
    for formula in ("2015", "published"):
        quiet, full = (vassilakis_roughness(peaks, formula) for peaks in (soft, loud))
        np.testing.assert_allclose(quiet, full / 10**0.2, rtol=1e-9)


@pytest.mark.parametrize("samples", [np.zeros(44100), np.ones(44100), np.zeros(1), np.ones(300)])
def test_silence_and_constants_are_not_rough(samples: NDArray[np.float64]) -> None:
    peaks = spectral_peaks(samples, 44100)
    assert len(peaks.counts) == max(1, int((len(samples) - 2205) / 1102.5 + 1))
    np.testing.assert_array_equal(vassilakis_roughness(peaks), 0)
    np.testing.assert_array_equal(sethares_dissonance(peaks), 0)


def test_a_signal_shorter_than_a_frame_is_one_frame() -> None:
    samples, rate = golden_signal("dyad440_0100c")
    peaks = spectral_peaks(samples[:2000], rate)
    assert len(peaks.centres) == 1
    assert peaks.centres[0] == pytest.approx(1999 / 2 / rate)


def test_channels_are_averaged_and_integers_scaled() -> None:
    samples, rate = golden_signal("harm_0150c")
    whole = np.rint(samples[:rate, None] * 32768 * [1.0, 0.5]).astype(np.int16)
    apart, mixed = spectral_peaks(whole, rate), spectral_peaks(whole.mean(axis=1) / 32768, rate)
    np.testing.assert_allclose(apart.magnitudes, mixed.magnitudes, rtol=1e-12)
    with pytest.raises(ValueError, match=r"samples of shape \(4410, 0\)"):
        spectral_peaks(np.zeros((4410, 0)), rate)


def test_a_long_signals_spectra_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, rate = golden_signal("mix12")
    kept = sethares_dissonance(spectral_peaks(samples, rate))
    monkeypatch.setattr("lstmcore.features.spectrum._KEPT_BYTES", 0)
    monkeypatch.setattr("lstmcore.features.spectrum._BLOCK_POINTS", 3 * 4096)
    np.testing.assert_allclose(sethares_dissonance(spectral_peaks(samples, rate)), kept, rtol=1e-12)


def test_what_is_not_there_is_refused() -> None:
    peaks = spectral_peaks(*golden_signal("harm_0150c"))
    with pytest.raises(ValueError, match="unknown weight 'max'; expected one of: product, min"):
        sethares_dissonance(peaks, "max")
    with pytest.raises(ValueError, match="unknown weight '2014'; expected one of: 2015, published"):
        vassilakis_roughness(peaks, "2014")
    with pytest.raises(ValueError, match="unknown weight '2014'"):
        vassilakis_weight(1.0, 0.5, "2014")
    with pytest.raises(ValueError, match="without samples"):
        spectral_peaks(np.zeros(0), 44100)
    with pytest.raises(ValueError, match="more than 0 is expected"):
        spectral_peaks(np.zeros(9), 44100, 0.0)
