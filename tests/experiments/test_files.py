"""Files that are written whole or not at all, whatever they are called and hold."""

import os
from pathlib import Path

import pytest

from experiments.errors import InputError
from experiments.files import replacing, write_whole
from features.errors import printable


@pytest.mark.parametrize("name", ["x" * 251 + ".csv", "caf\udce9.csv", "a\nb.csv", ".hidden"])
def test_any_name_that_a_file_may_have(tmp_path, name):
    for content in ("one", b"two", ""):
        write_whole(tmp_path / name, content)
        assert (tmp_path / name).read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_what_is_not_utf_8_is_refused_with_its_line(tmp_path):
    with pytest.raises(InputError, match=r"config.toml: can't hold what isn't UTF-8: root = \"/caf\\xe9/\"$"):
        write_whole(tmp_path / "config.toml", 'name = "x"\nroot = "/caf\udce9/"\nseed = 1\n')
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_replaced_stays_if_nothing_or_an_error_comes(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with replacing(path, even_empty=False):
        pass
    assert path.read_text() == "old"

    def fail():
        with replacing(path) as file:
            file.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device: .*a\.csv"):
        fail()
    assert path.read_text() == "old"
    with replacing(path):
        pass
    assert path.read_text() == ""
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_about_another_file_keeps_its_name(tmp_path):
    def fail():
        with replacing(tmp_path / "a.csv"):
            (tmp_path / "other").read_text()

    with pytest.raises(OSError, match="other"):
        fail()


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        write_whole(tmp_path / "file" / "a.csv", "")


def test_paths_are_shown_as_text_of_one_line():
    assert printable(Path("a b/Ä\u3000\u00a0🎵.wav")) == "a b/Ä\u3000\u00a0🎵.wav"
    assert printable("a\n\r\x1b\x85\u2028b") == "a\\n\\r\\x1b\\x85\\u2028b"
    assert printable(os.fsdecode(b"caf\xe9")) == "caf\\xe9"
