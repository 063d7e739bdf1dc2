"""The command ``lstmcore raters``: how well raters agree, and whom and which songs to look at twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lstmcore.experiments.terminal.command_line import Command
from lstmcore.experiments.terminal.telling import errors_told

if TYPE_CHECKING:
    from lstmcore.experiments.scoring.raters import Agreeing, RaterRow, SongRow
    from lstmcore.experiments.terminal.sheet import Sheet

commands = typer.Typer()

_MOST_ROWS = 10
_SUFFIXES = (".csv", ".json")


@commands.command(cls=Command)
def raters(
    folder: Annotated[
        Path,
        typer.Argument(
            help="What each rater said: a folder with DEAM's files per song, or a table with a column rater.",
            metavar="FOLDER",
            readable=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write: .csv, a row per rater; or .json, all: targets, raters and songs.",
            metavar="FILE.csv|FILE.json",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the tables and nothing else.")] = False,
) -> None:
    """Tell how well raters agree, and who to look at twice.

    Cronbach's alpha, Krippendorff's alpha, and how well each rater goes with the others.  To look at twice:
    who never moves, goes against the others, comes seconds behind them or is far from them; and the songs
    whose raters agree least.

    Example: lstmcore raters music/ratings --out raters.csv
    """
    from lstmcore.experiments.errors import InputError
    from lstmcore.experiments.files import check_writable
    from lstmcore.experiments.scoring.rater_files import find_answers
    from lstmcore.experiments.scoring.raters import measure_raters
    from lstmcore.experiments.terminal.progress import new_progress
    from lstmcore.features.errors import printable

    progress = new_progress(quiet)
    with errors_told(None, progress):
        if out is not None and out.suffix.lower() not in _SUFFIXES:
            raise InputError(f"{printable(out)}: expected the name of a file that ends in .csv or .json")
        if out is not None:
            check_writable(out)
        where, answers = find_answers(folder, progress)
        found = measure_raters(answers)
        progress.close()
        if out is not None:
            _write(out, found)
    _print(where, found, quiet)
    if out is not None and not quiet:
        print(f"written: {printable(out)}")


def _write(out: Path, found: Agreeing) -> None:
    import pandas as pd

    from lstmcore.experiments.files import write_csv, write_json

    if out.suffix.lower() == ".json":
        write_json(out, found.as_json())
        return
    rows = [vars(row) | {"why": "; ".join(row.why)} for row in found.raters]
    write_csv(out, pd.DataFrame(rows), 6)


def _print(where: str, found: Agreeing, quiet: bool) -> None:
    from lstmcore.experiments.terminal.sheet import new_console
    from lstmcore.features.errors import printable

    console = new_console()
    _targets(found).print(console)
    if not quiet:
        has_intervals = any(row.alpha_low is not None for row in found.targets)
        below = " Below: 95 % intervals over songs." if has_intervals else ""
        console.print(
            "alpha: Cronbach's, of each song, mean of all: do raters move alike? Krippendorff: do they give "
            "the same values? one to others: r of a rater with the mean of the others, mean of all songs."
            + below,
            highlight=False,
        )
    twice = [row for row in found.raters if row.why]
    if twice:
        _raters(twice, found.raters).print(console)
    elif not quiet:
        console.print("No rater stands out.", highlight=False)
    low = _lowest(found.songs)
    if low:
        _songs(low).print(console)
    if not quiet:
        nobody = [row.target for row in found.targets if not row.named]
        if nobody:
            console.print(
                "Raters have no names there: a row of a file is taken for a rater of its own. A column rater "
                "that names them lets one be followed through all songs.",
                highlight=False,
            )
        single = max((row.raters for row in found.songs), default=0)
        if single < 3:  # as scoring.raters has it; imported, it would bring scipy with it
            console.print(
                f"No song has more than {single} rater{'' if single == 1 else 's'}: who of them is to be "
                "looked at can be told from three on.",
                highlight=False,
            )
        console.print(f"from: {printable(where)}", soft_wrap=True, highlight=False)


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _with_limits(value: float | None, low: float | None, high: float | None) -> str:
    return _number(value) if low is None else f"{_number(value)}\n{_number(low)} to {_number(high)}"


def _targets(found: Agreeing) -> Sheet:
    from lstmcore.experiments.terminal.sheet import Sheet

    columns = ["target", "songs", "raters", "alpha", "Krippendorff", "one to others"]
    rows = []
    for row in found.targets:
        alpha = _with_limits(row.alpha, row.alpha_low, row.alpha_high)
        if row.undefined:
            alpha += f"\n({row.undefined} without)"
        cells = [
            row.target,
            str(row.songs),
            f"{row.raters:.0f}" if row.named else f"{row.raters:.1f} each",
            alpha,
            _with_limits(row.krippendorff, row.krippendorff_low, row.krippendorff_high),
            _with_limits(row.one_to_others, row.one_to_others_low, row.one_to_others_high),
        ]
        rows.append((False, cells))
    return Sheet("How well raters agree", columns, rows)


def _raters(twice: list[RaterRow], everybody: list[RaterRow]) -> Sheet:
    from lstmcore.experiments.terminal.sheet import Sheet
    from lstmcore.features.errors import printable

    shown = sorted(twice, key=lambda row: (-len(row.why), row.r if row.r is not None else 1.0))[:_MOST_ROWS]
    shown.sort(key=lambda row: row.target)
    rows = [
        (
            False,
            [
                printable(row.rater),
                row.target,
                "; ".join(row.why),
                str(row.songs),
                _number(row.r),
                "–" if row.lag is None else f"{row.lag:g} s",
                _number(row.distance),
            ],
        )
        for row in shown
    ]
    more = f", the first {len(shown)} of {len(twice)}" if len(shown) < len(twice) else ""
    title = f"Raters to look at twice: {len(twice)} of {len(everybody)}{more}"
    return Sheet(
        title, ["rater", "target", "why", "songs", "r", "lag", "distance"], rows, labels=3, together=4
    )


def _lowest(songs: list[SongRow]) -> list[SongRow]:
    """Return the songs whose raters agree least: those without an α or with one below .6, the worst first."""
    low = [row for row in songs if row.raters > 1 and (row.alpha is None or row.alpha < 0.6)]
    return sorted(low, key=lambda row: -9.0 if row.alpha is None else row.alpha)


def _songs(low: list[SongRow]) -> Sheet:
    from lstmcore.experiments.terminal.sheet import Sheet
    from lstmcore.features.errors import printable

    rows = [
        (
            False,
            [
                printable(str(row.song)),
                row.target,
                str(row.raters),
                _number(row.alpha),
                _number(row.one_to_others),
            ],
        )
        for row in low[:_MOST_ROWS]
    ]
    more = f", the lowest {len(rows)} of {len(low)}" if len(rows) < len(low) else ""
    title = f"Songs to look at twice: alpha below .60{more}"
    return Sheet(title, ["song", "target", "raters", "alpha", "one to others"], rows, labels=2)
