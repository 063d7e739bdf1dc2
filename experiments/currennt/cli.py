"""The command ``lstmcore-currennt``: CURRENNT 0.2's command line, its files, its numbers."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from lstmcore import EngineError
from lstmcore.experiments.currennt import console as messages
from lstmcore.experiments.currennt.numerics.mersenne import system_seed
from lstmcore.experiments.currennt.opening import hybrid_notice, start_lines
from lstmcore.experiments.currennt.options.parsing import (
    OptionError,
    Options,
    beside_continue,
    from_autosave,
    help_text,
    parse,
)
from lstmcore.experiments.currennt.printing import forget_losses, lost, note, say, tell, warn
from lstmcore.experiments.currennt.signals import Stopped
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.terminal.entry import work_begins


def run(arguments: list[str]) -> int:
    """Do what a command line of CURRENNT asks for.

    Parameters
    ----------
    arguments
        Without the name of the program.

    Returns
    -------
    int
        The exit code: 0, 1 (options), 2 (all other failures, and output that can't be written),
        128 and a signal's number if one has ended it (130 after Ctrl-C).
    """
    forget_losses()
    code = _code(arguments)
    error = lost()
    if error is None or isinstance(error, BrokenPipeError):
        return code
    warn(f"lstmcore-currennt: the output could not be written: {error.strerror or error}")
    return code or 2


def _code(arguments: list[str]) -> int:
    """Do it all, whether or not anybody can read the output."""
    try:
        options = parse(arguments)
    except OptionError as error:
        say(f"{error}")
        return 1
    if options.help:
        say(help_text())
        return 0
    if options.list_devices:
        say("No CUDA devices: computations are performed on the CPU.")
        return 0
    try:
        return _work(options, [] if options.continue_ is None else beside_continue(arguments))
    except (InputError, EngineError) as error:
        tell("", messages.failed(str(error)))
    except BrokenPipeError:
        pass  # whoever read our output has gone, and training has ended for that
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        tell("", messages.failed(f"{where}{error.strerror or error}"))
    except MemoryError as error:
        tell("", messages.failed(f"out of memory: {error}" if str(error) else "out of memory"))
    except Stopped as stopped:
        return stopped.exit_code
    except KeyboardInterrupt:
        return 130
    return 2


def _work(options: Options, without_effect: list[str]) -> int:
    from lstmcore.experiments.currennt.formats.autosave import read_autosave
    from lstmcore.experiments.currennt.forward import forward
    from lstmcore.experiments.currennt.training import train

    work_begins()
    resumed, network = None, Path(options.network)
    if options.continue_ is not None:
        network = Path(options.continue_)
        resumed = read_autosave(network)
        options = from_autosave(resumed.options, str(network))
        if resumed.beyond is None:  # the original's: what it did with the old name of stochastic goes on
            options = replace(options, strict_currennt=True)
    if options.random_seed == 0:
        options = replace(options, random_seed=system_seed())
    *opening, empty = start_lines(options)
    notice = hybrid_notice(options)
    say(*opening, *([notice] if notice is not None else []))
    if without_effect:
        note(f"with --continue all options are the autosave's; without effect: {', '.join(without_effect)}")
    say(empty)
    if options.train:
        train(options, network, resumed)
    else:
        forward(options)
    return 0


def main() -> None:
    """Entry point of the command."""
    code = run(sys.argv[1:])
    if code > 128:
        os._exit(code)
    sys.exit(code)
