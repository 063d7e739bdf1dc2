"""What a configuration says that the defaults don't."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticUndefined

from lstmcore.experiments.config import Experiment, in_words
from lstmcore.experiments.config.section import Section

_OF_NO_RUN = ("name", "search", "ablation", "reuse")


def changed_settings(experiment: Experiment) -> list[tuple[str, str, str]]:
    """Return key, value and default, in words, of all settings that aren't at their defaults.

    Keys without a default have “–” for it.
    """
    found: list[tuple[str, str, str]] = []
    _compare(experiment, type(experiment), None, "", found)
    return [row for row in found if row[0].split(".")[0] not in _OF_NO_RUN]


def _compare(
    section: Section, kind: type[Section], default: Any, prefix: str, found: list[tuple[str, str, str]]
) -> None:
    for name, field in kind.model_fields.items():
        value = getattr(section, name)
        if default is not None and hasattr(default, name):
            normal = getattr(default, name)
        else:
            normal = field.get_default(call_default_factory=True)
        if isinstance(value, Section):
            _compare(value, type(value), normal, f"{prefix}{name}.", found)
        elif normal is PydanticUndefined:
            found.append((f"{prefix}{name}", _in_words(value), "–"))
        elif value != normal:
            found.append((f"{prefix}{name}", _in_words(value), _in_words(normal)))


def _in_words(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, Section):
        return _in_words(value.model_dump(exclude_none=True))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ("; " if any(isinstance(one, Section) for one in value) else ", ").join(
            map(_in_words, value)
        ) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} = {_in_words(one)}" for key, one in value.items() if one != [])
    return in_words(value)
