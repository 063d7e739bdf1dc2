"""A graph of somebody else's is computed in a process of its own: ``python -m`` this module.

A few nodes suffice to fill any memory, or to compute for years. So the process may use so much of both and
no more, and what comes back are numbers. The request is a line of JSON on standard input; the answer on
standard output is a line of JSON and behind it the first output of each run, as NumPy writes arrays.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.terminal.limits import Limits, restrict

Array = NDArray[Any]

LIMITS = Limits(processor_seconds=60, seconds=120, memory_bytes=4 << 30, file_bytes=0)
MOST_VALUES = 1 << 20
"""Of one input of a graph."""

_MOST_SAID = 200  # characters of an error
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class NotComputed(ValueError):
    """A graph can't be computed; the message says why."""


@dataclass(frozen=True)
class Run:
    """One run of a graph.

    Parameters
    ----------
    shape
        Of what it is given, but for the values of a frame; one sequence lies along `axis`, and is repeated
        along the others.
    axis
        Which one is time.
    """

    shape: tuple[int, ...]
    axis: int

    def sequence(self, inputs: int) -> Array:
        """Return the sequence: random, the same each time, shape (frames, inputs)."""
        return np.random.default_rng(0).standard_normal((self.shape[self.axis], inputs)).astype(np.float32)

    def feed(self, inputs: int) -> Array:
        """Return what the graph is given."""
        frames = [size if k == self.axis else 1 for k, size in enumerate(self.shape)]
        wide = self.sequence(inputs).reshape([*frames, inputs])
        return np.broadcast_to(wide, [*self.shape, inputs]).copy()


@dataclass(frozen=True)
class Request:
    """What is to be computed.

    Parameters
    ----------
    file
        The graph.
    given, inputs
        Name of its input that frames go into, and how many values each has.
    others
        Shapes of its other inputs, which are 0.
    runs
        What it is given.
    """

    file: str
    given: str
    inputs: int
    others: dict[str, list[int]]
    runs: list[Run]


def computed(request: Request) -> list[Array]:
    """Have a graph computed, and return the first output of each run.

    Raises
    ------
    NotComputed
        If it can't be, or not within the limits, or its output is none of numbers.
    """
    inputs = [[*run.shape, request.inputs] for run in request.runs]
    for shape in [*inputs, *request.others.values()]:
        if math.prod(shape) > MOST_VALUES:
            raise NotComputed(f"an input has shape {shape}; expected at most {MOST_VALUES:,} values")
    content = ask(json.dumps(asdict(request)) + "\n")
    head, _, rest = content.partition(b"\n")
    try:
        said = json.loads(head)
        if "error" in said:
            raise NotComputed(said["error"])
        with io.BytesIO(rest) as stream:
            found = [np.lib.format.read_array(stream, allow_pickle=False) for _ in request.runs]
    except NotComputed:
        raise
    except (ValueError, TypeError, EOFError):
        raise NotComputed("it takes more memory or time than it may") from None
    if any(array.dtype.kind != "f" for array in found):
        raise NotComputed("its output is none of numbers of a float type")
    return found


def _asked(line: str) -> bytes:
    """Start the process and return all that it says."""
    command = [sys.executable, "-m", __name__]
    try:
        done = subprocess.run(
            command,
            input=line.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_ONE_THREAD},
            timeout=LIMITS.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return b""
    return done.stdout


ask: Callable[[str], bytes] = _asked
"""Gives a request to the process; a test may answer it itself."""


def answer(line: str) -> bytes:
    """Compute what a request asks for."""
    try:
        return b"{}\n" + b"".join(map(_as_bytes, _outputs(json.loads(line))))
    except MemoryError:
        return _error("it takes more memory than it may")
    except Exception as error:  # noqa: BLE001 - whatever the evaluator says of a foreign graph
        return _error(" ".join(str(error).split())[:_MOST_SAID] or type(error).__name__)


def _outputs(said: dict[str, Any]) -> list[Array]:
    import onnx
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(onnx.load_model_from_string(Path(said["file"]).read_bytes()))
    found = []
    for told in said["runs"]:
        feed: dict[str, Array] = {name: np.zeros(shape, np.float32) for name, shape in said["others"].items()}
        feed[said["given"]] = Run(tuple(told["shape"]), told["axis"]).feed(said["inputs"])
        with np.errstate(all="ignore"):
            outputs: Any = evaluator.run(None, feed)
        output = np.asarray(outputs[0])
        if output.size > MOST_VALUES:
            raise NotComputed(f"its output has shape {output.shape}; expected one of a few frames")
        found.append(output)
    return found


def _as_bytes(array: Array) -> bytes:
    with io.BytesIO() as stream:
        np.save(stream, array, allow_pickle=False)
        return stream.getvalue()


def _error(why: str) -> bytes:
    return json.dumps({"error": why}).encode() + b"\n"


def main() -> None:
    """Answer the request on standard input."""
    restrict(LIMITS)
    with contextlib.suppress(BrokenPipeError), os.fdopen(os.dup(1), "wb") as out:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - what libraries print isn't the answer
            os.dup2(nowhere.fileno(), 1)
        out.write(answer(sys.stdin.readline()))


if __name__ == "__main__":
    main()
