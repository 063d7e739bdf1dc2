"""Nothing is sent: commands that compute open no socket and ask for no address."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.experiments.conftest import EXPERIMENT, write_tiny_deam
from tests.experiments.prediction.test_model_files import write_tiny_model

# In a process of its own, for Python takes back no hook.
WATCHED = """
import json, sys
seen = []
def look(event, about):
    if event.startswith(("socket.", "urllib.")):
        seen.append(event)
sys.addaudithook(look)
from typer.testing import CliRunner
from lstmcore.experiments.cli import app, run_app
for name, words in json.loads(sys.argv[1]):
    if name == "socket":
        import socket
        socket.socket().close()
        continue
    done = CliRunner().invoke({"run": run_app, "app": app}[name], words)
    assert done.exit_code == 0, (words, done.output, done.exception)
print(json.dumps(seen))
"""


def sockets(*commands: tuple[str, list[str]]) -> list[str]:
    """Return what commands, one after the other, did with sockets."""
    line = [sys.executable, "-c", WATCHED, json.dumps(commands)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_socket_would_be_seen() -> None:
    assert "socket.__new__" in sockets(("socket", []))


@pytest.mark.timeout(300)
def test_commands_that_compute_open_no_socket(tmp_path: Path) -> None:
    write_tiny_deam(tmp_path / "data")
    (tmp_path / "tiny.toml").write_text(EXPERIMENT)
    write_tiny_model(tmp_path / "model")
    sound = np.round(9000 * np.sin(np.arange(3 * 16000) / 5)).astype(np.int16)
    soundfile.write(tmp_path / "song.wav", sound, 16000)
    run, song = str(tmp_path / "run"), str(tmp_path / "song.wav")
    assert not sockets(
        ("run", [str(tmp_path / "tiny.toml"), "--out", run, "--workers", "2", "--quiet"]),
        ("app", ["table", run]),
        (
            "app",
            ["score", str(tmp_path / "tiny.toml"), "--model", run, "--out", str(tmp_path / "score.json")],
        ),
        ("app", ["predict", song, "--model", str(tmp_path / "model"), "--out", str(tmp_path / "curves.csv")]),
    )
