"""The page on which songs are rated, in a real browser: where the pointer was stands in the table."""

import os
import shlex
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from lstmcore.experiments.cli import app, run_app
from lstmcore.experiments.datasets.annotations import read_raters
from lstmcore.experiments.datasets.rating_scheme import Scheme
from lstmcore.experiments.serving.annotation.routes import annotation_part
from lstmcore.experiments.serving.annotation.session import Session, next_steps, songs_of
from lstmcore.experiments.serving.annotation.store import Store
from tests.experiments.serving.browser import browser, complaints, served

SHOTS = os.environ.get("LSTMCORE_SCREENSHOTS")  # a folder that screenshots are kept in
SECONDS = 4.0
LOW, HIGH = 1.0, 9.0
# The page holds the sound to its own speed. Here that is multiplied once nothing more is to be done in time.
HURRY = """(() => {
  const real = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "playbackRate");
  let times = 1;
  Object.defineProperty(HTMLMediaElement.prototype, "playbackRate", {
    get() { return real.get.call(this) / times; },
    set(rate) { real.set.call(this, rate * times); },
  });
  window.hurry = (factor) => {
    times = factor;
    document.getElementById("audio").playbackRate = 1;
  };
})()"""


@pytest.fixture(scope="module", name="browser")
def _browser():
    with browser() as found:
        yield found


@pytest.fixture
def music(tmp_path):
    return songs(tmp_path / "music", 2, SECONDS)


def songs(folder, count, seconds):
    folder.mkdir()
    for n in range(count):
        times = np.arange(int(seconds * 22050)) / 22050
        noise = 0.02 * np.random.default_rng(n).standard_normal(len(times))
        soundfile.write(folder / f"song {n}.flac", 0.3 * np.sin(900 * (n + 1) * times) + noise, 22050)
    return folder


@contextmanager
def rating(music: Path, view=None, *, practice=False, port=0):
    """The address of the page."""
    session = Session(
        music, songs_of(music), Store(music / "ratings", Scheme(scale=(LOW, HIGH))), view, practice=practice
    )
    with served([annotation_part(session)], port) as door:
        yield door.address("/annotate")


@contextmanager
def page_of(browser, address, *, width=1280, height=900, dark=False, quiet=True):
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
    )
    wrong = complaints(page)
    page.add_init_script(HURRY)
    page.set_default_timeout(20_000)
    page.goto(address)
    yield page
    page.close()
    assert wrong == [] or not quiet


def shot(page, name):
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/annotate-{name}.png", full_page=True)


def begin(page, name="Ann"):
    page.fill("#rater", name)
    page.click("text=Begin")
    page.click("#intro-go")
    page.wait_for_selector("#play:enabled")


def until(page, condition):
    """Wait for what the page shows; Playwright's own way is to evaluate text, which our policy forbids."""
    for _ in range(1000):
        if condition():
            return
        page.wait_for_timeout(20)
    pytest.fail(f"it hasn't happened: {page.inner_text('main')}")


def wait_for(page, seconds):
    until(page, lambda: clock(page) >= seconds)


def hurry(page, factor=8):
    """What is left of the song is the same, only sooner: all that goes by the clock of the sound."""
    page.evaluate("factor => window.hurry(factor)", factor)


def clock(page):
    return page.evaluate("document.getElementById('audio').currentTime")


def point_at(page, across, up):
    """Move the pointer to a place of the field, 0 to 1 each; return the moments around that."""
    box = page.locator("#pad").bounding_box()
    before = clock(page)
    page.mouse.move(box["x"] + across * box["width"], box["y"] + (1 - up) * box["height"])
    return before, clock(page)


def value(place):
    return LOW + (HIGH - LOW) * place


def answers(music, target, song):
    raters = read_raters(music / "ratings" / target / f"song {song}.csv")
    return dict(zip(raters.stamps, raters.answers[0], strict=True))


def rated(music):
    return [n for n in range(9) if (music / "ratings" / "arousal" / f"song {n}.csv").exists()]


def test_the_table_has_where_the_pointer_was(browser, music):
    """On the clock of the sound: at each moment the place that the pointer had then."""
    with rating(music) as address, page_of(browser, address) as page:
        begin(page)
        page.click("#play")
        moves = []
        for n, (across, up) in enumerate([(0.2, 0.9), (0.8, 0.4), (0.5, 0.1)]):
            wait_for(page, 0.7 + n)
            moves.append((point_at(page, across, up), across, up))
        shot(page, "plane")
        hurry(page)
        page.wait_for_selector("#next:visible")
        assert page.inner_text("#hint") == "Saved."
        assert page.inner_text("#progress") == "Ann: 1 of 2 done"
        page.click("#next")
        until(page, lambda: page.inner_text("#what") == "Song 2 of 2: arousal and valence")
    [song] = rated(music)
    arousal, valence = answers(music, "arousal", song), answers(music, "valence", song)
    assert [*arousal] == [*valence]
    stamps = [*arousal]
    assert stamps == [*range(stamps[0], int(1000 * SECONDS) + 1, 500)]
    assert stamps[0] == 1000  # before the first move nothing is said
    checked = 0
    for stamp in stamps:
        done = [move for move in moves if move[0][1] < stamp / 1000]
        if any(before <= stamp / 1000 <= after for (before, after), _, _ in moves):
            continue  # while the pointer moved
        _, across, up = done[-1]
        assert valence[stamp] == pytest.approx(value(across), abs=0.05)
        assert arousal[stamp] == pytest.approx(value(up), abs=0.05)
        checked += 1
    assert checked >= 5


def test_pause_and_going_back_leave_no_gap(browser, music):
    with rating(music) as address, page_of(browser, address) as page:
        begin(page)
        page.click("#play")
        point_at(page, 0.9, 0.5)
        wait_for(page, 1.3)
        page.click("#play")  # a pause
        paused = clock(page)
        page.wait_for_timeout(300)
        assert clock(page) - paused < 0.1
        point_at(page, 0.1, 0.5)
        page.keyboard.press("Backspace")  # to the beginning, which is less than five seconds away
        assert clock(page) == 0
        hurry(page)
        page.keyboard.press(" ")
        page.wait_for_selector("#next:visible")
    [song] = rated(music)
    valence = answers(music, "valence", song)
    assert [*valence] == [*range(0, int(1000 * SECONDS) + 1, 500)]
    assert [*valence.values()] == pytest.approx(
        [value(0.1)] * len(valence), abs=0.05
    )  # what was said first is replaced


def test_a_song_is_not_skipped_forward(browser, music):
    """By the keys of a keyboard for media, say: what wasn't heard isn't rated."""
    with rating(music) as address, page_of(browser, address) as page:
        begin(page)
        page.click("#play")
        point_at(page, 0.9, 0.5)
        wait_for(page, 0.7)
        page.evaluate("document.getElementById('audio').currentTime = 3.4")
        page.wait_for_timeout(300)
        assert clock(page) < 2
        point_at(page, 0.1, 0.5)
        hurry(page)
        page.wait_for_selector("#next:visible")
    [song] = rated(music)
    valence = answers(music, "valence", song)
    assert valence[3000] == pytest.approx(value(0.1), abs=0.05)
    assert [*valence] == [*range(min(valence), int(1000 * SECONDS) + 1, 500)]


def test_a_finger_moves_the_point_while_it_is_down(browser, music):
    with rating(music, "slider") as address, page_of(browser, address, width=390, height=844) as page:
        begin(page)
        page.click("#play")
        box = page.locator("#pad").bounding_box()
        touch = page.context.new_cdp_session(page)
        for kind, places in (
            ("touchStart", [0.5]),
            ("touchMove", [0.6]),
            ("touchMove", [0.8]),
            ("touchEnd", []),
        ):
            points = [{"x": box["x"] + place * box["width"], "y": box["y"] + 20} for place in places]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        shown = float(page.get_attribute("#pad", "aria-valuenow"))
        assert shown == pytest.approx(value(0.8), abs=0.1)


def test_keys_move_the_point_on_the_slider(browser, music):
    with (
        rating(music, "slider") as address,
        page_of(browser, address, width=390, height=844, dark=True) as page,
    ):
        begin(page)
        target = page.inner_text("#what").rpartition(": ")[2]
        page.keyboard.press(" ")
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowUp")
        assert float(page.get_attribute("#pad", "aria-valuenow")) == pytest.approx(value(0.66))
        shot(page, "slider-phone-dark")
        hurry(page)
        page.wait_for_selector("#next:visible")
        assert page.inner_text("#progress") == "Ann: 1 of 4 done"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    [path] = (music / "ratings").rglob("song *.csv")
    assert path.parent.name == target
    raters = read_raters(path)
    assert raters.answers[0, -1] == pytest.approx(value(0.66))


def test_who_comes_again_goes_on_within_the_song(browser, music):
    with rating(music) as address:
        with page_of(browser, address) as page:
            begin(page)
            page.click("#play")
            point_at(page, 0.7, 0.7)
            wait_for(page, 2.6)
            page.wait_for_selector("text=saved")
            page.click("#play")
            page.wait_for_timeout(300)
        assert not rated(music)
        with page_of(browser, address) as page:
            begin(page)
            assert "Play goes on there" in page.inner_text("#hint")
            assert clock(page) >= 2
            shot(page, "resumed")
            hurry(page)
            page.click("#play")
            page.wait_for_selector("#next:visible")
    [song] = rated(music)
    arousal = answers(music, "arousal", song)
    assert [*arousal] == [*range(min(arousal), int(1000 * SECONDS) + 1, 500)]
    assert [*arousal.values()] == pytest.approx([value(0.7)] * len(arousal), abs=0.05)


def test_a_song_without_a_move_is_no_answer(browser, music):
    with rating(music) as address, page_of(browser, address) as page:
        begin(page)
        hurry(page)
        page.keyboard.press(" ")
        until(page, lambda: "nothing was said" in page.inner_text("#hint"))
        assert page.is_enabled("#play")
    assert not rated(music)


def test_practice_is_not_kept(browser, music):
    with rating(music, practice=True) as address, page_of(browser, address, width=390, height=844) as page:
        page.fill("#rater", "Ann")
        page.click("text=Begin")
        page.wait_for_selector("#intro:visible")
        assert "First comes a short synthetic song" in page.inner_text("#intro-practice")
        shot(page, "intro-phone")
        page.click("#intro-go")
        page.wait_for_selector("#play:enabled")
        page.click("#play")
        point_at(page, 0.3, 0.8)
        wait_for(page, 0.6)
        page.evaluate("document.getElementById('audio').currentTime = 20")
        hurry(page)
        page.wait_for_selector("#next:visible")
        assert "nothing of it was kept" in page.inner_text("#hint")
        assert not [*(music / "ratings").rglob("*.csv")]
        page.click("#next")
        until(page, lambda: page.inner_text("#what").startswith("Song 1 of 2"))


def test_a_name_that_can_not_be_one_is_refused_in_words(browser, music):
    with rating(music) as address, page_of(browser, address, quiet=False) as page:
        page.fill("#rater", "../<b>me</b>")
        page.click("text=Begin")
        page.wait_for_selector("#alert:visible")
        assert "can't be used; expected up to 40 letters" in page.inner_text("#alert")
        assert page.locator("#alert b").count() == 0


def test_what_is_said_while_the_server_is_away_is_saved_when_it_is_back(browser, music):
    with rating(music) as address:
        page = browser.new_page()
        page.add_init_script(HURRY)
        page.goto(address)
        begin(page)
    port = int(address.rpartition(":")[2].partition("/")[0])
    page.click("#play")
    point_at(page, 0.6, 0.2)
    until(page, lambda: "tried again" in page.inner_text("#alert"))
    hurry(page)
    page.wait_for_selector("#next:visible")
    assert page.inner_text("#next") == "Try again"
    with rating(music, port=port):
        page.click("#next")
        until(page, lambda: page.inner_text("#hint") == "Saved.")
        page.close()
    [song] = rated(music)
    arousal = answers(music, "arousal", song)
    assert [*arousal.values()] == pytest.approx([value(0.2)] * len(arousal), abs=0.05)


def test_what_was_rated_in_the_browser_trains(browser, tmp_path, monkeypatch):
    """annotate, raters, init and a run, by the commands that each of them names."""
    monkeypatch.chdir(tmp_path)
    music = songs(tmp_path / "music", 4, 2.5)
    with rating(music) as address, page_of(browser, address, dark=True) as page:
        begin(page)
        hurry(page, 3)
        for n in range(4):
            until(page, lambda n=n: page.inner_text("#what").startswith(f"Song {n + 1} of 4"))
            page.wait_for_selector("#play:enabled")
            page.keyboard.press(" ")
            for step in range(4):
                point_at(page, 0.1 + 0.2 * n + 0.02 * step, 0.9 - 0.2 * n - 0.03 * step)
                page.wait_for_timeout(100)
            page.wait_for_selector("#next:visible")
            until(page, lambda: page.inner_text("#hint").startswith("Saved"))
            page.keyboard.press("Enter")
        page.wait_for_selector("#end:visible")
        shot(page, "end-dark")
    commands = [shlex.split(command)[1:] for _, command in next_steps(music, music / "ratings")]
    cheap = ["features={columns=['tonality_*']}", "data.unlabelled=none"]
    cheap = [
        f"data.{cheap[0]}",
        *cheap[1:],
        "network.hidden=[2]",
        "training.max_epochs=2",
        "ensemble.trials=1",
    ]
    cheap += ["pretraining.max_epochs=1"]
    for command in commands:
        program, arguments = app, command
        if command == ["mine.toml"]:
            program = run_app
            arguments = [*command, "--out", "run", *(word for one in cheap for word in ("--set", one))]
        result = CliRunner().invoke(program, arguments)
        assert result.exit_code == 0, f"{command}: {result.output}"
    predictions = pd.read_csv("run/predictions.csv")
    assert sorted(predictions.song_id.unique()) == [f"song {n}" for n in range(4)]
    assert predictions.arousal.notna().all()
