"""Jobs: pure functions of their inputs, named after the content of those inputs.

A job's result is one file, written whole or not at all.  A file with the job's name *is*
its result, so running an experiment again does what is left and nothing else.

The last 32 bytes of a file, a tensor of the name ``sha256``, are the SHA-256 digest of all bytes before
them: a file that a disk or a transfer changed counts as absent.  Files of versions that wrote no digest have
no such tensor; they are taken as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from lstmcore import EpochReport, Network, Training
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import from_json, read_plain, write_whole

Tensors = dict[str, NDArray[Any]]

DIVERGED = "diverged"
"""The fact of a job whose training diverged: what the error said."""

_HISTORY = TypeAdapter(list[EpochReport])
_LARGE = "weights"
_DIGEST = "sha256"
_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Result:
    """What a job leaves: arrays by name, and anything JSON can hold."""

    tensors: Tensors
    facts: dict[str, Any]


@dataclass(frozen=True)
class Form:
    """What the result of a job must look like; its file may come from somebody else's folder.

    Parameters
    ----------
    shapes
        Of its arrays, which hold finite numbers.
    facts
        Some of its facts.
    """

    shapes: Mapping[str, tuple[int, ...]]
    facts: Mapping[str, Any]

    def fits(self, result: Result) -> bool:
        """Whether a result looks so."""
        tensors, facts = result.tensors, result.facts
        if not isinstance(facts, dict):
            return False
        if isinstance(facts.get(DIVERGED), str):
            return True
        return all(
            name in tensors
            and tensors[name].shape == shape
            and tensors[name].dtype.kind == "f"
            and np.isfinite(tensors[name]).all()
            for name, shape in self.shapes.items()
        ) and self._tells(facts)

    def _tells(self, facts: dict[str, Any]) -> bool:
        if any(name not in facts or facts[name] != value for name, value in self.facts.items()):
            return False
        try:
            return "history" not in facts or bool(_HISTORY.validate_python(facts["history"]))
        except ValidationError:
            return False


@dataclass(frozen=True)
class Named:
    """What has a result of its own.

    Parameters
    ----------
    title
        For people: "fold 3, trial 1".
    name
        Of the result's file; ends in a hash of all inputs.
    form
        What a result that is found must look like; one that doesn't counts as damaged.
    """

    title: str
    name: str
    form: Form | None = field(default=None, kw_only=True, compare=False)


@dataclass(frozen=True)
class Job(Named):
    """A training with a name and an end.

    Parameters
    ----------
    training
        Makes the training, when it is to be run: its sets are large, and jobs that run side by side share
        them.
    conclude
        Makes the result of the best network and the report of each epoch.
    """

    training: Callable[[], Training]
    conclude: Callable[[Network, list[EpochReport]], Result]


@dataclass(frozen=True)
class Computation(Named):
    """Something that is computed at one go, without a network.

    Parameters
    ----------
    compute
        Makes the result.
    """

    compute: Callable[[], Result]


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

    def file(self, job: Named) -> Path:
        """File of a job's result."""
        return self._folder / f"{job.name}.safetensors"

    def checkpoint(self, job: Named) -> Path:
        """File of a job's state while it runs."""
        return self._folder / f"{job.name}.partial.safetensors"

    def load(self, job: Named, on_damaged: Callable[[Path], None] = lambda _: None) -> Result | None:
        """Read the result of a job; None if it isn't there.

        A damaged file counts as absent; `on_damaged` is called with it.
        """
        own = self.file(job)
        for file in (own, *(other / own.name for other in self._others)):
            result = load_result(file)
            if result is not None and job.form is not None and not job.form.fits(result):
                result = None
            if result is not None and file != own:
                save_result(own, result)
            if result is not None and (state := self.checkpoint(job)).exists():
                state.unlink(missing_ok=True)  # of a process that was killed, or stood still, meanwhile
            if result is not None:
                return _light(own, result)
            if file.exists():
                on_damaged(file)
        return None

    def save(self, job: Named, result: Result) -> Result:
        """Write the result of a job and forget its state; return what is to be held of it."""
        save_result(self.file(job), result)
        self.checkpoint(job).unlink(missing_ok=True)
        return _light(self.file(job), result)


class _Tensors(dict[str, NDArray[Any]]):
    """Tensors of a file of which the large one is read when it is asked for.

    Weights of a few networks are asked for in the end, and those of all take more memory with each.
    """

    def __init__(self, file: Path, tensors: Tensors) -> None:
        super().__init__((name, array) for name, array in tensors.items() if name != _LARGE)
        self._file = file

    def __missing__(self, name: str) -> NDArray[Any]:
        found = load_result(self._file) if name == _LARGE else None
        if found is None or name not in found.tensors:
            raise InputError(f"{self._file}: no readable {name} any more; run the same command again")
        return found.tensors[name]


def _light(file: Path, result: Result) -> Result:
    return Result(_Tensors(file, result.tensors), result.facts)


def save_result(path: Path, result: Result) -> None:
    """Write arrays and facts as one safetensors file with a digest, whole or not at all."""
    tensors = {name: np.ascontiguousarray(array) for name, array in result.tensors.items()}
    tensors[_DIGEST] = np.zeros(_DIGEST_BYTES, np.uint8)  # lies last: tensors are sorted by falling precision
    content = save(tensors, {"facts": json.dumps(result.facts)})
    write_whole(path, content[:-_DIGEST_BYTES] + _digest(content))


def load_result(path: Path, most_bytes: int | None = None) -> Result | None:
    """Read what `save_result` wrote, of at most so many bytes; None if it isn't there or is damaged."""
    try:
        content = read_plain(path, most_bytes)
    except FileNotFoundError:
        return None
    try:
        header = from_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
        digests = [name for name, about in header.items() if about.get("dtype") == "U8"]  # of others, none
        if digests and (digests != [_DIGEST] or _digest(content) != content[-_DIGEST_BYTES:]):
            return None
        tensors = {name: array for name, array in sorted(load(content).items()) if name != _DIGEST}
        facts = from_json(header["__metadata__"]["facts"])
        return Result(tensors, facts) if isinstance(facts, dict) else None
    except (SafetensorError, LookupError, TypeError, ValueError, OverflowError, AttributeError):
        return None


def _digest(content: bytes) -> bytes:
    """Digest of the content of a file but for its own place at the end."""
    return hashlib.sha256(content[:-_DIGEST_BYTES]).digest()
