"""Emotion over time of songs that a trained ensemble has never met."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
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
from lstmcore.experiments.prediction.model import Model, Standing, load_model
from lstmcore.experiments.prediction.novelty import FAR
from lstmcore.experiments.prediction.shipped import find_model
from lstmcore.features import (
    FEATURE_SETS,
    TIME_COLUMN,
    AudioError,
    Extraction,
    FeatureSettings,
    FeatureStore,
    extract_features,
    extract_many,
)
from lstmcore.features.errors import TooShortError, printable
from lstmcore.features.settings import DEFAULT, SHORTEST_WINDOW_SECONDS, STEP_SECONDS

_SHORT_SECONDS = 3.0
_SILENT = 1e-4  # of full scale, root mean square
_MUCH_OUTSIDE = 0.1  # of a song's values
_ENERGY = "pcm_RMSenergy_sma_amean"  # which all sets of features are computed with


@dataclass(frozen=True)
class PredictedSong:
    """What a model says of a song.

    Parameters
    ----------
    table
        One row per window, with the predictor's `columns`.
    distance
        From the songs that the model learnt from, about 1 being usual; None if the model doesn't know.
    novelty
        Share of those songs that lie nearer to the others than this one does, 0 to 1.
    warnings
        Why its curve may mean little, a sentence each.
    """

    table: pd.DataFrame
    distance: float | None
    novelty: float | None
    warnings: tuple[str, ...]


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

    def features_of(
        self, path: Path, store: FeatureStore | None = None, stop: threading.Event | None = None
    ) -> pd.DataFrame:
        """Compute, or find, the features of a song.

        Means have a window of their own: of a sound that is too short for a row of features they are taken
        over all of it.

        Parameters
        ----------
        path
            The file.
        store, stop
            As in `lstmcore.features.extract_features`.

        Raises
        ------
        AudioError
            If the file can't be used.
        """
        try:
            return extract_features(path, self.feature_set, store, settings=self.settings, stop=stop)
        except TooShortError as error:
            if self.model.about.feature_set != MEANS:
                raise
            steps = math.floor((error.seconds - error.beyond_window) / STEP_SECONDS + 1e-9)
            window = max(steps * STEP_SECONDS, SHORTEST_WINDOW_SECONDS)
            settings = replace(self.settings, window_seconds=round(window, 2))
            return extract_features(path, self.feature_set, store, settings=settings, stop=stop)

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
        """Columns of its tables: file, time (s), each target, the spread of each, and novelty."""
        targets = self.model.about.target_names
        return ["file", "time", *targets, *(f"{target}_spread" for target in targets), "novelty"]

    def song(self, result: Extraction) -> PredictedSong:
        """Predict a song from its features.

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
        standing = self.model.standing(rows)
        novelty = np.nan if standing.novelty is None else standing.novelty
        values = [printable(result.path), times, *mean.T, *spread.T, novelty]
        table = pd.DataFrame(dict(zip(self.columns, values, strict=True)))
        warnings = tuple(self._warnings(result.features, standing))
        return PredictedSong(table, standing.distance, standing.novelty, warnings)

    def _warnings(self, features: pd.DataFrame, standing: Standing) -> Iterator[str]:
        """Say why a song's curve may mean little."""
        if float(features[_ENERGY].max()) < _SILENT:
            yield "is silent: its curve says nothing"
            return
        seconds = float(features[TIME_COLUMN].iloc[-1]) + self.settings.window_seconds
        if seconds < _SHORT_SECONDS:
            yield f"lasts {seconds:.1f} s at most: a curve of so little music says little"
        if standing.novelty is not None and standing.novelty > FAR:
            yield (
                "lies further from the songs that the model learnt from than "
                f"{100 * FAR:.0f} % of them do from the others: don't trust its curve"
            )
        if standing.outside > _MUCH_OUTSIDE:
            yield (
                f"{100 * standing.outside:.0f} % of its features' values are outside of all that the model "
                "learnt from, and count as the nearest of them"
            )


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
        (DEAM: −1 to 1), their spread over the networks averaged, and the song's novelty
        (`PredictedSong`).
    errors
        One error for each file that can't be used, in the order of the files.
    warnings
        Why the curve of a song may mean little: its file and a sentence.
    """

    table: pd.DataFrame
    errors: list[AudioError]
    warnings: list[str] = field(default_factory=list)


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
    warnings: list[str] = []
    store, wanted = FeatureStore(), predictor.feature_set
    settings = predictor.settings
    with extract_many(audio, wanted, store, settings=settings, workers=workers, on_done=on_done) as results:
        for result in results:
            try:
                if isinstance(result.error, TooShortError):
                    result = replace(result, features=predictor.features_of(result.path, store), error=None)
                if result.error is not None:
                    raise result.error
                song = predictor.song(result)
                parts.append(song.table)
                warnings += [f"{printable(result.path)}: {warning}" for warning in song.warnings]
            except AudioError as error:
                errors.append(error)
            except InputError as error:
                errors.append(AudioError(result.path, str(error)))
            except ValueError as error:  # the engine's, of features that it doesn't take
                errors.append(AudioError(result.path, f"can't be predicted: {error}"))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=predictor.columns)
    return Predicted(table, errors, warnings)


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
