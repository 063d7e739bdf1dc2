"""Tasks on threads: results in order, and a quick end that leaves no worker stuck."""

import signal
import threading
import time

import numpy as np
import pytest
import soundfile

from lstmcore.experiments.jobs.executor import Threads
from lstmcore.features import FeatureSettings, FeatureStore, extract
from lstmcore.features.sets import feature_names


def test_results_come_in_the_order_of_the_tasks():
    tasks = [lambda k=k: time.sleep(0.01 * (5 - k)) or k for k in range(6)]
    assert Threads(3).run(tasks, threading.Event()) == list(range(6))


def test_the_first_error_is_told_without_waiting_for_who_does_not_hear(monkeypatch):
    monkeypatch.setattr("lstmcore.experiments.jobs.executor._GRACE_SECONDS", 0.2)
    stop, release, begun = threading.Event(), threading.Event(), []

    def fail():
        raise ValueError("first")

    begin = time.monotonic()
    with pytest.raises(ValueError, match="first"):
        Threads(2).run([fail, release.wait, release.wait, lambda: begun.append(1)], stop)
    assert time.monotonic() - begin < 30
    assert stop.is_set()
    release.set()
    assert begun == []


def test_ctrl_c_gives_jobs_the_time_to_keep_what_they_have():
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    stop, kept = threading.Event(), []

    def job():
        stop.wait(60)
        kept.append(stop.is_set())

    main = threading.get_ident()
    timer = threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            Threads(2).run([job] * 5, stop)
    finally:
        signal.signal(signal.SIGINT, before)
        timer.cancel()
    assert kept == [True, True]


def test_songs_are_computed_as_the_settings_say_and_kept(monkeypatch, tmp_path):
    settings, computed, songs = (
        FeatureSettings(hop_seconds=0.2),
        [],
        [tmp_path / f"{k}.wav" for k in range(3)],
    )

    def compute(path, parts, told, *, stop=None):
        computed.append((path, told))
        return {part: np.full((2, len(feature_names(part))), 0.5, np.float32) for part in parts}

    monkeypatch.setattr(extract, "compute_parts", compute)
    for k, song in enumerate(songs):
        soundfile.write(song, np.full(800, k / 10), 8000)
    store, done = FeatureStore(tmp_path / "store"), []
    for _ in range(2):
        with Threads(2).extract(
            songs, "music", store, settings=settings, workers=2, on_done=done.append
        ) as results:
            assert [result.path for result in results] == songs
    assert sorted(computed, key=str) == [(song, settings) for song in songs]
    assert sorted(one.stored for one in done) == [False] * 3 + [True] * 3
