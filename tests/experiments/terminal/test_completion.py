"""What a shell is told when somebody presses Tab."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def start(program, *arguments, **environment):
    """Run a command as its script does."""
    entry = {"lstmcore": "main", "lstmcore-run": "main_run"}[program]
    code = f"import sys; sys.argv[0] = {program!r}\n"
    code += f"from lstmcore.experiments.terminal.entry import {entry}\n{entry}()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        timeout=120,
    )


def completed(program, line):
    """Ask as bash does, by the script that --install-completion leaves."""
    asked = f"_{program.replace('-', '_').upper()}_COMPLETE"
    place = str(len(line.split(" ")) - 1)
    done = start(program, COMP_WORDS=line, COMP_CWORD=place, **{asked: "complete_bash"})
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lstmcore pre", ["predict"]),
        ("lstmcore predict --for", ["--format"]),
        ("lstmcore predict --format s", ["srt", "svl"]),
        ("lstmcore predict --model deam", ["deam-means"]),
        ("lstmcore example qu", ["quickstart"]),
        ("lstmcore predict son", []),  # the shell's turn: files
    ],
)
def test_commands_options_choices_and_names_are_completed(line, expected):
    assert completed("lstmcore", line) == expected


def test_experiments_are_completed_by_name():
    assert completed("lstmcore-run", "lstmcore-run qui") == ["quickstart"]


@pytest.mark.parametrize("program", ["lstmcore", "lstmcore-run"])
def test_the_script_for_a_shell_is_shown(program):
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # then the shell is an argument
    done = start(program, "--show-completion", "bash", **named)
    assert f"complete -o default -F _{program.replace('-', '_')}_completion {program}" in done.stdout
