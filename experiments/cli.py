"""The command ``lstmcore-run``: from an experiment's TOML file to its table of scores."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _workers_default() -> int:
    """Processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


@app.command()
def run(
    experiment: Annotated[
        Path, typer.Argument(help="The experiment, a TOML file.", metavar="EXPERIMENT.toml")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the results; by default runs/NAME-HASH, another one for each configuration."
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Replace a value, such as training.learning_rate=1e-5.", metavar="KEY=VALUE"
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Jobs side by side; by default one a processor.", show_default=False),
    ] = None,
    backend: Annotated[
        str | None, typer.Option(help="What computes the networks: cpu or reference.", show_default=False)
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the table and nothing else.")] = False,
) -> None:
    """Run an experiment: auto-encoders, folds × trials, ensemble, scores and report.

    Running the same command again finishes what is missing and recomputes nothing.
    FS1 features are computed by openSMILE, whose Python package is licensed for
    non-commercial use only.
    """
    from experiments.config import load_experiment
    from experiments.errors import InputError, Interrupted
    from experiments.progress import new_progress
    from experiments.runner import default_folder, run_experiment
    from features import AudioError
    from lstmcore import EngineError

    stop = threading.Event()
    progress = None
    folder = out
    try:
        config = load_experiment(experiment, set_ or [], backend)
        folder = out or default_folder(config)
        progress = new_progress(quiet)
        result = run_experiment(
            config, folder, workers=workers or _workers_default(), progress=progress, stop=stop
        )
        progress.close()
    except (KeyboardInterrupt, Interrupted):
        stop.set()
        if progress is not None:
            progress.close()
        _say(f"interrupted; what is finished is kept in {folder}. Run the same command again to go on.")
        sys.stderr.flush()
        os._exit(130)  # at once: threads in a kernel can't be waited for
    except (InputError, EngineError, AudioError) as error:
        _fail(progress, str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(progress, f"{where}{error.strerror or error}; what is finished is kept in {folder}")
    else:
        _print_result(result.scores, result.notes, folder)


def _print_result(scores: list, notes: list[str], folder: Path) -> None:  # type: ignore[type-arg]
    from rich.console import Console

    from experiments.table import print_tables

    console = Console() if sys.stdout.isatty() else Console(width=160)
    print_tables(scores, console)
    for note in notes:
        console.print(note)
    console.print(f"results: {folder}", soft_wrap=True)


def _fail(progress: object, message: str) -> None:
    if progress is not None:
        progress.close()  # type: ignore[attr-defined]
    _say(f"error: {message}")
    raise typer.Exit(2)


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def main() -> None:
    """Entry point of the command."""
    app()
