"""What ``lstmcore serve`` does: from what a person names to pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.extraction import find_songs
from lstmcore.experiments.prediction.shipped import is_model
from lstmcore.experiments.serving.options import need_extra
from lstmcore.features.errors import printable


@dataclass(frozen=True)
class Wishes:
    """What is to be served.

    Parameters
    ----------
    models
        Folders of runs or models, or names of models; none: the one that comes along.
    songs
        Folders and files to choose from.
    max_mb, max_seconds
        Bounds of an upload, and of an analysis.
    """

    models: tuple[Path, ...] = ()
    songs: tuple[Path, ...] = ()
    max_mb: int = 200
    max_seconds: int = 1800


def serve_pages(wishes: Wishes, host: str, port: int | None, *, show: bool) -> None:
    """Serve until Ctrl-C.

    Parameters
    ----------
    wishes
        What is to be served.
    host, port, show
        As `lstmcore.experiments.serving.server` has them.

    Raises
    ------
    InputError
        If the extra isn't installed, or something that was named can't be used.
    """
    need_extra("lstmcore serve")
    from lstmcore.experiments.serving.app import Settings, create_app, opened
    from lstmcore.experiments.serving.library import Bounds, Library
    from lstmcore.experiments.serving.listening import listening_part
    from lstmcore.experiments.serving.live import live_part, read_runs
    from lstmcore.experiments.serving.models import Models
    from lstmcore.experiments.serving.server import opened_door, serve
    from lstmcore.experiments.terminal.limits import Limits

    for path in wishes.songs:
        if not path.exists():
            raise InputError(f"--songs {printable(path)}: no such file or folder; expected songs")
    runs = read_runs(wishes.models)
    unfinished = [run for run in runs if not is_model(run)]
    models = Models(wishes.models, unfinished)
    songs = find_songs(wishes.songs) if wishes.songs else {}
    limits = Limits(processor_seconds=wishes.max_seconds * 2, seconds=wishes.max_seconds)
    library = Library(models, songs, Bounds(wishes.max_mb << 20, limits=limits))
    parts = [listening_part(library)]
    if runs:
        parts.append(live_part(runs))
    if unfinished and len(unfinished) == len(wishes.models):
        parts.reverse()  # there is nothing to listen with as yet
    with opened_door(host, port) as (door, listening), opened(parts):
        serve(create_app(Settings(door, parts)), door, listening, show=show)
