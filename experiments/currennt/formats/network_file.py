"""Networks in CURRENNT 0.2's file format (``.jsn``): layers and, for all or some of them, weights."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.currennt.formats.json_file import from_json, json_text, shown
from lstmcore.experiments.currennt.formats.network_check import LayerReader, read_layers
from lstmcore.experiments.errors import InputError, did_you_mean
from lstmcore.experiments.files import write_text

PIECES = ("input", "bias", "internal")

Weights = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True)
class LayerSpec:
    """A layer.

    Parameters
    ----------
    name, type, size
        As in the file; the README's names of types are replaced by the program's (``sse_mask`` is ``wf``).
    bias
        The constant that the bias weights are multiplied with; None in the first and last layer.
    learning_rate
        Of this layer alone, 0 or more; None if it has the network's
        (a negative one in the file says the same).
    """

    name: str
    type: str
    size: int
    bias: float | None = None
    learning_rate: float | None = None


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """Weights of a layer of L units after one of P: one-dimensional, gates in the order z i f o.

    Parameters
    ----------
    input
        (4·L·P,) for ``lstm`` and ``blstm``, else (L·P,).
    bias
        (4·L,), else (L,).
    internal
        (4·L·E + 3·L,) where E is L, or L / 2 for ``blstm``; else empty.
    """

    input: Weights
    bias: Weights
    internal: Weights


@dataclass(frozen=True, eq=False)
class NetworkFile:
    """Layers from the input to the error, and weights by name of layer.

    Parameters
    ----------
    layers
        At least three.
    weights
        Of all, some or none of the layers between the first and the last; float64 when read. When written,
        each array's type decides how many digits its numbers need.
    notes
        What the file holds and was left out, a sentence each.
    """

    layers: list[LayerSpec]
    weights: dict[str, LayerWeights] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def weight_sizes(layer: LayerSpec, preceding: int) -> tuple[int, int, int]:
    """Return how many weights a layer has: input, bias, internal.

    Parameters
    ----------
    layer
        Any layer; the first and the last have none.
    preceding
        Size of the layer before it.
    """
    size = layer.size
    if layer.bias is None:
        return 0, 0, 0
    if layer.type not in ("lstm", "blstm"):
        return size * preceding, size, 0
    direction = size // 2 if layer.type == "blstm" else size
    return 4 * size * preceding, 4 * size, 4 * size * direction + 3 * size


def read_network(path: Path, *, input_size: int | None = None) -> NetworkFile:
    """Read a network, or the network of an autosave.

    Parameters
    ----------
    path
        The file.
    input_size
        Size of the data's inputs, which then replaces the input layer's before anything is checked
        (as the original does when it trains); otherwise the file's holds.

    Returns
    -------
    NetworkFile
        Its layers and weights fit together; all numbers are finite.

    Raises
    ------
    InputError
        With the layer and key, what was found and what is expected.
    """
    return network_from(path, from_json(path), input_size)


def network_from(path: Path, content: dict[str, Any], input_size: int | None = None) -> NetworkFile:
    """Return the network in the content of a file; see :func:`read_network`."""
    layers = [LayerSpec(*values) for values in read_layers(path, content)]
    if input_size is not None:
        layers[0] = replace(layers[0], size=input_size)
    names = [layer.name for layer in layers if layer.bias is not None]
    reader = LayerReader(path, content.get("weights", {}), names)
    without = [name for name in names if name not in reader.names]
    return NetworkFile(layers, _weights(reader, layers), _left_out(path, reader.unused, without))


def network_content(path: Path, network: NetworkFile) -> dict[str, Any]:
    """Return what is written for a network: ``layers`` and, if there are any, ``weights``.

    Raises
    ------
    InputError
        If layers are not allowed, or weights don't fit them.
    """
    content: dict[str, Any] = {"layers": [_layer_content(layer) for layer in network.layers]}
    read_layers(path, content)
    if unknown := set(network.weights) - {layer.name for layer in network.layers}:
        raise InputError(f"{path}: weights of a layer {min(unknown)!r} that is not in the network")
    weights = {}
    for before, layer in zip(network.layers, network.layers[1:], strict=False):
        if layer.name not in network.weights:
            continue
        pieces = [np.asarray(getattr(network.weights[layer.name], piece)) for piece in PIECES]
        for piece, found, size in zip(PIECES, pieces, weight_sizes(layer, before.size), strict=True):
            if found.shape != (size,):
                raise InputError(
                    f"{path}: layer {layer.name!r}, {piece!r}: weights of shape {found.shape}; "
                    f"expected ({size},)"
                )
        weights[layer.name] = dict(zip(PIECES, pieces, strict=True))
    return content | ({"weights": weights} if weights else {})


def write_network(path: Path, network: NetworkFile) -> None:
    """Write a network so that every weight reads back exactly.

    Parameters
    ----------
    path
        The file.
    network
        Its float32 weights are exact when they are read as float32, its float64 weights as float64.

    Raises
    ------
    InputError
        If layers are not allowed, weights don't fit them, or one is not finite.
    OSError
        If the file can't be written.
    """
    content = network_content(path, network)
    for name, pieces in content.get("weights", {}).items():
        for piece, values in pieces.items():
            if not np.isfinite(values).all():
                k = int(np.argmin(np.isfinite(values)))
                raise InputError(
                    f"{path}: layer {name!r}, {piece!r}: weight {k} (from 0) is {values[k]}; "
                    "expected finite numbers (has the training diverged?)"
                )
    write_text(path, json_text(content))


def _layer_content(layer: LayerSpec) -> dict[str, Any]:
    content: dict[str, Any] = {"name": layer.name, "type": layer.type, "size": int(layer.size)}
    if layer.bias is not None:
        content["bias"] = float(layer.bias)
    if layer.learning_rate is not None:
        content["learningRate"] = float(layer.learning_rate)
    return content


def _weights(reader: LayerReader, layers: list[LayerSpec]) -> dict[str, LayerWeights]:
    return {
        layer.name: LayerWeights(
            *reader.read(layer.name, dict(zip(PIECES, weight_sizes(layer, before.size), strict=True)))
        )
        for before, layer in pairwise(layers)
        if layer.name in reader.names
    }


def _left_out(path: Path, unused: list[str], without: list[str]) -> tuple[str, ...]:
    if not unused:
        return ()
    hint = did_you_mean(unused[0], without)
    listed = ", ".join(map(shown, unused[:8])) + (", …" if len(unused) > 8 else "")
    return (f"{path}: weights without a layer that has any are left out: {listed}{hint}",)
