"""A job while it is trained: its reports, and its state on disk, from which a killed job goes on."""

from __future__ import annotations

import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lstmcore import EngineError, EpochReport, Trainer, TrainingState
from lstmcore.experiments.jobs.job import Job, Result, load_result, save_result

CHECKPOINT_SECONDS = 20.0
CHECKPOINT_SHARE = 0.05  # of the time, at most, goes into states on disk; those of many networks are large

_ARRAYS = ("weights", "deltas", "best_weights")
_REPORTS = TypeAdapter(list[EpochReport])


class JobTraining:
    """One job's training.

    The trainer's state is looked at only when it is to be written: on a GPU that takes a copy.  A file of
    what is no state of this training, because it was damaged, is left aside: the training begins anew.

    Parameters
    ----------
    job
        What is trained.
    checkpoint
        File of its state; the training goes on from there.
    jobs
        So many are trained together.

    Attributes
    ----------
    note
        Why the training begins anew; None where it doesn't.
    """

    def __init__(self, job: Job, checkpoint: Path, jobs: int = 1) -> None:
        self.job, self._checkpoint, self._jobs = job, checkpoint, jobs
        self.note: str | None = None
        try:
            state, self._reports = _load_checkpoint(checkpoint)
            self._prepared = job.prepare(state)
        except EngineError as error:
            self._reports = []
            self._prepared = job.prepare(None)  # raises again if it was not the state
            self.note = f"{checkpoint}: {error}; {job.title} is trained from the start"
        self._due = time.monotonic() + CHECKPOINT_SECONDS

    @property
    def trainer(self) -> Trainer:
        """Trains the network."""
        return self._prepared.trainer

    def hear(self, report: EpochReport) -> None:
        """Note an epoch."""
        self._reports.append(report)

    def save_if_due(self) -> None:
        """Write the state after the epoch just heard of if the last time was long ago."""
        if (started := time.monotonic()) < self._due:
            return
        self.save()
        ended = time.monotonic()
        self._due = ended + max(CHECKPOINT_SECONDS, self._jobs * (ended - started) / CHECKPOINT_SHARE)

    def save(self) -> None:
        """Write the state, unless there is none or an epoch that hasn't been heard of."""
        if self._reports and self._reports[-1].epoch == self.trainer.state.epoch:
            _save_checkpoint(self._checkpoint, self.trainer.state, self._reports)

    def result(self) -> Result:
        """Make the result of a finished training."""
        return self._prepared.conclude(self.trainer.best_network(), self._reports)


def _save_checkpoint(path: Path, state: TrainingState, reports: list[EpochReport]) -> None:
    facts: dict[str, Any] = {f.name: getattr(state, f.name) for f in fields(state) if f.name not in _ARRAYS}
    facts["reports"] = [asdict(r) for r in reports]
    save_result(path, Result({name: getattr(state, name) for name in _ARRAYS}, facts))


def _load_checkpoint(path: Path) -> tuple[TrainingState | None, list[EpochReport]]:
    """Read a state; EngineError if the file is damaged.  That it fits the network `Trainer` sees to."""
    found = load_result(path)
    if found is None:
        if path.exists():
            raise EngineError("can't be read")
        return None, []
    facts = found.facts if isinstance(found.facts, dict) else {}
    try:
        reports = _REPORTS.validate_python(facts.pop("reports", None))
        values: dict[str, Any] = {**found.tensors, **facts}
        state = TrainingState(**values)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise EngineError(f"reports{place and '.'}{place}: {error.errors()[0]['msg']}") from None
    except TypeError:
        names = ", ".join(sorted({*found.tensors, *facts}))
        raise EngineError(f"holds {names or 'nothing'}; expected what a TrainingState has") from None
    told = [report.epoch for report in reports]
    if told != list(range(1, len(told) + 1)) or len(told) != state.epoch:
        raise EngineError(f"reports of epochs {told}; expected one of each up to {state.epoch!r}")
    return state, reports
