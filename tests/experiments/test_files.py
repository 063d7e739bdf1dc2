"""Files are written whole or not at all, and what is no file is not replaced by one."""

import os
import threading
from pathlib import Path

import pytest

from lstmcore.experiments.files import check_writable, replacing, write_text


@pytest.mark.parametrize("name", ["null", "full"])
def test_a_device_is_written_to(name, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(f"/dev/{name}")
    for path in (Path("/dev") / name, link):
        check_writable(path)
        if name == "full":
            with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
                write_text(path, "x")
        else:
            write_text(path, "x")
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
