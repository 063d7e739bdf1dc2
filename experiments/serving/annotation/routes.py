"""What the page of ratings asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from lstmcore.experiments.errors import InputError, shown
from lstmcore.experiments.files import from_json
from lstmcore.experiments.serving.annotation.session import Session, Task
from lstmcore.experiments.serving.annotation.store import LONGEST, rater_name
from lstmcore.experiments.serving.app import Part

_LARGEST = 1 << 18  # bytes of a request
_MOST_FRAMES = 4096  # of a request

Content = dict[str, Any]


def annotation_part(session: Session) -> Part:
    """Return the page on which songs are rated, and all that it asks for."""
    return Part("/annotate", "Annotate", "annotation.html", _routes(session), [session])


def _routes(session: Session) -> list[BaseRoute]:
    def about() -> Content:
        scheme = session.scheme
        return {
            "targets": scheme.targets,
            "scale": scheme.scale,
            "hop_ms": scheme.hop,
            "view": session.view,
            "songs": len(session.songs),
            "practice": session.practice,
        }

    def begin(content: Content) -> Content:
        rater = rater_name(_text(content, "rater"))
        done = session.store.done(rater, session.songs)
        tasks = []
        for task in session.tasks(rater):
            name = session.songs[task.song]
            finished = all((name, target) in done for target in task.targets)
            tasks.append({"song": task.song, "targets": task.targets, "done": finished})
        return {"rater": rater, "tasks": tasks, "practice": session.practice and not done}

    def begun(content: Content) -> Content:
        rater, task = _rater_and_task(content)
        curves = session.store.begun(rater, session.songs[task.song], task.targets)
        return {"curves": {target: sorted(curve.items()) for target, curve in curves.items()}}

    def save(content: Content) -> Content:
        rater, task = _rater_and_task(content)
        stamps, values = content.get("stamps"), content.get("values")
        if not isinstance(stamps, list) or not isinstance(values, dict) or set(values) != {*task.targets}:
            raise InputError("expected stamps, and values of each target")
        if len(stamps) > _MOST_FRAMES or not all(type(s) is int and abs(s) <= LONGEST for s in stamps):
            raise InputError(f"expected up to {_MOST_FRAMES} stamps in whole milliseconds up to {LONGEST}")
        curves = {}
        for target, column in values.items():
            if not isinstance(column, list) or len(column) != len(stamps):
                raise InputError(f"{target}: expected a value for each of {len(stamps)} stamps")
            if not all(type(v) in (int, float) and abs(v) <= _LARGEST for v in column):
                raise InputError(f"{target}: expected numbers of the scale")
            curves[target] = dict(zip(stamps, map(float, column), strict=True))
        session.store.save(rater, session.songs[task.song], curves)
        return {"saved": len(stamps)}

    def finish(content: Content) -> Content:
        rater, task = _rater_and_task(content)
        session.store.finish(rater, session.songs[task.song], task.targets)
        return {"finished": True}

    def forget(content: Content) -> Content:
        rater, task = _rater_and_task(content)
        session.store.forget(rater, session.songs[task.song], task.targets)
        return {"forgotten": True}

    def _rater_and_task(content: Content) -> tuple[str, Task]:
        song, targets = content.get("song"), content.get("targets")
        if type(song) is not int or not 0 <= song < len(session.songs):
            raise InputError(f"song is {shown(song)}; expected the number of one of {len(session.songs)}")
        if not isinstance(targets, list) or not {*map(str, targets)} <= {*session.scheme.targets}:
            raise InputError(
                f"targets are {shown(targets)}; expected some of {', '.join(session.scheme.targets)}"
            )
        return rater_name(_text(content, "rater")), Task(song, tuple(map(str, targets)))

    async def tell(request: Request) -> Response:
        return JSONResponse(about())

    async def audio(request: Request) -> Response:
        number = request.path_params["song"]
        if number >= len(session.songs):
            return JSONResponse({"error": "there is no such song"}, 404)
        return await _file(lambda: session.audio(number))

    async def practice(request: Request) -> Response:
        if not session.practice:
            return JSONResponse({"error": "there is no practice song"}, 404)
        return await _file(session.practice_song)

    return [
        Route("/api/annotation", tell),
        Route("/api/annotation/practice", practice),
        Route("/api/annotation/songs/{song:int}", audio),
        *(
            Route(f"/api/annotation/{answer.__name__}", _answering(answer), methods=["POST"])
            for answer in (begin, begun, save, finish, forget)
        ),
    ]


async def _file(find: Callable[[], Any]) -> Response:
    from lstmcore.features import AudioError

    try:
        return FileResponse(await run_in_threadpool(find))
    except (AudioError, OSError) as error:
        return JSONResponse({"error": f"The song can't be played: {_without_path(error)}"}, 422)


def _without_path(error: Exception) -> str:
    """Return what is wrong, without where: raters needn't see how a song is called."""
    return str(getattr(error, "strerror", None) or str(error).rpartition(": ")[2])


def _answering(answer: Callable[[Content], Content]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LARGEST:
                return JSONResponse({"error": f"too much at once; expected up to {_LARGEST} bytes"}, 413)
        try:
            content = from_json(body)
            if not isinstance(content, dict):
                raise ValueError
        except ValueError:
            return JSONResponse({"error": "expected an object in JSON"}, 400)
        try:
            return JSONResponse(await run_in_threadpool(answer, content))
        except InputError as error:
            return JSONResponse({"error": str(error)}, 422)
        except OSError as error:  # a full disk; or, of the lock, somebody who doesn't let go of it
            return JSONResponse({"error": f"it can't be saved: {error.strerror or error}"}, 507)

    return endpoint


def _text(content: Content, key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str):
        raise InputError(f"{key} is {shown(value)}; expected text")
    return value
