"""Uploads and what is asked of them: bounds, names, where they lie and when they go."""

import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lstmcore.experiments.serving.app import Settings, create_app, opened
from lstmcore.experiments.serving.guard import Door
from lstmcore.experiments.serving.library import Bounds, Library
from lstmcore.experiments.serving.listening import listening_part
from lstmcore.experiments.serving.models import Models
from tests.experiments.serving.songs import write_song

MOST = 40_000


class Idle(Library):
    """Analyses nothing: what is tested here comes before."""

    def _work_on(self, song):
        pass


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


@pytest.fixture
def library(temporary) -> Library:
    return Idle(Models([]), {}, Bounds(bytes=MOST, songs=3))


@pytest.fixture
def client(library) -> Iterator[TestClient]:
    part = listening_part(library)
    door = Door("localhost", 8765)
    with opened([part]):
        own = {"origin": "http://localhost:8765"}
        yield TestClient(create_app(Settings(door, [part])), base_url="http://localhost:8765", headers=own)


def upload(client, content: bytes = b"1234", name: str = "song.wav"):
    return client.post("/api/songs", params={"name": name}, content=content)


def test_a_song_lies_where_only_its_owner_looks_and_goes_in_the_end(library, temporary):
    with library:
        song = library.arriving("song.wav")
        assert song.path is not None
        song.path.write_bytes(b"1234")
        [root] = temporary.iterdir()
        if sys.platform != "win32":
            for folder in (root, song.path.parent):
                assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not list(temporary.iterdir())


def test_a_song_goes_when_it_is_removed(client, temporary):
    word = upload(client).json()["id"]
    [root] = temporary.iterdir()
    assert [file.read_bytes() for file in root.rglob("*") if file.is_file()] == [b"1234"]
    assert client.delete(f"/api/songs/{word}").status_code == 204
    assert not list(root.iterdir())
    assert client.get("/api/songs").json()["songs"] == []
    assert client.delete(f"/api/songs/{word}").status_code == 404


@pytest.mark.parametrize("told", [True, False])
def test_what_is_too_large_is_refused_in_words_and_not_kept(client, temporary, told):
    """Whether the browser says how much will come, or sends it piece by piece."""
    content = b"x" * (MOST + 1)
    answer = upload(client, content if told else iter([content[:1000], content[1000:]]))
    assert (answer.status_code, answer.json()["error"][:9]) == (413, "too large")
    [root] = temporary.iterdir()
    assert not list(root.iterdir())
    assert upload(client, b"x" * MOST).status_code == 201


def test_an_empty_file_is_refused(client):
    assert upload(client, b"").json() == {"error": "the file is empty; audio is expected"}


def test_no_more_songs_are_taken_than_that(client):
    words = [upload(client).json()["id"] for _ in range(3)]
    answer = upload(client)
    assert (answer.status_code, answer.json()["error"][:16]) == (429, "3 songs are here")
    client.delete(f"/api/songs/{words[0]}")
    assert upload(client).status_code == 201


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\songs\\a.mp3", "a.mp3"),
        ("<img src=x onerror=alert(1)>.mp3", "<img src=x onerror=alert(1)>.mp3"),
        ("a\nb\x00c.mp3", "a\\nb\\x00c.mp3"),
        ("x" * 500, "x" * 160),
        ("/", "a song without a name"),
        ("\ud800.mp3".encode("utf-8", "surrogatepass").decode("utf-8", "replace"), "���.mp3"),
    ],
)
def test_a_name_is_text_and_never_a_path(client, temporary, name, shown):
    assert upload(client, name=name).json()["name"] == shown
    [root] = temporary.iterdir()
    [file] = [file for file in root.rglob("*") if file.is_file()]
    assert (file.name, file.parent.parent) == ("song", root)


@pytest.mark.parametrize("path", ["nothing", "..", "%2e%2e%2fsong", "../../etc/passwd"])
def test_a_path_finds_no_file(client, path):
    for end in ("", "/sound"):
        assert client.get(f"/api/songs/{path}{end}").status_code in (403, 404)


@pytest.mark.parametrize("path", ["/static/../guard.py", "/static/%2e%2e/guard.py", "/static//etc/passwd"])
def test_static_files_are_those_of_their_folder(client, path):
    assert client.get(path).status_code == 404


def test_songs_of_a_folder_stay_where_they_are(temporary, tmp_path):
    file = write_song(tmp_path / "own.wav", 1)
    library = Idle(Models([]), {file: "own.wav"}, Bounds())
    part = listening_part(library)
    with opened([part]):
        client = TestClient(
            create_app(Settings(Door("localhost", 8765), [part])),
            base_url="http://localhost:8765",
            headers={"origin": "http://localhost:8765"},
        )
        [song] = client.get("/api/songs").json()["songs"]
        assert str(tmp_path) not in client.get("/api/songs").text
        assert client.delete(f"/api/songs/{song['id']}").status_code == 409
        assert client.post(f"/api/songs/{song['id']}/analyse").json()["state"] == "waiting"
    assert file.is_file()


def test_an_analysed_song_plays_from_anywhere_and_is_gone_when_the_server_ends(temporary, tmp_path):
    library = Library(Models([]), {}, Bounds())
    part = listening_part(library)
    with opened([part]):
        client = TestClient(
            create_app(Settings(Door("localhost", 8765), [part])),
            base_url="http://localhost:8765",
            headers={"origin": "http://localhost:8765"},
        )
        word = upload(client, write_song(tmp_path / "a.wav", 6).read_bytes()).json()["id"]
        song = library.find(word)
        assert song is not None
        waited = threading.Event()
        for _ in range(600):
            if song.state in ("done", "failed"):
                break
            waited.wait(0.1)
        found = client.get(f"/api/songs/{word}").json()
        assert (found["state"], found["error"]) == ("done", "")
        assert found["models"][0]["targets"] == [*found["curves"][0]["targets"]]
        whole = client.get(f"/api/songs/{word}/sound")
        assert (whole.headers["content-type"], whole.content[:4]) == ("audio/flac", b"fLaC")
        part_of_it = client.get(f"/api/songs/{word}/sound", headers={"range": "bytes=100-199"})
        assert (part_of_it.status_code, part_of_it.content) == (206, whole.content[100:200])
        [root] = temporary.iterdir()
        kept = {file.name for file in root.rglob("*") if file.is_file()}
        assert kept == {"sound.flac", "result.json"}  # neither what came nor its features
    assert not list(temporary.iterdir())


def test_what_fails_says_why_and_the_next_song_has_its_turn(temporary, tmp_path, monkeypatch):
    from lstmcore.experiments.serving.analysis import Analysis, Refused

    def run(self):
        if Path(self._request.song).read_bytes() == b"bad":
            raise Refused("can't be decoded")
        return {"curves": []}

    monkeypatch.setattr(Analysis, "run", run)
    library = Library(Models([]), {}, Bounds())
    part = listening_part(library)
    with opened([part]):
        client = TestClient(
            create_app(Settings(Door("localhost", 8765), [part])),
            base_url="http://localhost:8765",
            headers={"origin": "http://localhost:8765"},
        )
        words = [upload(client, content).json()["id"] for content in (b"bad", b"good")]
        waited = threading.Event()
        for _ in range(100):
            states = [song["state"] for song in client.get("/api/songs").json()["songs"]]
            if states == ["failed", "done"]:
                break
            waited.wait(0.05)
        assert states == ["failed", "done"]
        answer = client.get(f"/api/songs/{words[0]}")
        assert (answer.status_code, answer.json()) == (409, {"error": "can't be decoded"})
