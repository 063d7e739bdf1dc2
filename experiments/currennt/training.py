"""Training as CURRENNT 0.2's program does it: sets, epochs, autosaves, the trained network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.currennt import messages
from experiments.currennt.autosave import Autosave, write_autosave
from experiments.currennt.data import (
    build_network,
    check_targets,
    file_weights,
    objective_of,
    sequence_set,
    target_notes,
)
from experiments.currennt.netcdf import NetcdfData, read_many
from experiments.currennt.network_file import NetworkFile, read_network, write_network
from experiments.currennt.options import Options, to_configuration
from experiments.currennt.order import SequenceOrder
from experiments.currennt.printing import close_line, note, say, set_summary
from experiments.errors import InputError
from lstmcore import (
    SGD,
    DivergedError,
    EpochReport,
    Network,
    SequenceSet,
    Trainer,
    TrainingSettings,
    TrainingState,
)

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
        If a file is wrong, they don't fit each other, or training diverges; then the best
        network so far has been written.
    """
    data = {name: _read(options, name) for name in _SETS}  # the network's input layer follows them
    if data["train"] is None:
        raise InputError("train_file is missing; training needs one")
    windows = options.input_left_context + 1 + options.input_right_context
    data_size = int(data["train"].inputs.shape[1]) * windows
    say(messages.reading_network(str(network_path)), end="")
    file = _read_network(network_path, data_size)
    close_line()
    note(*file.notes)
    say("")
    sets = [_prepare(options, file, name, found) for name, found in data.items()]
    say(messages.CREATING_NETWORK, end="")
    network = build_network(file, options, data_size, options.random_seed)
    close_line()
    print_layers(file, network)
    say(messages.CREATING_OPTIMIZER, end="")
    trainer = _new_trainer(options, file, network, sets, resumed)
    close_line()
    say(*messages.optimizer_lines(options))
    _Session(options, file, trainer, resumed).run()


def _read_network(path: Path, inputs: int) -> NetworkFile:
    """Read a network for data with so many inputs a frame, whatever its own input layer says."""
    try:
        return read_network(path, input_size=inputs)
    except InputError:
        own = read_network(path).layers[0].size  # says what is wrong, if it is anything else
        raise InputError(
            f"{path}: the first layer's weights are for {own} inputs; the data have {inputs} inputs a frame"
        ) from None


_SETS = {"train": "training set", "val": "validation set", "test": "test set"}


def _read(options: Options, name: str) -> NetcdfData | None:
    paths: tuple[str, ...] = getattr(options, f"{name}_file")
    return read_many([Path(p) for p in paths], getattr(options, f"{name}_fraction")) if paths else None


def _prepare(options: Options, file: NetworkFile, name: str, data: NetcdfData | None) -> SequenceSet | None:
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
    )
    close_line()
    note(*data.notes, *target_notes(file, data, ", ".join(paths)))
    say(*messages.set_lines(set_summary(found, getattr(options, f"{name}_fraction"))))
    return found


def print_layers(file: NetworkFile, network: Network) -> None:
    """Print the layers of a network."""
    counts = [
        sum(piece.size for piece in network.architecture.pieces if piece.layer == k)
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
    return Trainer(
        network,
        training,
        validation,
        settings,
        seed=np.random.SeedSequence(options.random_seed),
        objective=objective_of(file),
        state=None if resumed is None else _state_of(resumed, network, validation),
        test=test,
        order=order.for_epoch,
    )


def _state_of(autosave: Autosave, network: Network, validation: SequenceSet | None) -> TrainingState:
    """Go on exactly where an autosave was written; from one of the original's, to its six digits."""
    dtype, extra = network.dtype, autosave.extra
    best, deltas = (np.concatenate(v).astype(dtype) for v in (autosave.best_weights, autosave.weight_deltas))
    if not len(best) == len(deltas) == network.architecture.parameters:
        raise InputError(
            f"autosave: {len(best)} best weights and {len(deltas)} weight deltas; "
            f"the network has {network.architecture.parameters} weights"
        )
    per_sequence = autosave.lowest_validation_error
    summed = per_sequence * len(validation) if validation is not None else math.inf
    return TrainingState(
        epoch=autosave.epoch,
        weights=network.weights.copy(),
        deltas=deltas,
        best_weights=best,
        best_epoch=int(extra.get("best_epoch", autosave.epoch - autosave.epochs_since_lowest_error)),
        best_error=float(extra.get("best_error_sum", summed)),
        without_better=autosave.epochs_since_lowest_error,
    )


class _Session:
    """Runs the epochs and writes what is to be written."""

    def __init__(
        self, options: Options, file: NetworkFile, trainer: Trainer, resumed: Autosave | None
    ) -> None:
        self._options, self._file, self._trainer = options, file, trainer
        self._names = [spec.name for spec in file.layers[1:-1]]
        self._architecture = trainer.best_network().architecture
        self._rows = list(resumed.info_rows) if resumed is not None else []
        self._last: EpochReport | None = None
        known = resumed is not None and math.isfinite(resumed.lowest_validation_error)
        self._lowest_before = resumed.lowest_validation_error if resumed is not None and known else None

    def _lowest(self) -> float | None:
        """Lowest validation error so far; None if there was none yet."""
        return self._last.best_error if self._last is not None else self._lowest_before

    def run(self) -> None:
        """Train to the end and write the network; on divergence write the best and raise."""
        say(*messages.STARTING_TRAINING, *messages.TABLE_HEADER, *self._rows)
        trainer = self._trainer
        try:
            while not trainer.finished:
                self._after(trainer.run_epoch())
        except DivergedError as error:
            self._store()
            what = "best weights so far" if trainer.state.epoch else "initial weights"
            raise InputError(f"{error}. The {what} are in '{self._options.save_network}'") from None
        except KeyboardInterrupt:
            if trainer.state.epoch:
                path = self._autosave()
                say("", f"Interrupted. Go on with --continue {path}")
            raise
        state = trainer.state
        say(*messages.stop_lines(state.without_better, self._options, self._lowest()))
        self._store()

    def _after(self, report: EpochReport) -> None:
        self._last = report
        row = messages.table_row(
            report.epoch,
            report.seconds,
            messages.SetError(report.training_error, report.training_class_error),
            _set_error(report.validation_error, report.validation_class_error),
            _set_error(report.test_error, report.test_class_error),
            report.new_best,
        )
        say(row)
        self._rows.append(row)
        if self._options.autosave_best and report.new_best:
            self._write(
                Path(f"{self._options.autosave_prefix or ''}.best.jsn"), self._trainer.state.best_weights
            )
        if self._options.autosave:
            self._autosave()

    def _store(self) -> None:
        path = self._options.save_network
        say(messages.storing_network(path), end="")
        self._write(Path(path), self._trainer.state.best_weights)
        close_line()

    def _with_weights(self, vector: NDArray[np.floating]) -> NetworkFile:
        return NetworkFile(self._file.layers, file_weights(self._architecture, vector, self._names))

    def _write(self, path: Path, vector: NDArray[np.floating]) -> None:
        write_network(path, self._with_weights(vector))

    def _autosave(self) -> Path:
        state, report = self._trainer.state, self._last
        finished = self._trainer.finished
        prefix = f"{self._options.autosave_prefix}_" if self._options.autosave_prefix else ""
        path = Path(f"{prefix}epoch{state.epoch:03d}.autosave")
        lowest = self._lowest()
        write_autosave(
            path,
            Autosave(
                network=self._with_weights(state.best_weights if finished else state.weights),
                options=to_configuration(self._options),
                info_rows=self._rows,
                finished=finished,
                epoch=state.epoch,
                epochs_since_lowest_error=state.without_better,
                lowest_validation_error=math.inf if lowest is None else lowest,
                **_current_errors(report),
                best_weights=self._by_layer(state.best_weights),
                weight_deltas=self._by_layer(state.deltas),
                extra={"best_epoch": state.best_epoch, **_exact(state.best_error)},
            ),
        )
        return path

    def _by_layer(self, vector: NDArray[np.floating]) -> list[NDArray[np.floating]]:
        """Cut into a flat vector a layer, empty for input and error layer."""
        architecture = self._architecture
        empty: NDArray[np.floating] = np.empty(0, vector.dtype)
        parts = [
            vector[
                min(p.offset for p in architecture.pieces if p.layer == k) : max(
                    p.offset + p.size for p in architecture.pieces if p.layer == k
                )
            ]
            for k in range(len(architecture.layers))
        ]
        return [empty, *parts, empty]


def _exact(best_error: float) -> dict[str, float]:
    """Keep the sum that errors by sequence are made from; dividing and multiplying again would round."""
    return {"best_error_sum": best_error} if math.isfinite(best_error) else {}


def _current_errors(report: EpochReport | None) -> dict[str, float]:
    """Errors of the last epoch as an autosave names them."""
    if report is None:
        return {"training_error": math.inf, "validation_error": math.inf, "test_error": math.inf}
    found: dict[str, float] = {"training_error": report.training_error}
    for name in ("validation_error", "test_error"):
        value = getattr(report, name)
        found[name] = math.inf if value is None else value
    for name in ("training_class_error", "validation_class_error", "test_class_error"):
        value = getattr(report, name)
        found[name] = 1.0 if value is None else value
    return found


def _set_error(error: float | None, wrong: float | None) -> messages.SetError | None:
    return None if error is None else messages.SetError(error, wrong)
