"""Arousal and valence over time of songs that a trained ensemble has never met."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.datasets import TARGETS
from experiments.datasets.feature_tables import settings_at
from experiments.errors import InputError, did_you_mean
from experiments.model import load_model
from lstmcore import get_backend


def predict_files(
    run: Path,
    audio: list[Path],
    *,
    system: str | None,
    workers: int,
    on_done: Callable[[], None],
    backend: str = "cpu",
) -> pd.DataFrame:
    """Predict audio files with the model of a run.

    Parameters
    ----------
    run
        Folder of the run, or its ``model`` folder.
    audio
        WAV, FLAC, OGG or MP3 files.
    system
        Which ensemble; the model's first if None.
    workers
        Files analysed side by side.
    on_done
        Called after each file.
    backend
        What computes the networks.

    Returns
    -------
    DataFrame
        file, time (s, start of the window), arousal and valence in the annotation's scale
        (DEAM: −1 to 1), and their spread over the networks averaged.

    Raises
    ------
    InputError
        If there is no usable model or no such system.
    AudioError
        If a file can't be used.
    EngineError
        If there is no such backend, or it can't be used here.
    """
    from features import FEATURE_SETS, TIME_COLUMN, FeatureStore, extract_many

    engine = get_backend(backend)  # what is missing is told before anything is computed
    folder = run / "model" if (run / "model").is_dir() else run
    model = load_model(folder)
    wanted = model.about.feature_set
    if wanted not in FEATURE_SETS:
        raise InputError(f"{folder}: the model wants {wanted} features, which can't be computed from audio")
    systems = list(model.about.systems)
    if system is not None and system not in systems:
        hint = did_you_mean(system, systems)
        raise InputError(f"{folder}: no system {system!r}; expected one of {', '.join(systems)}{hint}")
    settings = settings_at(str(folder), model.about.hop_seconds)
    parts = []
    results = extract_many(
        audio,
        wanted,
        FeatureStore(),
        settings=settings,
        workers=workers,
        on_done=lambda _: on_done(),
        stop=threading.Event(),
    )
    for result in results:
        if result.features is None:
            raise result.error or InputError(f"{result.path}: no features")
        times = result.features[TIME_COLUMN].to_numpy()
        rows = result.features[model.about.feature_names].to_numpy(np.float64)
        try:
            mean, spread = model.predict(rows, system, engine, times=times)
        except InputError as error:
            raise InputError(f"{result.path}: {error}") from None
        columns = {"file": str(result.path), "time": times}
        columns |= {t: mean[:, n] for n, t in enumerate(TARGETS)}
        columns |= {f"{t}_spread": spread[:, n] for n, t in enumerate(TARGETS)}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
