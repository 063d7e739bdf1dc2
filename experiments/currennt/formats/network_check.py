"""What a network file may hold, and what is said when it holds something else."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.currennt.formats.json_file import shown
from lstmcore.experiments.errors import InputError, did_you_mean

INPUT = "input"
TRAINABLE = ("feedforward_tanh", "feedforward_logistic", "feedforward_identity", "softmax", "lstm", "blstm")
POST_OUTPUT = (
    "sse",
    "weightedsse",
    "rmse",
    "ce",
    "wf",
    "binary_classification",
    "multiclass_classification",
)
# The original's documentation names two types otherwise than the program does.
ALIASES = {"weighted_sse": "weightedsse", "sse_mask": "wf"}
_TWICE = ("weightedsse", "wf")  # each target has a weight or a mask beside it
_KEYS = ("name", "type", "size", "bias", "learningRate")
_LARGEST = 2**31 - 1

LayerValues = tuple[str, str, int, float | None, float | None]


def read_layers(path: Path, content: dict[str, Any]) -> list[LayerValues]:
    """Return name, type, size, bias and learning rate of each layer.

    Raises
    ------
    InputError
        If there are fewer than three, one is malformed or at a place that is not its own, or a name
        appears twice.
    """
    if "layers" not in content:
        raise InputError(
            f"{path}: no key 'layers'; found {', '.join(map(shown, list(content)[:8])) or 'nothing'}"
        )
    found = content["layers"]
    if not isinstance(found, list) or len(found) < 3:
        count = f"{len(found)} layers" if isinstance(found, list) else shown(found)
        raise InputError(f"{path}: 'layers': found {count}; expected a list of 3 or more")
    layers = [_layer(path, k, len(found), layer) for k, layer in enumerate(found)]
    names = set()
    for k, (name, *_) in enumerate(layers):
        if name in names:
            raise InputError(f"{path}: layer {k} (from 0): the name {shown(name)} appears a second time")
        names.add(name)
    _check_last(path, layers[-2], layers[-1])
    return layers


def _layer(path: Path, k: int, count: int, layer: Any) -> LayerValues:
    place = f"{path}: layer {k} (from 0)"
    if not isinstance(layer, dict):
        raise InputError(f"{place}: found {shown(layer)}; expected an object {{…}}")
    _check_keys(place, layer)
    name = _value(place, layer, "name")
    if not isinstance(name, str) or not name or name.encode(errors="replace").decode() != name:
        raise InputError(f"{place}: 'name': found {shown(name)}; expected text that is not empty")
    place = f"{path}: layer {shown(name)}"
    kind = _kind(place, _value(place, layer, "type"), k, count)
    size = _value(place, layer, "size")
    if type(size) is not int or not 1 <= size <= _LARGEST:
        raise InputError(f"{place}: 'size': found {shown(size)}; expected a whole number of 1 or more")
    if kind == "blstm" and size % 2:
        raise InputError(
            f"{place}: 'size': found {size}; expected an even number, as blstm has two directions"
        )
    if kind not in TRAINABLE:
        return name, kind, size, None, None
    bias = _number(place, "bias", _value(place, layer, "bias"))
    rate = _number(place, "learningRate", layer["learningRate"]) if "learningRate" in layer else -1.0
    return name, kind, size, bias, rate if rate >= 0 else None


def _check_last(path: Path, output: LayerValues, post: LayerValues) -> None:
    """Hold the size of the last layer, which is that of the targets, against the outputs."""
    expected = 2 * output[2] if post[1] in _TWICE else output[2]
    if post[1] == "binary_classification" and output[2] != 1:
        raise InputError(
            f"{path}: layer {shown(output[0])}: 'size': found {output[2]}; expected 1 before {post[1]!r}"
        )
    if post[2] != expected:
        raise InputError(
            f"{path}: layer {shown(post[0])}: 'size': found {post[2]}; expected {expected} "
            f"({post[1]!r} after an output layer of size {output[2]})"
        )


def _check_keys(place: str, layer: dict[str, Any]) -> None:
    """Refuse a known key in another spelling: it would be without effect, as other keys are."""
    plain = {key.lower(): key for key in _KEYS}
    for key in layer:
        meant = plain.get(key.lower().replace("_", "").replace("-", ""))
        if meant and key != meant:
            raise InputError(f"{place}: unknown key {shown(key)}; did you mean {meant!r}?")


def _value(place: str, layer: dict[str, Any], key: str) -> Any:
    if key not in layer:
        raise InputError(f"{place}: no key {key!r}; found {', '.join(map(shown, list(layer)[:8])) or 'none'}")
    return layer[key]


def _number(place: str, key: str, value: Any) -> float:
    if not _is_finite(value):
        raise InputError(f"{place}: {key!r}: found {shown(value)}; expected a finite number")
    return float(value)


def _kind(place: str, kind: Any, k: int, count: int) -> str:
    known = [INPUT, *TRAINABLE, *POST_OUTPUT]
    kind = ALIASES.get(kind, kind) if isinstance(kind, str) else kind
    if kind not in known:
        near = did_you_mean(kind, known) if isinstance(kind, str) else ""
        raise InputError(f"{place}: 'type': found {shown(kind)}; expected one of {', '.join(known)}{near}")
    if k == 0 and kind != INPUT:
        raise InputError(f"{place}: 'type': found {kind!r}; the first layer must be 'input'")
    if k == count - 1 and kind not in POST_OUTPUT:
        raise InputError(
            f"{place}: 'type': found {kind!r}; the last layer must be one of {', '.join(POST_OUTPUT)}"
        )
    if 0 < k < count - 1 and kind not in TRAINABLE:
        raise InputError(
            f"{place}: 'type': found {kind!r} between the first and the last layer; "
            f"expected one of {', '.join(TRAINABLE)}"
        )
    return str(kind)


class LayerReader:
    """Reads the weights of a file.

    Parameters
    ----------
    path
        The file, for messages.
    weights
        What it has under ``weights``.
    layers
        Names of its layers that have weights.

    Raises
    ------
    InputError
        If weights are not an object.

    Attributes
    ----------
    names
        Layers of which there are weights.
    unused
        Names of which there are weights, but no layer that has any; the original doesn't look at them.
    """

    def __init__(self, path: Path, weights: Any, layers: list[str]) -> None:
        if not isinstance(weights, dict):
            raise InputError(f"{path}: 'weights': found {shown(weights)}; expected an object {{…}}")
        self.names = {name for name in weights if name in layers}
        self.unused = [name for name in weights if name not in layers]
        self._path, self._weights = path, weights

    def read(self, name: str, sizes: dict[str, int]) -> list[NDArray[np.float64]]:
        """Return the pieces of a layer's weights.

        Raises
        ------
        InputError
            If a piece is missing, has another size, or holds something that is not a finite number.
        """
        place = f"{self._path}: weights of layer {shown(name)}"
        found = self._weights[name]
        if not isinstance(found, dict):
            raise InputError(f"{place}: found {shown(found)}; expected an object {{…}}")
        return [number_list(f"{place}, {key!r}", _value(place, found, key), n) for key, n in sizes.items()]


def number_list(place: str, values: Any, size: int) -> NDArray[np.float64]:
    """Return a list of finite numbers as an array.

    Parameters
    ----------
    place
        File and key, for messages.
    values
        What was found.
    size
        The length it must have.

    Raises
    ------
    InputError
        If it is not a list of that length, or a value not a finite number.
    """
    if not isinstance(values, list):
        raise InputError(f"{place}: found {shown(values)}; expected a list of {size} numbers")
    if len(values) != size:
        raise InputError(f"{place}: found {len(values)} numbers; expected {size}")
    if set(map(type, values)) <= {int, float}:
        array = np.array([float(value) for value in values], np.float64)
        if np.isfinite(array).all():
            return array
    k = next(k for k, value in enumerate(values) if not _is_finite(value))
    hint = "; null stands for one that was not finite: the training had diverged" if values[k] is None else ""
    raise InputError(
        f"{place}, number {k} (from 0): found {shown(values[k])}; expected a finite number{hint}"
    )


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
