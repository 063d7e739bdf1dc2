"""The command: where it says it is, how it ends, and what it refuses before it begins."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from importlib.util import find_spec

import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.serving import options
from lstmcore.experiments.serving.server import opened_door
from lstmcore.installing import install_extra


def refused(*words: str) -> str:
    result = CliRunner().invoke(app, ["serve", *words])
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def test_it_serves_until_ctrl_c_and_leaves_nothing(tmp_path):
    if sys.platform == "win32":
        pytest.skip("a console of its own would be needed to send Ctrl-C")
    code = "from lstmcore.experiments.terminal.entry import main; main()"
    running = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
    )
    with running:
        assert running.stdout is not None
        address = re.fullmatch(
            r"serving on (http://localhost:\d+/) \(Ctrl-C ends\)\n", running.stdout.readline()
        )
        assert address is not None
        with urllib.request.urlopen(address[1]) as answer:
            assert b"Drop songs here" in answer.read()
        assert [folder.name[:15] for folder in tmp_path.iterdir()] == ["lstmcore-serve-"]
        running.send_signal(signal.SIGINT)
        said, errors = running.communicate(timeout=60)
    assert (running.returncode, said, errors) == (0, "ended\n", "")
    assert not list(tmp_path.iterdir())


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused("--host", "127.0.0.1", "--port", str(port))
    assert f"127.0.0.1, port {port}: can't be listened on" in said


def test_the_next_free_port_is_taken_where_none_was_asked_for():
    with opened_door("127.0.0.1", None) as (first, _), opened_door("127.0.0.1", None) as (second, _):
        assert second.port > first.port


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_a_token_is_there_where_others_can_come(host):
    with opened_door(host, 0) as (door, _):
        assert (door.token is None) == (host == "127.0.0.1")
        assert ("token=" in door.address()) == (host == "0.0.0.0")
        assert "//0.0.0.0" not in door.address()  # which is no address to go to


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: no such model"),
        (["{folder}"], "neither config.toml nor model.json"),
        (["--songs", "{folder}"], "no audio"),
        (["--songs", "{folder}/x.mp3"], "no such file or folder"),
        (["--host", "256.1.1.1"], "--host 256.1.1.1: no such address"),
        (["--max-mb", "0"], "--max-mb"),
    ],
)
def test_what_can_not_be_served_is_said(tmp_path, words, said):
    assert said in refused(*(word.format(folder=tmp_path) for word in words))


@pytest.mark.parametrize("command", ["serve", "annotate"])
def test_the_extra_is_named_where_it_is_missing(monkeypatch, tmp_path, command):
    monkeypatch.setattr(options, "find_spec", lambda name: None if name == "uvicorn" else find_spec(name))
    result = CliRunner().invoke(app, [command, str(tmp_path)])
    assert result.exit_code == 2
    assert f"lstmcore {command} needs uvicorn" in result.output
    assert f"expected the extra serve: {install_extra('serve')}" in result.output
