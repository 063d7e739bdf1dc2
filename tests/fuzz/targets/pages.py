"""What the pages of ``lstmcore serve`` and ``lstmcore annotate`` are asked for: paths, heads and bodies.

An input is a few requests, each as HTTP has them: a line, heads, an empty line and a body; a line of ``----``
is between two.  They are taken apart more leniently than a server does, and asked without one.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import json
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np

from tests.fuzz.target import Target
from tests.fuzz.temporary import temporary

BETWEEN = b"\n----\n"
PORT = 8765


async def _answer(app: Any, scope: dict[str, Any], body: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[dict[str, Any]] = []
    parts = [body[: len(body) // 2], body[len(body) // 2 :]]

    async def receive() -> dict[str, Any]:
        if not parts:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    heads = dict(sent[0]["headers"])
    return sent[0]["status"], heads, b"".join(message.get("body", b"") for message in sent[1:])


def _scope(head: bytes) -> dict[str, Any]:
    first, _, rest = head.partition(b"\n")
    method, _, target = first.partition(b" ")
    path, _, query = target.partition(b"?")
    pairs = [line.partition(b":") for line in rest.split(b"\n") if b":" in line]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method.decode("latin-1").upper(),
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.strip().lower(), value.strip()) for name, _, value in pairs],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", PORT),
    }


_loops: dict[int, asyncio.AbstractEventLoop] = {}  # by process: threads of a loop aren't there in a copy


def _loop() -> asyncio.AbstractEventLoop:
    if os.getpid() not in _loops:
        _loops[os.getpid()] = loop = asyncio.new_event_loop()
        atexit.register(loop.close)
    return _loops[os.getpid()]


def _asked(app: Any, content: bytes, check: Callable[[], None]) -> None:
    """Ask all requests, one after the other; an answer is right, or a refusal with a sentence."""
    for request in content.split(BETWEEN)[:6]:
        head, _, body = request.partition(b"\n\n")
        status, heads, answer = _loop().run_until_complete(_answer(app, _scope(head), body))
        assert status < 500 or status == 507, (status, answer)
        assert b"content-security-policy" in heads
        kind = heads.get(b"content-type", b"").partition(b";")[0]
        if status >= 400:
            _refusal(kind, answer)
        elif kind == b"application/json":
            json.loads(answer, parse_constant=_no_number)
        check()


def _refusal(kind: bytes, answer: bytes) -> None:
    said = json.loads(answer)["error"] if kind == b"application/json" else answer.decode()
    assert isinstance(said, str)
    assert len(said) < 1000, "a long refusal"
    assert "Traceback" not in said


def _no_number(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


def _request(method: str, path: str, body: Any = None, **heads: str) -> bytes:
    told = {"Host": f"localhost:{PORT}", "Origin": f"http://localhost:{PORT}", **heads}
    lines = [f"{method} {path}", *(f"{name.replace('_', '-')}: {value}" for name, value in told.items())]
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return "\n".join(lines).encode() + b"\n\n" + content


# lstmcore annotate


@cache
def _sound() -> bytes:
    from lstmcore.features.decoded import wav16_writer

    with tempfile.TemporaryDirectory() as folder:
        with wav16_writer(Path(folder, "a.wav"), 8000, 1) as write:
            write(np.zeros((800, 1), np.int16))
        return Path(folder, "a.wav").read_bytes()


def _annotation_seeds(folder: Path) -> list[bytes]:
    api = "/api/annotation"
    who = {"rater": "Ann", "song": 0, "targets": ["arousal", "valence"]}
    said = who | {"stamps": [500, 1000], "values": {"arousal": [0.1, 0.2], "valence": [-1, 1.0]}}
    rated = [
        _request("POST", f"{api}/begin", {"rater": "Ann"}),
        _request("POST", f"{api}/save", said),
        _request("POST", f"{api}/begun", who),
        _request("POST", f"{api}/finish", who),
        _request("POST", f"{api}/forget", who),
    ]
    looked = [
        _request("GET", "/annotate"),
        _request("GET", api),
        _request("GET", f"{api}/songs/1", Range="bytes=0-99"),
        _request("GET", "/static/annotation.js", If_None_Match='"a"'),
        _request("HEAD", "/api/parts"),
    ]
    return [BETWEEN.join(rated), BETWEEN.join(looked), *rated, *looked]


def _read_annotation(content: bytes, folder: Path) -> None:
    from lstmcore.experiments.serving.annotation.routes import annotation_part
    from lstmcore.experiments.serving.annotation.session import Session, songs_of
    from lstmcore.experiments.serving.annotation.store import RaterTables, Store
    from lstmcore.experiments.serving.app import Settings, create_app
    from lstmcore.experiments.serving.guard import Door

    songs = folder / "songs"
    songs.mkdir()
    for name in ("a", "b c"):
        (songs / f"{name}.wav").write_bytes(_sound())
    store = Store(folder / "ratings")
    known = {".lock", "annotation.toml", "arousal", "valence", ".unfinished"}

    def check() -> None:
        """All that was kept can be read, and lies where it should."""
        assert {path.name for path in store.folder.iterdir()} <= known
        for place in (store.folder, store.folder / ".unfinished"):
            for target in store.scheme.targets:
                for file in (place / target).glob("*"):
                    assert file.stem in session.songs, file
                    for curve in RaterTables(place).read(target, file.stem).values():
                        assert all(-1 <= value <= 1 for value in curve.values()), curve

    with temporary(folder), Session(songs, songs_of(songs), store, practice=False) as session:
        app = create_app(Settings(Door("localhost", PORT), [annotation_part(session)]))
        _asked(app, content, check)


# lstmcore serve


def _page_seeds(folder: Path) -> list[bytes]:
    songs = [
        _request("GET", "/api/songs"),
        _request("POST", "/api/songs?name=my%20song.wav", _sound(), Content_Length="1644"),
        _request("GET", "/api/songs/ID"),
        _request("GET", "/api/songs/ID/sound", Range="bytes=10-20,30-"),
        _request("POST", "/api/songs/ID/analyse"),
        _request("DELETE", "/api/songs/ID"),
    ]
    others = [
        _request("GET", "/"),
        _request("GET", "/listen?token=secret&x=1", Sec_Fetch_Site="none"),
        _request("GET", "/runs", Cookie=f"lstmcore-{PORT}=secret"),
        _request("GET", "/api/runs", Cookie=f"lstmcore-{PORT}=secret; a=b"),
        _request("GET", "/static/../app.py"),
        _request("GET", "/static/%2e%2e/guard.py"),
        _request("OPTIONS", "/api/songs", Origin="null"),
    ]
    return [BETWEEN.join(songs), BETWEEN.join(others[:3]), *songs, *others]


@cache
def _models() -> Any:
    """The shipped model's facts, without a look at the disk for each input."""
    from lstmcore.experiments.serving.models import Models

    return Models([])


def _read_pages(content: bytes, folder: Path) -> None:
    """Ask the page of songs, and of runs; half of all inputs meet a server that wants a token."""
    from lstmcore.experiments.serving.app import Settings, create_app
    from lstmcore.experiments.serving.child import SOUND
    from lstmcore.experiments.serving.guard import Door
    from lstmcore.experiments.serving.library import Bounds, Library, Song
    from lstmcore.experiments.serving.listening import listening_part
    from lstmcore.experiments.serving.live import live_part

    class Ready(Library):
        """Has what comes out of an analysis without one."""

        def analyse(self, song: Song) -> None:
            song.folder = song.folder or folder / "kept"
            song.folder.mkdir(exist_ok=True)
            (song.folder / SOUND).write_bytes(_sound())
            song.state, song.result = "done", {"curves": [], "seconds": 0.1}

    songs = {folder / "a\x1b.wav": "a\x1b.wav"}
    library = Ready(_models(), songs, Bounds(bytes=4096, songs=2))
    library._root = folder / "root"
    library._root.mkdir()
    for song in library._songs.values():
        library._songs = {"ID": song}
        song.id = "ID"
    token = "secret" if b"token" in content or b"Cookie" in content else None
    parts = [listening_part(library), live_part([])]
    app = create_app(Settings(Door("0.0.0.0" if token else "localhost", PORT, token), parts))

    def check() -> None:
        assert {path.name for path in folder.iterdir()} <= {"root", "kept"}
        held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        assert held < 3 * 4096 + 3 * len(_sound())

    with temporary(folder):
        _asked(app, content, check)


_WORDS = (
    *(
        b"GET ",
        b"POST ",
        b"DELETE ",
        b"HEAD ",
        b"PUT ",
        BETWEEN,
        b"Content-Length: ",
        b"\xb2",
        b"Range: bytes=",
        b"-",
    ),
    *(
        b"Sec-Fetch-Site: cross-site",
        b"Origin: ",
        b"Host: ",
        b"Cookie: ",
        b"token=",
        b"%00",
        b"%2e%2e%2f",
        b"%ff",
    ),
    *(
        b"//elsewhere",
        b"\\\\",
        b"Transfer-Encoding: chunked",
        b"If-Range: ",
        b"If-Modified-Since: ",
        b"[::1]",
    ),
    *(b"null", b"true", b"-1", b"1e999", b"NaN", b"1" + b"0" * 400, b'"\\ud800"', b'"../x"', b'{"a":', b"[]"),
    *(
        b'"stamps":',
        b'"values":',
        b'"targets":["arousal","arousal"]',
        b'"song":',
        b'"rater":"..","',
        b"[[" * 600,
    ),
)

TARGETS: list[Target] = []
if importlib.util.find_spec("starlette"):
    TARGETS += [
        Target("annotation-page", _annotation_seeds, _read_annotation, _WORDS),
        Target("song-page", _page_seeds, _read_pages, _WORDS),
    ]
