"""Training as CURRENNT 0.2's program does it: from files to a trainer, which `session` runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lstmcore import (
    SGD,
    EngineError,
    Network,
    SequenceSet,
    Sets,
    Trainer,
    Training,
    TrainingSettings,
    TrainingState,
)
from lstmcore.experiments.currennt import console as messages
from lstmcore.experiments.currennt.data import (
    build_network,
    check_targets,
    objective_of,
    sequence_set,
    target_notes,
)
from lstmcore.experiments.currennt.formats.autosave import Autosave
from lstmcore.experiments.currennt.formats.netcdf import NetcdfData, read_many
from lstmcore.experiments.currennt.formats.network_file import NetworkFile, read_network
from lstmcore.experiments.currennt.numerics.order import SequenceOrder
from lstmcore.experiments.currennt.options.parsing import Options
from lstmcore.experiments.currennt.printing import close_line, note, say, set_summary
from lstmcore.experiments.currennt.room import Room
from lstmcore.experiments.currennt.session import Session, check_places
from lstmcore.experiments.errors import InputError

# What stands for "no limit" where the engine asks for one: training that the user ends.
_FOR_EVER = 2**62


def train(options: Options, network_path: Path, resumed: Autosave | None = None) -> None:
    """Train a network and write it.

    Parameters
    ----------
    options
        With the seed that is used.
    network_path
        File of the network: an autosave's own when training goes on.
    resumed
        The autosave to go on from.

    Raises
    ------
    InputError
        If a file is wrong or can't be written, they don't fit each other, or training diverges; then
        the best network so far has been written.
    Stopped
        If a signal asked for the end; what there was has been written.
    """
    check_places(options)
    room = Room(options.cache_path)
    data = {name: _read(options, name, room) for name in _SETS}  # the network's input layer follows them
    if data["train"] is None:
        raise InputError("train_file is missing; training needs one")
    windows = options.input_left_context + 1 + options.input_right_context
    data_size = int(data["train"].inputs.shape[1]) * windows
    say(messages.reading_network(str(network_path)), end="")
    file = _read_network(network_path, data_size)
    close_line()
    note(*file.notes)
    say("")
    sets = [_prepare(options, file, name, found, room) for name, found in data.items()]
    note(*room.notes)
    say(messages.CREATING_NETWORK, end="")
    network = new_network(network_path, file, options, data_size)
    close_line()
    print_layers(file, network)
    say(messages.CREATING_OPTIMIZER, end="")
    trainer = _new_trainer(options, file, network, sets, resumed, network_path)
    close_line()
    say(*messages.optimizer_lines(options))
    if resumed is not None:
        _check_end(resumed, trainer, network_path)
        say(messages.restoring_state(str(network_path)) + messages.DONE, "")
    Session(options, file, trainer, network_path, resumed).run()


def new_network(path: Path, file: NetworkFile, options: Options, inputs: int) -> Network:
    """Make a network as :func:`build_network` does; what the engine doesn't take is an InputError."""
    try:
        with np.errstate(over="ignore"):  # becomes infinite, which is reported
            return build_network(file, options, inputs, options.random_seed)
    except EngineError as error:
        raise InputError(f"{path}: in {'float64' if options.float64 else 'float32'}, {error}") from None


def _check_end(resumed: Autosave, trainer: Trainer, path: Path) -> None:
    """Refuse to go on from the best weights where the last ones are needed."""
    has_last = resumed.beyond is not None and resumed.beyond.last_weights is not None
    if resumed.finished and not trainer.finished and not has_last:
        raise InputError(
            f"{path}: the training has ended ('optimizer_finished'), and of its weights the file holds the "
            "best, not the last ones, from which it would have to go on. --network with this file trains "
            "on from the best ones, with momentum 0"
        )


def _read_network(path: Path, inputs: int) -> NetworkFile:
    """Read a network for data with so many inputs per frame, whatever its own input layer says."""
    try:
        return read_network(path, input_size=inputs)
    except InputError:
        own = read_network(path).layers[0].size  # says what is wrong, if it is anything else
        raise InputError(
            f"{path}: the first layer's weights are for {own} inputs; the data have {inputs} inputs a frame"
        ) from None


_SETS = {"train": "training set", "val": "validation set", "test": "test set"}


def _read(options: Options, name: str, room: Room) -> NetcdfData | None:
    paths: tuple[str, ...] = getattr(options, f"{name}_file")
    return read_many([Path(p) for p in paths], getattr(options, f"{name}_fraction"), room) if paths else None


def _prepare(
    options: Options, file: NetworkFile, name: str, data: NetcdfData | None, room: Room
) -> SequenceSet | None:
    """Check a set against the network and make what the engine takes."""
    if data is None:
        return None
    paths: tuple[str, ...] = getattr(options, f"{name}_file")
    say(messages.loading_set(_SETS[name], paths), end="")
    check_targets(file, data, ", ".join(paths))
    found = sequence_set(
        data,
        "float64" if options.float64 else "float32",
        lag=options.output_time_lag,
        truncate=options.truncate_seq if name == "train" else 0,
        context=(options.input_left_context, options.input_right_context),
        room=room,
    )
    close_line()
    note(*data.notes, *target_notes(file, data, ", ".join(paths)))
    say(*messages.set_lines(set_summary(found, getattr(options, f"{name}_fraction"))))
    return found


def print_layers(file: NetworkFile, network: Network) -> None:
    """Print the layers of a network."""
    counts = [
        sum(parameter.size for parameter in network.architecture.parameters if parameter.layer == k)
        for k in range(len(network.architecture.layers))
    ]
    first, last = file.layers[0], file.layers[-1]
    layers = [
        messages.LayerSummary(first.type, network.architecture.input_size),
        *(
            messages.LayerSummary(spec.type, spec.size, spec.bias, count)
            for spec, count in zip(file.layers[1:-1], counts, strict=True)
        ),
        messages.LayerSummary(last.type, last.size),
    ]
    say(*messages.layer_lines(layers))


def _new_trainer(
    options: Options,
    file: NetworkFile,
    network: Network,
    sets: Sequence[SequenceSet | None],
    resumed: Autosave | None,
    path: Path,
) -> Trainer:
    training, validation, test = sets
    assert training is not None  # `train` has seen to it
    settings = TrainingSettings(
        sgd=SGD(options.learning_rate, options.momentum),
        parallel_sequences=options.parallel_sequences,
        stochastic=options.stochastic_effective,
        input_noise=options.input_noise_sigma,
        max_epochs=options.max_epochs or _FOR_EVER,
        patience=options.max_epochs_no_best,
        weight_noise=options.weight_noise_sigma,
        validate_every=options.validate_every,
        test_every=options.test_every,
    )
    order = SequenceOrder(
        training.lengths,
        options.parallel_sequences,
        options.random_seed,
        options.shuffle_sequences,
        options.shuffle_fractions,
    )
    problem = Training(
        network,
        Sets(training, validation, test),
        settings,
        np.random.SeedSequence(options.random_seed),
        objective=objective_of(file),
        order=order.for_epoch,
    )
    state = None if resumed is None else _state_of(resumed, network, validation, path)
    return Trainer(problem, state=state)


def _state_of(
    autosave: Autosave, network: Network, validation: SequenceSet | None, path: Path
) -> TrainingState:
    """Go on exactly where an autosave was written; from one of the original's, to its six digits."""
    dtype, beyond = network.dtype, autosave.beyond
    weights = network.weights
    with np.errstate(over="ignore"):  # becomes infinite
        best, deltas, last = (
            np.concatenate(lists or [np.empty(0)]).astype(dtype)
            for lists in (autosave.best_weights, autosave.weight_deltas, beyond and beyond.last_weights)
        )
    for name, vector in (("best weights", best), ("weight deltas", deltas), ("last weights", last)):
        if not np.isfinite(vector).all():
            raise InputError(f"{path}: {name}: found a number that {dtype} can't hold")
    # There may be none yet.
    best = best if best.size else weights.copy()
    deltas = deltas if deltas.size else np.zeros_like(weights)
    weights = last if last.size else weights
    if beyond is not None:
        best_epoch, best_error = beyond.best_epoch, beyond.best_error
    else:
        best_epoch = max(0, autosave.epoch - autosave.epochs_since_lowest_error)
        lowest = autosave.lowest_validation_error
        best_error = lowest * len(validation) if validation is not None else math.inf
    return TrainingState(
        epoch=autosave.epoch,
        weights=weights.copy(),
        velocity=deltas,
        best_weights=best,
        best_epoch=best_epoch,
        best_error=best_error,
        without_better=autosave.epochs_since_lowest_error,
    )
