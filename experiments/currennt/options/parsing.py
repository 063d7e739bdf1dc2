"""The options of CURRENNT 0.2: command line, file of options, autosave file."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

import numpy as np

from lstmcore.experiments.currennt.options.kinds import BOOLEAN, LIMIT, SWITCH, Kind, OptionError
from lstmcore.experiments.currennt.options.sources import (
    COMMAND_LINE,
    Given,
    from_command_line,
    from_file,
    unknown,
)
from lstmcore.experiments.currennt.options.table import OURS, TABLE, Options

__all__ = [
    "OptionError",
    "Options",
    "beside_continue",
    "from_autosave",
    "help_text",
    "parse",
    "to_configuration",
]

_NAMES = list(TABLE)
# They belong to one call of the program, not to the training.
_OF_ONE_CALL = ("help", "continue")
_INDENT = 34


def parse(arguments: list[str]) -> Options:
    """Read the command line, and the file of options that it may name.

    With ``--help``, ``--list_devices true`` or ``--continue`` no data file is asked for; with
    ``--continue`` the options that count are those of the autosave file (see `from_autosave`).

    Parameters
    ----------
    arguments
        Without the name of the program.

    Returns
    -------
    Options
        What the command line says, then the file, then the defaults.

    Raises
    ------
    OptionError
        If something can't be used; the message says where it stands and what is expected.
    """
    given = from_command_line(arguments, _NAMES)
    if "help" in given:
        return Options(help=True)
    if "options_file" in given and "continue" not in given:
        given = from_file(_value("options_file", given["options_file"]), _NAMES) | given
    options = _resolve(given)
    if not options.list_devices and options.continue_ is None:
        _check_data_files(options, COMMAND_LINE)
    return options


def beside_continue(arguments: list[str]) -> list[str]:
    """Return the names of options on the command line that count for nothing beside ``--continue``."""
    return [name for name in from_command_line(arguments, _NAMES) if name != "continue"]


def from_autosave(options: Mapping[str, str], place: str = "autosave") -> Options:
    """Read the options in an autosave file.

    Parameters
    ----------
    options
        Texts by name; names without a text, which the original leaves out, keep their default.
    place
        What an error calls the file.

    Returns
    -------
    Options
        The options of the training that was saved.

    Raises
    ------
    OptionError
        If a name is unknown or a value can't be used.
    """
    for name in options:
        if name not in TABLE:
            raise unknown(place, name, _NAMES)
    found = _resolve({name: Given(text, place) for name, text in options.items() if name not in _OF_ONE_CALL})
    _check_data_files(found, place)
    return found


def to_configuration(options: Options) -> dict[str, str]:
    """Return the texts that an autosave file holds, sorted by name.

    What is not set is left out, and our own options where they have their default, so that the
    original can read the file as well.  Numbers are written so that they read back exactly.

    Parameters
    ----------
    options
        The options of a training.

    Returns
    -------
    dict
        Texts by name, from which `from_autosave` makes the same options.
    """
    texts = {}
    for name in sorted(set(_NAMES) - {*_OF_ONE_CALL}):
        option = TABLE[name]
        value = getattr(options, option.name)
        if value not in ((), "") and (value is not None or option.metadata["kind"] is LIMIT):
            texts[name] = str(option.metadata["kind"].write(value))
    return {name: text for name, text in texts.items() if name not in OURS or text != "0"}


def help_text() -> str:
    """Return the list of all options: name, value, default and meaning."""
    lines = ["Usage: lstmcore-currennt [options] [options_file]", ""]
    lines += ["Example: lstmcore-currennt config.cfg --max_epochs 50 --random_seed 1", ""]
    for name, option in TABLE.items():
        kind: Kind = option.metadata["kind"]
        meaning = wrap(option.metadata["meaning"] + _default_text(kind, option.default), 66)
        head = f"  --{name} {kind.argument}"
        if len(head) >= _INDENT:
            lines.append(head)
            head = ""
        starts = [head] + [""] * (len(meaning) - 1)
        lines += [f"{start:<{_INDENT}}{part}" for start, part in zip(starts, meaning, strict=True)]
    return "\n".join(lines)


def _default_text(kind: Kind, default: Any) -> str:
    if kind is SWITCH or default in ((), "") or (default is None and kind is not LIMIT):
        return ""
    if kind is BOOLEAN or default is None:
        return f" (default: {'inf' if default is None else str(default).lower()})"
    return f" (default: {kind.write(default)})"


def _value(name: str, given: Given) -> Any:
    kind: Kind = TABLE[name].metadata["kind"]
    try:
        return kind.read(given.text)
    except ValueError:
        raise OptionError(
            f"{given.place}: {kind.complaint}{name} is {given.text!r}; expected {kind.expected}"
        ) from None


def _resolve(given: Mapping[str, Given]) -> Options:
    options = Options(**{TABLE[name].name: _value(name, text) for name, text in given.items()})
    low, high = options.weights_uniform_min, options.weights_uniform_max
    # The limits must differ in the precision in which the numbers are drawn.
    precision = np.float64 if options.float64 else np.float32
    if not precision(low) < precision(high):
        raise OptionError(
            f"weights_uniform_min is {low}, weights_uniform_max is {high}; expected the first to be lower"
        )
    return options


def _check_data_files(options: Options, place: str) -> None:
    needed = "train_file" if options.train else "ff_input_file"
    if not getattr(options, needed):
        use = "training" if options.train else "a forward pass (train is false)"
        raise OptionError(f"{place}: {needed} is missing; {use} needs it")
