"""Outlines of the sound: kept, found again, made anew when the file is another."""

import base64
import json
import threading

import numpy as np
import pytest
import soundfile

from lstmcore.experiments.errors import Interrupted
from lstmcore.experiments.report.outlines import FILE, _digest, outlines
from lstmcore.experiments.terminal.progress import Quiet


class Counting(Quiet):
    def __init__(self):
        self.done = 0

    def advance(self, text="", *, fresh=True):
        self.done += 1


def made(folder, audio, stop=None):
    progress = Counting()
    return outlines(folder, audio, 2, progress, stop or threading.Event()), progress.done


@pytest.fixture
def audio(tmp_path):
    loud = np.repeat([0.1, 0.5, 0.25, 0.5], 16000)
    soundfile.write(tmp_path / "a.wav", loud * np.sin(np.arange(64000) / 3), 8000)
    (tmp_path / "b.wav").write_bytes(b"no sound")
    return {"a": tmp_path / "a.wav", "b": tmp_path / "b.wav", "c": tmp_path / "missing.wav"}


def test_the_outline_is_the_loudness_in_parts_of_the_song(tmp_path, audio):
    found, done = made(tmp_path, audio)
    assert (list(found), done) == (["a"], 2)
    assert found["a"].seconds == 8
    peaks = np.frombuffer(base64.b64decode(found["a"].peaks), np.uint8)
    assert len(peaks) == 200
    assert np.abs(np.median(peaks.reshape(4, 50), 1) / 255 - [0.2, 1, 0.5, 1]).max() < 0.02


def test_what_is_there_is_not_made_again(tmp_path, audio):
    first, _ = made(tmp_path, audio)
    again, done = made(tmp_path, audio)
    assert (again, done) == (first, 0)
    soundfile.write(audio["a"], np.zeros(8000), 8000)
    changed, done = made(tmp_path, audio)
    assert (changed["a"].seconds, done) == (1, 1)


def test_a_damaged_file_counts_as_absent(tmp_path, audio):
    first, _ = made(tmp_path, audio)
    content = json.loads((tmp_path / FILE).read_text())
    content["songs"]["a"][1] = 99
    (tmp_path / FILE).write_text(json.dumps(content))
    assert made(tmp_path, audio) == (first, 2)


def test_it_stops(tmp_path, audio):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        made(tmp_path, audio, stop)
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize(
    ("place", "evil"),
    [(2, "</script><script>alert(1)</script>"), (2, "A" * 10_000), (1, -1), (1, float("inf")), (1, "<b>")],
)
def test_what_is_no_outline_counts_as_absent_whatever_its_digest(place, evil, tmp_path, audio):
    first, _ = made(tmp_path, audio)
    songs = json.loads((tmp_path / FILE).read_text())["songs"]
    songs["a"][place] = evil
    (tmp_path / FILE).write_text(json.dumps({"digest": _digest(songs), "songs": songs}))
    assert made(tmp_path, audio) == (first, 2)
