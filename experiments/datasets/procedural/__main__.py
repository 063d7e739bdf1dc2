"""Writes synthetic songs to listen to: ``python -m lstmcore.experiments.datasets.procedural OUT``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lstmcore.experiments.datasets.deam_layout import AUDIO
from lstmcore.experiments.datasets.procedural.collection import write_collection
from lstmcore.experiments.datasets.procedural.plan import ProceduralPlan


def main(
    out: Annotated[Path, typer.Argument(help="folder to write to: new, or of the same plan")],
    songs: Annotated[int, typer.Option(min=1, help="how many annotated songs")] = 3,
    seconds: Annotated[float, typer.Option(help="length of a song in seconds")] = 45.0,
    seed: Annotated[int, typer.Option(help="another seed, other songs")] = 2015,
    workers: Annotated[int, typer.Option(min=1, help="songs made at the same time")] = 1,
) -> None:
    """Write SYNTHETIC songs with SYNTHETIC annotations of arousal and valence, in DEAM's layout."""
    try:
        plan = ProceduralPlan(songs, 0, 0, seconds=seconds, seed=seed)
        write_collection(out, plan, workers=workers, on_song=lambda song_id: typer.echo(f"song {song_id}"))
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    typer.echo(f"{songs} songs in {out / AUDIO}. They and their annotations are synthetic: see README.txt.")


if __name__ == "__main__":
    typer.run(main)
