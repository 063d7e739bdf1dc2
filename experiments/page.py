"""A page of tables and plots that opens anywhere: what a search and ablations leave for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.files import write_whole


@dataclass(frozen=True)
class Sheet:
    """A table for people.

    Parameters
    ----------
    title
        Above it.
    columns
        Headings; the first column is aligned to the left.
    rows
        Whether the row stands out, and its cells.
    """

    title: str
    columns: list[str]
    rows: list[tuple[bool, list[str]]]

    def print(self, console: Console) -> None:
        """Print the table on a terminal."""
        table = Table()
        for n, heading in enumerate(self.columns):
            table.add_column(heading, justify="right" if n else "left", overflow="fold")
        for marked, cells in self.rows:
            table.add_row(*map(escape, cells), style="bold" if marked else None)
        console.print(f"[bold]{self.title}[/bold]")
        console.print(table)


@dataclass(frozen=True)
class Page:
    """What stands on a page, from the top; ``figures`` are svg elements."""

    title: str
    lead: str
    config: str
    notes: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    tables: list[Sheet] = field(default_factory=list)
    small: list[str] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write the page as HTML."""
        loader = PackageLoader("experiments", ".")
        template = Environment(loader=loader, autoescape=True).get_template("variations.html.j2")
        write_whole(path, template.render(vars(self)))
