"""From NetCDF data and a network file to what the engine takes.

What CURRENNT 0.2 does to data on the way: cutting long training sequences, delaying targets,
windows of frames.  And how its names of layers and errors map onto the engine's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore import (
    BLSTM,
    LSTM,
    OBJECTIVES,
    Architecture,
    Layer,
    Linear,
    Logistic,
    Network,
    Objective,
    SequenceSet,
    Softmax,
    Tanh,
)
from lstmcore.experiments.currennt.formats.netcdf import NetcdfData
from lstmcore.experiments.currennt.formats.network_file import LayerSpec, LayerWeights, NetworkFile
from lstmcore.experiments.currennt.numerics.initial import initial_weights, normal_weights
from lstmcore.experiments.currennt.numerics.mersenne import MersenneTwister
from lstmcore.experiments.currennt.numerics.order import truncated_lengths
from lstmcore.experiments.currennt.options.parsing import Options
from lstmcore.experiments.currennt.room import Room
from lstmcore.experiments.errors import InputError

KINDS: dict[str, type[Layer]] = {
    "lstm": LSTM,
    "blstm": BLSTM,
    "feedforward_identity": Linear,
    "feedforward_tanh": Tanh,
    "feedforward_logistic": Logistic,
    "softmax": Softmax,
}
TYPES = {kind: name for name, kind in KINDS.items()}
_CLASSIFICATION = ("binary_classification", "multiclass_classification")
# The target of the first steps of a sequence whose targets are delayed.
_BEFORE_THE_FIRST_TARGET = 1.0


def sequence_set(
    data: NetcdfData,
    dtype: str,
    *,
    lag: int = 0,
    truncate: int = 0,
    context: tuple[int, int] = (0, 0),
    room: Room | None = None,
) -> SequenceSet:
    """Make a set of sequences as the options ask for.

    Parameters
    ----------
    data
        With targets or classes, or without: then the targets are empty.
    dtype
        Precision of the set.
    lag
        ``output_time_lag``: the target of step t is that of step t − lag; the first steps of a
        sequence get 1 in each output, or class 0, and are trained on like the others.
    truncate
        ``truncate_seq``: the pieces become sequences of their own.
    context
        Frames to the left and to the right that the network sees as well.
    room
        For what is not the data's very arrays.

    Returns
    -------
    SequenceSet
        In the order of the files.
    """
    room = room or Room()
    lengths = np.array(
        [n for whole in data.lengths for n in truncated_lengths(int(whole), truncate)], np.int64
    )
    targets = _targets(data)
    if lag:
        first = 0.0 if data.classes is not None else _BEFORE_THE_FIRST_TARGET
        targets = _delayed(targets, lengths, lag, first, room)
    return SequenceSet(room.cast(data.inputs, dtype), room.cast(targets, dtype), lengths, context)


def _targets(data: NetcdfData) -> NDArray[np.float32]:
    if data.classes is not None:
        return data.classes.astype(np.float32)[:, None]
    if data.targets is not None:
        return data.targets
    return np.empty((len(data.inputs), 0), np.float32)


def _delayed(
    targets: NDArray[np.float32], lengths: NDArray[np.int64], lag: int, first: float, room: Room
) -> NDArray[np.float32]:
    late = room.empty(targets.shape, targets.dtype)
    late[:] = first
    for start, length in zip(np.cumsum(lengths) - lengths, lengths, strict=True):
        if length > lag:
            late[start + lag : start + length] = targets[start : start + length - lag]
    return late


def objective_of(file: NetworkFile) -> Objective:
    """Return what the last layer of a network file stands for."""
    return OBJECTIVES[file.layers[-1].type]


def check_targets(file: NetworkFile, data: NetcdfData, place: str) -> None:
    """Raise an InputError unless the targets are of the kind and number the last layer wants."""
    last, output = file.layers[-1], file.layers[-2]
    # The original takes numbers for two classes.
    numbers_do = last.type == "binary_classification" and data.targets is not None
    wants_classes = last.type in _CLASSIFICATION and not numbers_do
    if wants_classes and data.classes is None:
        raise InputError(f"{place}: no classes; the network's last layer is {last.type!r}")
    if not wants_classes and data.targets is None:
        found = "classes" if data.classes is not None else "no targets"
        raise InputError(f"{place}: {found}; the network's last layer, {last.type!r}, needs targetPatterns")
    if wants_classes:
        width = 1 if data.labels == 2 and last.type == "binary_classification" else int(data.labels or 0)
    else:
        width = int(data.targets.shape[1]) if data.targets is not None else 0
    if last.size != width:
        raise InputError(
            f"{place}: target pattern size is {width}; the network's layer {last.name!r} has size {last.size}"
        )
    expected = OBJECTIVES[last.type].target_size(output.size)
    have = output.size if last.type in _CLASSIFICATION else expected
    if last.size != have:
        raise InputError(
            f"network: output layer {output.name!r} has size {output.size} and {last.name!r} has size "
            f"{last.size}; expected {have}"
        )


def target_notes(file: NetworkFile, data: NetcdfData, place: str) -> list[str]:
    """Return what is worth saying of targets that the last layer takes otherwise than one may think."""
    kind, notes = file.layers[-1].type, []
    unclassified = 0 if data.classes is None else int((data.classes < 0).sum())
    if unclassified:
        what = (
            "have no error, and count as wrong in the share of wrong steps"
            if kind == "multiclass_classification"
            else f"count as class 0 in {kind!r}, as in CURRENNT 0.2"
        )
        notes.append(f"{place}: frames of class -1 {what}: {unclassified}")
    if kind == "binary_classification" and data.targets is not None:
        notes.append(f"{place}: targetPatterns are taken for classes: 1 where they are above 0, else 0")
    return notes


def build_network(file: NetworkFile, options: Options, inputs: int, seed: int) -> Network:
    """Make the engine's network, drawing the weights that the file doesn't hold.

    Parameters
    ----------
    file
        Layers and, of some or all of them, weights.
    options
        Say how weights are drawn and in which precision all is computed.
    inputs
        Inputs per frame, context included; takes the place of the file's.
    seed
        Of the generator.

    Returns
    -------
    Network
        Float32 unless ``float64`` is asked for.
    """
    layers = [_engine_layer(spec) for spec in file.layers[1:-1]]
    architecture = Architecture(inputs, tuple(layers))
    dtype = np.dtype("float64" if options.float64 else "float32")
    generator = MersenneTwister(seed)
    parts = []
    for number, spec in enumerate(file.layers[1:-1]):
        count = sum(parameter.size for parameter in architecture.parameters if parameter.layer == number)
        found = file.weights.get(spec.name)
        parts.append(_draw(count, generator, options, dtype) if found is None else flat(found))
    return Network(architecture, np.concatenate(parts).astype(dtype))


def _engine_layer(spec: LayerSpec) -> Layer:
    bias = 0.0 if spec.bias is None else spec.bias
    rate = spec.learning_rate if spec.learning_rate is not None and spec.learning_rate >= 0 else None
    return KINDS[spec.type](spec.size, bias, rate)


def _draw(
    count: int, generator: MersenneTwister, options: Options, dtype: np.dtype[Any]
) -> NDArray[np.floating]:
    o = options
    if o.weights_dist == "normal":
        return normal_weights(count, generator, o.weights_normal_mean, o.weights_normal_sigma, dtype)
    return initial_weights(count, generator, o.weights_uniform_min, o.weights_uniform_max, dtype)


def flat(weights: LayerWeights) -> NDArray[np.float64]:
    """Weights of a layer in the order of the engine's vector, which is that of the file."""
    return np.concatenate([weights.input, weights.bias, weights.internal])


def file_weights(
    architecture: Architecture, vector: NDArray[np.floating], names: list[str]
) -> dict[str, LayerWeights]:
    """Cut a parameter vector into the pieces of a network file.

    Parameters
    ----------
    architecture
        Of the vector.
    vector
        Shape (parameters,).
    names
        Of the layers with parameters, in order.

    Returns
    -------
    dict
        Weights by layer.
    """
    found = {}
    for name, pieces in zip(names, architecture.views(vector), strict=True):
        internal = [pieces[n].ravel() for n in ("R", "p") if n in pieces] or [np.empty(0, vector.dtype)]
        found[name] = LayerWeights(pieces["W"].ravel(), pieces["b"].ravel(), np.concatenate(internal))
    return found
