"""The command that begins an experiment: ``lstmcore init``."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lstmcore.experiments.terminal.command_line import Command
from lstmcore.experiments.terminal.telling import errors_told, say

if TYPE_CHECKING:
    from lstmcore.experiments.starting.start import Start

commands = typer.Typer()

_MOST_ASIDE = 12  # files that are named one by one
_MOST_LINES = 4  # of what is wrong, below the first


@commands.command("init", cls=Command)
def init(
    folder: Annotated[
        Path, typer.Argument(help="Songs and ratings, in whatever layout.", metavar="FOLDER", readable=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write; by default in the current folder, called as FOLDER.", metavar="FILE.toml"
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there already.")] = False,
) -> None:
    """Write an experiment for what is in a folder.

    Looks for audio, and for tables (CSV, Parquet) of ratings and features: those of DEAM, emoMusic, PMEmo and
    MuSe, and others by the names of their columns.  Says what it took for what, and what it left aside.
    Exit code 1 if the file can't be run as it is.

    Example: lstmcore init music/ --out mine.toml
    """
    from lstmcore.experiments.starting.start import start
    from lstmcore.experiments.terminal.progress import new_progress

    progress = new_progress(quiet=not sys.stderr.isatty())  # what comes in the end is all that a file needs
    with errors_told(None, progress):
        started = start(folder, out, force=force, progress=progress)
    _tell(folder, started)
    if started.problems:
        raise typer.Exit(1)


def _filled(text: str, indent: str = "  ") -> str:
    """Write what is told in lines that fit the terminal; of many lines the first ones."""
    from lstmcore.features.errors import printable

    first, *others = text.splitlines()
    kept = [first, *others[:_MOST_LINES]]
    if len(others) > _MOST_LINES:
        kept.append(f"and {len(others) - _MOST_LINES} more")
    width = shutil.get_terminal_size().columns
    return "\n".join(
        textwrap.fill(
            printable(line.strip()),
            width,
            initial_indent=indent if k == 0 else indent + "  ",
            subsequent_indent=indent + "  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for k, line in enumerate(kept)
    )


def _tell(folder: Path, started: Start) -> None:
    from lstmcore.features.errors import printable

    aside = [f"{name}: {why}" for name, why in started.aside.items()]
    if len(aside) > _MOST_ASIDE:
        aside = [*aside[:_MOST_ASIDE], f"{len(aside) - _MOST_ASIDE} more"]
    for title, lines in (
        (f"Found in {printable(folder)}:", started.taken),
        ("Left aside:", aside),
        ("Guessed; another choice is a line of the file:", started.guessed),
        ("It can't be run as it is:", started.problems),
    ):
        if lines:
            say("\n".join([title, *(_filled(line) for line in lines)]))
    if started.checked:
        say(_filled(f"Checked: {started.checked}.", ""))
    print(f"written: {printable(started.file)}")
    if started.problems:
        print("Mend what is said above: in the file, or in the data; --force writes it anew.")
    else:
        print(f"to run it: lstmcore-run {printable(started.file)}")
        print("what its keys mean: docs/data.md and docs/experiments.md")
