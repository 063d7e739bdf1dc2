"""What holds for each command from its first moment to its last: Ctrl-C, output nobody reads, odd names."""

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lstmcore.experiments.cli import app
from lstmcore.experiments.currennt.formats.netcdf import write_netcdf
from tests.experiments.currennt.test_standardise import random_data

ROOT = Path(__file__).parents[3]
NAMES = sorted(str(c.name or c.callback.__name__) for c in app.registered_commands)
COMMANDS = [("main_run",), ("main_currennt",), ("main",), *(("main", name) for name in NAMES)]


def start(function, *arguments, before="", **streams):
    """Run a command as its script does: function of `lstmcore.experiments.terminal.entry`, arguments."""
    code = f"import sys; {before}\nfrom lstmcore.experiments.terminal.entry import {function}\n{function}()"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
        env=environment,
        **streams,
    )


def into_closed_pipe(function, *arguments, **more):
    read, write = os.pipe()
    os.close(read)
    try:
        return start(function, *arguments, stdout=write, **more)
    finally:
        os.close(write)


# Each command is a fork of one process that has imported what they need, and ends as one of its own does.
HELP = """
import json, os, sys
from pathlib import Path
from typer.testing import CliRunner
from lstmcore.experiments import cli
from lstmcore.experiments.terminal import entry
import lstmcore.experiments.currennt.cli

CliRunner().invoke(cli.app, ["convert", "--help"])  # has typer import what it prints with
commands, into, told = json.loads(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
ended = []
for function, *words in commands:
    sys.argv[1:] = [*words, "--help"]
    child = os.fork()
    if child == 0:
        read, write = os.pipe()
        os.close(read)
        os.dup2(os.open("/dev/full", os.O_WRONLY) if into == "full disk" else write, 1)
        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        getattr(entry, function)()
        break
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    ended.append((code, told.read_text()))
else:
    print(json.dumps(ended))
"""


@functools.cache
def ends_of_help(into):
    """Ask each command for help, which goes into a "closed pipe" or onto a "full disk"."""
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-c", HELP, json.dumps(COMMANDS), into, folder + "/told"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True, env=environment)
    return dict(zip(COMMANDS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_that_nobody_reads(command):
    code, told = ends_of_help("closed pipe")[command]
    assert told == ""
    assert code == (0 if command == ("main_currennt",) else 1)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_into_a_full_disk(command):
    code, told = ends_of_help("full disk")[command]
    assert told.endswith(": No space left on device\n")
    assert told.count("\n") == 1
    assert code == 2


def test_results_into_a_full_disk(tmp_path):
    write_netcdf(tmp_path / "a.nc", random_data())
    before = (tmp_path / "a.nc").read_bytes()
    with Path("/dev/full").open("w") as full:
        done = start("main", "nc-standardize", "a.nc", cwd=tmp_path, stdout=full)
    assert (done.stderr, done.returncode) == (b"error: No space left on device\n", 2)
    assert (tmp_path / "a.nc").read_bytes() != before


def test_results_that_nobody_reads(tmp_path):
    write_netcdf(tmp_path / "a.nc", random_data())
    done = into_closed_pipe("main", "nc-standardize", "a.nc", cwd=tmp_path)
    assert (done.stderr, done.returncode) == (b"", 1)


INTERRUPT = """
import os, signal
class Interrupt:
    def find_spec(self, name, *rest):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
"""


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("typer", ("main", "doctor")),
        ("lstmcore.experiments.errors", ("main", "convert", "a", "b")),
        ("numpy", ("main", "convert", "a", "b")),
        ("lstmcore.experiments.config", ("main_run", "quickstart.toml")),
        ("pydantic", ("main_run", "quickstart.toml")),
        ("lstmcore.experiments.currennt.console", ("main_currennt", "--train", "true")),
        ("lstmcore.errors", ("main_currennt", "--train", "true")),
        ("lstmcore.experiments.currennt.training", ("main_currennt", "--ff_input_file", "a.nc")),
    ],
)
def test_interrupted_while_it_starts(module, command, tmp_path):
    done = start(*command, before=INTERRUPT.format(name=module), stdout=subprocess.PIPE, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_an_interrupt_that_is_ignored_stays_ignored(tmp_path):
    ignored = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN);" + INTERRUPT.format(name="typer")
    done = start("main", "--help", before=ignored, stdout=subprocess.PIPE, cwd=tmp_path)
    assert done.returncode == 0


def test_the_bytes_of_a_name_are_printed_as_they_are(tmp_path):
    done = start("main_currennt", b"caf\xe9.cfg", stdout=subprocess.PIPE, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith(b"caf\xe9.cfg: no such file")
    done = start("main", "convert", b"caf\xe9.jsn", "out", stdout=subprocess.PIPE, cwd=tmp_path)
    assert done.returncode == 2
    assert b"caf\xe9.jsn: no such file" in done.stderr


def test_a_terminal_that_lacks_a_character_shows_a_question_mark(tmp_path):
    ascii_only = "sys.stdout.reconfigure(encoding='ascii')"
    done = start("main_currennt", "größe.cfg", before=ascii_only, stdout=subprocess.PIPE, cwd=tmp_path)
    assert done.stdout.startswith(b"gr??e.cfg: no such file")
