"""What the listening page asks for: songs, uploaded and chosen, their sound and their curves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from lstmcore.experiments.files import whole_in
from lstmcore.experiments.serving.app import Part
from lstmcore.experiments.serving.child import SOUND
from lstmcore.experiments.serving.library import Full, Library, Song


def listening_part(library: Library) -> Part:
    """Return the page of songs.

    Parameters
    ----------
    library
        Its songs; it is open while the server runs.
    """

    async def overview(request: Request) -> Response:
        models = await run_in_threadpool(library.models.now)
        return JSONResponse(
            {
                "models": [model.facts.as_json() for model in models],
                "songs": library.songs(),
                "most_bytes": library.bounds.bytes,
            }
        )

    async def upload(request: Request) -> Response:
        return await _upload(library, request)

    def of_song(answer: Callable[[Song], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def found(request: Request) -> Response:
            song = library.find(request.path_params["id"])
            if song is None:
                return _told(404, "This song isn't here any more.")
            return await run_in_threadpool(answer, song)

        return found

    def curves(song: Song) -> Response:
        if song.result is None:
            return _told(409, song.error or "This song has no curve yet.")
        return JSONResponse(song.as_json() | song.result)

    def sound(song: Song) -> Response:
        folder = song.folder
        if song.state != "done" or folder is None:
            return _told(409, "This song can't be played yet.")
        return FileResponse(folder / SOUND, media_type="audio/flac")

    def analyse(song: Song) -> Response:
        if song.path is None or song.state == "arriving" or (song.uploaded and song.state == "failed"):
            return _told(409, "This song can't be analysed; upload it again.")
        library.analyse(song)
        return JSONResponse(song.as_json())

    def remove(song: Song) -> Response:
        if not song.uploaded:
            return _told(409, "This song lies in a folder of yours; it isn't removed from here.")
        library.remove(song)
        return Response(status_code=204)

    routes = [
        Route("/api/songs", overview),
        Route("/api/songs", upload, methods=["POST"]),
        Route("/api/songs/{id}", of_song(curves)),
        Route("/api/songs/{id}", of_song(remove), methods=["DELETE"]),
        Route("/api/songs/{id}/sound", of_song(sound)),
        Route("/api/songs/{id}/analyse", of_song(analyse), methods=["POST"]),
    ]
    return Part("/listen", "Listen", "listen.html", routes, [library])


async def _upload(library: Library, request: Request) -> Response:
    """Take a song, which is the body of the request; its name is a word for people."""
    most = library.bounds.bytes
    too_large = f"too large: at most {most / 2**20:g} MB are taken (--max-mb)"
    told = request.headers.get("content-length", "").lstrip("0")
    if told.isascii() and told.isdecimal() and (whole_in(told) or most + 1) > most:
        return _told(413, too_large)
    try:
        song = library.arriving(request.query_params.get("name", ""))
    except Full as full:
        return _told(429, f"{full}.")
    assert song.path is not None
    try:
        problem = await _received(request, song.path, most)
    except OSError as error:
        problem = (507, f"it can't be kept here: {error.strerror or error}")
    except BaseException as error:
        library.remove(song)
        if isinstance(error, ClientDisconnect):
            return Response(status_code=400)
        raise
    if problem is not None:
        library.remove(song)
        return _told(problem[0], too_large if problem[0] == 413 else problem[1])
    library.analyse(song)
    return JSONResponse(song.as_json(), 201)


async def _received(request: Request, path: Path, most: int) -> tuple[int, str] | None:
    """Write what comes, as long as it isn't too much; return what is wrong with it."""
    size = 0
    with path.open("xb") as file:
        async for block in request.stream():
            size += len(block)
            if size > most:
                return 413, ""
            file.write(block)
    return None if size else (400, "the file is empty; audio is expected")


def _told(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)
