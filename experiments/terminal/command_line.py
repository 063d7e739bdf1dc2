"""What all commands do with their arguments before they run: mistakes get a plain message."""

from __future__ import annotations

import json
import shlex
from enum import StrEnum
from typing import Annotated, Literal

import typer
from typer.core import TyperCommand

Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=lambda asked: _tell_version(asked), is_eager=True, help="Print the version."
    ),
]

Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Jobs side by side; by default one per processor.", show_default=False),
]

Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Threads that compute a network together; by default 1, and those of idle workers.",
        show_default=False,
    ),
]

BackendName = Annotated[
    str | None, typer.Option(help="What computes the networks: cpu, cuda or reference.", show_default=False)
]

Engine = Annotated[
    Literal["threads", "folder", "dask"] | None,
    typer.Option(
        help="What does the jobs: threads of this command; all commands that work in the same folder; or a "
        "Dask cluster.  By default what the file says, else threads.",
        show_default=False,
    ),
]

Scheduler = Annotated[
    str | None,
    typer.Option(
        help="Address of the Dask cluster's scheduler, such as tcp://node1:8786.",
        metavar="ADDRESS",
        show_default=False,
    ),
]


class Tables(StrEnum):
    """How many tables a command prints."""

    ONE = "one"
    ALL = "all"


TablesShown = Annotated[
    Tables, typer.Option("--tables", help="The one table that says most, or all of them.")
]


def execution_settings(engine: str | None, scheduler: str | None, threads: int | None = None) -> list[str]:
    """Write three options as --set has them; an address without an engine means Dask."""
    engine = engine or ("dask" if scheduler else None)
    said = {"execution.engine": engine, "execution.scheduler": scheduler, "engine.threads": threads}
    return [f"{key}={json.dumps(value)}" for key, value in said.items() if value is not None]


class Command(TyperCommand):
    """A command that sees where the shell has taken a value apart."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Take the words apart, as Typer does."""
        for said, meant in taken_apart(args):
            advice = f"what has spaces is quoted: --set {shlex.quote(meant)}"
            raise typer.BadParameter(f"{said!r} isn't whole; {advice}", ctx, param_hint="'--set'")
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            # Typer has its choices checked by pydantic, whose own word this is.
            error.message = error.message.removeprefix("Value error, ")
            raise


def taken_apart(words: list[str]) -> list[tuple[str, str]]:
    """Find values of --set that the shell has split: what came, and what was meant."""
    found = []
    for n, word in enumerate(words):
        if word == "--set":
            parts = words[n + 1 :]
        elif word.startswith("--set="):
            parts = [word.removeprefix("--set="), *words[n + 1 :]]
        else:
            continue
        if not parts:
            continue
        meant, rest = parts[0], parts[1:]
        while (
            rest
            and not rest[0].startswith("--")
            and (_is_open(meant) or meant.endswith("=") or rest[0].startswith("="))
        ):
            meant = f"{meant} {rest.pop(0)}"
        if meant != parts[0]:
            found.append((parts[0], meant))
    return found


def _is_open(value: str) -> bool:
    """Return whether a value, as TOML has it, goes on after a space."""
    return any(value.count(left) > value.count(right) for left, right in ("[]", "{}"))


def _tell_version(asked: bool) -> None:
    from lstmcore.experiments.terminal.environment import version_of

    if asked:
        typer.echo(f"lstmcore {version_of('lstmcore') or 'unknown'}")
        raise typer.Exit
