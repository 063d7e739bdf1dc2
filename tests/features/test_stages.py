"""The stages of the four descriptors are at hand by their names, and each can be used alone."""

import subprocess
import sys

import numpy as np
import pytest

from lstmcore import features
from lstmcore.features.frames import frames_of
from tests.features.golden_rows import assert_same, golden_signal, golden_table, numbers


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    for name in features.__all__:
        value = getattr(features, name)
        assert value is getattr(features, name)
        assert name in dir(features)
        assert not callable(value) or value.__doc__
    with pytest.raises(AttributeError, match=r"No lstmcore\.features attribute temp0"):
        _ = features.temp0


FORMULAS = [
    "sethares_dissonance",
    "vassilakis_roughness",
    "vassilakis_weight",
    "dissonance_curve",
    "tempo",
    "event_density",
    "pick_peaks",
    "spectral_peaks",
    "differentiated_envelope",
    "onset_curve",
]


@pytest.mark.parametrize("name", FORMULAS)
def test_every_formula_has_a_source(name: str) -> None:
    stage = getattr(features, name)
    assert callable(stage)
    assert "Source: " in stage.__doc__


@pytest.mark.golden
def test_from_samples_to_each_of_the_four() -> None:
    samples, rate = golden_signal("mix12")
    golden = golden_table("tempo_density").set_index(["signal", "function", "frame/hop"])["values"]
    beats = features.tempo(features.differentiated_envelope(samples, rate), 3.0)
    assert_same(beats, numbers(golden["mix12", "mirtempo", "3s/0.5s"]), "tempo")
    density = features.event_density(features.onset_curve(samples, rate), 1.0)
    assert_same(density, numbers(golden["mix12", "mireventdensity", "1s/0.5s"]), "density")
    peaks = features.spectral_peaks(samples, rate)
    rough = golden_table("roughness_mean").query("signal == 'mix12' and frame_s == 0.05")
    means = rough.set_index("method")["mean"]
    assert_same(features.sethares_dissonance(peaks).mean(), means["Sethares"], "dissonance")
    published = features.vassilakis_roughness(peaks, "published")
    assert_same(published.mean(), means["Vassilakis-2017fix"], "roughness")


def test_a_stage_keeps_its_name_whatever_is_computed_before() -> None:
    """No module is called as a stage is: importing it would put it in the stage's place."""
    program = (
        "import numpy\nfrom lstmcore import features\n"
        "features.music_rows(numpy.zeros(48000), 16000, 4)\n"
        "modules = type(numpy)\n"
        "assert not [n for n in features.__all__ if isinstance(getattr(features, n), modules)]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_importing_the_room_compiles_nothing() -> None:
    program = "import sys, lstmcore.features; assert not {'numba', 'pandas', 'opensmile'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_frame_that_ends_with_the_signal_counts() -> None:
    """44 hops of .5 s at the onset curve's rate for 22.05 kHz are, in doubles, 2205 values and a trifle."""
    frames = frames_of(2305, 22050 / 220, 1.0, 0.5)
    assert len(frames.starts) == 45
    assert frames.starts[-1] + frames.length == 2305
    np.testing.assert_array_equal(frames_of(2304, 22050 / 220, 1.0, 0.5).starts, frames.starts[:-1])
