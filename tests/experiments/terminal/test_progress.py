"""What a person sees while it runs."""

import io

import pytest
from rich.console import Console

from lstmcore import EpochReport
from lstmcore.experiments.terminal.progress import Live, PlainLines, Quiet, describe, duration, new_progress

REPORT = EpochReport(7, 9.0, 0.15, 12.0, 0.2, 1.0, 4, 11.0, False)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_errors_by_frame_and_the_best_epoch():
    assert describe(REPORT) == "epoch 7, training error 0.1500, validation error 0.2000 (best: epoch 4)"


def test_plain_lines_tell_stage_jobs_and_time_left(capsys):
    progress = PlainLines()
    progress.stage("networks", 3)
    progress.advance("fold 0, trial 0: done before", fresh=False)
    progress.advance("fold 0, trial 1: epoch 7")
    progress.advance("fold 0, trial 2: epoch 9")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "networks: 3 to do"
    assert lines[1] == "  1/3 fold 0, trial 0: done before"
    assert lines[2].startswith("  2/3 fold 0, trial 1: epoch 7; about ")
    assert lines[3] == "  3/3 fold 0, trial 2: epoch 9"


def test_work_with_a_unit_is_told_by_the_second_and_at_least_once_a_minute(monkeypatch, capsys):
    now = [1000.0]
    monkeypatch.setattr("lstmcore.experiments.terminal.progress.time.monotonic", lambda: now[0])
    progress = PlainLines()
    progress.stage("songs", 100, "songs")
    for done in range(1, 7):
        now[0] += 25.0  # the tenth part would come after 250 s
        progress.advance(fresh=done > 1)
    assert capsys.readouterr().err.splitlines() == [
        "songs: 100 to do",
        "  3/100; about 1 h 0 min left, 0.027 songs/s",
        "  6/100; about 47 min 0 s left, 0.033 songs/s",
    ]
    live = Live()
    try:
        live.stage("songs", 20_000, "songs")
        now[0] += 2.0
        live.advance()
        text = io.StringIO()
        Console(width=80, file=text).print(live._renderable())
    finally:
        live.close()
    assert "about 11 h 6 min left, 0.5 songs/s" in text.getvalue()


def test_the_live_display_shows_a_line_for_each_network_in_training():
    progress = Live()
    try:
        progress.stage("networks", 2)
        progress.epoch("fold 0, trial 0", REPORT)
        progress.epoch("fold 0, trial 1", REPORT)
        progress.advance("fold 0, trial 0: done")
        console = Console(width=100, record=True, file=io.StringIO())
        console.print(progress._renderable())
        text = console.export_text()
    finally:
        progress.close()
    assert "networks" in text
    assert "1/2" in text
    assert "fold 0, trial 1: epoch 7" in text
    assert "fold 0, trial 0" not in text


@pytest.mark.parametrize("width", [80, 120])
def test_the_live_display_cuts_no_number(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("lstmcore.experiments.terminal.progress.time_left", lambda *_: "about 2 h 5 min left")
    progress = Live()
    try:
        for name in ("songs", "networks (folds × trials), learning_rate (training, pretraining) 0.0001"):
            progress.stage(name, 550)
            progress.advance()
        text = io.StringIO()
        Console(width=width, file=text).print(progress._renderable())
    finally:
        progress.close()
    assert text.getvalue().count("1/550") == 2
    assert text.getvalue().count("about 2 h 5 min left") == 2
    assert "…" not in text.getvalue()
    assert all(word in text.getvalue() for word in ("networks", "learning_rate", "0.0001"))


def test_nothing_is_said_of_the_time_left_while_all_that_is_left_is_in_training(capsys):
    progress = PlainLines()
    progress.stage("networks", 3)
    for trial in range(3):
        progress.epoch(f"fold 0, trial {trial}", REPORT)
    progress.advance("fold 0, trial 1: epoch 7")
    assert capsys.readouterr().err.splitlines()[1] == "  1/3 fold 0, trial 1: epoch 7"


def test_the_live_display_is_no_longer_than_a_terminal():
    progress = Live()
    try:
        progress.stage("networks", 50)
        for trial in range(50):
            progress.epoch(f"trial {trial}", REPORT)
        console = Console(width=100, record=True, file=io.StringIO())
        console.print(progress._renderable())
        lines = console.export_text().splitlines()
    finally:
        progress.close()
    assert len(lines) < 24
    assert lines[-2].startswith("  trial 10: epoch 7")
    assert lines[-1] == "  and 39 more"


def test_the_display_is_chosen_by_terminal_and_wish():
    assert isinstance(new_progress(quiet=True), Quiet)
    assert isinstance(new_progress(quiet=False), PlainLines)  # tests have no terminal
