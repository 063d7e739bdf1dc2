"""Many files side by side: the same bits, the same order, and a quick end."""

import errno
import importlib
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from lstmcore.features import Extraction, ExtractionStopped, FeatureStore, extract_features, extract_many
from lstmcore.features.decoded import decode
from tests.features.many import extract_all

Write = Callable[..., Path]
Mixture = tuple[NDArray[np.int16], int]


@pytest.fixture
def clips(write: Write, mixture: Mixture) -> list[Path]:
    """Six clips, the first the longest, the fourth no audio at all."""
    samples, rate = mixture
    seconds = [5.0, 1.2, 2.0, 0.0, 1.5, 3.0]
    paths = [write(f"{i}.wav", samples[i * 5000 :][: int(s * rate)]) for i, s in enumerate(seconds)]
    paths[3].write_text("not audio")
    return paths


@pytest.fixture
def long_clip(write: Write, mixture: Mixture) -> Path:
    """Two minutes: about six seconds of work, not counting the first import of openSMILE."""
    importlib.import_module("opensmile")
    return write("long.wav", np.tile(mixture[0], 10))


def test_any_number_of_workers_gives_the_same_bits_in_the_same_order(clips: list[Path]) -> None:
    alone = extract_all(clips, workers=1)
    beside = extract_all(iter(clips), workers=4)
    assert [result.path for result in alone] == [result.path for result in beside] == clips
    for one, other in zip(alone, beside, strict=True):
        if one.features is None:
            assert other.features is None
            continue
        assert other.features is not None
        pd.testing.assert_frame_equal(one.features, other.features, check_exact=True)


def test_a_bad_file_yields_its_error_and_the_others_their_features(clips: list[Path]) -> None:
    results = extract_all(clips, workers=2)
    assert [result.error is None for result in results] == [True, True, True, False, True, True]
    assert str(results[3].error).startswith(f"{clips[3]}: cannot be decoded")
    assert results[3].features is None


def test_progress_hears_of_every_file_once_in_the_callers_thread(clips: list[Path]) -> None:
    heard: list[tuple[Path, threading.Thread]] = []

    def on_done(result: Extraction) -> None:
        heard.append((result.path, threading.current_thread()))

    extract_all(clips, workers=2, on_done=on_done)
    assert sorted(path for path, _ in heard) == sorted(clips)
    assert {thread for _, thread in heard} == {threading.current_thread()}


def test_the_store_serves_many(clips: list[Path], store: FeatureStore) -> None:
    first = extract_all(clips, "FS1", store, workers=2)
    second = extract_all(clips, "FS1", store, workers=2)
    for one, other in zip(first, second, strict=True):
        assert (one.features is None) == (other.features is None)
        if one.features is not None and other.features is not None:
            pd.testing.assert_frame_equal(one.features, other.features, check_exact=True)
    assert len(list(store.folder.rglob("*.npz"))) == 5


def test_only_so_many_files_are_taken_ahead_of_the_caller(clip: Path) -> None:
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield clip

    with extract_many(endless(), workers=2) as results:
        next(results)
    assert taken <= 9


def test_what_is_wrong_with_the_call_shows_at_once(clip: Path) -> None:
    with pytest.raises(ValueError, match="unknown feature set"):
        extract_many([clip], "FS9")
    with pytest.raises(ValueError, match="0 workers"):
        extract_many([clip], workers=0)


def test_a_full_disk_ends_it(clips: list[Path], store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere")

    monkeypatch.setattr(FeatureStore, "save", full)
    with pytest.raises(OSError, match="somewhere"):
        extract_all(clips, "FS1", store, workers=2)


@pytest.mark.parametrize("error", [struct.error("argument out of range"), MemoryError(), KeyError("x")])
def test_whatever_happens_in_one_file_is_its_error(
    clips: list[Path], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(path: Path, *arguments: Any, **options: Any) -> Any:
        if path == clips[1]:
            raise error
        return decode(path, *arguments, **options)

    monkeypatch.setattr("lstmcore.features.parts.decode", decoded)
    results = extract_all(clips, workers=2)
    assert [result.error is None for result in results] == [True, False, True, False, True, True]
    assert str(results[1].error).startswith(f"{clips[1]}: its analysis fails, {type(error).__name__}")
    assert results[1].error is not None
    assert results[1].error.__cause__ is error


def test_a_package_that_is_missing_is_no_files_error(
    clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opensmile.core.lib", None)
    with pytest.raises(ImportError, match="openSMILE is installed but can't be loaded"):
        extract_all(clips, workers=2)


def test_results_are_not_to_be_had_without_with_nor_after_it(clips: list[Path]) -> None:
    with pytest.raises(TypeError, match="not iterable"):
        iter(extract_many(clips))  # type: ignore[call-overload]
    with extract_many(clips, workers=2) as results:
        next(results)
    with pytest.raises(RuntimeError, match="after its with block"):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("features")]


def test_stop_ends_it_within_a_moment(long_clip: Path) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    begin = time.monotonic()
    assert extract_all([long_clip] * 4, workers=2, stop=stop) == []
    assert time.monotonic() - begin < 3.0


def test_stop_ends_a_single_file_too(long_clip: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(ExtractionStopped):
        extract_features(long_clip, stop=stop)


@pytest.mark.parametrize("many", [True, False])
def test_ctrl_c_ends_it_within_a_moment_and_leaves_nothing(
    many: bool, long_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    main = threading.get_ident()
    timer = threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    begin = time.monotonic()
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            extract_all([long_clip] * 4, workers=2) if many else extract_features(long_clip)
    finally:
        signal.signal(signal.SIGINT, before)
        timer.cancel()
    assert time.monotonic() - begin < 3.0
    assert list(scratch.iterdir()) == []
