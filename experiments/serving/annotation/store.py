"""Keeps what raters say: DEAM's table of each rater, one file per target and song, written as they listen.

What a rater hasn't heard to the end lies apart, in a hidden folder of the same layout, so that nobody learns
from half a song and a rater can go on there::

    annotation.toml                    targets, scale and distance of frames
    arousal/SONG.csv, valence/SONG.csv rater,sample_0ms,sample_500ms,…
    .unfinished/arousal/SONG.csv
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import tomli_w
from filelock import FileLock

from lstmcore.experiments.datasets.annotations import Curve, finite_number, read_csv
from lstmcore.experiments.datasets.deam_layout import sample_column, sample_stamp
from lstmcore.experiments.datasets.rating_scheme import LONGEST_NAME, NAME, SETTINGS, Scheme, read_scheme
from lstmcore.experiments.errors import InputError, listed
from lstmcore.experiments.files import write_text

UNFINISHED = ".unfinished"
LONGEST = 4 * 3600 * 1000
"""Milliseconds of the longest song."""

_LOCK = ".lock"
_WAIT = 20.0  # seconds for another rater's table to be written
_DIGITS = 4


def rater_name(said: str) -> str:
    """Return a rater's name as tables have it: trimmed, of one way to write each letter.

    Raises
    ------
    InputError
        If it has other signs than letters, digits, spaces, points, ``-`` and ``_``, or is too long.
    """
    name = unicodedata.normalize("NFC", " ".join(said.split()))
    if not name:
        raise InputError("who rates isn't said; expected a name or a number")
    if len(name) > LONGEST_NAME or NAME.fullmatch(name) is None:
        raise InputError(
            f"the name {name[:LONGEST_NAME]!r} can't be used; expected up to {LONGEST_NAME} letters, "
            "digits, spaces, points, - and _, the first a letter or a digit"
        )
    return name


class RaterTables:
    """DEAM's tables of raters in a folder.

    Parameters
    ----------
    folder
        Has a folder for each target.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, target: str, song: str) -> Path:
        """Where what raters said of a song lies."""
        return self.folder / target / f"{song}.csv"

    def read(self, target: str, song: str) -> dict[str, Curve]:
        """Return what each rater said, milliseconds to value.

        Raises
        ------
        InputError
            If the file isn't as it was written.
        """
        path = self.path(target, song)
        if not path.exists():
            return {}
        header, *rows = read_csv(path)
        stamps = [sample_stamp(name) for name in header[1:]]
        if header[0] != "rater" or None in stamps:
            raise InputError(f"{path}, line 1: {', '.join(header[:3])}; expected rater,sample_0ms,…")
        found: dict[str, Curve] = {}
        for line, row in enumerate(rows, 2):
            cells = zip(stamps, row[1:], strict=False)
            found[row[0]] = {
                stamp: finite_number(path, line, f"column {sample_column(stamp)}", cell)
                for stamp, cell in cells
                if stamp is not None and cell.strip()
            }
        return found

    def write(self, target: str, song: str, raters: Mapping[str, Curve]) -> None:
        """Write what each rater said, whole or not at all; of nobody, no file."""
        path = self.path(target, song)
        kept = {rater: raters[rater] for rater in sorted(raters) if raters[rater]}
        if not kept:
            path.unlink(missing_ok=True)
            return
        stamps = sorted({stamp for curve in kept.values() for stamp in curve})
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["rater", *map(sample_column, stamps)])
        for rater, curve in kept.items():
            cells = [f"{curve[s] + 0.0:.{_DIGITS}f}" if s in curve else "" for s in stamps]
            table.writerow([rater, *cells])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text.getvalue())


class Store:
    """What the raters of some songs have said.

    Several servers, and several raters of one, may write to it at once.

    Parameters
    ----------
    folder
        Made if it is missing.
    scheme
        What is rated; None: what the folder says, or arousal and valence from -1 to 1.

    Raises
    ------
    InputError
        If the folder is of another scheme.
    """

    def __init__(self, folder: Path, scheme: Scheme | None = None) -> None:
        self.folder = folder
        there = read_scheme(folder)
        if scheme is not None and there is not None and scheme != there:
            raise InputError(
                f"{folder / SETTINGS}: what is there was rated as {_told(there)}, and now {_told(scheme)} is "
                "asked for; expected the same, or another folder (--out)"
            )
        self.scheme = there or scheme or Scheme()
        folder.mkdir(parents=True, exist_ok=True)
        if there is None:
            content = {
                "targets": [*self.scheme.targets],
                "scale": [*self.scheme.scale],
                "hop_ms": self.scheme.hop,
            }
            write_text(folder / SETTINGS, tomli_w.dumps(content))
        self._lock = FileLock(folder / _LOCK, timeout=_WAIT)
        self._finished = RaterTables(folder)
        self._unfinished = RaterTables(folder / UNFINISHED)

    def done(self, rater: str, songs: Sequence[str]) -> set[tuple[str, str]]:
        """Return songs and targets that a rater has finished."""
        pairs = [(song, target) for target in self.scheme.targets for song in songs]
        return {pair for pair in pairs if self._finished.read(pair[1], pair[0]).get(rater)}

    def raters(self, songs: Sequence[str]) -> dict[str, int]:
        """Return how many songs each rater has finished, in all targets."""
        count: dict[str, int] = {}
        for song in songs:
            said = [set(self._finished.read(target, song)) for target in self.scheme.targets]
            for rater in set.intersection(*said):
                count[rater] = count.get(rater, 0) + 1
        return dict(sorted(count.items()))

    def begun(self, rater: str, song: str, targets: Sequence[str]) -> dict[str, Curve]:
        """Return what a rater has said of a song that isn't finished, by target."""
        return {target: self._unfinished.read(target, song).get(rater, {}) for target in targets}

    def save(self, rater: str, song: str, curves: Mapping[str, Curve]) -> None:
        """Keep some more of what a rater says of a song; what was said of the same moments is replaced.

        Raises
        ------
        InputError
            If values are outside the scale, or moments aren't some of the grid.
        """
        for target, curve in curves.items():
            self._check(target, curve)
        with self._lock:
            for target, curve in curves.items():
                raters = self._unfinished.read(target, song)
                raters[rater] = raters.get(rater, {}) | curve
                self._unfinished.write(target, song, raters)

    def forget(self, rater: str, song: str, targets: Sequence[str]) -> None:
        """Drop what a rater has said of a song that isn't finished."""
        with self._lock:
            for target in targets:
                raters = self._unfinished.read(target, song)
                if raters.pop(rater, None) is not None:
                    self._unfinished.write(target, song, raters)

    def finish(self, rater: str, song: str, targets: Sequence[str]) -> None:
        """Take what a rater has said of a song for an answer; an earlier one of the rater's is replaced.

        Raises
        ------
        InputError
            If nothing was said in a target, or something is missing in between.
        """
        with self._lock:
            unfinished = {target: self._unfinished.read(target, song) for target in targets}
            for target, raters in unfinished.items():
                self._check_whole(target, raters.get(rater, {}))
            for target, raters in unfinished.items():
                finished = self._finished.read(target, song)
                finished[rater] = raters.pop(rater)
                self._finished.write(target, song, finished)
                self._unfinished.write(target, song, raters)

    def _check(self, target: str, curve: Curve) -> None:
        low, high = self.scheme.scale
        rounding = 10.0**-_DIGITS
        if target not in self.scheme.targets:
            raise InputError(f"{target!r} isn't rated here; expected {listed(self.scheme.targets)}")
        for stamp, value in curve.items():
            if not 0 <= stamp <= LONGEST or stamp % self.scheme.hop:
                raise InputError(f"{stamp} ms: expected multiples of {self.scheme.hop} ms up to {LONGEST} ms")
            if not low - rounding <= value <= high + rounding:
                raise InputError(f"{target} is {value!r} at {stamp} ms; expected {low:g} to {high:g}")

    def _check_whole(self, target: str, curve: Curve) -> None:
        if not curve:
            raise InputError(
                f"nothing was said about {target}: the pointer wasn't moved. Please play the song again."
            )
        stamps = sorted(curve)
        for one, other in pairwise(stamps):
            if other - one != self.scheme.hop:
                raise InputError(
                    f"nothing was said about {target} between {one / 1000:g} and {other / 1000:g} s. "
                    "Please play that part again."
                )


def asked_for(folder: Path, targets: str | None, scale: tuple[float, float] | None) -> Scheme | None:
    """Return what is to be rated; what isn't said is as the folder has it, or else as a scheme is by itself.

    Parameters
    ----------
    folder
        Of ratings.
    targets
        Names with commas between.
    scale
        Lowest and highest value.
    """
    if targets is None and scale is None:
        return None
    there = read_scheme(folder) or Scheme()
    names = there.targets if targets is None else tuple(name.strip() for name in targets.split(","))
    return Scheme(names, there.scale if scale is None else scale, there.hop)


def _told(scheme: Scheme) -> str:
    low, high = scheme.scale
    return f"{listed(scheme.targets)} from {low:g} to {high:g}"
