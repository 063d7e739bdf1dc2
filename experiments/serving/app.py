"""What is served: pages, their files, and what they ask for, behind the guard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from lstmcore.experiments.prediction.outputs.page import SHARED, shared_file
from lstmcore.experiments.serving.guard import Door, Guard


def static_folder() -> Path:
    """Folder of pages, styles and scripts that come along."""
    return Path(str(resources.files("lstmcore.experiments.serving") / "static"))


@dataclass(frozen=True)
class Part:
    """A page and all that it asks for.

    Parameters
    ----------
    path
        Of the page, such as ``/annotate``.
    title
        What leads to it is called.
    file
        The page's file, in `static_folder`.
    routes
        What it asks for.
    open
        What it owns, for `opened`.
    """

    path: str
    title: str
    file: str
    routes: Sequence[BaseRoute] = ()
    open: Sequence[AbstractContextManager[object]] = ()


@dataclass(frozen=True)
class Settings:
    """What is served, and where.

    Parameters
    ----------
    door
        Where the server is to be found.
    parts
        The pages; the first one is at ``/``, too.
    """

    door: Door
    parts: Sequence[Part] = field(default_factory=list)


def create_app(settings: Settings) -> Starlette:
    """Put the server together.

    Parameters
    ----------
    settings
        What is served, and where.

    Returns
    -------
    Starlette
        An ASGI application: for `lstmcore.experiments.serving.server.serve`, or a test's client.  What its
        parts own is open meanwhile (`opened`).
    """
    pages = [{"path": part.path, "title": part.title} for part in settings.parts]

    async def parts(request: Request) -> Response:
        return JSONResponse(pages)

    routes: list[BaseRoute] = [Route("/api/parts", parts)]
    for number, part in enumerate(settings.parts):
        shown = _file(static_folder() / part.file, "text/html; charset=utf-8")
        routes += [Route(path, shown) for path in ([part.path, "/"] if number == 0 else [part.path])]
        routes += part.routes
    routes += [Route(f"/static/{name}", _file(shared_file(name), kind)) for name, kind in SHARED.items()]
    routes.append(Mount("/static", StaticFiles(directory=static_folder())))

    return Starlette(routes=routes, middleware=[Middleware(Guard, door=settings.door)])


@contextmanager
def opened(parts: Sequence[Part]) -> Iterator[None]:
    """Open what parts own, such as threads and temporary folders, until the block ends, however it does."""
    with ExitStack() as stack:
        for part in parts:
            for owned in part.open:
                stack.enter_context(owned)
        yield


def _file(path: Path, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return FileResponse(path, media_type=kind)

    return answer
