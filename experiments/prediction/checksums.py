"""SHA-256 digests of a model's arrays, which ``model.json`` holds and reading looks at."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import read_plain
from lstmcore.experiments.jobs.job import Tensors

_SHOWN = 12  # digits of a digest in a message


def checksums(tensors: Tensors) -> dict[str, str]:
    """Digest of each array: of its type and shape, as ``float32 (2, 60)``, a zero byte, and its bytes."""
    return {name: _digest(array) for name, array in sorted(tensors.items())}


def _digest(array: NDArray[np.generic]) -> str:
    # As a disk holds it: at least one dimension, little-endian whatever the machine is.
    plain = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    return hashlib.sha256(f"{array.dtype} {plain.shape}\0".encode() + plain.tobytes()).hexdigest()


def check_checksums(file: Path, wanted: Mapping[str, str] | None, tensors: Tensors) -> None:
    """Raise an InputError for the first array that isn't what was written.

    Parameters
    ----------
    file
        The arrays' file.
    wanted
        Digests by name, from ``model.json``; None: older models have none.
    tensors
        Arrays by name.
    """
    for name, digest in (wanted or {}).items():
        found = _digest(tensors[name]) if name in tensors else digest
        if found != digest:
            raise InputError(
                f"{file}: {name} is not what was written: its SHA-256 is {found[:_SHOWN]}…; expected "
                f"{digest[:_SHOWN]}…, as in model.json. It was damaged or changed; expected it as it was"
            )


def damage_of(file: Path, wanted: Mapping[str, str] | None) -> InputError:
    """Say what is wrong with a file of arrays that can't be used."""
    try:
        check_checksums(file, wanted, load(read_plain(file)))
    except InputError as error:
        return error
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, OverflowError):
        pass
    return InputError(f"{file}: missing or damaged")
