"""Stopping acts within every long descriptor: between blocks that each take a moment."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lstmcore.features import ExtractionStopped, FeatureSettings, music_rows
from lstmcore.features.frames import Samples
from lstmcore.features.gammatone import differentiated_envelope
from lstmcore.features.onsets import onset_curve
from lstmcore.features.spectrum import peak_blocks
from lstmcore.features.tempo_estimation import tempo

RATE = 16000
SECONDS = 240


class After(threading.Event):
    """Says that it is set from the n-th time on that it is asked."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.asked, self._times = 0, times

    def is_set(self) -> bool:
        self.asked += 1
        return self.asked > self._times


def noise() -> NDArray[np.int16]:
    """Four minutes: their spectra are too many to be kept."""
    return np.random.default_rng(3).integers(-9000, 9000, RATE * SECONDS, np.int16)


def descriptors(samples: Samples) -> dict[str, Callable[[threading.Event], Any]]:
    envelope = differentiated_envelope(samples, RATE)
    return {
        "spectra": lambda stop: list(peak_blocks(samples, RATE, stop=stop)),
        "envelope": lambda stop: differentiated_envelope(samples, RATE, stop=stop),
        "tempo": lambda stop: tempo(envelope, 3.0, stop=stop),
        "onsets": lambda stop: onset_curve(samples, RATE, stop=stop),
    }


def test_every_descriptor_asks_all_along_and_stops_at_once() -> None:
    for name, compute in descriptors(noise()).items():
        never = After(10**9)
        compute(never)
        assert never.asked >= SECONDS / 30, name
        for times in (0, never.asked // 2, never.asked - 1):
            stop = After(times)
            with pytest.raises(ExtractionStopped):
                compute(stop)
            assert stop.asked == times + 1, name


def test_the_tempo_of_a_whole_song_stops_too() -> None:
    envelope = differentiated_envelope(np.tile(noise(), 4), RATE)
    never = After(10**9)
    tempo(envelope, stop=never)
    assert never.asked > 10
    with pytest.raises(ExtractionStopped):
        tempo(envelope, stop=After(5))


def test_the_four_together_stop_wherever_they_are() -> None:
    samples = noise()[: 20 * RATE]
    never = After(10**9)
    music_rows(samples, RATE, 38, stop=never)
    for times in range(0, never.asked, 7):
        with pytest.raises(ExtractionStopped):
            music_rows(samples, RATE, 38, stop=After(times))


def test_of_long_spectra_each_is_a_block_of_its_own() -> None:
    samples = (1000 * np.sin(np.arange(20 * RATE))).astype(np.int16)
    never = After(10**9)
    music_rows(samples, RATE, 38, FeatureSettings(spectra="window", window_seconds=2.0), stop=never)
    assert never.asked > 2 * 37
