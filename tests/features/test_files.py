"""Files are written whole or not at all, and what is no file is not replaced by one."""

import errno
import os
import threading
from pathlib import Path

import pytest

from lstmcore.features.files import (
    check_writable,
    is_leftover,
    make_folder,
    remove_leftovers,
    replacing,
    write_whole,
)


@pytest.mark.parametrize("name", ["null", "full"])
def test_a_device_is_written_to(name, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(f"/dev/{name}")
    for path in (Path("/dev") / name, link):
        check_writable(path)
        if name == "full":
            with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
                write_whole(path, b"x")
        else:
            write_whole(path, b"x")
        assert path.is_char_device()
    assert [f.name for f in tmp_path.iterdir()] == ["link"]


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append((tmp_path / "pipe").read_text()))
    reader.start()
    with replacing(tmp_path / "pipe", even_empty=False) as file:
        file.write(b"a,b\n")
    reader.join(10)
    assert heard == ["a,b\n"]
    assert (tmp_path / "pipe").is_fifo()


def test_a_read_only_file_is_not_replaced(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, b"first")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="the file is read-only") as caught:
        write_whole(path, b"second")
    assert caught.value.filename == str(path)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664), (0, 0o666)])
def test_permissions_are_kept_and_those_of_new_files_are_what_the_umask_leaves(tmp_path, mask, mode):
    path = tmp_path / "a.txt"
    before = os.umask(mask)
    try:
        write_whole(path, b"first")
        assert path.stat().st_mode & 0o777 == mode
        for kept in (0o640, 0o606):
            path.chmod(kept)
            with replacing(path) as file:
                file.write(b"second")
                (half,) = (other for other in tmp_path.iterdir() if other != path)
                assert half.stat().st_mode & 0o777 & ~kept == 0  # nobody reads it that couldn't
            assert path.stat().st_mode & 0o777 == kept
    finally:
        os.umask(before)
    assert path.read_text() == "second"


def test_what_a_killed_write_left_is_known_and_removed(tmp_path):
    path = tmp_path / "below" / "a.txt"
    write_whole(path, b"whole")
    with replacing(path) as file:
        file.write(b"half")
        (left,) = [other for other in path.parent.iterdir() if other != path]
        assert is_leftover(left)
        copy = left.with_name(".lstmcore-killed.tmp")
        copy.write_bytes(b"half")
    assert not is_leftover(path)
    remove_leftovers(tmp_path)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == b"half"


def test_a_folder_that_cannot_be_synced_is_named(tmp_path, monkeypatch):
    def fails(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(OSError, match="Input/output error") as error:
        make_folder(tmp_path / "a" / "b")
    assert error.value.filename == str(tmp_path / "a" / "b")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EINVAL, "not here")))
    make_folder(tmp_path / "a" / "b" / "c")  # systems that can't do without
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_the_folder_of_a_new_file_is_synced_after_it_has_its_name(tmp_path, monkeypatch):
    synced = []

    def sync(descriptor):
        folder = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((folder, (tmp_path / "new" / "file").exists()))

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc here")
    monkeypatch.setattr("os.fsync", sync)
    write_whole(tmp_path / "new" / "file", b"1")
    assert synced[0] == (tmp_path, False)  # which holds the new folder
    assert synced[-1] == (tmp_path / "new", True)
    assert len(synced) == 3
