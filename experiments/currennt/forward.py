"""The forward pass as CURRENNT 0.2's program does it: from a network and data to output files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstmcore import InputNoise, SequenceSet, predict
from lstmcore.experiments.currennt import console as messages
from lstmcore.experiments.currennt.data import sequence_set
from lstmcore.experiments.currennt.formats.netcdf import NetcdfData, read_many
from lstmcore.experiments.currennt.formats.network_file import read_network
from lstmcore.experiments.currennt.formats.outputs import (
    check_place,
    write_csv_folder,
    write_htk_folder,
    write_single_csv,
)
from lstmcore.experiments.currennt.options.parsing import Options
from lstmcore.experiments.currennt.printing import close_line, note, say, set_summary
from lstmcore.experiments.currennt.room import Room, blocks
from lstmcore.experiments.currennt.training import new_network, print_layers
from lstmcore.experiments.errors import InputError


def forward(options: Options) -> None:
    """Compute the outputs of a network for data files and write them.

    The data need no targets.  With ``input_noise_sigma`` the inputs are noisy here too, as in
    the original.

    Parameters
    ----------
    options
        With the seed that is used.

    Raises
    ------
    InputError
        If a file is wrong or they don't fit each other.
    """
    path = Path(options.network)
    say(messages.reading_network(str(path)), end="")
    file = read_network(path)
    for spec in file.layers[1:-1]:
        if spec.name not in file.weights:
            raise InputError(f"{path}: no weights of layer {spec.name!r}; the forward pass needs all")
    close_line()
    note(*file.notes)
    say("")
    say(messages.loading_set("feed forward input set", options.ff_input_file), end="")
    room = Room(options.cache_path)
    data = read_many([Path(p) for p in options.ff_input_file], room=room)
    close_line()
    note(*data.notes)
    check_place(Path(options.ff_output_file), options.ff_output_format, data.tags)
    context = (options.input_left_context, options.input_right_context)
    precision = "float64" if options.float64 else "float32"
    sequences = _with_noise(sequence_set(data, precision, context=context, room=room), options, room)
    note(*room.notes)
    say(*messages.set_lines(set_summary(sequences, 1.0)))
    if file.layers[0].size != sequences.input_size:
        raise InputError(
            f"{path}: the input layer has size {file.layers[0].size}; the data give {sequences.input_size} "
            "inputs a frame"
        )
    say(messages.CREATING_NETWORK, end="")
    network = new_network(path, file, options, sequences.input_size)
    close_line()
    print_layers(file, network)
    scaled = options.revert_std and data.output_means is not None and data.output_stdevs is not None
    if scaled:
        say(messages.OUTPUTS_ARE_SCALED)
    outputs = predict(network, sequences, parallel_sequences=options.parallel_sequences)
    for fraction in range(1, -(-len(sequences) // options.parallel_sequences) + 1):
        say(messages.computing_outputs(fraction), end="")
        close_line()
    if scaled:
        outputs = _scaled(outputs, data)
    _write(options, data.tags, [_earlier(y, options.output_time_lag) for y in sequences.split(outputs)])


def _with_noise(sequences: SequenceSet, options: Options, room: Room) -> SequenceSet:
    if not options.input_noise_sigma:
        return sequences
    noise = InputNoise(np.random.SeedSequence(options.random_seed), 0, options.input_noise_sigma)
    inputs = room.empty(sequences.inputs.shape, sequences.inputs.dtype)
    for part in blocks(inputs):
        inputs[part] = sequences.inputs[part]
        noise.add_to(inputs[part], np.arange(part.start, part.stop))
    return replace(sequences, inputs=inputs)


def _scaled(outputs: NDArray[np.floating], data: NetcdfData) -> NDArray[np.floating]:
    """Undo the standardisation of the targets."""
    assert data.output_means is not None
    assert data.output_stdevs is not None
    if len(data.output_means) != outputs.shape[1]:
        raise InputError(
            f"outputMeans and outputStdevs are of {len(data.output_means)} outputs; the network has "
            f"{outputs.shape[1]} (--revert_std false leaves outputs as they are)"
        )
    scale = data.output_stdevs.astype(outputs.dtype)
    result: NDArray[np.floating] = outputs * scale + data.output_means.astype(outputs.dtype)
    return result


def _earlier(outputs: NDArray[np.floating], lag: int) -> NDArray[np.floating]:
    """Move outputs back by the steps that the targets came later; the last is repeated."""
    rows = np.minimum(np.arange(len(outputs)) + lag, len(outputs) - 1)
    return outputs[rows]


def _write(options: Options, tags: list[str], outputs: list[NDArray[np.floating]]) -> None:
    path = Path(options.ff_output_file)
    match options.ff_output_format:
        case "single_csv":
            write_single_csv(path, tags, outputs)
        case "csv":
            write_csv_folder(path, tags, outputs)
        case _:
            write_htk_folder(path, tags, outputs, options.feature_period, options.ff_output_kind)
