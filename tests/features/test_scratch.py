"""Folders for decoded sound: where they lie, that they vanish, and what killed processes left."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lstmcore.features import scratch
from lstmcore.features.scratch import scratch_folder, scratch_root

HELD = """
import sys, time
from lstmcore.features.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "input.wav").write_text("a gigabyte")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    scratch._remove_abandoned.cache_clear()
    return tmp_path / "scratch"


def test_a_folder_lies_where_it_was_asked_for_and_vanishes(root: Path) -> None:
    def fail() -> None:
        with scratch_folder() as folder:
            assert folder.parent == root
            (folder / "input.wav").write_text("sound")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(root.iterdir()) == []


def test_nobody_asked_it_is_not_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", "/tmp")
    monkeypatch.setattr("os.access", lambda *_: True)
    assert scratch_root() == Path("/var/tmp")
    monkeypatch.setattr("os.access", lambda *_: False)  # there is none, or it can't be written to
    assert scratch_root() == Path("/tmp")
    monkeypatch.setattr("os.access", lambda *_: True)
    monkeypatch.setattr("tempfile.tempdir", "/elsewhere")
    assert scratch_root() == Path("/elsewhere")
    monkeypatch.setattr("tempfile.tempdir", "/tmp")
    monkeypatch.setenv("TMPDIR", "/tmp")
    assert scratch_root() == Path("/tmp")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no locks that a process's end opens")
def test_what_a_killed_process_left_is_removed_and_nothing_else(root: Path) -> None:
    def start() -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen([sys.executable, "-c", HELD], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    (killed, left), (alive, held) = start(), start()
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        others = root / "lstmcore-of-another-version"
        others.mkdir()
        assert left.exists()
        with scratch_folder() as own:
            assert not left.exists()
            assert sorted(root.iterdir()) == sorted([own, held, others])
        assert (held / "input.wav").exists()
    finally:
        for process in (killed, alive):
            process.kill()
            process.communicate()
