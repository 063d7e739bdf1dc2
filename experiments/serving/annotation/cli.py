"""The command ``lstmcore annotate``: a page on which songs are rated while they play."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    host: Annotated[
        str, typer.Option(help="Address to listen on; other than this machine's own, a token is asked for.")
    ] = "localhost",
    port: Annotated[
        int | None, typer.Option(help="Port; by default the first free one from 8765 on.", show_default=False)
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Rate songs while they play, on a page in the browser.

    Raters follow one or two targets with the pointer or the keyboard.  Twice a second it is written down, as
    DEAM has it: a file per song and target with a row per rater, which lstmcore raters, lstmcore init and a
    run read.  Who comes again under the same name goes on with the songs that are left.

    Example: lstmcore annotate music/ --out music/ratings
    """
    from lstmcore.experiments.errors import InputError

    ratings = out or folder / "ratings"
    with errors_told(None):
        try:
            import starlette  # noqa: F401
            import uvicorn  # noqa: F401
        except ImportError:
            raise InputError(
                "the page needs what isn't installed: pip install 'lstmcore[serve]' (in a clone: uv sync "
                "--extra serve)"
            ) from None
        if view not in (None, *_VIEWS):
            raise InputError(f"--view: {view!r}; expected {' or '.join(_VIEWS)}")
        from lstmcore.experiments.serving.annotation.session import Session, songs_of
        from lstmcore.experiments.serving.annotation.store import Store, asked_for

        songs = songs_of(folder)  # before a folder is made for their ratings
        store = Store(ratings, asked_for(ratings, targets, scale))
        session = Session(folder, songs, store, view, practice=practice)
        _serve(session, host, port, show=browser)
    _tell_what_next(session)


def _serve(session: Session, host: str, port: int | None, *, show: bool) -> None:
    from lstmcore.experiments.serving.annotation.routes import annotation_part
    from lstmcore.experiments.serving.app import Settings, create_app
    from lstmcore.experiments.serving.server import opened_door, serve
    from lstmcore.features.errors import printable

    with opened_door(host, port) as (door, listening):
        songs = len(session.songs)
        print(f"{songs} song{'' if songs == 1 else 's'} of {printable(session.folder)}")
        print(f"ratings: {printable(session.store.folder)}")
        app = create_app(Settings(door, [annotation_part(session)]))
        serve(app, door, listening, show=show)


def _tell_what_next(session: Session) -> None:
    from lstmcore.experiments.serving.annotation.session import next_steps

    raters = session.store.raters(session.songs)
    if not raters:
        return
    whole = ", ".join(f"{name} {count}" for name, count in raters.items())
    print(f"songs rated, of {len(session.songs)}: {whole}")
    for what, command in next_steps(session.folder, session.store.folder):
        print(f"{what}: {command}")
