"""The process that decodes media: a file that it crashes on is one song's error, and it ends with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmcore.features import AudioError, extract_many, media, read_audio
from lstmcore.features.audio import open_audio
from tests.features.media_files import encode

pytest.importorskip("av", reason="PyAV is not installed")
TONE = np.round(16000 * np.sin(np.arange(3 * 44100) / 7)).astype(np.int16)[:, None]


def tag(kind: int, content: bytes, milliseconds: int) -> bytes:
    """One part of an FLV file; sound is of kind 8, and its first byte says how it is coded."""
    head = bytes([kind]) + len(content).to_bytes(3, "big") + milliseconds.to_bytes(3, "big") + bytes(4)
    return head + content + (11 + len(content)).to_bytes(4, "big")


def test_a_stream_that_begins_late_is_damage(tmp_path: Path) -> None:
    """PyAV looks for it among those that the beginning has: IndexError."""
    plain = [tag(8, b"\x30" + bytes([128]) * 5512, 1000 * k) for k in range(12)]
    late = tag(8, b"\x51" + bytes(128), 13000)  # Nellymoser
    for tags in (plain, [*plain, late]):
        (tmp_path / "a.flv").write_bytes(b"FLV\x01\x04\x00\x00\x00\x09" + bytes(4) + b"".join(tags))
        if late not in tags:
            assert len(read_audio(tmp_path / "a.flv").samples) == 12 * 5512
            continue
        with pytest.raises(AudioError, match="a stream begins in it that its beginning doesn't have"):
            read_audio(tmp_path / "a.flv")


@pytest.mark.skipif(os.name != "posix", reason="processes end otherwise there")
def test_a_decoder_that_crashes_is_one_songs_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    songs = [encode(tmp_path / f"{k}.m4a", TONE, codec="alac") for k in range(3)]
    with songs[1].open("ab") as file:
        file.write(b"\x00\x00\x00\x0dfreecrash")
    fragile = tmp_path / "decoder.py"
    fragile.write_text(
        "import os, runpy, signal\n"
        "with open(0, 'rb', closefd=False) as file:\n"
        "    if b'freecrash' in file.read():\n"
        '        os.write(1, b\'{"seconds": 0.0}\\n{"frame": 4096, \')\n'
        "        os.kill(os.getpid(), signal.SIGSEGV)\n"
        f"runpy.run_path({str(media._DECODER)!r}, run_name='__main__')\n"
    )
    monkeypatch.setattr(media, "_DECODER", fragile)
    with extract_many(songs, "tonality", workers=2) as results:
        found = list(results)
    assert [result.error is None for result in found] == [True, False, True]
    assert "FFmpeg crashed (SIGSEGV)" in str(found[1].error)


def test_a_decoder_that_ends_in_the_middle_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    song = encode(tmp_path / "a.m4a", TONE, codec="alac")
    (tmp_path / "decoder.py").write_text(
        "import sys\nprint('{\"seconds\": 0.0}', flush=True)\nsys.exit('no luck')\n"
    )
    monkeypatch.setattr(media, "_DECODER", tmp_path / "decoder.py")
    with pytest.raises(AudioError, match="its decoder ended without a word: no luck"):
        read_audio(song)


@pytest.mark.skipif(os.name != "posix", reason="processes are looked up as on Unix")
def test_the_decoder_ends_with_who_asked(tmp_path: Path) -> None:
    """Also where it never writes what nobody reads, and whoever asked was killed."""
    stuck = tmp_path / "decoder.py"
    stuck.write_text(media._DECODER.read_text().replace("answer(file, sys.argv[1], out)", "time.sleep(500)"))
    asks = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, {str(stuck)!r}, 'mov'], stdin=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(500)\n"
    )
    with subprocess.Popen([sys.executable, "-c", asks], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(1)  # until it has seen who its parent is
        assert not _ended(child)
        parent.kill()
    try:
        until = time.monotonic() + 30
        while not _ended(child) and time.monotonic() < until:
            time.sleep(0.1)
        assert _ended(child)
    finally:
        if not _ended(child):
            os.kill(child, signal.SIGKILL)


def _ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    try:
        return b") Z " in Path(f"/proc/{process}/stat").read_bytes()  # nobody has asked how it ended
    except OSError:
        return False


@pytest.mark.skipif(os.name != "posix", reason="processes are looked up as on Unix")
def test_a_decoder_that_is_killed_in_the_middle_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = encode(tmp_path / "a.mka", np.tile(TONE, (40, 1)), codec="flac")
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def popen(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(real(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", popen)
    with open_audio(song) as stream:
        blocks = iter(stream.blocks)
        next(blocks)
        started[-1].send_signal(signal.SIGKILL)
        with pytest.raises(AudioError, match=r"beyond .* s, it is Matroska.*: FFmpeg crashed \(SIGKILL\)"):
            list(blocks)
