"""Errors of trainings to TensorBoard and MLflow: objects that `train` calls after each epoch.

    with TensorBoardTracker("logs") as tracker:
        train(trainings, on_epoch=tracker)

Each needs a package of its own, the extras ``tensorboard`` (tensorboardX, without PyTorch or TensorFlow) and
``mlflow``, which is imported when the tracker is made.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lstmcore.errors import EngineError
from lstmcore.installing import install_extra
from lstmcore.problem import EpochReport, Training
from lstmcore.training import Trainer


def _errors(report: EpochReport) -> dict[str, float]:
    """Errors a frame, and shares of frames in the wrong class, as far as the epoch has them."""
    found = {
        "error/training": report.training_error_per_frame,
        "error/validation": report.validation_error_per_frame,
        "error_by_sequence/test": report.test_error,
        "class_error/training": report.training_class_error,
        "class_error/validation": report.validation_class_error,
        "class_error/test": report.test_class_error,
        "seconds": report.seconds,
    }
    return {name: value for name, value in found.items() if value is not None}


def _settings(training: Training) -> dict[str, Any]:
    """Return what a training is made of, in words and numbers."""
    settings = asdict(training.settings)
    sgd = settings.pop("sgd")
    layers = " → ".join(f"{type(one).__name__}({one.size})" for one in training.network.architecture.layers)
    inputs = training.network.architecture.input_size
    return {"network": f"{inputs} → {layers}", "sequences": len(training.sets.training), **sgd, **settings}


class _Tracker:
    """What trackers have in common: names of trainings, and an end."""

    def __init__(self, names: Sequence[str] | None) -> None:
        if isinstance(names, str):
            raise EngineError(f"names is {names!r}; expected a list with a name for each training")
        self._names = None if names is None else list(names)

    def _name(self, place: int) -> str:
        if self._names is None:
            return f"training-{place + 1}"
        if place >= len(self._names):
            raise EngineError(f"{len(self._names)} names, and a training {place + 1}; expected one for each")
        return self._names[place]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(failed=kind is not None)

    def close(self) -> None:
        """Write what is left; also done at the end of a ``with`` block."""
        self._end(failed=False)

    def _end(self, *, failed: bool) -> None:
        raise NotImplementedError


class TensorBoardTracker(_Tracker):
    """Writes TensorBoard's files, a folder for each training: ``tensorboard --logdir FOLDER`` shows them.

    Parameters
    ----------
    folder
        Where the folders of the trainings are made.
    names
        What they are called; None: ``training-1`` and so on.

    Raises
    ------
    EngineError
        If tensorboardX isn't installed.

    Examples
    --------
    >>> from lstmcore import TensorBoardTracker, train
    >>> with TensorBoardTracker("logs", ["wide", "narrow"]) as tracker:  # doctest: +SKIP
    ...     train([wide, narrow], on_epoch=tracker)
    """

    def __init__(self, folder: str | os.PathLike[str], names: Sequence[str] | None = None) -> None:
        super().__init__(names)
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise EngineError(
                f"TensorBoardTracker needs tensorboardX ({error}); expected: {install_extra('tensorboard')}"
            ) from None
        self._make, self._folder = SummaryWriter, Path(folder)
        self._writers: dict[int, Any] = {}

    def __call__(self, place: int, report: EpochReport, trainer: Trainer) -> None:
        """Write what an epoch came to; the parameters are those of ``on_epoch`` of `train`."""
        writer = self._writers.get(place)
        if writer is None:
            writer = self._writers[place] = self._make(str(self._folder / self._name(place)))
            lines = [f"    {key}: {value}" for key, value in _settings(trainer.training).items()]
            writer.add_text("settings", "\n".join(lines), report.epoch)
        for name, value in _errors(report).items():
            writer.add_scalar(name, value, report.epoch)
        if trainer.finished:
            writer.flush()

    def _end(self, *, failed: bool) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()


class MLflowTracker(_Tracker):
    """Writes to MLflow, a run for each training with its settings, its errors and how it ended.

    Parameters
    ----------
    experiment
        Name of MLflow's experiment, which is made if it isn't there.
    names
        Of the runs; None: ``training-1`` and so on.
    tracking_uri
        Where MLflow keeps them; None: what ``MLFLOW_TRACKING_URI`` says, or its own default.

    Raises
    ------
    EngineError
        If MLflow isn't installed, or can't be used there.

    Examples
    --------
    >>> from lstmcore import MLflowTracker, train
    >>> with MLflowTracker("songs", tracking_uri="http://127.0.0.1:5000") as tracker:  # doctest: +SKIP
    ...     train([training], on_epoch=tracker)
    """

    def __init__(
        self,
        experiment: str = "lstmcore",
        names: Sequence[str] | None = None,
        *,
        tracking_uri: str | None = None,
    ) -> None:
        super().__init__(names)
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise EngineError(
                f"MLflowTracker needs MLflow ({error}); expected: {install_extra('mlflow')}"
            ) from None
        try:
            self._client = MlflowClient(tracking_uri=tracking_uri)
            found = self._client.get_experiment_by_name(experiment)
            self._experiment = found.experiment_id if found else self._client.create_experiment(experiment)
        except Exception as error:  # whatever MLflow, its database or the server says
            where = tracking_uri or "MLflow's default place"
            raise EngineError(f"MLflowTracker: {where} can't be used: {error}") from error
        self._runs: dict[int, str] = {}

    def __call__(self, place: int, report: EpochReport, trainer: Trainer) -> None:
        """Write what an epoch came to; the parameters are those of ``on_epoch`` of `train`."""
        run = self._runs.get(place)
        if run is None:
            run = self._client.create_run(self._experiment, run_name=self._name(place)).info.run_id
            self._runs[place] = run
            for key, value in _settings(trainer.training).items():
                self._client.log_param(run, key, value)
        for name, value in _errors(report).items():
            self._client.log_metric(run, name, value, step=report.epoch)
        if trainer.finished:
            self._client.set_terminated(self._runs.pop(place), "FINISHED")

    def _end(self, *, failed: bool) -> None:
        for run in self._runs.values():
            self._client.set_terminated(run, "FAILED" if failed else "FINISHED")
        self._runs.clear()
