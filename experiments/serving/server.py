"""Starts the server, says where it is, and ends it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from webbrowser import open as open_browser

import uvicorn
from starlette.applications import Starlette

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.serving.guard import Door, is_loopback, new_token
from lstmcore.experiments.terminal.process import Terminated

PORT = 8765
_PORTS_TRIED = 20
_BACKLOG = 128
_MOST_CONNECTIONS = 200
_SECONDS_TO_END = 2


@contextmanager
def opened_door(host: str, port: int | None) -> Iterator[tuple[Door, socket.socket]]:
    """Take a port, before anything is computed for what is to be served there.

    Parameters
    ----------
    host
        Name or address; other than loopback a token is made.
    port
        Which; 0: any free one; None: `PORT` or, if that is taken, one of the next.

    Returns
    -------
    context manager of Door and socket
        It listens until the block ends.

    Raises
    ------
    InputError
        If the address can't be used, or the port is taken.
    """
    last: OSError | None = None
    for tried in range(PORT, PORT + _PORTS_TRIED) if port is None else (port,):
        try:
            listening = _listening(host, tried)
        except socket.gaierror as error:
            raise InputError(f"--host {host}: no such address here: {error.strerror}") from None
        except (OSError, UnicodeError) as error:
            last = error if isinstance(error, OSError) else OSError(str(error))
            continue
        with listening:
            token = None if is_loopback(host) else new_token()
            yield Door(host, listening.getsockname()[1], token), listening
        return
    which = f"ports {PORT} to {PORT + _PORTS_TRIED - 1}" if port is None else f"port {port}"
    why = last.strerror if last is not None and last.strerror else str(last)
    raise InputError(f"{host}, {which}: can't be listened on: {why}; expected --host and --port that can")


def _listening(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    found = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # where it would share the port with others
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(_BACKLOG)
    except BaseException:
        found.close()
        raise
    return found


def serve(
    app: Starlette, door: Door, listening: socket.socket, *, show: bool, tell: Callable[[str], None] = print
) -> None:
    """Serve until Ctrl-C.

    Parameters
    ----------
    app
        From `lstmcore.experiments.serving.app.create_app`.
    door, listening
        From `opened_door`.
    show
        Whether a browser is opened.
    tell
        Hears where the server is.
    """
    tell(f"serving on {door.address()} (Ctrl-C ends)")
    if show:
        open_browser(door.address())
    try:
        make_server(app).run(sockets=[listening])
    except Terminated:
        raise
    except KeyboardInterrupt:
        tell("ended")


def make_server(app: Starlette) -> uvicorn.Server:
    """Return a server that says nothing and waits for nobody when it is to end."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="error",
            access_log=False,  # it would print the token
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_SECONDS_TO_END,
        )
    )
