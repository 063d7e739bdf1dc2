"""What CURRENNT 0.2 prints after the lines of `opening`, to the letter where it is known.

Functions return lines without their line ends.  Text that is followed by work (``... done.``)
comes without the `DONE` that is printed after it.  The logs of two runs are reproduced byte for
byte, but for the lines on cache files; wording that the original doesn't have is marked "our own".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstmcore.experiments.currennt.options.parsing import Options

DONE = "done."
STARTING_TRAINING = ["Starting training...", ""]
CREATING_NETWORK = "Creating the neural network... "
CREATING_OPTIMIZER = "Creating the optimizer... "
OUTPUTS_ARE_SCALED = "Outputs will be scaled by mean and standard deviation specified in NC file."
TABLE_HEADER = [
    " Epoch | Duration |  Training error  | Validation error |    Test error    | New best ",
    "-------+----------+------------------+------------------+------------------+----------",
]
_WIDTH = 17


def reading_network(path: str) -> str:
    """Return what is said before the network file is read."""
    return f"Reading network from '{path}'... "


def loading_set(name: str, paths: Sequence[str]) -> str:
    """Return what is said before a set is read, such as the ``training set``."""
    files = " ".join(f"'{path}'" for path in paths)
    return f"Loading {name} {files} ..."


@dataclass(frozen=True)
class SetSummary:
    """A set of sequences as it was read: the part of each file that is used, and lengths."""

    fraction: float
    sequences: int
    shortest: int
    longest: int
    timesteps: int


def set_lines(summary: SetSummary) -> list[str]:
    """Return the lines on a set, with an empty one at their end."""
    return [
        f"Loaded fraction:  {round(100 * summary.fraction)}%",
        f"Sequences:        {summary.sequences}",
        f"Sequence lengths: {summary.shortest}..{summary.longest}",
        f"Total timesteps:  {summary.timesteps}",
        "",
    ]


@dataclass(frozen=True)
class LayerSummary:
    """A layer; input and error layers have neither bias nor weights."""

    kind: str
    size: int
    bias: float | None = None
    weights: int = 0


def layer_lines(layers: Sequence[LayerSummary]) -> list[str]:
    """Return the lines on the network, with two empty ones at their end."""
    lines = ["Layers:"]
    for number, layer in enumerate(layers):
        more = "" if layer.bias is None else f", bias: {layer.bias:.1f}, weights: {layer.weights}"
        lines.append(f"({number}) {layer.kind} [size: {layer.size}{more}]")
    return [*lines, f"Total weights: {sum(layer.weights for layer in layers)}", "", ""]


def optimizer_lines(options: Options) -> list[str]:
    """Return the lines on the optimiser, with an empty one at their end."""
    limit = "inf" if options.max_epochs is None else options.max_epochs
    return [
        "Optimizer type: Steepest descent with momentum",
        f"Max training epochs:       {limit}",
        f"Max epochs until new best: {options.max_epochs_no_best}",
        f"Validation error every:    {options.validate_every}",
        f"Test error every:          {options.test_every}",
        f"Learning rate:             {options.learning_rate:g}",
        f"Momentum:                  {options.momentum:g}",
        "",
    ]


@dataclass(frozen=True)
class SetError:
    """The error of a set; in classification also the part of the steps that is wrong."""

    error: float
    wrong: float | None = None


def table_row(
    epoch: int,
    seconds: float,
    training: SetError,
    validation: SetError | None = None,
    test: SetError | None = None,
    new_best: bool | None = None,
) -> str:
    """Return the row of an epoch.

    Parameters
    ----------
    epoch, seconds
        Which epoch, and how long it took.
    training, validation, test
        None leaves the column blank: no such set, or its error was not due.
    new_best
        Whether validation found a new lowest error.  Without validation the column is blank
        whatever this is, though each epoch's weights then count as the best.
    """
    errors = "|".join(_cell(found) + " " for found in (training, validation, test))
    word = "" if validation is None else "yes" if new_best else "no"
    return f"{epoch:6d} | {seconds:8.1f} |{errors}|  {word:<6}"


def _cell(found: SetError | None) -> str:
    if found is None:
        return " " * _WIDTH
    if found.wrong is None:
        return f"{found.error:{_WIDTH}.3f}"
    # Per cent of wrong steps, then the error.
    return f"{100 * found.wrong:6.2f}%{found.error:{_WIDTH - 7}.3f}"


def stop_lines(
    epochs_since_best: int, options: Options, lowest: float | None, training_error: float | None = None
) -> list[str]:
    """Return why training has stopped, between empty lines.

    Parameters
    ----------
    epochs_since_best
        Epochs since the lowest validation error.
    options
        With ``strict_currennt`` a counter that has jumped over ``max_epochs_no_best`` (where
        ``validate_every`` doesn't divide it) is told as the end of the epochs, as in the original.
    lowest
        The lowest validation error; None without a validation set.
    training_error
        The last epoch's, which is told where there is no validation set.
    """
    limit = options.max_epochs_no_best
    patience_ended = epochs_since_best == limit or (epochs_since_best > limit and not options.strict_currennt)
    why = (
        f"No new lowest error since {epochs_since_best} epochs."
        if patience_ended
        else "Maximum number of training epochs reached."
    )
    errors = [] if lowest is None else [f"Lowest validation error: {lowest:.6f}"]
    if not options.val_file and training_error is not None:
        errors = [f"Final training set error: {training_error:.6f}"]
    return ["", f"{why} Training stopped.", *errors, ""]


def restoring_state(path: str) -> str:
    """Return what is said before training goes on from an autosave."""
    return f"Restoring state from '{path}'... "


def autosave_failed(path: str, reason: str) -> str:
    """Return what is said when an autosave could not be written; our own, the original notices nothing."""
    return f"WARNING: autosave '{path}' could not be written: {reason}. Training goes on."


def storing_network(path: str) -> str:
    """Return what is said before the trained network is written."""
    return f"Storing the trained network in '{path}'... "


def computing_outputs(fraction: int) -> str:
    """Return what is said before the outputs of a fraction, counted from 1, are computed."""
    return f"Computing outputs for data fraction {fraction}... "


def failed(reason: str) -> str:
    """Return what is said, on the standard output, when the program fails (exit code 2)."""
    return f"FAILED: {reason}"
