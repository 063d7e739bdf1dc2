"""Predictions that were computed before, found again by the song's content and by all that they depend on."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, Field, ValidationError

import lstmcore
from lstmcore.experiments.jobs.job import Result, load_result, save_result
from lstmcore.experiments.prediction.model import Model
from lstmcore.experiments.prediction.songs import PredictedSong, Predictor
from lstmcore.features.extract import feature_version
from lstmcore.features.store import cache_root

_log = logging.getLogger("prediction")
VERSION = 1
"""Whoever changes what is predicted from the same song by the same model raises it."""


class _Facts(BaseModel):
    """What is kept beside the numbers of a table."""

    columns: list[str] = Field(min_length=1)
    distance: float | None
    novelty: float | None
    warnings: list[str]


def model_digest(model: Model) -> str:
    """SHA-256 of all that a model is, hexadecimal, wherever it lies."""
    content = hashlib.sha256(json.dumps(model.description, sort_keys=True).encode())
    for name in sorted(model.tensors):
        array = model.tensors[name]
        content.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return content.hexdigest()


class CurveStore:
    """The folder of curves by one ensemble: ``curves`` in `lstmcore.features.cache_root`.

    Parameters
    ----------
    predictor
        What predicts; its model, ensemble, backend and features name the folder.
    """

    def __init__(self, predictor: Predictor) -> None:
        inputs = [
            lstmcore.__version__,
            VERSION,
            model_digest(predictor.model),
            predictor.system,
            predictor.backend.name,
            predictor.feature_set,
            feature_version(predictor.feature_set, predictor.settings),
        ]
        name = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]
        self.folder = cache_root() / "curves" / name

    def _file(self, digest: str) -> Path:
        return self.folder / f"{digest}.safetensors"

    def load(self, digest: str) -> PredictedSong | None:
        """Read what was said of a song, bit for bit; None if there is nothing, or only something damaged.

        That is damaged goes to the log ``prediction``.

        Parameters
        ----------
        digest
            Of the audio file (`lstmcore.features.digest_of`).
        """
        file = self._file(digest)
        found = load_result(file)
        if found is None:
            if file.exists():
                _log.warning("%s: damaged; its curves are predicted anew", file)
            return None
        try:
            facts = _Facts.model_validate(found.facts)
            table = pd.DataFrame({name: found.tensors[str(k)] for k, name in enumerate(facts.columns)})
        except (ValidationError, LookupError, ValueError):
            return None
        return PredictedSong(table, facts.distance, facts.novelty, tuple(facts.warnings))

    def save(self, digest: str, song: PredictedSong) -> None:
        """Write what was said of a song; its table has numbers only."""
        columns = [str(name) for name in song.table.columns]
        tensors = {str(k): song.table[name].to_numpy() for k, name in enumerate(columns)}
        facts = {"columns": columns, "distance": song.distance, "novelty": song.novelty}
        save_result(self._file(digest), Result(tensors, facts | {"warnings": list(song.warnings)}))
