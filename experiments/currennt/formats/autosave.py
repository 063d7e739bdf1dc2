"""Autosaves in CURRENNT 0.2's file format: a network, and what it takes to train on.

Numbers are written exactly, and a key ``lstmcore`` may hold state that the original does not keep (see
`Beyond`); without it, the file is what the original writes. JSON has no infinity and no NaN: an infinite
error (no validation yet) is written as the largest float32, and an error or weight that is not a number as
``null``. Such weights are written, so that a training that diverges can go on, but not read: there is nothing
to continue.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lstmcore.experiments.currennt.formats.json_file import from_json, json_text, shown
from lstmcore.experiments.currennt.formats.network_check import number_list
from lstmcore.experiments.currennt.formats.network_file import (
    NetworkFile,
    Weights,
    network_content,
    network_from,
    weight_sizes,
)
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import write_whole

EXTRA = "lstmcore"
_SEPARATOR = ";;;"
_LARGEST = 3.40282e38  # the largest float32, as the original prints it
_WRITTEN_LARGEST = float(np.finfo(np.float32).max)
_ERRORS = {
    "optimizer_lowest_validation_error": "lowest_validation_error",
    "optimizer_cur_training_error": "training_error",
    "optimizer_cur_validation_error": "validation_error",
    "optimizer_cur_test_error": "test_error",
    "optimizer_cur_training_class_error": "training_class_error",
    "optimizer_cur_validation_class_error": "validation_class_error",
    "optimizer_cur_test_class_error": "test_class_error",
}
_BEST, _DELTAS = "optimizer_best_weights", "steepest_descent_optimizer_weight_deltas"


@dataclass(frozen=True, eq=False)
class Beyond:
    """What the original does not keep.

    Parameters
    ----------
    best_epoch
        The epoch of the best weights; 0 if there was none yet.
    best_error
        The lowest validation error, summed over the set: dividing by its number of sequences and
        multiplying again would round. Infinite if there was none yet.
    last_weights
        The last epoch's, as `Autosave.best_weights`; of a training that has ended, whose network
        holds the best ones. Without them such a training can't go on.
    """

    best_epoch: int
    best_error: float
    last_weights: list[Weights] | None = None


@dataclass(frozen=True, eq=False)
class Autosave:
    """The state of a training after an epoch.

    Parameters
    ----------
    network
        With the weights of all layers.
    options
        Name to value, as in an options file. The original leaves out those that are whole numbers or unset.
    info_rows
        Printed rows of the table of epochs.
    finished
        Whether the training has ended; the network's weights are then the best ones.
    epoch
        The last epoch that was finished, from 1.
    epochs_since_lowest_error
        Epochs since the lowest validation error.
    lowest_validation_error
        Infinite if there was none yet.
    training_error, validation_error, test_error
        Of the last epoch.
    training_class_error, validation_class_error, test_class_error
        Of the last epoch; 1 in regression.
    best_weights, weight_deltas
        For each layer, the first and last included (empty there): input, bias and internal weights one after
        another. Empty lists for all layers say that there are none yet.
    beyond
        None in the original's.
    """

    network: NetworkFile
    options: dict[str, str]
    info_rows: list[str]
    finished: bool
    epoch: int
    epochs_since_lowest_error: int
    lowest_validation_error: float
    training_error: float
    validation_error: float
    test_error: float
    best_weights: list[Weights]
    weight_deltas: list[Weights]
    training_class_error: float = 1.0
    validation_class_error: float = 1.0
    test_class_error: float = 1.0
    beyond: Beyond | None = None


def read_autosave(path: Path) -> Autosave:
    """Read an autosave, of the original or with our additions.

    Raises
    ------
    InputError
        As `read_network` of ``network_file``, and if a layer has no weights, a key is missing or holds
        something else than it should, or its epochs contradict each other.
    """
    content = from_json(path)
    network = network_from(path, content)
    for layer in network.layers[1:-1]:
        if layer.name not in network.weights:
            raise InputError(f"{path}: no weights of layer {shown(layer.name)}; an autosave has all")
    finished = _get(path, content, "optimizer_finished", bool, "true or false")
    rows = _rows(path, _get(path, content, "info_rows", str, "text"))
    epoch = _count(path, content, "optimizer_cur_epoch")
    if epoch > len(rows):  # trusted, it would be counted up to
        raise InputError(f"{path}: 'optimizer_cur_epoch': found {epoch}; 'info_rows' has {len(rows)} rows")
    return Autosave(
        network,
        _options(path, _get(path, content, "configuration", str, "text")),
        rows,
        finished,
        epoch=epoch,
        epochs_since_lowest_error=_count(path, content, "optimizer_epochs_since_lowest_error"),
        best_weights=_flat(path, content, _BEST, network),
        weight_deltas=_flat(path, content, _DELTAS, network),
        beyond=_beyond(path, content, network, epoch) if EXTRA in content else None,
        **{name: _error(path, content, key) for key, name in _ERRORS.items()},
    )


def write_autosave(path: Path, autosave: Autosave) -> None:
    """Write an autosave that is read back exactly.

    Raises
    ------
    InputError
        If weights don't fit the network, or an option's name or value could not be read back: a value with
        ``;;;``, a name with ``=`` or ``;``.
    OSError
        If the file can't be written.
    """
    content: dict[str, Any] = {
        "configuration": configuration_text(path, autosave.options),
        "info_rows": "".join(row + _SEPARATOR for row in autosave.info_rows),
        **network_content(path, autosave.network),
        "optimizer_finished": autosave.finished,
        "optimizer_cur_epoch": int(autosave.epoch),
        "optimizer_epochs_since_lowest_error": int(autosave.epochs_since_lowest_error),
        **{key: _written_error(getattr(autosave, name)) for key, name in _ERRORS.items()},
        _BEST: _checked(path, _BEST, autosave.best_weights, autosave.network),
        _DELTAS: _checked(path, _DELTAS, autosave.weight_deltas, autosave.network),
    }
    if autosave.beyond is not None:
        content[EXTRA] = _beyond_content(path, autosave.beyond, autosave.network)
    write_whole(path, json_text(content).encode(errors="surrogateescape"))  # names of files are any bytes


def configuration_text(path: Path, options: dict[str, str]) -> str:
    """Return the options as an autosave holds them.

    Raises
    ------
    InputError
        If a name or value could not be read back.
    """
    return "".join(_option(path, name, value) + _SEPARATOR for name, value in sorted(options.items()))


def _beyond(path: Path, content: dict[str, Any], network: NetworkFile, epoch: int) -> Beyond:
    found, place = _get(path, content, EXTRA, dict, "an object {…}"), f"{path}: {EXTRA!r}"
    best_epoch = _count(place, found, "best_epoch")
    if best_epoch > epoch:
        raise InputError(f"{place}: 'best_epoch': found {best_epoch}; the last epoch is {epoch}")
    best_error = _error(place, found, "best_error_sum") if "best_error_sum" in found else math.inf
    if math.isnan(best_error):
        raise InputError(f"{place}: 'best_error_sum': found null; expected a number")
    last = _flat(place, found, "last_weights", network) if "last_weights" in found else None
    if last is not None and not sum(map(len, last)):
        raise InputError(f"{place}: 'last_weights': found no numbers; expected the last epoch's weights")
    return Beyond(best_epoch, best_error, last)


def _beyond_content(path: Path, beyond: Beyond, network: NetworkFile) -> dict[str, Any]:
    content: dict[str, Any] = {"best_epoch": int(beyond.best_epoch)}
    if math.isfinite(beyond.best_error):
        content["best_error_sum"] = float(beyond.best_error)
    if beyond.last_weights is not None:
        content["last_weights"] = _checked(path, "last_weights", beyond.last_weights, network)
    return content


def _get(place: Path | str, content: dict[str, Any], key: str, kind: type, expected: str) -> Any:
    if key not in content:
        raise InputError(f"{place}: no key {key!r}: not an autosave")
    if type(content[key]) is not kind:
        raise InputError(f"{place}: {key!r}: found {shown(content[key])}; expected {expected}")
    return content[key]


def _count(place: Path | str, content: dict[str, Any], key: str) -> int:
    value = int(_get(place, content, key, int, "a whole number"))
    if value < 0:
        raise InputError(f"{place}: {key!r}: found {shown(value)}; expected 0 or more")
    return value


def _error(place: Path | str, content: dict[str, Any], key: str) -> float:
    if key in content and content[key] is None:
        return math.nan
    kind = float if isinstance(content.get(key), float) else int
    value = float(_get(place, content, key, kind, "a number"))
    return math.inf if value >= _LARGEST else value


def _written_error(value: float) -> float:
    return _WRITTEN_LARGEST if value == math.inf else value


def _options(path: Path, text: str) -> dict[str, str]:
    # Options that the original loses leave more semicolons; those of a list of files belong to the value.
    options: dict[str, str] = {}
    for item in re.split(r"(?:;;;)+(?!;)", text):
        name, equals, value = item.partition("=")
        if item and (not equals or not name or ";" in name):
            raise InputError(f"{path}: 'configuration': found {shown(item)}; expected name=value")
        if name in options:
            raise InputError(f"{path}: 'configuration': option {shown(name)} appears twice")
        if item:
            options[name] = value
    return options


def _rows(path: Path, text: str) -> list[str]:
    rows = [row for row in text.split(_SEPARATOR) if row]
    for row in rows:
        if ";" in row:
            raise InputError(f"{path}: 'info_rows': found {shown(row)}; expected rows between {_SEPARATOR!r}")
    return rows


def _option(path: Path, name: str, value: str) -> str:
    if not name or set(name) & {"=", ";"} or _SEPARATOR in value:
        raise InputError(
            f"{path}: option {name!r} = {value!r} can't be written; expected a name without '=' and ';' and "
            f"a value without {_SEPARATOR!r}"
        )
    return f"{name}={value}"


def _sizes(network: NetworkFile) -> list[int]:
    """Return how many weights each layer has."""
    pairs = zip(network.layers, network.layers[1:], strict=False)
    return [0, *(sum(weight_sizes(layer, before.size)) for before, layer in pairs)]


def _flat(place: Path | str, content: dict[str, Any], key: str, network: NetworkFile) -> list[Weights]:
    found, sizes = _get(place, content, key, list, "a list of lists"), _sizes(network)
    if len(found) != len(sizes):
        raise InputError(
            f"{place}: {key!r}: found {len(found)} lists; expected one for each of {len(sizes)} layers"
        )
    none = all(values == [] for values in found)
    return [
        number_list(f"{place}: {key!r}, layer {shown(layer.name)}", values, 0 if none else size)
        for layer, values, size in zip(network.layers, found, sizes, strict=True)
    ]


def _checked(path: Path, key: str, weights: list[Weights], network: NetworkFile) -> list[Weights]:
    found, sizes = [values.shape for values in weights], _sizes(network)
    if found not in ([(size,) for size in sizes], [(0,)] * len(sizes)):
        raise InputError(f"{path}: {key!r}: weights of the shapes {found}; expected the sizes {sizes}")
    return weights
