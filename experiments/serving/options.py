"""What the commands that serve pages have in common: where they listen, and the extra they need."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from lstmcore.experiments.errors import InputError
from lstmcore.installing import install_extra

Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="By default 8765, or the next free one; 0: any.", show_default=False),
]
Host = Annotated[
    str,
    typer.Option(
        help="Address to listen on. Other than localhost, the page can be opened from other machines, by "
        "those who have the address that is printed."
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Open the page in a browser.")]


def need_extra(command: str) -> None:
    """Raise InputError, with the command that installs it, if the extra ``serve`` isn't there."""
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"{command} needs {' and '.join(missing)}, which isn't installed; "
            f"expected the extra serve: {install_extra('serve')}"
        )
