"""What raters say is kept: whole, by song and rater, and read again by everything that learns from it."""

import threading

import numpy as np
import pandas as pd
import pytest
import soundfile
from starlette.testclient import TestClient

from lstmcore.experiments.datasets.annotations import read_raters
from lstmcore.experiments.datasets.rating_scheme import Scheme, read_scheme
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.serving.annotation.routes import annotation_part
from lstmcore.experiments.serving.annotation.session import Session, next_steps, songs_of
from lstmcore.experiments.serving.annotation.store import Store, asked_for, rater_name
from lstmcore.experiments.serving.app import Settings, create_app
from lstmcore.experiments.serving.guard import Door

BOTH = ("arousal", "valence")
CURVE = {500 * k: 0.1 * k for k in range(1, 6)}


def both(curve):
    return dict.fromkeys(BOTH, curve)


def rate(store, rater, song, curve=CURVE, targets=BOTH):
    store.save(rater, song, dict.fromkeys(targets, curve))
    store.finish(rater, song, targets)


def test_what_was_said_is_deams_table_of_raters(tmp_path):
    store = Store(tmp_path)
    rate(store, "Bo", "a song")
    rate(store, "Ann", "a song", {0: -1.0, **CURVE})
    assert (tmp_path / "arousal" / "a song.csv").read_text().splitlines() == [
        "rater,sample_0ms,sample_500ms,sample_1000ms,sample_1500ms,sample_2000ms,sample_2500ms",
        "Ann,-1.0000,0.1000,0.2000,0.3000,0.4000,0.5000",
        "Bo,,0.1000,0.2000,0.3000,0.4000,0.5000",
    ]
    raters = read_raters(tmp_path / "valence" / "a song.csv")
    assert raters.names == ("Ann", "Bo")
    assert raters.stamps == [0, 500, 1000, 1500, 2000, 2500]


def test_half_a_song_lies_apart_until_it_is_whole(tmp_path):
    store = Store(tmp_path)
    store.save("Ann", "s", both({500: 0.1, 1000: 0.2}))
    assert not (tmp_path / "arousal").exists()
    again = Store(tmp_path)  # after the machine went down, say
    assert again.begun("Ann", "s", BOTH) == both({500: 0.1, 1000: 0.2})
    again.save("Ann", "s", both({1000: -0.3, 1500: 0.4}))  # after going back
    again.finish("Ann", "s", BOTH)
    assert again.begun("Ann", "s", BOTH) == {"arousal": {}, "valence": {}}
    assert [*read_raters(tmp_path / "arousal" / "s.csv").answers[0]] == [0.1, -0.3, 0.4]
    assert not (tmp_path / ".unfinished" / "arousal" / "s.csv").exists()


def test_a_gap_is_no_answer(tmp_path):
    store = Store(tmp_path)
    store.save("Ann", "s", both({500: 0.1, 1500: 0.2}))
    with pytest.raises(InputError, match=r"between 0\.5 and 1\.5 s"):
        store.finish("Ann", "s", BOTH)
    with pytest.raises(InputError, match="wasn't moved"):
        store.finish("Bo", "s", BOTH)
    assert not (tmp_path / "arousal").exists()


@pytest.mark.parametrize(
    "curve",
    [{500: 1.5}, {500: float("nan")}, {-500: 0.0}, {501: 0.0}, {10**9: 0.0}],
    ids=["outside", "nan", "before", "beside", "after"],
)
def test_what_can_not_be_an_answer_is_refused(tmp_path, curve):
    store = Store(tmp_path)
    with pytest.raises(InputError):
        store.save("Ann", "s", {"arousal": curve})
    assert not (tmp_path / ".unfinished").exists()


def test_raters_at_once_lose_nothing(tmp_path):
    names = [f"rater {n}" for n in range(8)]

    def listen(name):
        store = Store(tmp_path)
        for stamp in range(0, 5000, 500):
            store.save(name, "s", {"arousal": {stamp: 0.5}})
        store.finish(name, "s", ["arousal"])

    Store(tmp_path)
    threads = [threading.Thread(target=listen, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    raters = read_raters(tmp_path / "arousal" / "s.csv")
    assert raters.names == tuple(names)
    assert (raters.answers == 0.5).all()
    assert raters.answers.shape == (8, 10)


def test_a_folder_keeps_its_scheme(tmp_path):
    Store(tmp_path, Scheme(("tension",), (1.0, 9.0)))
    assert Store(tmp_path).scheme == read_scheme(tmp_path) == Scheme(("tension",), (1.0, 9.0))
    with pytest.raises(
        InputError, match=r"rated as tension from 1 to 9, and now arousal and valence from 1 to 9"
    ):
        Store(tmp_path, asked_for(tmp_path, "arousal,valence", None))
    (tmp_path / "annotation.toml").write_text("scale = 3\n")
    with pytest.raises(InputError, match=r"annotation\.toml: "):
        Store(tmp_path)


@pytest.mark.parametrize("said", ["", " ", "../up", "a/b", "=1+1", "-1", "a,b", "x" * 41, "a\nb;", ".hidden"])
def test_names_that_could_be_something_else_are_refused(said):
    with pytest.raises(InputError):
        rater_name(said)


@pytest.mark.parametrize(("said", "name"), [(" Ann  B. ", "Ann B."), ("Žofie-2", "Žofie-2"), ("7", "7")])
def test_names_are_kept_in_one_spelling(said, name):
    assert rater_name(said) == name


@pytest.mark.parametrize(
    ("targets", "scale"),
    [("", None), ("../x", None), ("a,A", None), ("a,,b", None), (None, (1.0, 1.0)), (None, (9.0, 1.0))],
)
def test_what_can_not_be_rated_is_refused(tmp_path, targets, scale):
    with pytest.raises(InputError, match=r"--(targets|scale)"):
        asked_for(tmp_path, targets, scale)


def songs(folder, count=3, seconds=1.0):
    folder.mkdir(exist_ok=True)
    for n in range(count):
        times = np.arange(int(seconds * 8000)) / 8000
        noise = 0.02 * np.random.default_rng(n).standard_normal(len(times))
        soundfile.write(folder / f"song {n}.wav", 0.3 * np.sin(700 * (n + 1) * times) + noise, 8000)
    return folder


def session(folder, view=None, scheme=None, **options):
    return Session(folder, songs_of(folder), Store(folder / "ratings", scheme), view, **options)


def test_each_rater_has_an_order_and_keeps_it(tmp_path):
    songs(tmp_path, 8)
    one = session(tmp_path)
    order = [task.song for task in one.tasks("Ann")]
    assert sorted(order) == [*range(8)]
    assert [task.song for task in session(tmp_path).tasks("Ann")] == order
    assert [task.song for task in one.tasks("Bo")] != order
    slider = session(tmp_path, "slider").tasks("Ann")
    assert len(slider) == 16
    assert len({task.targets for task in slider[:8]}) == 1  # one target after the other
    with pytest.raises(InputError, match="a plane has two"):
        Session(tmp_path, songs_of(tmp_path), Store(tmp_path / "other", Scheme(("tension",))), "plane")


def test_songs_that_would_share_a_file_are_refused(tmp_path):
    songs(tmp_path / "a", 1)
    songs(tmp_path / "b", 1)
    (tmp_path / "a" / "none").mkdir()
    with pytest.raises(InputError, match=r"a/song 0\.wav and b/song 0\.wav are called alike"):
        songs_of(tmp_path)
    with pytest.raises(InputError, match="no songs in it"):
        songs_of(tmp_path / "a" / "none")


@pytest.fixture
def client(tmp_path):
    (folder := tmp_path / "music").mkdir()
    songs(folder)
    app = create_app(Settings(Door("localhost", 8765), [annotation_part(session(folder))]))
    client = TestClient(app, base_url="http://localhost:8765", headers={"origin": "http://localhost:8765"})
    client.folder = folder
    return client


def test_a_song_is_rated_by_requests(client):
    assert client.get("/api/annotation").json()["songs"] == 3
    begun = client.post("/api/annotation/begin", json={"rater": " Ann "}).json()
    assert (begun["rater"], begun["practice"]) == ("Ann", True)
    task = begun["tasks"][0]
    who = {"rater": "Ann", "song": task["song"], "targets": task["targets"]}
    values = {"arousal": [0.1, 0.2], "valence": [0, -1]}
    assert client.post("/api/annotation/save", json={**who, "stamps": [0, 500], "values": values}).json() == {
        "saved": 2
    }
    begun = client.post("/api/annotation/begun", json=who).json()
    assert begun["curves"]["valence"] == [[0, 0.0], [500, -1.0]]
    assert client.post("/api/annotation/finish", json=who).status_code == 200
    again = client.post("/api/annotation/begin", json={"rater": "Ann"}).json()
    assert [one["done"] for one in again["tasks"]] == [True, False, False]
    assert not again["practice"]
    assert client.post("/api/annotation/begin", json={"rater": "Bo"}).json()["practice"]


def test_audio_comes_in_parts_and_without_its_name(client):
    whole = client.get("/api/annotation/songs/0")
    part = client.get("/api/annotation/songs/0", headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert "song 0" not in str(whole.headers)
    assert client.get("/api/annotation/songs/3").status_code == 404
    assert client.get("/api/annotation/songs/-1").status_code == 404


def test_what_no_browser_plays_is_decoded_and_deleted(tmp_path):
    songs(tmp_path, 1)
    samples, rate = soundfile.read(tmp_path / "song 0.wav")
    (tmp_path / "song 0.wav").unlink()
    soundfile.write(tmp_path / "song 0.aiff", samples, rate)
    with session(tmp_path) as one:
        made = one.audio(0)
        assert made == one.audio(0)
        np.testing.assert_allclose(soundfile.read(made)[0], samples, atol=1e-4)
    assert not made.exists()


def test_damaged_sound_is_told_without_its_path(client):
    (client.folder / "song 1.wma").write_bytes(b"nothing" * 50)
    (client.folder / "song 1.wav").unlink()
    app = create_app(Settings(Door("localhost", 8765), [annotation_part(session(client.folder))]))
    answer = TestClient(app, base_url="http://localhost:8765").get("/api/annotation/songs/1")
    assert answer.status_code == 422
    assert "can't be played" in answer.json()["error"]
    assert str(client.folder) not in answer.text


WHO = {"rater": "Ann", "song": 0, "targets": [*BOTH]}
TWO = {"arousal": [0, 0], "valence": [0, 0]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("begin", {}),
        ("begin", {"rater": "../../etc"}),
        ("begin", {"rater": 3}),
        ("save", {**WHO, "rater": "a/b", "stamps": [0, 500], "values": TWO}),
        ("save", {**WHO, "song": 3, "stamps": [0, 500], "values": TWO}),
        ("save", {**WHO, "song": "../x", "stamps": [0, 500], "values": TWO}),
        ("save", {**WHO, "song": True, "stamps": [0, 500], "values": TWO}),
        ("save", {**WHO, "targets": ["../x"], "stamps": [0], "values": {"../x": [0]}}),
        ("save", {**WHO, "stamps": [0, 500], "values": {"arousal": [0, 0]}}),
        ("save", {**WHO, "stamps": [0], "values": TWO}),
        ("save", {**WHO, "stamps": [0.5, 500], "values": TWO}),
        ("save", {**WHO, "stamps": [0, 500], "values": {**TWO, "valence": ["0", None]}}),
        ("save", {**WHO, "stamps": [0, 500], "values": {**TWO, "valence": [0, 7]}}),
        ("save", {**WHO, "stamps": [500 * k for k in range(5000)], "values": {}}),
        ("finish", WHO),
    ],
)
def test_requests_that_can_not_be_are_refused_and_leave_nothing(client, name, content):
    answer = client.post(f"/api/annotation/{name}", json=content)
    assert answer.status_code == 422
    assert answer.json()["error"]
    ratings = client.folder / "ratings"
    assert {path.name for path in ratings.rglob("*")} <= {"annotation.toml", ".lock"}


@pytest.mark.parametrize(
    ("body", "status"), [(b"[1]", 400), (b"{", 400), (b"[" * 9999, 400), (b" " * 300_000, 413)]
)
def test_what_is_no_request_is_refused(client, body, status):
    assert client.post("/api/annotation/save", content=body).status_code == status


def test_a_damaged_table_is_told_and_kept(client):
    path = client.folder / "ratings" / "arousal" / "song 0.csv"
    path.parent.mkdir()
    path.write_text("rater,sample_0ms\nAnn,much\n")
    answer = client.post("/api/annotation/begin", json={"rater": "Ann"})
    assert answer.status_code == 422
    assert "line 2: column sample_0ms is 'much'" in answer.json()["error"]
    assert path.read_text() == "rater,sample_0ms\nAnn,much\n"


def test_the_next_commands_name_what_holds_songs_and_ratings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inside = [command for _, command in next_steps(tmp_path / "my music", tmp_path / "my music" / "ratings")]
    assert inside[1] == "lstmcore init 'my music' --out mine.toml"
    beside = [command for _, command in next_steps(tmp_path / "a", tmp_path / "b")]
    assert beside[1:] == ["lstmcore init . --out mine.toml", "lstmcore-run mine.toml"]
    assert beside[0] == f"lstmcore raters {tmp_path / 'b'}"


def test_ratings_are_read_by_init_with_their_scale(tmp_path, monkeypatch):
    """And a run's reader has them as the mean of the raters, with what each of them said."""
    from lstmcore.experiments.config import load_experiment
    from lstmcore.experiments.datasets.recordings import Recordings
    from lstmcore.experiments.starting.start import start

    songs(tmp_path / "music", 4, 4.0)
    store = Store(tmp_path / "music" / "ratings", Scheme(BOTH, (1.0, 9.0)))
    for n in range(4):
        for k, rater in enumerate(("Ann", "Bo", "Cy")):
            rate(store, rater, f"song {n}", {500 * f: 3.0 + k + 0.1 * f + 0.1 * n for f in range(k, 7)})
    store.save("Di", "song 0", both({500: 9.0}))  # hasn't finished
    started = start(tmp_path / "music", tmp_path / "mine.toml")
    assert started.problems == []
    assert started.guessed == []
    data = load_experiment(tmp_path / "mine.toml").data
    assert data.scale == [1, 9]
    found = Recordings(tmp_path / "music", data).ratings["song 1"]
    answers = pd.DataFrame(found.agreement["arousal"].answers.answers)
    assert answers.shape == (3, 7)
    np.testing.assert_allclose(found.values[:, 0], answers.mean())
    np.testing.assert_allclose(found.times, np.arange(7) / 2)


@pytest.mark.parametrize("value", ["1" + 400 * "0", "NaN", "1e999"])
def test_a_number_that_no_scale_has_is_refused(value, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 8000)
    session = Session(tmp_path, songs_of(tmp_path), Store(tmp_path / "ratings"), practice=False)
    client = TestClient(
        create_app(Settings(Door("localhost", 1), [annotation_part(session)])), "http://localhost:1"
    )
    values = f'{{"arousal":[{value}],"valence":[0]}}'
    said = f'{{"rater":"A","song":0,"targets":["arousal","valence"],"stamps":[500],"values":{values}}}'
    found = client.post("/api/annotation/save", content=said, headers={"origin": "http://localhost:1"})
    assert found.status_code == 422
    assert "expected" in found.json()["error"]
    assert not (tmp_path / "ratings" / ".unfinished").exists()
