"""The command ``lstmcore table``: finished runs side by side."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lstmcore.experiments.terminal.command_line import Command
from lstmcore.experiments.terminal.telling import errors_told, say

commands = typer.Typer()


class Format(StrEnum):
    """What a table is written as."""

    TERMINAL = "terminal"
    LATEX = "latex"
    CSV = "csv"
    MARKDOWN = "markdown"


class Metric(StrEnum):
    """What is scored."""

    RMSE = "rmse"
    R = "r"
    CCC = "ccc"


@commands.command("table", cls=Command)
def table(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of finished runs; the first is what the others are compared with.",
            metavar="RUN...",
            readable=False,
        ),
    ],
    format_: Annotated[
        Format, typer.Option("--format", help="What the table is written as.")
    ] = Format.TERMINAL,
    on: Annotated[
        str | None,
        typer.Option(
            help="Which songs: official_test, cross_validation or team_test; by default the first of them "
            "that all runs have with enough songs.",
            metavar="SET",
            show_default=False,
        ),
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="Which system, such as lstm_ccc or ridge; once for all runs or once for each, in their "
            "order. By default the best networks of each.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        list[Metric] | None,
        typer.Option(help="Which score, once or more; by default RMSE and r.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write instead of standard output.", metavar="FILE", show_default=False),
    ] = None,
) -> None:
    """Put finished runs side by side, with intervals and tests.

    Runs are compared on the songs that all of them have, each with the first. Differences come with 95 %
    intervals over songs and a test that is corrected for the number of tests.

    Example: lstmcore table runs/fs1-1a2b3c4d runs/fs3-5e6f7a8b --format latex
    """
    with errors_told(None):
        from lstmcore.experiments.files import check_writable, write_text
        from lstmcore.experiments.report.compare_runs import (
            as_csv,
            as_latex,
            as_markdown,
            compare_runs,
            explained,
            names_of,
            read_run,
            sheets,
        )
        from lstmcore.features.errors import printable

        if out is not None:
            check_writable(out)
        read = [read_run(folder, name) for folder, name in zip(runs, names_of(runs), strict=True)]
        metrics = list(dict.fromkeys(str(one) for one in metric or (Metric.RMSE, Metric.R)))
        compared = compare_runs(read, on, system or [], metrics)
        if format_ is not Format.TERMINAL:
            write = {Format.LATEX: as_latex, Format.CSV: as_csv, Format.MARKDOWN: as_markdown}[format_]
            text = write(compared)
            if out is None:
                print(text, end="")
            else:
                write_text(out, text)
                print(f"written: {printable(out)}")
            for note in compared.notes:
                say(note, error=True)
            return
        import io

        from rich.console import Console

        from lstmcore.experiments.terminal.sheet import new_console

        written = io.StringIO()
        console = (
            new_console() if out is None else Console(file=written, width=160, markup=False, emoji=False)
        )
        for sheet in sheets(compared):
            sheet.print(console)
            console.print()
        for note in (*compared.notes, explained(compared)):
            console.print(note, highlight=False)
        if out is not None:
            write_text(out, written.getvalue())
            print(f"written: {printable(out)}")
