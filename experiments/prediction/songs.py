"""Emotion over time of songs that a trained ensemble has never met."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lstmcore import Backend, get_backend
from lstmcore.experiments.config import WINDOW_SECONDS
from lstmcore.experiments.datasets.feature_tables import settings_at
from lstmcore.experiments.datasets.window_means import FRAMES, MEAN_NAMES, MEANS, window_means
from lstmcore.experiments.errors import InputError, did_you_mean
from lstmcore.experiments.files import replacing
from lstmcore.experiments.prediction.model import Model, load_model
from lstmcore.experiments.prediction.shipped import find_model
from lstmcore.features import (
    FEATURE_SETS,
    TIME_COLUMN,
    AudioError,
    Extraction,
    FeatureSettings,
    FeatureStore,
    extract_many,
)
from lstmcore.features.errors import printable
from lstmcore.features.settings import DEFAULT


@dataclass(frozen=True)
class Predictor:
    """A model of which all is known that predicting songs needs.

    Parameters
    ----------
    model
        The model.
    system
        Which of its ensembles.
    backend
        What computes the networks.
    settings
        How the features are computed: at the model's hop.
    """

    model: Model
    system: str
    backend: Backend
    settings: FeatureSettings = DEFAULT

    @property
    def feature_set(self) -> str:
        """Name of the features that are computed of songs."""
        wanted = self.model.about.feature_set
        return FRAMES if wanted == MEANS else wanted

    def inputs(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Return what the model hears of a song's features: its columns, or means of them over a window."""
        about = self.model.about
        if about.feature_set != MEANS:
            return features[about.feature_names].to_numpy(np.float64)
        times, frames = features[TIME_COLUMN].to_numpy(), features.drop(columns=TIME_COLUMN)
        seconds = about.window_seconds or WINDOW_SECONDS  # models of before didn't say
        return window_means(times, frames.to_numpy(np.float64), about.feature_names, seconds)

    @property
    def columns(self) -> list[str]:
        """Columns of its tables: file, time (s), each target, and the spread of each."""
        targets = self.model.about.target_names
        return ["file", "time", *targets, *(f"{target}_spread" for target in targets)]

    def table(self, result: Extraction) -> pd.DataFrame:
        """Predict a song from its features: one row per window, with `columns`.

        Raises
        ------
        AudioError
            If the prediction isn't finite.
        """
        assert result.features is not None
        times = result.features[TIME_COLUMN].to_numpy()
        rows = self.inputs(result.features)
        mean, spread = self.model.predict(rows, self.system, self.backend, times=times)
        if not (np.isfinite(mean).all() and np.isfinite(spread).all()):
            raise AudioError(result.path, "its prediction isn't finite; features of music are expected")
        values = [printable(result.path), times, *mean.T, *spread.T]
        return pd.DataFrame(dict(zip(self.columns, values, strict=True)))


def open_predictor(model: Path | None = None, system: str | None = None, backend: str = "cpu") -> Predictor:
    """Read a model, and see that it can predict songs, before any is looked at.

    Parameters
    ----------
    model
        Folder of a run or model, or the name of one that comes with lstmcore; the ready-made one if None.
    system
        Which ensemble; the model's first if None.
    backend
        What computes the networks.

    Returns
    -------
    Predictor
        For `predict_files`.

    Raises
    ------
    InputError
        If there is no usable model or no such system.
    EngineError
        If there is no such backend, or it can't be used here.
    """
    engine = get_backend(backend)
    found = find_model(model)
    folder, loaded = found.folder, load_model(found.folder)
    about = loaded.about
    wanted = about.feature_set
    if wanted != MEANS and wanted not in FEATURE_SETS:
        raise InputError(f"{folder}: the model wants {wanted} features, which can't be computed from audio")
    known = MEAN_NAMES if wanted == MEANS else FEATURE_SETS[wanted]
    unknown = [name for name in about.feature_names if name not in known]
    if unknown:
        of = f"the means of {FRAMES}, {known[0]} …" if wanted == MEANS else wanted
        raise InputError(f"{folder}: the model wants a feature {unknown[0]!r}; expected one of {of}")
    systems = list(about.systems)
    if system is not None and system not in systems:
        hint = did_you_mean(system, systems)
        raise InputError(f"{folder}: no system {system!r}; expected one of {', '.join(systems)}{hint}")
    return Predictor(loaded, system or systems[0], engine, settings_at(str(folder), about.hop_seconds))


@dataclass(frozen=True)
class Predicted:
    """Predictions of songs, and the errors of those that can't be used.

    Parameters
    ----------
    table
        file, time (s, start of the window), each target in the annotation's scale
        (DEAM: −1 to 1), and their spread over the networks averaged.
    errors
        One error for each file that can't be used, in the order of the files.
    """

    table: pd.DataFrame
    errors: list[AudioError]


def predict_files(
    predictor: Predictor,
    audio: Iterable[Path],
    *,
    workers: int,
    on_done: Callable[[Extraction], None] | None = None,
) -> Predicted:
    """Predict audio files; one that can't be used costs the others nothing.

    Parameters
    ----------
    predictor
        From `open_predictor`.
    audio
        Files.
    workers
        Files analysed side by side.
    on_done
        Called after each file.

    Returns
    -------
    Predicted
        Rows of the files that can be used, and the errors of the others.

    Raises
    ------
    OSError
        If a file can't be written (disk full).
    """
    parts: list[pd.DataFrame] = []
    errors: list[AudioError] = []
    store, wanted = FeatureStore(), predictor.feature_set
    settings = predictor.settings
    with extract_many(audio, wanted, store, settings=settings, workers=workers, on_done=on_done) as results:
        for result in results:
            try:
                if result.error is not None:
                    raise result.error
                parts.append(predictor.table(result))
            except AudioError as error:
                errors.append(error)
            except InputError as error:
                errors.append(AudioError(result.path, str(error)))
            except ValueError as error:  # the engine's, of features that it doesn't take
                errors.append(AudioError(result.path, f"can't be predicted: {error}"))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=predictor.columns)
    return Predicted(table, errors)


@contextmanager
def prediction_table(out: Path | None) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Open the CSV file that predictions go to, before there are any.

    Parameters
    ----------
    out
        The file, or None to print.

    Returns
    -------
    context manager of a function
        It writes a table; the file is there, whole, when the block ends, unless the table has no rows.

    Raises
    ------
    InputError
        If the name is not that of a CSV file.
    OSError
        If the file can't be written.
    """
    if out is None:
        yield lambda table: print(_csv(table) if len(table) else "", end="")
        return
    if out.is_dir():
        raise InputError(f"{printable(out)}: is a folder; expected the name of a file, .csv")
    if out.suffix.lower() != ".csv":
        found = f"unknown suffix {out.suffix!r}" if out.suffix else "no suffix"
        raise InputError(f"{printable(out)}: {found}; expected .csv")
    with replacing(out, even_empty=False) as file:
        yield lambda table: None if table.empty else file.writelines([_csv(table).encode()])


def _csv(table: pd.DataFrame) -> str:
    return str(table.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
