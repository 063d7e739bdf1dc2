"""Where options are given: the command line and a file of options.

Here are names and texts; what the texts mean is seen to in `options`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lstmcore.experiments.currennt.options.kinds import OptionError
from lstmcore.experiments.errors import did_you_mean

COMMAND_LINE = "command line"
# They say where options come from, so no file of options may give them.
_COMMAND_LINE_ONLY = ("help", "options_file")


@dataclass(frozen=True)
class Given:
    """The text of an option and where it stands."""

    text: str
    place: str


def from_command_line(arguments: list[str], known: list[str]) -> dict[str, Given]:
    """Read ``--name value``, ``--name=value``, ``--help`` and the file of options.

    Names may be cut short as long as it is clear which one is meant.

    Parameters
    ----------
    arguments
        Without the name of the program.
    known
        Names of all options.

    Returns
    -------
    dict
        By full name; the argument that belongs to no option is ``options_file``.

    Raises
    ------
    OptionError
        If a name is unknown or ambiguous, a value is missing, or an option comes twice.
    """
    given: dict[str, Given] = {}
    rest = iter(arguments)
    for argument in rest:
        if argument.startswith("--"):
            name, text = _named(argument, rest, known)
        elif argument.startswith("-"):
            raise OptionError(f"{COMMAND_LINE}: unknown option {argument!r}; options begin with --")
        else:
            name, text = "options_file", argument
        _add(given, name, Given(text, COMMAND_LINE))
    return given


def from_file(path: str, known: list[str]) -> dict[str, Given]:
    """Read a file of options: lines ``name = value``, with comments from ``#`` on.

    Parameters
    ----------
    path
        The file.
    known
        Names of all options.

    Returns
    -------
    dict
        By name.

    Raises
    ------
    OptionError
        If the file can't be read, a line is no option, or an option comes twice.
    """
    given: dict[str, Given] = {}
    for number, line in enumerate(_text(path).split("\n"), 1):
        content, place = line.partition("#")[0].strip(), f"{path}, line {number}"
        if not content:
            continue
        name, equals, text = (part.strip() for part in content.partition("="))
        if not equals:
            raise OptionError(f"{place}: {content!r}; expected name = value")
        if name not in known:
            raise unknown(place, name, known)
        if name in _COMMAND_LINE_ONLY:
            raise OptionError(f"{place}: {name} can be given on the command line only")
        _add(given, name, Given(text, place))
    return given


def unknown(place: str, name: str, known: list[str]) -> OptionError:
    """Return the error of an option that there is not."""
    return OptionError(f"{place}: unknown option {name!r}{did_you_mean(name, known)}")


def _named(argument: str, rest: Iterator[str], known: list[str]) -> tuple[str, str]:
    word, equals, text = argument[2:].partition("=")
    name = _full_name(word, known)
    if name == "help":
        if equals:
            raise OptionError(f"{COMMAND_LINE}: help is {text!r}; expected no value")
        return name, "true"
    if not equals:
        # A negative number is a value, the next option isn't.
        text = next(rest, "--")
        if text.startswith("--"):
            raise OptionError(f"{COMMAND_LINE}: {name} has no value; expected --{name} VALUE")
    return name, text


def _full_name(word: str, known: list[str]) -> str:
    if word in known:
        return word
    meant = [name for name in known if name.startswith(word)] if word else []
    if not meant:
        raise unknown(COMMAND_LINE, word, known)
    if len(meant) > 1:
        raise OptionError(f"{COMMAND_LINE}: option {word!r} is ambiguous: {', '.join(meant)}")
    return meant[0]


def _add(given: dict[str, Given], name: str, value: Given) -> None:
    if name in given:
        before = given[name].text
        raise OptionError(f"{value.place}: {name} is given a second time: {before!r}, then {value.text!r}")
    given[name] = value


def _text(path: str) -> str:
    try:
        # Names of files may be in any encoding; they must come through as they are.
        return Path(path).read_text(encoding="utf-8-sig", errors="surrogateescape")
    except FileNotFoundError:
        raise OptionError(f"{path}: no such file; expected a file of options") from None
    except (OSError, ValueError) as error:
        raise OptionError(f"{path!r}: the file of options can't be read: {error}") from None
