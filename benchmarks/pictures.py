"""The pictures of docs/ that show what commands make: ``python -m benchmarks.pictures [--run RUN]``.

Of a run (of the quickstart if none is named) the report; of two made songs the picture that ``lstmcore plot``
draws and the page that ``lstmcore predict --page`` writes.  Each page on a desktop, on a phone and in the
dark, by Playwright and an installed Chromium.
"""

from __future__ import annotations

import argparse
import io
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LOOKS = {"desktop": (1280, "light"), "phone": (390, "light"), "dark": (1280, "dark")}
HEIGHT = 860
COLOURS = 128  # a picture of a page needs no more, and a repository keeps every one


def lstmcore(folder: Path, line: str) -> None:
    """Run a command in a folder, as a user would."""
    subprocess.run([sys.executable, "-m", "lstmcore", *shlex.split(line)], check=True, cwd=folder)


def keep(picture: Image.Image, path: Path) -> None:
    """Write a picture with few colours."""
    few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def photograph(browser: Any, page: Path, out: Path, name: str) -> None:
    """Keep the first screen of a page in all its looks."""
    for look, (width, scheme) in LOOKS.items():
        context = browser.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)
        tab = context.new_page()
        tab.goto(page.resolve().as_uri(), wait_until="load")
        tab.wait_for_timeout(1000)  # plots draw themselves after the page has loaded
        with Image.open(io.BytesIO(tab.screenshot())) as picture:
            keep(picture, out / f"{name}-{look}.png")
        context.close()


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, help="a finished run; by default the quickstart is run")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "docs" / "pictures")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        parser.error(f"no browser is installed; expected one of {', '.join(BROWSERS)}")
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        desk = Path(folder)
        run = (given.run or desk / "quickstart").resolve()
        if given.run is None:
            lstmcore(desk, f"run quickstart --out {shlex.quote(str(run))} --quiet")
        maker = "lstmcore.experiments.datasets.procedural"
        subprocess.run([sys.executable, "-m", maker, "made", "--songs", "6"], check=True, cwd=desk)
        (desk / "made" / "MEMD_audio").rename(desk / "music")
        lstmcore(
            desk, f"plot music/2.flac --view emotion --out song.png --quiet --model {shlex.quote(str(run))}"
        )
        with Image.open(desk / "song.png") as picture:
            keep(picture, given.out / "song-emotion.png")
        lstmcore(desk, "predict music --out curves.csv --page songs.html --no-store --quiet")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        photograph(browser, desk / "songs.html", given.out, "songs")
        photograph(browser, run / "report.html", given.out, "report")
        browser.close()


if __name__ == "__main__":
    main()
