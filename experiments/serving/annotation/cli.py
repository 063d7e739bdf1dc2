"""The command ``lstmcore annotate``: a page on which songs are rated while they play."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lstmcore.experiments.serving.options import Host, Open, Port, need_extra
from lstmcore.experiments.terminal.command_line import Command
from lstmcore.experiments.terminal.telling import errors_told

if TYPE_CHECKING:
    from lstmcore.experiments.serving.annotation.session import Session

commands = typer.Typer()

_VIEWS = ("plane", "slider")


@commands.command(cls=Command)
def annotate(
    folder: Annotated[
        Path, typer.Argument(help="The songs; searched with all below it.", metavar="FOLDER", readable=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the ratings; by default ratings in FOLDER.", metavar="RATINGS"),
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            help="What is rated, with commas between; by default arousal,valence.", metavar="NAME,NAME"
        ),
    ] = None,
    scale: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Lowest and highest value; by default -1 1.", metavar="LOW HIGH"),
    ] = None,
    view: Annotated[
        str | None,
        typer.Option(
            help="plane: two targets at once; slider: one after the other, each song once for each. By "
            "default plane for two targets.",
            metavar="plane|slider",
        ),
    ] = None,
    practice: Annotated[
        bool, typer.Option(help="Begin with a synthetic song that isn't kept, to practise.")
    ] = True,
    port: Port = None,
    host: Host = "localhost",
    open_: Open = False,
) -> None:
    """Rate songs while they play, on a page in the browser.

    Raters follow one or two targets with the pointer or the keyboard.  Twice a second it is written down, as
    DEAM has it: a file per song and target with a row per rater, which lstmcore raters, lstmcore init and a
    run read.  Who comes again under the same name goes on with the songs that are left.

    Ctrl-C ends it, and says what to do with the ratings.

    Example: lstmcore annotate music/ --open

    Needs the extra serve.
    """
    from lstmcore.experiments.errors import InputError

    ratings = out or folder / "ratings"
    with errors_told(ratings, stores=False):
        need_extra("lstmcore annotate")
        if view not in (None, *_VIEWS):
            raise InputError(f"--view: {view!r}; expected {' or '.join(_VIEWS)}")
        from lstmcore.experiments.serving.annotation.session import Session, songs_of
        from lstmcore.experiments.serving.annotation.store import Store, asked_for

        songs = songs_of(folder)  # before a folder is made for their ratings
        store = Store(ratings, asked_for(ratings, targets, scale))
        session = Session(folder, songs, store, view, practice=practice)
        _serve(session, host, port, show=open_)
        _tell_what_next(session)


def _serve(session: Session, host: str, port: int | None, *, show: bool) -> None:
    from lstmcore.experiments.serving.annotation.routes import annotation_part
    from lstmcore.experiments.serving.app import Settings, create_app, opened
    from lstmcore.experiments.serving.server import opened_door, serve
    from lstmcore.features.errors import printable

    parts = [annotation_part(session)]
    with opened_door(host, port) as (door, listening), opened(parts):
        songs = len(session.songs)
        print(f"{songs} song{'' if songs == 1 else 's'} of {printable(session.folder)}")
        print(f"ratings: {printable(session.store.folder)}")
        serve(create_app(Settings(door, parts)), door, listening, show=show)


def _tell_what_next(session: Session) -> None:
    from lstmcore.experiments.serving.annotation.session import next_steps

    raters = session.store.raters(session.songs)
    if not raters:
        return
    whole = ", ".join(f"{name} {count}" for name, count in raters.items())
    print(f"songs rated, of {len(session.songs)}: {whole}")
    for what, command in next_steps(session.folder, session.store.folder):
        print(f"{what}: {command}")
