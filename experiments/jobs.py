"""Jobs: pure functions of their inputs, named after the content of those inputs.

A job's result is one file, written whole or not at all.  A file with the job's name *is*
its result, so running an experiment again does what is left and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from experiments.files import write_whole
from lstmcore import EpochReport, Network, Trainer, TrainingState

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Result:
    """What a job leaves: arrays by name, and anything JSON can hold."""

    tensors: Tensors
    facts: dict[str, Any]


@dataclass(frozen=True)
class Prepared:
    """A job's training, ready to run.

    Parameters
    ----------
    trainer
        Trains the network.
    conclude
        Makes the result of the best network and the report of each epoch since the start.
    sets
        What it is trained on; held here, for `Shared` forgets what nobody holds.
    """

    trainer: Trainer
    conclude: Callable[[Network, list[EpochReport]], Result]
    sets: object


@dataclass(frozen=True)
class Job:
    """A network to train.

    Parameters
    ----------
    title
        For people: "fold 3, trial 1".
    name
        Of the result's file; ends in a hash of all inputs.
    prepare
        Makes the training, from the start (None) or from a state to go on from.
    """

    title: str
    name: str
    prepare: Callable[[TrainingState | None], Prepared]


def name_of(prefix: str, inputs: dict[str, Any]) -> str:
    """Name a job after its inputs, which must be what JSON can hold."""
    text = json.dumps(inputs, sort_keys=True)
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


class JobFolder:
    """The results of an experiment's jobs.

    Parameters
    ----------
    folder
        Where they are kept.
    others
        Such folders of other runs.  What is found there is copied.
    """

    def __init__(self, folder: Path, others: Sequence[Path] = ()) -> None:
        self._folder, self._others = folder, others

    def file(self, job: Job) -> Path:
        """File of a job's result."""
        return self._folder / f"{job.name}.safetensors"

    def checkpoint(self, job: Job) -> Path:
        """File of a job's state while it runs."""
        return self._folder / f"{job.name}.partial.safetensors"

    def load(self, job: Job) -> Result | None:
        """Read the result of a job; None if it isn't there or is damaged."""
        own = self.file(job)
        result = load_result(own)
        for other in self._others:
            if result is None and (result := load_result(other / own.name)) is not None:
                write_whole(own, (other / own.name).read_bytes())
        return result

    def save(self, job: Job, result: Result) -> None:
        """Write the result of a job and forget its state."""
        save_result(self.file(job), result)
        self.checkpoint(job).unlink(missing_ok=True)


def save_result(path: Path, result: Result) -> None:
    """Write arrays and facts as one safetensors file, whole or not at all."""
    tensors = {name: np.ascontiguousarray(array) for name, array in result.tensors.items()}
    write_whole(path, save(tensors, {"facts": json.dumps(result.facts)}))


def load_result(path: Path) -> Result | None:
    """Read what `save_result` wrote; None if it isn't there or is damaged."""
    try:
        with safe_open(path, framework="np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return Result(tensors, json.loads(file.metadata()["facts"]))
    except (FileNotFoundError, SafetensorError, KeyError, TypeError, json.JSONDecodeError, struct.error):
        return None
