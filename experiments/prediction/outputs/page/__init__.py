"""One page of all songs: a plane with a point for each, search, and the curve of the one that is chosen.

The page needs no network and no other file. Songs are written to it as they come: what it holds of each is
a summary and a curve of at most some hundred points in 256 steps, some hundred bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import replacing
from lstmcore.experiments.prediction.outputs.facts import FILE, NOVELTY, Facts, novelty_in
from lstmcore.experiments.prediction.outputs.page.packing import in_script, packed, points_for, short
from lstmcore.experiments.prediction.outputs.summary import summary_row
from lstmcore.features.errors import printable

_HERE = "lstmcore.experiments.prediction.outputs.page"
_MARK = "<!-- songs -->"


SHARED = {"drawing.js": "text/javascript", "colours.css": "text/css"}
"""What this page and those of ``lstmcore serve`` have in common: planes, curves, colours."""


def shared_file(name: str) -> Path:
    """Return where one of the `SHARED` files is."""
    return Path(str(resources.files(_HERE) / name))


class Page(Protocol):
    """A page that songs are added to."""

    def add(self, table: pd.DataFrame, warnings: Sequence[str] = ()) -> None:
        """Add the predictions of a song, and why they may mean little."""


@contextmanager
def open_page(path: Path | None, facts: Facts, songs: int) -> Iterator[Page]:
    """Open a page of songs.

    Parameters
    ----------
    path
        File to write, .html; None: there is none.
    facts
        Of all songs.
    songs
        How many there may be.

    Returns
    -------
    context manager of Page
        The file is there, whole, when the block ends, unless no song came.

    Raises
    ------
    InputError
        If the name is not that of a page.
    OSError
        If the file can't be written.
    """
    if path is None:
        yield _NoPage()
        return
    check_page(path)
    with replacing(path, even_empty=False) as file:
        page = _Written(file, facts, points_for(songs))
        yield page
        page.finish()


def check_page(path: Path) -> None:
    """Refuse a name that isn't one of a page; an InputError says so."""
    if path.is_dir():
        raise InputError(f"{printable(path)}: is a folder; expected the name of a page, .html")
    if path.suffix.lower() not in (".html", ".htm"):
        found = f"unknown suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise InputError(f"{printable(path)}: {found}; expected the name of a page, .html")


class _NoPage:
    def add(self, table: pd.DataFrame, warnings: Sequence[str] = ()) -> None:
        """Forget it."""


class _Written:
    def __init__(self, file: BinaryIO, facts: Facts, points: int) -> None:
        self._file, self._facts, self._points = file, facts, points
        self._columns: list[str] = []

    def add(self, table: pd.DataFrame, warnings: Sequence[str] = ()) -> None:
        summary = summary_row(table, self._facts)
        if not self._columns:
            unknown = {FILE} if novelty_in(table) is not None else {FILE, NOVELTY}
            self._columns = [str(name) for name in summary.columns if name not in unknown]
            self._file.write(self._frame()[0])
        else:
            self._file.write(b",\n")
        numbers = [short(summary[name].iloc[0]) for name in self._columns]
        ends, curve = _packed(table, self._facts.targets, self._points)
        self._file.write(in_script([table[FILE].iloc[0], numbers, ends, curve, *warnings]))

    def finish(self) -> None:
        """Write what comes after the songs, if there are any."""
        if self._columns:
            self._file.write(self._frame()[1])

    def _frame(self) -> list[bytes]:
        """Return what stands before and after the songs."""
        environment = Environment(loader=PackageLoader(_HERE, "."), autoescape=True)
        files, targets = resources.files(_HERE), self._facts.targets
        text = environment.get_template("songs.html.j2").render(
            facts=self._facts,
            named=" and ".join([", ".join(targets[:-1]), targets[-1]][len(targets) == 1 :]),
            about=in_script(self._facts.as_json() | {"columns": self._columns}).decode(),
            colours=shared_file("colours.css").read_text(encoding="utf-8"),
            style=files.joinpath("songs.css").read_text(encoding="utf-8"),
            drawing=shared_file("drawing.js").read_text(encoding="utf-8"),
            script=files.joinpath("songs.js").read_text(encoding="utf-8"),
            mark=_MARK,
        )
        return [part.encode() for part in text.split(_MARK)]


def _packed(table: pd.DataFrame, targets: tuple[str, ...], points: int) -> tuple[list[float | None], str]:
    """Write curves as bytes, of each target values, then spread; with what bytes 0 and 255 stand for."""
    curves = []
    for target in targets:
        spread = f"{target}_spread"
        curves.append(table[target].to_numpy(np.float64))
        curves.append(table[spread].to_numpy(np.float64) if spread in table else np.zeros(len(table)))
    return packed(curves, points)
