"""An experiment as text, with a comment to each choice."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import tomli_w

_COLUMN, _WIDTH = 36, 110


def value(content: Any) -> str:
    """Write a value in one line of TOML."""
    if isinstance(content, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {value(v)}" for k, v in content.items()) + "}"
    if isinstance(content, list):
        return "[" + ", ".join(map(value, content)) + "]"
    if isinstance(content, float) and content.is_integer() and abs(content) < 1e9:
        return str(int(content))
    return tomli_w.dumps({"x": content}).removeprefix("x = ").rstrip("\n")


def _key(name: str) -> str:
    return tomli_w.dumps({name: 0}).removesuffix(" = 0\n")


def comment(text: str) -> list[str]:
    """Write a comment, in lines that aren't too long."""
    lines, line = [], "#"
    for word in " ".join(text.split()).split(" "):
        if len(line) + 1 + len(word) > _WIDTH and line != "#":
            lines.append(line)
            line = "#"
        line += f" {word}"
    return [*lines, line]


def entry(key: str, content: Any, why: str = "", others: Sequence[str] = ()) -> list[str]:
    """Write a key with its value, why it has it, and what else it could have."""
    line = f"{key} = {value(content)}"
    if len(line) > _WIDTH and isinstance(content, list):
        items = textwrap.wrap(", ".join(map(value, content)), _WIDTH - 4, break_long_words=False)
        line = "\n".join([f"{key} = [", *(f"    {part}" for part in items), "]"])
    above: list[str] = []
    if why and ("\n" in line or len(line) >= _COLUMN or len(why) + _COLUMN + 2 > _WIDTH):
        above = comment(why)
    elif why:
        line = f"{line:<{_COLUMN}} # {why}"
    below = [part for other in others for part in comment(f"or {other}")]
    return [*above, line, *below]


def section(
    name: str, entries: Mapping[str, Any], reasons: Mapping[str, str], others: Mapping[str, Sequence[str]]
) -> list[str]:
    """Write a section."""
    lines = ["", f"[{name}]"]
    for key, content in entries.items():
        lines += entry(key, content, reasons.get(key, ""), others.get(key, ()))
    return lines
