"""Songs in a process of their own: what it may use, and that it ends."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lstmcore.experiments.prediction.batch import predict_files
from lstmcore.experiments.prediction.songs import open_predictor
from lstmcore.experiments.serving.analysis import Analysis, Refused
from lstmcore.experiments.serving.child import SOUND, Request
from lstmcore.experiments.terminal.limits import Limits
from tests.experiments.serving.songs import RATE, write_song

NOT_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of a process")


def analysis(song: Path, folder: Path, limits: Limits | None = None) -> Analysis:
    folder.mkdir(exist_ok=True)
    request = Request(str(song), str(folder), ["deam-means"], limits or Limits())
    return Analysis(
        request, {"LSTMCORE_CACHE": str(folder / "cache"), "TMPDIR": str(folder)}, lambda *_: None
    )


def test_curves_are_those_that_predict_gives_and_the_sound_is_what_was_heard(tmp_path):
    song = write_song(tmp_path / "song.wav")
    told = []
    one = analysis(song, tmp_path / "out")
    one._tell = lambda stage, share: told.append((stage, share))
    found = one.run()
    predicted = predict_files(open_predictor(), [song], workers=1)
    table = predicted.table
    [curve] = found["curves"]
    np.testing.assert_allclose(curve["times"], table["time"], atol=1e-6)
    for target in ("arousal", "valence"):
        np.testing.assert_allclose(curve["targets"][target]["values"], table[target], atol=1e-6)
        np.testing.assert_allclose(curve["targets"][target]["spread"], table[f"{target}_spread"], atol=1e-6)
    assert [f"{song}: {said}" for said in curve["warnings"]] == predicted.warnings
    assert "further from the songs" in curve["warnings"][0]
    heard, rate = soundfile.read(tmp_path / "out" / SOUND, dtype="int16")
    np.testing.assert_array_equal(heard, soundfile.read(song, dtype="int16")[0])
    assert rate == RATE
    assert found["seconds"] == 12
    assert max(found["outline"]) == pytest.approx(np.abs(heard).max() / 32768, abs=1e-3)
    assert told[-1] == ("networks", 0.5)


def test_many_channels_are_played_as_one(tmp_path):
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, (RATE * 2, 4)).astype(np.float32)
    soundfile.write(tmp_path / "song.wav", samples, RATE, subtype="FLOAT")
    analysis(tmp_path / "song.wav", tmp_path / "out").run()
    heard, _ = soundfile.read(tmp_path / "out" / SOUND, dtype="float32", always_2d=True)
    np.testing.assert_allclose(heard[:, 0], samples.mean(1), atol=2 / 32768)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"# no audio at all\n" * 500, "finds no audio in it"), (b"RIFF\x00\x00\x00\x00WAVEfmt ", "expected")],
)
def test_what_is_no_audio_is_refused_in_words(tmp_path, content, said):
    (tmp_path / "song.mp3").write_bytes(content)
    with pytest.raises(Refused, match=said) as refused:
        analysis(tmp_path / "song.mp3", tmp_path / "out").run()
    assert str(tmp_path) not in str(refused.value)


@NOT_POSIX
@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(processor_seconds=1), "more time or memory"),
        (Limits(seconds=1), "more than the 1 s"),
        (Limits(memory_bytes=200 << 20), "memory|within what a song may use"),
        (Limits(file_bytes=100_000), "within what a song may use"),
    ],
    ids=["processor", "clock", "memory", "disk"],
)
def test_an_analysis_may_use_so_much_and_no_more(tmp_path, limits, said):
    """Each of them is far below what importing our packages takes, or what is written of a song."""
    song = write_song(tmp_path / "song.wav")
    with pytest.raises(Refused, match=said):
        analysis(song, tmp_path / "out", limits).run()


def test_an_analysis_that_nobody_wants_any_more_ends(tmp_path):
    one = analysis(write_song(tmp_path / "song.wav"), tmp_path / "out")
    begun = threading.Event()
    one._tell = lambda *_: begun.set()
    why: list[str] = []

    def run() -> None:
        with pytest.raises(Refused) as refused:
            one.run()
        why.append(str(refused.value))

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(60)
    one.end("was removed")
    thread.join(60)
    assert why == ["was removed"]
    assert one._process is not None
    assert one._process.poll() is not None


@NOT_POSIX
def test_an_analysis_ends_with_the_server(tmp_path):
    """Even one that was killed: the process sees that its standard input has ended."""
    song, folder = write_song(tmp_path / "song.wav", 120), tmp_path / "out"
    folder.mkdir()
    line = Request(str(song), str(folder), ["deam-means"], Limits()).as_line()
    child = subprocess.Popen(
        [sys.executable, "-m", "lstmcore.experiments.serving.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"LSTMCORE_CACHE": str(folder)},
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(line)
        child.stdin.flush()
        assert "stage" in child.stdout.readline()
        child.stdin.close()
        began = time.monotonic()
        assert child.wait(30) == 1
        assert time.monotonic() - began < 30
