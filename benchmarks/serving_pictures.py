"""Pictures of the pages of ``lstmcore serve``: ``python -m benchmarks.serving_pictures docs/pictures``.

Of a synthetic song and the quickstart, as a desktop, a phone and in the dark; needs Chromium.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image

from lstmcore.experiments import Session as RunSession, load_experiment, run_experiment
from lstmcore.experiments.datasets.deam_layout import AUDIO
from lstmcore.experiments.datasets.procedural.collection import write_collection
from lstmcore.experiments.datasets.procedural.plan import ProceduralPlan
from lstmcore.experiments.serving.annotation.routes import annotation_part
from lstmcore.experiments.serving.annotation.session import Session, songs_of
from lstmcore.experiments.serving.annotation.store import Store
from lstmcore.experiments.serving.library import Bounds, Library
from lstmcore.experiments.serving.listening import listening_part
from lstmcore.experiments.serving.live import live_part
from lstmcore.experiments.serving.models import Models
from tests.experiments.serving.browser import browser, screenshots, served

_COLOURS = 256


def main(
    out: Annotated[Path, typer.Argument(help="folder to write to")],
    run: Annotated[Path | None, typer.Option(help="a finished quickstart; without it one is run")] = None,
) -> None:
    """Write the pictures of docs/serving.md and docs/annotating.md."""
    out.mkdir(parents=True, exist_ok=True)
    out, given = out.absolute(), None if run is None else run.absolute()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):  # so that no path of this machine is seen
        run = Path("runs", "quickstart")
        if given is None:
            run_experiment(load_experiment("quickstart"), RunSession(run))
        else:
            shutil.copytree(given, run)
        plan = ProceduralPlan(1, 0, 0, seconds=60, seed=7)
        write_collection(Path(folder, "songs"), plan, workers=1, on_song=lambda song: None)
        [song] = Path(folder, "songs", AUDIO).iterdir()
        parts = [listening_part(Library(Models([run]), {}, Bounds())), live_part([run])]
        with browser() as program, served(parts) as door:
            page = program.new_page(viewport={"width": 1280, "height": 860})
            page.goto(door.address())
            page.set_input_files("#files", {"name": "song.flac", "mimeType": "", "buffer": song.read_bytes()})
            page.wait_for_selector("#shown:not([hidden]) .point", timeout=120_000)
            page.locator('[data-target="valence"] canvas').click(position={"x": 250, "y": 70})
            screenshots(page, out, "listen")
            page.goto(door.address("/runs"))
            page.get_by_text("finished").wait_for()
            screenshots(page, out, "runs")
            _annotating(program, song.parent, out)
    for picture in [file for name in ("listen", "runs", "annotate") for file in out.glob(f"{name}-*.png")]:
        _made_small(picture)


def _annotating(program: Any, songs: Path, out: Path) -> None:
    """Rate some seconds of a song."""
    session = Session(songs, songs_of(songs), Store(songs.parent / "ratings"), practice=False)
    with served([annotation_part(session)]) as door:
        page = program.new_page(viewport={"width": 1280, "height": 860})
        page.goto(door.address())
        page.fill("#rater", "Ann")
        page.get_by_role("button", name="Begin").click()
        page.locator("#intro-go").click()
        page.wait_for_selector("#play:enabled")
        page.locator("#play").click()
        box = page.locator("#pad").bounding_box()
        for step in range(100):
            across, up = 0.5 + 0.3 * math.sin(step / 20), 0.45 + 0.35 * math.sin(step / 30)
            page.mouse.move(box["x"] + across * box["width"], box["y"] + (1 - up) * box["height"])
            page.wait_for_timeout(200)
        screenshots(page, out, "annotate")


def _made_small(picture: Path) -> None:
    with Image.open(picture) as image:
        few: Any = image.convert("RGB").quantize(_COLOURS)
    few.save(picture, optimize=True)


if __name__ == "__main__":
    typer.run(main)
