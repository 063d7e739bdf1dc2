"""Fixtures of the feature tests: the golden folder, a short clip, a store of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from lstmcore.features import FeatureStore

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test away from the user's cache."""
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of reference values and the 12 s mixtures they belong to."""
    return Path(__file__).parents[1] / "golden" / "features"


@pytest.fixture(scope="session")
def mixture(golden: Path) -> tuple[NDArray[np.int16], int]:
    """The 12 s mono mixture: samples, shape (529200,), and rate."""
    samples, rate = soundfile.read(golden / "mix12.flac", dtype="int16")
    return samples, rate


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write samples to a file in the test's own folder."""

    def to(name: str, samples: NDArray[np.generic], rate: int = 44100, **options: str) -> Path:
        soundfile.write(tmp_path / name, samples, rate, **options)
        return tmp_path / name

    return to


@pytest.fixture
def clip(write: Write, mixture: tuple[NDArray[np.int16], int]) -> Path:
    """Two seconds of the mixture as WAV: two rows of features."""
    samples, rate = mixture
    return write("clip.wav", samples[: 2 * rate], rate)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """An empty store."""
    return FeatureStore(tmp_path / "store")
