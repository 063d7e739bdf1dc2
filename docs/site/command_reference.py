"""The page of all commands and their options, made of the commands themselves."""

from __future__ import annotations

import inspect
import re

import typer.main
from typer.core import TyperCommand

from lstmcore.experiments.cli import app
from lstmcore.experiments.currennt.options.parsing import help_text


def commands_page() -> str:
    """Return the page as Markdown."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    lines = [
        "# Commands",
        "",
        "`lstmcore --help` lists them, and `lstmcore COMMAND --help` prints what stands here.",
        "`lstmcore-run EXPERIMENT` is short for `lstmcore run EXPERIMENT`.",
        "[Exit codes](../exit-codes.md) are those of all commands.",
        "",
        "| command | |",
        "| --- | --- |",
    ]
    for name, command in sorted(commands.items()):
        lines.append(f"| [`{name}`](#lstmcore-{name}) | {_paragraphs(command)[0]} |")
    lines += ["| [`lstmcore-currennt`](#lstmcore-currennt) | CURRENNT's command line |", ""]
    for name, command in sorted(commands.items()):
        lines += _command(name, command)
    return "\n".join([*lines, "## lstmcore-currennt", "", "```text", help_text(), "```", ""])


def _paragraphs(command: TyperCommand) -> list[str]:
    return [" ".join(p.split()) for p in inspect.cleandoc(command.help or "").split("\n\n")]


def _command(name: str, command: TyperCommand) -> list[str]:
    """Return the section of a command."""
    context = command.make_context(f"lstmcore {name}", [], resilient_parsing=True)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"## lstmcore {name}", "", "```text", f"lstmcore {name} {usage}", "```", ""]
    for text in _paragraphs(command):
        example = text.startswith("Example")
        lines += ["```sh", text.partition(": ")[2], "```", ""] if example else [_plain(text), ""]
    lines += ["| argument or option | meaning |", "| --- | --- |"]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            lines.append(f"| {_cell(record[0])} | {_plain(record[1])} |")
    return [*lines, ""]


def _cell(text: str) -> str:
    """Return what one writes as code, never broken at its dashes."""
    return f"`` {text} ``".replace("|", "\\|")


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_<>|])", r"\\\1", " ".join(text.split()))
