"""Emotion over time of songs that a trained ensemble has never met."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lstmcore import Backend, get_backend
from lstmcore.experiments.config import MEANS, WINDOW_SECONDS
from lstmcore.experiments.datasets.feature_tables import settings_at
from lstmcore.experiments.datasets.window_means import FRAMES, MEAN_NAMES, window_means
from lstmcore.experiments.errors import InputError, did_you_mean
from lstmcore.experiments.prediction.model import Model, Standing, load_model
from lstmcore.experiments.prediction.novelty import FAR
from lstmcore.experiments.prediction.shipped import find_model
from lstmcore.features import (
    TIME_COLUMN,
    AudioError,
    Extraction,
    FeatureSettings,
    FeatureStore,
    extract_features,
    feature_names,
)
from lstmcore.features.errors import TooShortError, printable
from lstmcore.features.sets import is_feature_set, set_with
from lstmcore.features.settings import DEFAULT, SHORTEST_WINDOW_SECONDS
from lstmcore.features.sound_names import WAVEFORM, sound_with

_SHORT_SECONDS = 3.0
_SILENT = 1e-4  # of full scale, root mean square
_MUCH_OUTSIDE = 0.1  # of a song's values
_ENERGY = "pcm_RMSenergy_sma_amean"  # of FS1


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
    name
        What the model is called.
    """

    model: Model
    system: str
    backend: Backend
    settings: FeatureSettings = DEFAULT
    name: str = ""

    @property
    def feature_set(self) -> str:
        """Name of the features that are computed of songs: the smallest set that has all of the model's."""
        about = self.model.about
        return FRAMES if about.feature_set == MEANS else set_with(about.feature_names)

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
            window = max(error.longest_window, SHORTEST_WINDOW_SECONDS)
            settings = replace(self.settings, window_seconds=round(window, 2))
            return extract_features(path, self.feature_set, store, settings=settings, stop=stop)

    @property
    def heard_seconds(self) -> float | None:
        """Length of the sound around each frame that the model hears means over; None: it hears frames."""
        about = self.model.about
        if about.feature_set != MEANS:
            return None
        return about.window_seconds or WINDOW_SECONDS  # models of before didn't say

    def inputs(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Return what the model hears of a song's features: its columns, or means of them over a window."""
        about, seconds = self.model.about, self.heard_seconds
        if seconds is None:
            return features[about.feature_names].to_numpy(np.float64)
        times, frames = features[TIME_COLUMN].to_numpy(), features.drop(columns=TIME_COLUMN)
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
        if _is_silent(features):
            yield "is silent: its curve says nothing"
            return
        seconds = float(features[TIME_COLUMN].iloc[-1]) + self.settings.window_seconds
        if seconds < _SHORT_SECONDS:
            yield f"has a curve of {seconds:.1f} s: so little music says little"
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


def _is_silent(features: pd.DataFrame) -> bool:
    """Tell by the energy, or where it wasn't computed by all being 0, as music and tonality are then."""
    if _ENERGY in features:
        return float(features[_ENERGY].max()) < _SILENT
    rows = features.drop(columns=TIME_COLUMN).to_numpy()
    sound = sound_with(features.columns[-1])
    if sound is None:
        return not rows.any()
    if sound != WAVEFORM:
        return float(10 ** (rows.max() / 20)) < _SILENT
    return float(np.sqrt((rows.astype(float) ** 2).mean(1)).max()) < _SILENT


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
        For `lstmcore.experiments.prediction.predict_many`.

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
    if wanted != MEANS and not is_feature_set(wanted):
        raise InputError(f"{folder}: the model wants {wanted} features, which can't be computed from audio")
    known = MEAN_NAMES if wanted == MEANS else feature_names(wanted)
    in_set = {*known}
    unknown = [name for name in about.feature_names if name not in in_set]
    if unknown:
        of = f"the means of {FRAMES}, {known[0]} …" if wanted == MEANS else wanted
        raise InputError(f"{folder}: the model wants a feature {unknown[0]!r}; expected one of {of}")
    systems = list(about.systems)
    if system is not None and system not in systems:
        hint = did_you_mean(system, systems)
        raise InputError(f"{folder}: no system {system!r}; expected one of {', '.join(systems)}{hint}")
    settings = settings_at(str(folder), about.hop_seconds)
    return Predictor(loaded, system or systems[0], engine, settings, found.name)
