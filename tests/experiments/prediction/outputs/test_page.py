"""The page of all songs: what it holds, that it needs nothing else, and that names do no harm in it."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.prediction.outputs.page import open_page
from tests.experiments.prediction.outputs.examples import FACTS, SONG, table

TENSION, AWE = FACTS.targets


def written(path: Path, tables, songs: int = 0) -> str:
    with open_page(path, FACTS, songs or len(tables)) as page:
        for rows in tables:
            page.add(rows)
    return path.read_text()


def content(text: str, name: str):
    [found] = re.findall(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def test_a_song_is_a_summary_and_a_curve(tmp_path):
    text = written(tmp_path / "p.html", [table(), table().assign(file="other.wav")])
    about, songs = content(text, "about"), content(text, "songs")
    assert {key: about[key] for key in FACTS.as_json()} == FACTS.as_json()
    assert [song[0] for song in songs] == [str(SONG), "other.wav"]
    _, numbers, ends, curve = songs[0]
    assert dict(zip(about["columns"], numbers, strict=True))[f"{AWE}_highest"] == 8.25
    assert ends == [1, 6, 0.25, 0.25, 2.125, 8.25, 0.25, 0.25]
    parts = np.frombuffer(base64.b64decode(curve), np.uint8).reshape(4, 6)
    np.testing.assert_allclose(2.125 + parts[2] / 255 * 6.125, table()[AWE], atol=6.125 / 510)
    assert not parts[1].any()  # the spread is what it always is


def test_warnings_and_novelty_are_there_if_there_are_any(tmp_path):
    with open_page(tmp_path / "p.html", FACTS, 2) as page:
        page.add(table().assign(novelty=0.75), ["is silent: its curve says nothing"])
        page.add(table().assign(novelty=0.5))
    about, songs = (content((tmp_path / "p.html").read_text(), name) for name in ("about", "songs"))
    assert [song[4:] for song in songs] == [["is silent: its curve says nothing"], []]
    assert [song[1][about["columns"].index("novelty")] for song in songs] == [0.75, 0.5]
    text = written(tmp_path / "q.html", [table().assign(novelty=np.nan)])
    assert "novelty" not in content(text, "about")["columns"]


def test_curves_are_as_long_as_so_many_songs_allow(tmp_path):
    long = table().iloc[np.zeros(1000, int)].reset_index(drop=True).assign(time=np.arange(1000) / 2)
    long[TENSION] = np.arange(1000.0)
    for songs, points in ((500, 240), (501, 120), (5000, 120), (20_000, 60)):
        [[_, _, ends, curve]] = content(written(tmp_path / "p.html", [long], songs), "songs")
        assert len(base64.b64decode(curve)) == 4 * points
        assert ends[0] == pytest.approx(np.arange(1000 // points).mean(), abs=0.01)


def test_twenty_thousand_songs_fit_a_page(tmp_path):
    long = table().iloc[np.zeros(480, int)].reset_index(drop=True).assign(time=np.arange(480) / 2)
    of_two = [len(written(tmp_path / "p.html", [long] * n, 20_000).encode()) for n in (1, 101)]
    assert (of_two[1] - of_two[0]) / 100 * 20_000 < 15e6


def test_nothing_is_fetched_from_elsewhere(tmp_path):
    text = written(tmp_path / "p.html", [table()])
    assert not re.search(r"https?://|\bsrc=|\bhref=|@import|url\(", text)


def test_names_do_no_harm(tmp_path):
    evil = "</script><script>alert(1)</script><!-- songs -->.wav"
    text = written(tmp_path / "p.html", [table().assign(file=evil)])
    assert [song[0] for song in content(text, "songs")] == [evil]
    assert "alert(1)</script>" not in text
    facts = replace(FACTS, model=evil, cautions=("a < b",))
    with open_page(tmp_path / "q.html", facts, 1) as page:
        page.add(table())
    text = (tmp_path / "q.html").read_text()
    assert content(text, "about")["model"] == evil
    assert "alert(1)</script>" not in text
    assert '<p class="note">a &lt; b</p>' in text


def test_without_songs_there_is_no_page(tmp_path):
    with open_page(tmp_path / "p.html", FACTS, 1):
        pass
    assert not list(tmp_path.iterdir())
    with open_page(None, FACTS, 1) as page:
        page.add(table())


@pytest.mark.parametrize(("name", "message"), [("p.csv", "unknown suffix '.csv'"), ("p", "no suffix")])
def test_a_page_is_html(tmp_path, name, message):
    with (
        pytest.raises(InputError, match=f"{name}: {message}; expected the name of a page"),
        open_page(tmp_path / name, FACTS, 1),
    ):
        pass
