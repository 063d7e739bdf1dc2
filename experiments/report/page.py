"""A page of tables and plots that opens anywhere: what a search and ablations leave for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader

from lstmcore.experiments.files import write_text
from lstmcore.experiments.terminal.sheet import Sheet


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
        loader = PackageLoader("lstmcore.experiments.report", ".")
        template = Environment(loader=loader, autoescape=True).get_template("variations.html.j2")
        write_text(path, template.render(vars(self)))
