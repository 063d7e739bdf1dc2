"""What is served: pages, their files, and what they ask for, behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from lstmcore.experiments.serving.guard import Door, Guard


def static_folder() -> Path:
    """Folder of pages, styles and scripts that come along."""
    return Path(str(resources.files("lstmcore.experiments.serving") / "static"))


def page(name: str) -> Response:
    """Return a page that comes along, by the name of its file."""
    return FileResponse(static_folder() / name, media_type="text/html; charset=utf-8")


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
        Entered when the server starts, left when it ends.
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
        An ASGI application: for `lstmcore.experiments.serving.server.serve`, or a test's client.
    """
    pages = [{"path": part.path, "title": part.title} for part in settings.parts]

    async def parts(request: Request) -> Response:
        return JSONResponse(pages)

    routes: list[BaseRoute] = [Route("/api/parts", parts)]
    for number, part in enumerate(settings.parts):
        for path in (part.path, "/") if number == 0 and part.path != "/" else (part.path,):
            routes.append(Route(path, _page_of(part)))
        routes += part.routes
    routes.append(Mount("/static", StaticFiles(directory=static_folder())))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        with ExitStack() as stack:
            for part in settings.parts:
                for opened in part.open:
                    stack.enter_context(opened)
            yield

    return Starlette(routes=routes, middleware=[Middleware(Guard, door=settings.door)], lifespan=lifespan)


def _page_of(part: Part) -> Callable[[Request], Awaitable[Response]]:
    async def shown(request: Request) -> Response:
        return page(part.file)

    return shown
