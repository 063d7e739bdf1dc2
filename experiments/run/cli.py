"""The command ``lstmcore score``: a trained model on the songs of another experiment."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lstmcore.experiments.prediction.cli import TrainedModel
from lstmcore.experiments.terminal.command_line import BackendName, Command, Tables, TablesShown, Workers
from lstmcore.experiments.terminal.telling import errors_told

if TYPE_CHECKING:
    from lstmcore.experiments.run.transfer import Transfer

commands = typer.Typer()


@commands.command(cls=Command)
def score(
    experiment: Annotated[
        Path,
        typer.Argument(
            help="The experiment whose annotated songs are predicted: a TOML file, or the name of one that "
            "comes with lstmcore.",
            metavar="EXPERIMENT",
        ),
    ],
    model: TrainedModel = None,
    system: Annotated[
        str | None, typer.Option(help="Which ensemble, such as lstm_ccc; by default the first.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Replace a value of the experiment, such as data.root=DEAM.", metavar="KEY=VALUE"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write: .json, all that is found; or .csv, the scores.", metavar="FILE.json|FILE.csv"
        ),
    ] = None,
    workers: Workers = None,
    backend: BackendName = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the tables and nothing else.")] = False,
    tables: TablesShown = Tables.ONE,
) -> None:
    """Score a trained model on the songs of another experiment.

    All its annotated songs are predicted, with features as the model wants them, and scored as those of a run
    are, beside baselines without features.  Nothing is trained.  It says whether the model tells targets
    apart there, and whether a correlation of them in the songs that it learnt from misleads it.

    Example: lstmcore score vgmidi --set data.root=VGMIDI --model runs/deam-1a2b3c4d
    """
    from lstmcore.experiments.config import load_experiment
    from lstmcore.experiments.errors import InputError
    from lstmcore.experiments.files import check_writable
    from lstmcore.experiments.run import Session, score_model
    from lstmcore.experiments.run.transfer import SUFFIXES, write_transfer
    from lstmcore.experiments.terminal.progress import new_progress
    from lstmcore.features.errors import printable

    progress, stop = new_progress(quiet), threading.Event()
    with errors_told(None, progress, stop):
        if out is not None and out.suffix.lower() not in SUFFIXES:
            raise InputError(f"{printable(out)}: expected the name of a file that ends in .json or .csv")
        if out is not None:
            check_writable(out)
        config = load_experiment(experiment, set_ or [], backend)
        transfer = score_model(model, config, system, Session(None, workers, progress, stop))
        progress.close()
        if out is not None:
            write_transfer(out, transfer)
    _print(transfer, quiet, tables is Tables.ALL)
    if out is not None and not quiet:
        print(f"written: {printable(out)}")


def _print(transfer: Transfer, quiet: bool, every: bool) -> None:
    from lstmcore.experiments.report.table import MORE, print_compact, print_tables
    from lstmcore.experiments.run.transfer import BASELINES
    from lstmcore.experiments.terminal.sheet import new_console

    console = new_console()
    if every:
        print_tables(transfer.scores, console)
    else:
        print_compact(transfer.scores, transfer.scores[0].set, console)
    if quiet:
        return
    console.print(BASELINES, highlight=False)
    for sentence in transfer.sentences():
        console.print(sentence, highlight=False)
    for note in transfer.notes:
        console.print(note, highlight=False)
    if not every:
        console.print(MORE, highlight=False)
