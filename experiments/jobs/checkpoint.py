"""A job's reports and its state on disk, from which a killed job goes on."""

from __future__ import annotations

import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lstmcore import EngineError, EpochReport, Trainer, Training, TrainingState
from lstmcore.experiments.jobs.job import Result, load_result, save_result

CHECKPOINT_SECONDS = 20.0
CHECKPOINT_SHARE = 0.05  # of the time, at most, goes into states on disk; those of many networks are large

# Arrays of a state, by their names in the file: what is now called velocity was called deltas there first.
_ARRAYS = {"weights": "weights", "deltas": "velocity", "best_weights": "best_weights"}
_REPORTS = TypeAdapter(list[EpochReport])


class Checkpoint:
    """The state of a job's training on disk, and the report of each epoch.

    The trainer's state is looked at only when it is to be written: on a GPU that takes a copy.  A file of
    what is no state of this training, because it was damaged, is left aside: the training begins anew.

    Parameters
    ----------
    path
        The file; None: the state is kept nowhere, and only reports are noted.
    training
        Whose state it is.
    jobs
        So many are trained at once.

    Attributes
    ----------
    state
        What was in the file, for the training to go on from; None if there was none.
    reports
        The report of each epoch since the start.
    damage
        What is wrong with the file; None if nothing is.
    """

    def __init__(self, path: Path | None, training: Training, jobs: int = 1) -> None:
        self.path, self._jobs = path, jobs
        self.state: TrainingState | None = None
        self.reports: list[EpochReport] = []
        self.damage: str | None = None
        self._trainer: Trainer | None = None
        try:
            state, reports = (None, []) if path is None else _load(path)
            if state is not None:
                state.check(training.network)
            self.state, self.reports = state, reports
        except EngineError as error:
            self.damage = str(error)
        self._due = time.monotonic() + CHECKPOINT_SECONDS

    def on_epoch(self, report: EpochReport, trainer: Trainer) -> None:
        """Note an epoch, and write the state after it if the last time was long ago."""
        self.reports.append(report)
        self._trainer = trainer
        if self.path is None or trainer.finished or (started := time.monotonic()) < self._due:
            return
        self.save()
        ended = time.monotonic()
        self._due = ended + max(CHECKPOINT_SECONDS, self._jobs * (ended - started) / CHECKPOINT_SHARE)

    def save(self) -> None:
        """Write the state, unless there is none or an epoch that wasn't reported."""
        trainer = self._trainer
        if self.path is None or trainer is None:
            return
        if self.reports[-1].epoch == trainer.progress.epoch:
            _save(self.path, trainer.state, self.reports)


def _save(path: Path, state: TrainingState, reports: list[EpochReport]) -> None:
    facts: dict[str, Any] = {
        f.name: getattr(state, f.name) for f in fields(state) if f.name not in _ARRAYS.values()
    }
    facts["reports"] = [asdict(r) for r in reports]
    save_result(path, Result({name: getattr(state, field) for name, field in _ARRAYS.items()}, facts))


def _load(path: Path) -> tuple[TrainingState | None, list[EpochReport]]:
    """Read a state; EngineError if the file is damaged."""
    found = load_result(path)
    if found is None:
        if path.exists():
            raise EngineError("can't be read")
        return None, []
    facts = found.facts
    try:
        reports = _REPORTS.validate_python(facts.pop("reports", None))
        arrays = {_ARRAYS.get(name, name): array for name, array in found.tensors.items()}
        values: dict[str, Any] = {**arrays, **facts}
        state = TrainingState(**values)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise EngineError(f"reports{place and '.'}{place}: {error.errors()[0]['msg']}") from None
    except TypeError:
        names = ", ".join(sorted({*found.tensors, *facts}))
        raise EngineError(f"holds {names or 'nothing'}; expected what a TrainingState has") from None
    epochs = [report.epoch for report in reports]
    if epochs != list(range(1, len(epochs) + 1)) or len(epochs) != state.epoch:
        raise EngineError(f"reports of epochs {epochs}; expected one of each up to {state.epoch!r}")
    return state, reports
