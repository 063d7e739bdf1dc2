"""What is made of another program's file before it is written as a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from lstmcore import EngineError, Layer, Network
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.job import Tensors
from lstmcore.experiments.prediction.description import (
    QUANTILES,
    SCALERS,
    Description,
    check_tensors,
    explained,
)
from lstmcore.experiments.prediction.model import layers_as_json
from lstmcore.features.errors import printable
from lstmcore.network import Architecture

Array = NDArray[Any]


@dataclass(frozen=True)
class Imported:
    """A model that was read.

    Parameters
    ----------
    description, tensors
        Content of its files.
    notes
        What is worth saying.
    card
        The model's card, if it came along.
    """

    description: dict[str, Any]
    tensors: Tensors
    notes: list[str] = field(default_factory=list)
    card: str | None = None


def description_in(file: Path, content: Any) -> Description:
    """Check a description that lies in another program's file.

    Raises
    ------
    InputError
        If a key is unknown, missing or wrong.
    """
    try:
        return Description.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{printable(file)}: its description of the model: {explained(error)}") from None


def array_in(file: Path, arrays: Mapping[str, Array], name: str, shape: tuple[int, ...]) -> Array:
    """Return an array of a file.

    Raises
    ------
    InputError
        If it isn't there, or has another shape or kind.
    """
    if name not in arrays:
        raise InputError(f"{printable(file)}: no array {name!r}; expected one of shape {shape}")
    array = arrays[name]
    if array.shape != shape:
        raise InputError(f"{printable(file)}: {name} has shape {array.shape}; expected {shape}")
    if array.dtype not in (np.float16, np.float32, np.float64):
        raise InputError(f"{printable(file)}: {name} is {array.dtype}; expected numbers of a float type")
    return array


def read_back(
    file: Path,
    content: Any,
    pieces_of: Callable[[int, int, Layer, int], dict[str, Array]],
    scaler_of: Callable[[int, str, int], Array],
    quantiles: Array | None,
    values: int,
) -> Imported:
    """Put a model together again that lstmcore wrote for another program.

    Parameters
    ----------
    file
        The file.
    content
        The description in it.
    pieces_of
        Called with a network's place in the system, a layer's number, the layer and its number of inputs;
        returns the parameters, the bias with the layer's own value in it.
    scaler_of
        Called with a network's place, the name of a scaler and its length.
    quantiles
        What features are ranked by, if they are.
    values
        How many numbers the file has: a description of more isn't believed.
    """
    about = description_in(file, content)
    order = about.systems[next(iter(about.systems))]
    if len(about.systems) != 1 or {*order} != {*range(len(about.networks))}:
        raise InputError(f"{printable(file)}: its description has other networks than those of one system")
    architecture = about.architecture
    if (wanted := architecture.parameter_count * len(about.networks)) > values:
        raise InputError(f"{printable(file)}: {values} numbers; expected {wanted}, as its description says")
    sizes = {"input": architecture.input_size, "target": architecture.output_size}
    weights = np.empty((len(about.networks), architecture.parameter_count), np.float32)
    scalers = {name: np.empty((len(weights), sizes[name.partition("_")[0]])) for name in SCALERS}
    for place, number in enumerate(order):
        views = architecture.views(weights[number])
        for k, (layer, inputs) in enumerate(zip(architecture.layers, architecture.input_sizes, strict=True)):
            for name, array in pieces_of(place, k, layer, inputs).items() if views[k] else ():
                views[k][name][...] = array
        for name, rows in scalers.items():
            rows[number] = scaler_of(place, name, rows.shape[1])
    description = about.model_dump(exclude_none=True)
    for layer_told, layer_pieces in zip(description["layers"], architecture.views(weights[0]), strict=True):
        if "b" in layer_pieces:
            layer_told["bias"] = 1.0  # what it was is in the parameters
    tensors: Tensors = {"weights": weights} | scalers
    if quantiles is not None:
        tensors[QUANTILES] = quantiles
    check_tensors(file, Description.model_validate(description), tensors)
    notes = ["where the training songs lie isn't in such a file: novelty of songs is not told"]
    return Imported(description, tensors, notes)


def custom(
    file: Path, input_size: int, layers: list[Layer], pieces: list[dict[str, Array]], source: str
) -> Imported:
    """Make a model of one network of another program, of whose inputs and outputs nothing is known.

    Parameters
    ----------
    file
        It comes from.
    input_size
        Number of inputs.
    layers, pieces
        Layers, and the parameters of each.
    source
        What to call the program.
    """
    try:
        architecture = Architecture(input_size, tuple(layers))
        weights = np.empty(architecture.parameter_count, np.float32)
        for view, found in zip(architecture.views(weights), pieces, strict=True):
            for name, values in found.items():
                view[name][...] = values
        Network(architecture, weights)
    except EngineError as error:
        raise InputError(f"{printable(file)}: {error}") from None
    outputs = architecture.output_size
    description = {
        "experiment": file.stem,
        "layers": layers_as_json(architecture),
        "feature_set": "custom",
        "feature_names": [f"input_{k}" for k in range(input_size)],
        "targets": [f"output_{k}" for k in range(outputs)],
        "networks": [{"file": printable(file.name)}],
        "systems": {"network": [0]},
        "notes": [f"read from {file.name}, of {source}"],
    }
    tensors: Tensors = {
        "weights": weights[None],
        "input_mean": np.zeros((1, input_size)),
        "input_scale": np.ones((1, input_size)),
        "target_mean": np.zeros((1, outputs)),
        "target_scale": np.ones((1, outputs)),
    }
    notes = ["what its inputs and outputs are isn't in the file: model.json names them input_0 …, output_0 …"]
    return Imported(description, tensors, notes)
