"""Reference values and the signals they belong to."""

import gzip
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from numpy.typing import NDArray

from tests.features.signals import SIGNALS

FOLDER = Path(__file__).parents[1] / "golden" / "features"


def golden_table(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"{name}.csv.gz")


@lru_cache(2)
def golden_signal(name: str) -> tuple[NDArray[np.float64], int]:
    """Samples and rate of a signal that reference values name."""
    if name == "mix12":
        samples, rate = soundfile.read(FOLDER / "mix12.flac", dtype="float64")
        return samples, rate
    rate, make = SIGNALS[name]
    return make(), rate


def numbers(text: object) -> NDArray[np.float64]:
    return np.array(str(text).split(), dtype=np.float64)


def assert_same(found: object, expected: object, message: str) -> None:
    """Equal to 1e-9 relative; zeros exactly, NaN in the same places."""
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=0, err_msg=message)


def intermediates() -> dict[str, NDArray[np.float64]]:
    """Stages of the reference on ``clicks_120``, by name."""
    with gzip.open(FOLDER / "intermediates.csv.gz", "rt") as lines:
        return {name: numbers(text) for name, text in (line.split(",") for line in lines)}
