"""A server in a thread and a real browser before it."""

import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lstmcore.experiments.serving.app import Part, Settings, create_app, opened
from lstmcore.experiments.serving.guard import Door
from lstmcore.experiments.serving.server import make_server, opened_door

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@contextmanager
def served(parts: Sequence[Part], port: int = 0) -> Iterator[Door]:
    """Serve parts, on a free port or a certain one, until the block ends."""
    with opened_door("localhost", port) as (door, listening), opened(parts):
        server = make_server(create_app(Settings(door, parts)))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            _wait_for(door)
            yield door
        finally:
            server.should_exit = True
            thread.join()


def _wait_for(door: Door) -> None:
    with socket.create_connection((door.host, door.port), timeout=30):
        pass


@contextmanager
def browser() -> Iterator[Any]:
    """Open Chromium; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed")
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser is installed ({', '.join(NAMES)})")
    with playwright.sync_playwright() as started:
        opened_one = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield opened_one
        finally:
            opened_one.close()


def complaints(page: Any) -> list[str]:
    """Return the list of all that a page's console will complain of."""
    found: list[str] = []
    page.on("console", lambda said: found.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def screenshots(page: Any, folder: Path, name: str) -> None:
    """Keep pictures of a page, as a desktop, a phone and in the dark."""
    for kind, width, scheme in (("desktop", 1280, "light"), ("phone", 390, "light"), ("dark", 1280, "dark")):
        page.set_viewport_size({"width": width, "height": 860})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("() => new Promise(done => requestAnimationFrame(() => done(true)))")
        page.screenshot(path=folder / f"{name}-{kind}.png", full_page=True)
