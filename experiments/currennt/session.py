"""A training from its first epoch to the trained network on disk.

Nothing that was computed may be lost by what happens beside it: a signal waits until what is being
written is whole, a full disk costs an autosave and not the training, and a network that can't be
stored where it should be is stored elsewhere.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstmcore import DivergedError, EpochReport, Trainer
from lstmcore.experiments.currennt import console as messages
from lstmcore.experiments.currennt.data import file_weights
from lstmcore.experiments.currennt.formats.autosave import (
    Autosave,
    Beyond,
    configuration_text,
    write_autosave,
)
from lstmcore.experiments.currennt.formats.network_file import NetworkFile, write_network
from lstmcore.experiments.currennt.options.parsing import Options, to_configuration
from lstmcore.experiments.currennt.printing import close_line, lost, say, tell
from lstmcore.experiments.currennt.signals import Signals
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import check_writable


def check_places(options: Options) -> None:
    """See, before anything is computed, whether all that training writes can be written.

    Raises
    ------
    OSError
        If a file can't be written where it is to be.
    InputError
        If an autosave can't hold an option.
    """
    check_writable(Path(options.save_network))
    configuration_text(_autosave_path(options, 1), to_configuration(options))
    if options.autosave:
        check_writable(_autosave_path(options, 1))
    if options.autosave_best:
        check_writable(_best_path(options))


def _autosave_path(options: Options, epoch: int) -> Path:
    prefix = f"{options.autosave_prefix}_" if options.autosave_prefix else ""
    return Path(f"{prefix}epoch{epoch:03d}.autosave")


def _best_path(options: Options) -> Path:
    network = Path(options.network)
    prefix = options.autosave_prefix or str(
        network.with_name(network.name.rpartition(".")[0] or network.name)
    )
    return Path(f"{prefix}.best.jsn")


class Session:
    """Runs the epochs and writes what is to be written.

    Parameters
    ----------
    options
        With the seed that is used.
    file
        The network's layers.
    trainer
        What trains it.
    source
        File that the network was read from.
    resumed
        What was in it, if training goes on.
    """

    def __init__(
        self, options: Options, file: NetworkFile, trainer: Trainer, source: Path, resumed: Autosave | None
    ) -> None:
        self._options, self._file, self._trainer = options, file, trainer
        self._names = [spec.name for spec in file.layers[1:-1]]
        self._architecture = trainer.best_network().architecture
        self._signals = Signals()
        self._state = trainer.state  # of the last epoch that was finished and reported
        self._report: EpochReport | None = None
        self._resumed = resumed
        self._rows = list(resumed.info_rows) if resumed is not None else []
        self._saved = None if resumed is None else source  # holds the state as well

    def run(self) -> None:
        """Train to the end and write the network.

        Raises
        ------
        InputError
            If training diverges, or the network can't be stored where it should be; the message says
            where the weights are.
        Stopped
            If a signal asked for the end; an autosave has been written.
        BrokenPipeError
            If nobody reads the output any more; an autosave has been written.
        """
        say(*messages.STARTING_TRAINING, *messages.TABLE_HEADER, *self._rows)
        with self._signals:
            try:
                self._train()
            except DivergedError as error:
                raise self._diverged(error) from None
            except BaseException as error:
                self._keep(_why(error))
                raise
            say(*messages.stop_lines(self._state.without_better, self._options, *self._last_errors()))
            self._store()
            self._signals.obey()

    def _train(self) -> None:
        while not self._trainer.finished:
            if isinstance(lost(), BrokenPipeError):
                raise BrokenPipeError
            with self._signals.allowed():
                report = self._trainer.run_epoch()
            self._state, self._report, self._saved = self._trainer.state, report, None
            self._after(report)

    def _after(self, report: EpochReport) -> None:
        row = messages.table_row(
            report.epoch,
            report.seconds,
            messages.SetError(report.training_error, report.training_class_error),
            _set_error(report.validation_error, report.validation_class_error),
            _set_error(report.test_error, report.test_class_error),
            report.new_best,
        )
        self._rows.append(row)
        say(row)
        if self._options.autosave_best and report.new_best and report.validation_error is not None:
            self._try(_best_path(self._options), self._write_best)
        if self._options.autosave:
            path = _autosave_path(self._options, self._state.epoch)
            if self._try(path, self._write_autosave):
                self._saved = path

    def _last_errors(self) -> tuple[float | None, float | None]:
        """Return the lowest validation error, None if there was none yet, and the last training error."""
        if self._report is not None:
            return self._report.best_error, self._report.training_error
        if self._resumed is None:
            return None, None
        lowest = self._resumed.lowest_validation_error
        return lowest if math.isfinite(lowest) else None, self._resumed.training_error

    def _diverged(self, error: DivergedError) -> InputError:
        path = Path(self._options.save_network)
        place, reason = self._written_somewhere(path, self._write_best)
        what = "best weights so far" if self._state.epoch else "initial weights"
        more = f" ('{path}' could not be written: {reason})" if reason else ""
        return InputError(f"{error}. The {what} are in '{place}'{more}")

    def _store(self) -> None:
        path = Path(self._options.save_network)
        say(messages.storing_network(str(path)), end="")
        place, reason = self._written_somewhere(path, self._write_best)
        if reason:
            raise InputError(f"{path}: {reason}; the trained network is in '{place}'")
        close_line()

    def _keep(self, why: str) -> None:
        """Write an autosave of the last whole epoch, unless there is one, and say how to go on."""
        if not self._state.epoch:
            tell("", f"{why} The first epoch had not ended: there is nothing to keep.")
            return
        more = ""
        if self._saved is None:
            path = _autosave_path(self._options, self._state.epoch)
            self._saved, reason = self._written_somewhere(path, self._write_autosave)
            more = f" ('{path}' could not be written: {reason})" if reason else ""
        tell("", f"{why} Go on with --continue {self._saved}{more}")

    def _try(self, path: Path, write: Callable[[Path], None]) -> bool:
        """Write a file that training can do without; say if it can't be written."""
        try:
            with self._undisturbed(path):
                write(path)
        except (OSError, ValueError) as error:
            tell(messages.autosave_failed(str(path), _reason(error)))
            return False
        return True

    def _written_somewhere(self, path: Path, write: Callable[[Path], None]) -> tuple[Path, str]:
        """Write a file, in the folder for temporary files if it can't be where it should.

        Returns
        -------
        Path
            Where it is.
        str
            Why it isn't where it should be; empty if it is.
        """
        try:
            with self._undisturbed(path):
                write(path)
            return path, ""
        except (OSError, ValueError) as error:
            reason = _reason(error)
        try:
            other = Path(tempfile.mkdtemp(prefix="lstmcore-")) / path.name
            with self._undisturbed(other):
                write(other)
            return other, reason
        except (OSError, ValueError) as error:
            kept = f". Go on with --continue {self._saved}" if self._saved is not None else ""
            there = f"nor could it be written into {tempfile.gettempdir()}: {_reason(error)}"
            raise InputError(f"{path}: {reason}; {there}{kept}") from None

    @contextmanager
    def _undisturbed(self, path: Path) -> Iterator[None]:
        self._signals.occupation = f"'{path}' is written"
        try:
            yield
        finally:
            self._signals.occupation = ""

    def _with_weights(self, vector: NDArray[np.floating]) -> NetworkFile:
        return NetworkFile(self._file.layers, file_weights(self._architecture, vector, self._names))

    def _write_best(self, path: Path) -> None:
        write_network(path, self._with_weights(self._state.best_weights))

    def _write_autosave(self, path: Path) -> None:
        state, report = self._state, self._report
        assert report is not None  # a state that was resumed is on disk already
        finished = self._trainer.finished and state is self._trainer.state
        lowest, _ = self._last_errors()
        last = self._by_layer(state.weights) if finished else None
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
                weight_deltas=self._by_layer(state.velocity),
                beyond=Beyond(state.best_epoch, state.best_error, last),
            ),
        )

    def _by_layer(self, vector: NDArray[np.floating]) -> list[NDArray[np.floating]]:
        """Cut into a flat vector a layer, empty for input and error layer."""
        architecture = self._architecture
        empty: NDArray[np.floating] = np.empty(0, vector.dtype)
        parts = [
            vector[
                min(p.offset for p in architecture.parameters if p.layer == k) : max(
                    p.offset + p.size for p in architecture.parameters if p.layer == k
                )
            ]
            for k in range(len(architecture.layers))
        ]
        return [empty, *parts, empty]


def _why(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted."
    return "Stopped: nobody reads the output." if isinstance(error, BrokenPipeError) else "Stopped."


def _reason(error: OSError | ValueError) -> str:
    return str(error.strerror or error) if isinstance(error, OSError) else str(error)


def _current_errors(report: EpochReport) -> dict[str, float]:
    """Errors of the last epoch as an autosave names them."""
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
