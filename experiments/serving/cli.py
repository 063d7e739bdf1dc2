"""The command of pages on one's own machine: ``lstmcore serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lstmcore.experiments.serving.options import Host, Open, Port
from lstmcore.experiments.terminal.command_line import Command
from lstmcore.experiments.terminal.telling import errors_told

commands = typer.Typer()


@commands.command(cls=Command)
def serve(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of runs or models, or names of models that come with lstmcore; several are "
            "compared. A run that hasn't ended is watched. By default the model that comes with lstmcore.",
            metavar="[RUN|MODEL]...",
            show_default=False,
        ),
    ] = None,
    songs: Annotated[
        list[Path] | None,
        typer.Option(help="A folder whose songs can be chosen, or a song.", metavar="FOLDER"),
    ] = None,
    port: Port = None,
    host: Host = "localhost",
    open_: Open = False,
    max_mb: Annotated[int, typer.Option(min=1, max=100_000, help="Largest song that can be uploaded.")] = 200,
    max_seconds: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Longest time that the analysis of a song may take.")
    ] = 1800,
) -> None:
    """Listen to songs with their curves, in a browser.

    A page of your own machine: drop a song on it, and it plays while a point moves through the plane of
    arousal and valence.  Songs that are dropped are deleted in the end.  Ctrl-C ends it.

    Example: lstmcore serve runs/quickstart-1a2b3c4d --songs music/ --open

    Needs the extra serve.
    """
    with errors_told(None, stores=False):
        from lstmcore.experiments.serving.pages import Wishes, serve_pages

        serve_pages(
            Wishes(tuple(models or ()), tuple(songs or ()), max_mb, max_seconds), host, port, show=open_
        )
