"""Any number of songs through features and networks, side by side, in their order, in little memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.prediction.curves import CurveStore
from lstmcore.experiments.prediction.outputs.facts import FILE
from lstmcore.experiments.prediction.songs import PredictedSong, Predictor
from lstmcore.features import AudioError, Extraction, FeatureStore, digest_of
from lstmcore.features.errors import printable
from lstmcore.features.extract import error_of_file
from lstmcore.features.waiting import SideBySide


@dataclass(frozen=True, eq=False)
class SongResult:
    """The result for one file: its curve, or the reason why there is none.

    Parameters
    ----------
    path
        The file as it was given.
    song
        What `Predictor.song` gives, or None.
    error
        What was wrong with the file, or None.
    stored
        Whether the curve was found, not computed.
    """

    path: Path
    song: PredictedSong | None
    error: AudioError | None
    stored: bool = False

    @property
    def warnings(self) -> list[str]:
        """Why its curve may mean little: its file and a sentence each."""
        return [] if self.song is None else [f"{printable(self.path)}: {said}" for said in self.song.warnings]


def predict_many(
    predictor: Predictor,
    audio: Iterable[Path],
    *,
    workers: int,
    keep: bool = True,
    on_done: Callable[[SongResult], None] | None = None,
) -> AbstractContextManager[Iterator[SongResult]]:
    """Predict audio files; one that can't be used costs the others nothing.

    Parameters
    ----------
    predictor
        From `open_predictor`.
    audio
        Files.
    workers
        Files worked on side by side.
    keep
        Whether features and curves are looked for, and kept, in the cache.
    on_done
        Called in the caller's thread with each result as soon as it is there.

    Returns
    -------
    context manager of an iterator of SongResult
        One per file, in the order of the files; memory does not grow with their number.

    Raises
    ------
    OSError
        If a file of the cache can't be written (disk full): while iterating.
    """
    features, curves = (FeatureStore(), CurveStore(predictor)) if keep else (None, None)
    # A GPU is told what to do by one thread at a time.
    on_gpu = predictor.backend.name == "cuda"
    alone: AbstractContextManager[object] = threading.Lock() if on_gpu else nullcontext()

    def computed(path: Path, closing: threading.Event) -> PredictedSong:
        rows = predictor.features_of(path, features, closing)
        try:
            with alone:
                return predictor.song(Extraction(path, rows, None))
        except AudioError:
            raise
        except InputError as error:
            raise AudioError(path, str(error)) from error
        except ValueError as error:  # the engine's, of features that it doesn't take
            raise AudioError(path, f"can't be predicted: {error}") from error

    def one(path: Path, closing: threading.Event) -> SongResult:
        try:
            digest = digest_of(path) if curves is not None else ""
            found = curves.load(digest) if curves is not None else None
            if found is not None:
                found.table.insert(0, FILE, printable(path))
                return SongResult(path, found, None, stored=True)
            song = computed(path, closing)
            if curves is not None:
                curves.save(digest, replace(song, table=song.table.drop(columns=FILE)))
        except Exception as error:  # noqa: BLE001 - whatever one file does to a decoder, others go on
            return SongResult(path, None, error_of_file(path, error))
        return SongResult(path, song, None)

    return SideBySide(audio, one, workers, on_done)


@dataclass(frozen=True)
class Predicted:
    """Predictions of songs, and the errors of those that can't be used.

    Parameters
    ----------
    table
        As `Predictor.song` gives it, songs below each other.
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
    on_done: Callable[[SongResult], None] | None = None,
) -> Predicted:
    """Predict a few audio files into one table; `predict_many` is for any number of them.

    Parameters
    ----------
    predictor, audio, workers, on_done
        As in `predict_many`.

    Returns
    -------
    Predicted
        Rows of the files that can be used, and the errors of the others.

    Raises
    ------
    OSError
        If a file can't be written (disk full).
    """
    with predict_many(predictor, audio, workers=workers, on_done=on_done) as results:
        ended = list(results)
    tables = [one.song.table for one in ended if one.song is not None]
    errors = [one.error for one in ended if one.error is not None]
    warnings = [warning for one in ended for warning in one.warnings]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=predictor.columns)
    return Predicted(table, errors, warnings)
