"""The commands ``lstmcore export`` and ``lstmcore import``: models to other programs and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lstmcore.experiments.prediction.cli import MODEL_HELP, MODEL_METAVAR
from lstmcore.experiments.terminal.command_line import Command
from lstmcore.experiments.terminal.telling import errors_told, say

commands = typer.Typer()

# As in lstmcore.experiments.exchange, which brings NumPy with it: too much for --help.
ExportFormat = Literal["onnx", "torch", "currennt", "rtneural"]
ImportFormat = Literal["onnx", "torch", "currennt"]


@commands.command(cls=Command)
def export(
    model: Annotated[
        Path,
        typer.Argument(help=f"{MODEL_HELP} (lstmcore models).", metavar=MODEL_METAVAR, show_default=False),
    ],
    *,
    to: Annotated[ExportFormat, typer.Option("--to", help="For which program.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option(
            help="What to write: a file that ends in .onnx, .jsn (currennt) or .json (rtneural); or for "
            "torch a folder.",
            metavar="FILE|FOLDER",
        ),
    ],
    system: Annotated[
        str | None, typer.Option(help="Which ensemble, such as lstm_ccc; by default the first.")
    ] = None,
    network: Annotated[
        int | None,
        typer.Option(
            min=0, help="One network alone, by its number in model.json, from 0.", show_default=False
        ),
    ] = None,
    streaming: Annotated[
        bool,
        typer.Option(
            "--streaming", help="onnx: a state goes in and comes out, so that a song can come in pieces."
        ),
    ] = False,
    peepholes: Annotated[
        Literal["refuse", "module"],
        typer.Option(
            help="torch, whose LSTM has none: refuse a model that has them, or write a module of cells that "
            "have them."
        ),
    ] = "refuse",
) -> None:
    """Write a trained model for another program.

    Features go in as they are computed, and what comes out is in the annotation's scale: scalers are in the
    file, and with onnx and torch the whole ensemble, lead-in, delay and smoothing.  What a format can't hold
    is refused, with the reason.

    Example: lstmcore export deam-means --to onnx --out emotion.onnx
    """
    with errors_told(None):
        from lstmcore.experiments.exchange import ExportOptions, export_model
        from lstmcore.features.errors import printable

        notes = export_model(model, to, out, ExportOptions(system, network, streaming, peepholes))
        for note in notes:
            say(f"note: {note}")
        print(f"written: {printable(out)}")


@commands.command("import", cls=Command)
def import_(
    file: Annotated[Path, typer.Argument(help="What to read.", metavar="FILE", show_default=False)],
    *,
    from_: Annotated[
        ImportFormat, typer.Option("--from", help="Which program's file it is.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for the model.", metavar="FOLDER")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="currennt: standardised data, whose means become the model's scalers.", metavar="FILE.nc"
        ),
    ] = None,
    float64: Annotated[
        bool, typer.Option("--float64", help="currennt: keep weights in double precision.")
    ] = False,
) -> None:
    """Make a model of another program's file.

    What lstmcore export wrote to onnx or torch comes back to the bit, with all that it predicts by.  Of other
    files: an ONNX graph or a PyTorch state_dict (safetensors) of LSTM and dense layers, and CURRENNT's
    networks and autosaves (.jsn, .json, .autosave).

    Example: lstmcore import emotion.onnx --from onnx --out model/
    """
    with errors_told(None):
        from lstmcore.experiments.exchange import ImportOptions, import_model
        from lstmcore.features.errors import printable

        notes = import_model(file, from_, out, ImportOptions(data, float64))
        for note in notes:
            say(f"note: {note}")
        print(f"model: {printable(out)}")
