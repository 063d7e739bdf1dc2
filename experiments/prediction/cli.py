"""The commands of models: ``lstmcore predict`` and ``lstmcore models``."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import typer

from lstmcore.experiments.terminal.command_line import BackendName, Command, Workers
from lstmcore.experiments.terminal.telling import errors_told, say, tell_of_songs

commands = typer.Typer()

_MOST_WARNINGS = 20  # of songs, on the terminal

# As in lstmcore.experiments.prediction.outputs, which brings pandas with it: too much for --help.
OutputFormat = Literal["csv", "json", "jsonl", "srt", "textgrid", "eaf", "svl"]

MODEL_HELP = "The folder of a finished run or of a model, or the name of one that comes with lstmcore"
MODEL_METAVAR = "RUN|FOLDER|NAME"


def _shipped() -> list[str]:
    """Complete the names of models; where there are none, the shell completes folders."""
    from lstmcore.experiments.prediction.shipped import shipped_models

    return shipped_models()


TrainedModel = Annotated[
    Path | None,
    typer.Option(
        help=f"{MODEL_HELP} (lstmcore models); by default that one.",
        metavar=MODEL_METAVAR,
        autocompletion=_shipped,
        show_default=False,
    ),
]
"""What predicts, in commands that need a model."""


@commands.command(cls=Command)
def predict(
    audio: Annotated[
        list[Path],
        typer.Argument(
            help="Songs, and folders that are searched with all below them.",
            metavar="SONG...",
            # A song without permission to read is named in the end, like any other that can't be used.
            readable=False,
        ),
    ],
    model: TrainedModel = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write; its suffix says the format: .csv, .json and .jsonl hold all songs, .srt, "
            ".TextGrid, .eaf and .svl one. Or a folder, for a file for each song. By default printed.",
            metavar="FILE|FOLDER",
        ),
    ] = None,
    format_: Annotated[
        OutputFormat | None,
        typer.Option("--format", help="By default what --out says, else csv.", show_default=False),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            help="A page of all songs to write as well: a plane with a point for each, search, curves.",
            metavar="FILE.html",
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(help="Scale that values are mapped to, such as 0..1.", metavar="A..B"),
    ] = None,
    times: Annotated[
        Path | None,
        typer.Option(
            help="Only the values at the times in a file, or means over its intervals: a time or interval in "
            "seconds on each line.",
            metavar="FILE",
        ),
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="One row per song: mean, slope, peaks.")] = False,
    system: Annotated[
        str | None, typer.Option(help="Which ensemble, such as lstm_ccc; by default the first.")
    ] = None,
    workers: Workers = None,
    backend: BackendName = None,
    no_store: Annotated[
        bool, typer.Option("--no-store", help="Compute all anew, and keep nothing in the cache.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Predict arousal and valence of songs over time.

    By the ready-made model that comes with lstmcore, or by one of yours: as often as its songs were
    annotated and in their scale, with DEAM twice a second, from -1 to 1.  What a model doesn't know it says.
    Songs that can't be used are named in the end (exit code 1); the others are predicted.  What was predicted
    before is found again, by a song's content and the model, and not computed again.

    Example: lstmcore predict music/ --model runs/quickstart-1a2b3c4d --out curves.csv

    FS1 features are computed by openSMILE, whose Python package is licensed for
    non-commercial use only.
    """
    from lstmcore.experiments.extraction import find_songs
    from lstmcore.experiments.prediction import open_predictor
    from lstmcore.experiments.prediction.command import Options, predict_songs, wishes_of
    from lstmcore.experiments.terminal.environment import processors
    from lstmcore.experiments.terminal.progress import new_progress
    from lstmcore.features import cache_root

    progress = new_progress(quiet)
    with errors_told(None if no_store else cache_root(), progress, stores=not no_store):
        _refuse_model_before_songs(audio)
        warn_of_model(model)
        songs = find_songs(audio)
        wishes = wishes_of(Options(out, format_, page, scale, times, summary, not no_store), len(songs))
        predictor = open_predictor(model, system, backend or "cpu")
        told = predict_songs(predictor, songs, wishes, workers=workers or processors(), progress=progress)
    for warning in told.warnings[:_MOST_WARNINGS]:
        say(f"warning: {warning}", error=True)
    if (more := len(told.warnings) - _MOST_WARNINGS) > 0:
        print(f"warning: and {more} more like these; the column novelty is there for all", file=sys.stderr)
    tell_of_songs(told.errors, len(songs))


@commands.command(cls=Command)
def models(
    name: Annotated[
        Path | None,
        typer.Argument(
            help=f"{MODEL_HELP}: its card is printed; none: all that come with it are listed.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
) -> None:
    """List the models that come along, or print a model's card.

    A card says what the model learnt from, under which licence these data are, its scores, and what it
    doesn't know.

    Example: lstmcore models
    """
    from lstmcore.experiments.prediction.shipped import print_card, print_models

    with errors_told(None):
        if name is None:
            print_models()
        else:
            print_card(name)


def _refuse_model_before_songs(audio: list[Path]) -> None:
    """Refuse ``lstmcore predict RUN SONG…``, as it was once written, with the line that is right now."""
    from lstmcore.experiments.errors import InputError
    from lstmcore.experiments.prediction.shipped import is_model
    from lstmcore.features.errors import printable

    run = audio[0]
    if is_model(run):
        songs = printable(audio[1]) if len(audio) > 1 else "SONG"
        more = " …" if len(audio) > 2 else ""
        raise InputError(
            f"{printable(run)}: is a model and no song; expected: "
            f"lstmcore predict {songs}{more} --model {printable(run)}"
        )


def warn_of_model(model: Path | None) -> None:
    """Warn on stderr of what a person should know about a model before its predictions."""
    from lstmcore.experiments.errors import InputError
    from lstmcore.experiments.prediction.shipped import find_model

    with suppress(InputError):  # what is wrong with it is reported when it is read to be used
        found = find_model(model)
        for warning in found.describe().warnings():
            say(f"warning: {found.name}: {warning}", error=True)
