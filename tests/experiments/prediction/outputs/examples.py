"""Predictions of a song of three seconds, with another target than the usual ones."""

from pathlib import Path

import numpy as np
import pandas as pd

from lstmcore.experiments.prediction.outputs.facts import Facts

FACTS = Facts(
    targets=("tension", 'so-called "awe"'),
    model="mine",
    digest="0123456789abcdef",
    system="lstm_rmse",
    networks=3,
    version="1.2.3",
    hop_seconds=0.5,
    window_seconds=1.0,
    scale=(1.0, 9.0),
    delay_seconds=2.5,
)
SONG = Path("below/söng & more.wav")


def table() -> pd.DataFrame:
    """Rows for six windows: a straight line, and a curve with its peak in the fourth window."""
    times = np.arange(6) / 2
    awe = [5.0, 4.0, 6.5, 8.25, 2.125, 3.0]
    columns = {"file": str(SONG), "time": times, FACTS.targets[0]: 1 + 2 * times, FACTS.targets[1]: awe}
    spreads = {f"{target}_spread": np.full(6, 0.25) for target in FACTS.targets}
    return pd.DataFrame(columns | spreads)
