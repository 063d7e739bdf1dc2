"""What a run says on a terminal when it has ended: one table, the answer, and where the rest is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from lstmcore.experiments.report.paper_table import print_paper_table
from lstmcore.experiments.report.table import MORE, print_compact, print_tables
from lstmcore.experiments.terminal.sheet import new_console

if TYPE_CHECKING:
    from lstmcore.experiments.run.experiment import Run


def print_run(run: Run, *, every: bool = False, console: Console | None = None) -> None:
    """Print a finished run.

    Parameters
    ----------
    run
        What it left.
    every
        Whether all tables are printed, or the one that says most.
    console
        Where; by default standard output.
    """
    console = console or new_console()
    if every:
        print_tables(run.scores, console)
        print_paper_table(run.paper_table, console)
    else:
        print_compact(run.scores, run.answer.group, console, run.networks)
    console.print()
    for sentence in run.answer.sentences():
        console.print(sentence, style="bold", highlight=False)
    console.print()
    for note in run.notes:
        console.print(note, highlight=False)
    console.print(f"report: {run.folder / 'report.html'}", soft_wrap=True, highlight=False)
    console.print(f"results: {run.folder}", soft_wrap=True, highlight=False)
    if not every:
        console.print(MORE, highlight=False)
