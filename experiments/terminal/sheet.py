"""A table for people: on a terminal of any width, and as a page shows it; and the terminal itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from lstmcore.features.errors import legible

_BORDER = 3  # a line and a space on each side
_GAP = 2  # between columns without lines
_NO_TERMINAL_WIDTH = 160


def new_console() -> Console:
    """Return a console on standard output that prints text as it stands, brackets and colons too.

    What a terminal would obey, in the name of a song or a model's card, is printed as an escape.
    """
    width = None if sys.stdout.isatty() else _NO_TERMINAL_WIDTH
    return disarmed(Console(width=width, markup=False, emoji=False))


def disarmed(console: Console) -> Console:
    """Have a console print controls in texts as escapes, and return it."""
    console.push_render_hook(_Disarming())
    return console


class _Disarming(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Disarmed(one) for one in renderables]


@dataclass(frozen=True)
class _Disarmed:
    """What is printed, with its texts made legible; what moves the cursor is the console's own."""

    printed: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.printed, options):
            yield segment if segment.control else Segment(legible(segment.text), segment.style)


@dataclass(frozen=True)
class Sheet:
    """A table for people.

    Parameters
    ----------
    title
        Above it.
    columns
        Headings.
    rows
        Whether the row stands out, and its cells.
    labels
        How many of the first columns name a row; they are aligned to the left.
    together
        How many of the other columns belong side by side.
    lines
        Whether lines are drawn around the cells; without, more fits.
    """

    title: str
    columns: list[str]
    rows: list[tuple[bool, list[str]]]
    labels: int = 1
    together: int = 1
    lines: bool = True

    def print(self, console: Console) -> None:
        """Print the table on a terminal; as several below each other where it is too narrow for one.

        Words may go to the next line; numbers don't, and nothing is cut off.
        """
        console.print(Text(self.title, "bold"))
        for columns in self._parts(console.width):
            console.print(self._table(columns, self._widths(columns, console.width)))

    def _parts(self, width: int) -> Iterator[list[int]]:
        """Choose the columns of each table: as many groups side by side as there is room for."""
        labels, others = list(range(self.labels)), list(range(self.labels, len(self.columns)))
        groups = [others[k : k + self.together] for k in range(0, len(others), self.together)]
        if any(self._least_width(labels + group) > width for group in groups):
            groups = [[column] for column in others]
        part: list[int] = []
        for group in groups:
            if part and self._least_width(labels + part + group) > width:
                yield labels + part
                part = []
            part = part + group
        yield labels + part

    def _least_width(self, columns: list[int]) -> int:
        return self._width([self._least(n) for n in columns])

    def _width(self, widths: list[int]) -> int:
        """Return the width of a table of columns that are so wide."""
        if self.lines:
            return sum(widths) + _BORDER * len(widths) + 1
        return sum(widths) + _GAP * (len(widths) - 1)

    def _least(self, column: int) -> int:
        """Return the least width of a column: of its longest word, or of numbers the whole cell."""
        numbers = column >= self.labels and any(c.isdigit() for _, row in self.rows for c in row[column])
        pieces = [cell.splitlines() if numbers else cell.split() for cell in self._column(column)]
        return max((cell_len(piece) for cell in pieces for piece in cell), default=1)

    def _widths(self, columns: list[int], width: int) -> list[int]:
        """Return the width of each column: its own, less what the widest must yield for all to have room."""
        cells = [self._column(n) for n in columns]
        widths = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in cells]
        least_of_all = [self._least(n) for n in columns]
        broken_words = [1 if n < self.labels else own for n, own in zip(columns, least_of_all, strict=True)]
        for least in (least_of_all, broken_words, [1] * len(columns)):
            while self._width(widths) > width:
                yielding = [k for k, own in enumerate(widths) if own > least[k]]
                if not yielding:
                    break
                widths[max(yielding, key=lambda k: widths[k])] -= 1
        return widths

    def _column(self, n: int) -> list[str]:
        return [self.columns[n], *(cells[n] for _, cells in self.rows)]

    def _table(self, columns: list[int], widths: list[int]) -> Table:
        bare: Any = {"box": None, "padding": (0, _GAP, 0, 0), "pad_edge": False}
        table = Table(**({} if self.lines else bare))
        for n, width in zip(columns, widths, strict=True):
            justify: Any = "right" if n >= self.labels else "left"
            table.add_column(Text(self.columns[n]), justify=justify, overflow="fold", width=width)
        for marked, cells in self.rows:
            table.add_row(*(Text(cells[n]) for n in columns), style="bold" if marked else None)
        return table
