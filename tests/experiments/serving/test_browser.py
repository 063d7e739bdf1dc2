"""The pages in a real browser: songs play, the point moves with them, clicks seek, refusals are in words."""

import json
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.jobs.job import Result, save_result
from lstmcore.experiments.serving.library import Bounds, Library
from lstmcore.experiments.serving.listening import listening_part
from lstmcore.experiments.serving.live import live_part
from lstmcore.experiments.serving.models import Models
from tests.experiments.serving.browser import browser, complaints, served
from tests.experiments.serving.songs import write_song
from tests.experiments.serving.test_live import DIGEST, history

MOST = 2 << 20
EVIL = "<img src=x onerror=document.title='evil'>.wav"
STATE = """() => { const sound = document.getElementById("sound"), point = document.querySelector(".point");
  const at = new DOMMatrix(getComputedStyle(point).transform);
  return { time: sound.currentTime, paused: sound.paused, drawn: Number(point.dataset.time),
    across: Number(point.dataset.across), up: Number(point.dataset.up), x: at.e, y: at.f }; }"""


# A sound that is sought and played at once stalls now and then in a Chromium without a sound card.
READY = """() => { const sound = document.getElementById("sound");
  return !sound.seeking && sound.readyState > HTMLMediaElement.HAVE_CURRENT_DATA; }"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs")
    write_song(folder / EVIL)
    (folder / "notes.mp3").write_text("no audio at all\n" * 200)
    (folder / "long.wav").write_bytes(bytes(MOST + 1))
    run = folder / "run"
    (run / "jobs").mkdir(parents=True)
    (run / "config.toml").write_text(load_experiment("quickstart").to_toml())
    return folder


@pytest.fixture(scope="module")
def seen(place) -> Iterator[SimpleNamespace]:
    """The page with the song that was dropped on it."""
    parts = [listening_part(Library(Models([]), {}, Bounds(bytes=MOST))), live_part([place / "run"])]
    with browser() as program, served(parts) as door:
        page = program.new_page(viewport={"width": 1280, "height": 900})
        said = complaints(page)
        page.goto(door.address())
        page.set_input_files("#files", place / EVIL)
        page.wait_for_selector("#shown:not([hidden]) .point", timeout=120_000)
        yield SimpleNamespace(page=page, said=said, door=door)


def curve(page) -> dict:
    word = page.locator("#songs [aria-current]").locator("..").get_attribute("data-id")
    return page.evaluate("word => fetch(`/api/songs/${word}`).then(answer => answer.json())", word)["curves"][
        0
    ]


def played(page, after: float) -> dict:
    page.wait_for_function(f"() => document.getElementById('sound').currentTime > {after}", timeout=30_000)
    return page.evaluate(STATE)


def value(found: dict, target: str, time: float) -> float:
    return float(np.interp(time, found["times"], found["targets"][target]["values"]))


def test_the_song_plays_and_the_point_moves_with_it(seen):
    page, found = seen.page, curve(seen.page)
    began = page.evaluate(STATE)
    assert began["paused"]
    page.locator("h2#name").click()
    page.wait_for_function(READY)
    page.keyboard.press("Space")
    played(page, 2)
    page.keyboard.press("Space")
    ended = page.evaluate(STATE)
    assert ended["paused"]
    assert ended["time"] > 2
    for state in (began, ended):
        assert state["drawn"] == pytest.approx(state["time"], abs=0.05)
        assert state["across"] == pytest.approx(value(found, "valence", state["drawn"]), abs=1e-6)
        assert state["up"] == pytest.approx(value(found, "arousal", state["drawn"]), abs=1e-6)
    # On the plane from -1 to 1, of which the canvas says nothing: by the edges that it draws.
    box = page.locator("#plane").bounding_box()
    x = 52 + (ended["across"] + 1) / 2 * (box["width"] - 64)
    y = 12 + (1 - ended["up"]) / 2 * (box["height"] - 52)
    assert (ended["x"], ended["y"]) == (pytest.approx(x, abs=0.5), pytest.approx(y, abs=0.5))
    assert (ended["x"], ended["y"]) != (began["x"], began["y"])


def test_the_values_beside_are_those_of_the_moment(seen):
    page, found = seen.page, curve(seen.page)
    time = page.evaluate(STATE)["time"]
    row = page.locator("#now tr", has_text="arousal").locator("td").first.inner_text()
    assert row.split(" ")[0].replace("−", "-") == f"{value(found, 'arousal', time):.2f}"


def test_a_click_on_a_curve_goes_there(seen):
    page = seen.page
    canvas = page.locator('[data-target="valence"] canvas')
    box = canvas.bounding_box()
    for share in (0.75, 0.25):
        canvas.click(position={"x": 52 + share * (box["width"] - 64), "y": 70})
        page.wait_for_function("() => !document.getElementById('sound').seeking")
        state = page.evaluate(STATE)
        assert state["time"] == pytest.approx(12 * share, abs=0.1)
        line = page.locator('[data-target="valence"] .playhead').bounding_box()
        assert line["x"] + 1 == pytest.approx(box["x"] + 52 + share * (box["width"] - 64), abs=1.5)


def test_arrows_seek_unless_something_else_has_a_use_for_them(seen):
    page = seen.page
    page.locator("h2#name").click()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(STATE)["time"] == pytest.approx(5, abs=0.1)
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(STATE)["time"] == pytest.approx(0, abs=0.1)
    page.locator("#whole").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    state = page.evaluate(STATE)
    assert (state["time"], state["paused"]) == (pytest.approx(0, abs=0.1), True)
    assert not page.locator("#whole").is_checked()
    page.locator("#whole").check()


def test_where_movement_is_not_wanted_nothing_is_drawn_with_each_frame(seen):
    page = seen.page
    page.evaluate(
        "() => { window.followed = 0; const old = requestAnimationFrame;"
        "window.requestAnimationFrame = f => { window.followed += f.name === 'follow'; return old(f); }; }"
    )
    page.locator("h2#name").click()
    counts = []
    for calm in ("reduce", "no-preference"):
        page.emulate_media(reduced_motion=calm)
        page.keyboard.press("Home")
        page.wait_for_function(READY)
        page.keyboard.press("Space")
        state = played(page, 0.4)
        page.keyboard.press("Space")
        assert state["drawn"] > 0  # it moves all the same, as often as the sound tells its time
        counts.append(page.evaluate("() => window.followed"))
    assert counts[0] == 0
    assert counts[1] > 5


def test_what_can_not_be_used_is_said_in_words(seen, place):
    page = seen.page
    page.set_input_files("#files", [place / "notes.mp3", place / "long.wav"])
    failed = page.locator("#songs .failed")
    failed.nth(1).wait_for(timeout=60_000)
    said = failed.all_inner_texts()
    assert any("too large: at most 2 MB" in text for text in said)
    assert any("finds no audio in it" in text for text in said)


def test_names_are_text(seen):
    page = seen.page
    assert EVIL in page.locator("#songs").inner_text()
    page.locator("#songs .choose", has_text=EVIL).click()
    assert page.locator("#name").inner_text() == EVIL
    assert page.locator("main img").count() == 0
    assert page.title() == "Listen – lstmcore"


def test_a_run_is_watched_while_it_works(seen, place):
    page = seen.page
    page.goto(seen.door.address("/runs"))
    page.get_by_text("0 of 50 networks have ended").wait_for()
    facts = {"history": history(7), "fold": 3, "trial": 1}
    job = place / "run" / "jobs" / f"network-fold03-trial1-{DIGEST}.safetensors"
    save_result(job, Result({"weights": np.zeros(2)}, facts))
    page.get_by_text("1 of 50 networks have ended").wait_for()
    assert page.locator("td.done").all_inner_texts() == ["7 ✓"]
    page.get_by_label("learning curves of 1 networks").wait_for()


def test_the_console_has_nothing_to_say(seen):
    """The last of this file: after all of the above."""
    assert json.dumps(seen.said) == "[]"
