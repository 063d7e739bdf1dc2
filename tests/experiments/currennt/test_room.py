"""Data that don't fit into memory: from a file they give the same bytes, and what is missing is said."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lstmcore.experiments.currennt import room
from lstmcore.experiments.currennt.cli import run
from lstmcore.experiments.currennt.formats.netcdf import read_many, read_netcdf
from lstmcore.experiments.currennt.formats.netcdf_classic import classic_pieces
from lstmcore.experiments.currennt.room import Room
from lstmcore.experiments.errors import InputError
from tests.experiments.currennt.command_lines import FORWARD, STOCHASTIC, text_of
from tests.experiments.currennt.golden_files import DATA
from tests.experiments.currennt.netcdf_files import same

NO_MEMORY = 0


@pytest.fixture
def full(monkeypatch, tmp_path):
    """A machine without free memory, and a folder on its disk."""
    monkeypatch.setattr(room, "free_memory", lambda: NO_MEMORY)
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def is_mapped(array) -> bool:
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
@pytest.mark.parametrize("block", [1, 7, 2**22])
def test_files_are_read_the_same_in_blocks_and_into_files(path, block, full, monkeypatch):
    with monkeypatch.context() as patch:
        patch.undo()
        patch.setattr(room, "free_memory", lambda: 2**40)
        expected = read_many([path, path])
    monkeypatch.setattr(room, "BLOCK", block)
    found = read_many([path, path], room=Room(str(full)))
    assert same(found, expected)
    assert is_mapped(found.inputs)
    assert not is_mapped(expected.inputs)
    assert not list(full.iterdir())


TRAININGS = {
    "plain": [],
    "float64": ["--float64", "true", "--output_time_lag", "2"],
    "more": ["--input_noise_sigma", "0.3", "--shuffle_sequences", "true", "--parallel_sequences", "3"],
    "files": ["--train_file", "data/train7.nc,data/edge6.nc", "--truncate_seq", "4"],
}


def replaced(line: list[str], more: list[str]) -> list[str]:
    """A line with options replaced: none may come twice."""
    options = dict(zip(line[::2], line[1::2], strict=True)) | dict(zip(more[::2], more[1::2], strict=True))
    return [word for pair in options.items() for word in pair]


@pytest.mark.parametrize("case", TRAININGS)
def test_a_training_from_a_file_gives_the_same_network(case, here, tmp_path, capsys, monkeypatch):
    more = [*TRAININGS[case], "--val_file", "data/val3.nc", "--max_epochs", "4", "--cache_path", "cache"]
    (tmp_path / "cache").mkdir()
    line = replaced(STOCHASTIC, more)
    assert run([*line, "--save_network", "memory.jsn"]) == 0
    assert "NOTE" not in text_of(capsys)
    monkeypatch.setattr(room, "free_memory", lambda: NO_MEMORY)
    assert run([*line, "--save_network", "disk.jsn"]) == 0
    text = text_of(capsys)
    assert "NOTE: data/train7.nc: variable 'inputs': " in text
    assert "don't fit into memory, of which 0 bytes are free; they are in a file in cache" in text
    assert (here / "disk.jsn").read_bytes() == (here / "memory.jsn").read_bytes()
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize(
    "more", [[], ["--float64", "true"], ["--input_noise_sigma", "0.5", "--random_seed", "1"]]
)
def test_a_forward_pass_from_a_file_gives_the_same_outputs(more, here, monkeypatch):
    assert run([*FORWARD, *more, "--ff_output_file", "memory.csv"]) == 0
    monkeypatch.setattr(room, "free_memory", lambda: NO_MEMORY)
    monkeypatch.setattr(room, "BLOCK", 50)
    assert run([*FORWARD, *more, "--ff_output_file", "disk.csv"]) == 0
    assert (here / "disk.csv").read_bytes() == (here / "memory.csv").read_bytes()


def test_what_has_room_nowhere_is_said_before_it_is_read(full):
    with pytest.raises(InputError) as caught:
        Room(str(full)).empty((2**38, 260), np.float32, "x.nc: variable 'inputs'")
    text = str(caught.value)
    expected = "x.nc: variable 'inputs': found 260.0 TiB; expected 0 bytes at most, or room for a file in "
    assert text.startswith(expected)
    assert f"{full} (" in text
    assert "cache_path names another folder, a fraction reads less" in text
    assert not list(full.iterdir())


def test_a_disk_that_is_full_is_an_input_error(here, capsys, monkeypatch):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room, "free_memory", lambda: 200)
    monkeypatch.setattr(room.os, "posix_fallocate", no_space)
    assert run([*STOCHASTIC, "--max_epochs", "1"]) == 2
    expected = "FAILED: data/train7.nc: variable 'inputs': found 1.2 KiB; expected 120 bytes at most, or room"
    assert expected in (text := text_of(capsys))
    assert "No space left on device. cache_path names" in text


def test_a_cache_path_that_is_not_there_is_named_when_it_is_wanted(here, capsys, monkeypatch):
    line = [*STOCHASTIC, "--max_epochs", "1", "--cache_path", "nowhere"]
    assert run(line) == 0
    monkeypatch.setattr(room, "free_memory", lambda: NO_MEMORY)
    assert run(line) == 2
    assert "FAILED: cache_path: nowhere: no such folder" in text_of(capsys)


def test_memory_that_is_not_there_after_all_is_made_up_for(monkeypatch, tmp_path):
    def empty(*_):
        raise MemoryError

    monkeypatch.setattr(room.np, "empty", empty)
    array = Room(str(tmp_path)).empty((3, 2), np.float32)
    array[:] = 7
    assert is_mapped(array)
    assert array.sum() == 42


@pytest.mark.parametrize("bad", [0, 4, 9])
def test_the_place_of_a_number_that_is_not_finite_is_right_in_every_block(bad, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "BLOCK", 6)
    values = np.zeros((10, 2), np.float32)
    values[bad, 1] = np.nan
    sizes = {"numSeqs": 1, "numTimesteps": 10, "inputPattSize": 2, "maxSeqTagLength": 2}
    arrays = {
        "seqTags": (("numSeqs", "maxSeqTagLength"), np.frombuffer(b"a\0", "S1").reshape(1, 2)),
        "seqLengths": (("numSeqs",), np.array([10], np.int32)),
        "inputs": (("numTimesteps", "inputPattSize"), values),
    }
    (tmp_path / "x.nc").write_bytes(b"".join(classic_pieces(sizes, arrays)))
    with pytest.raises(InputError, match=rf"sequence 'a' \(0 from 0\), frame {bad}, column 1: found nan"):
        read_netcdf(tmp_path / "x.nc")


def test_limits_of_a_group_are_counted(tmp_path):
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 100\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert room._left(tmp_path, "memory.max", "memory.current") == []
    (tmp_path / "memory.max").write_text("1000\n")
    assert room._left(tmp_path, "memory.max", "memory.current") == [400]
    assert room._left(tmp_path / "none", "memory.max", "memory.current") == []


def test_a_folder_in_memory_is_not_taken_of_itself(monkeypatch):
    assert room._in_memory(Path("/dev/shm")) == Path("/dev/shm").is_mount()
    monkeypatch.setattr(room.tempfile, "gettempdir", lambda: "/dev/shm")
    monkeypatch.setattr(room, "_in_memory", lambda folder: str(folder) == "/dev/shm")
    assert Room().folder == Path("/var/tmp")
    assert Room("/dev/shm").folder == Path("/dev/shm")


LIMITED = """
import resource, sys
import psutil
from lstmcore.experiments.currennt.cli import run
line = sys.argv[1:]
assert run([*line, "--train_file", "small.nc"]) == 0  # whatever has to be loaded is
limit = psutil.Process().memory_info().data + 60 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
sys.exit(run([*line, "--train_file", "large.nc"]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limit of a process's own memory")
def test_a_process_that_may_not_have_the_memory_trains_all_the_same(here):
    for name, frames in (("small", 400), ("large", 4_000_000)):  # 96 MB of inputs
        sizes = {"numSeqs": frames // 400, "numTimesteps": frames, "inputPattSize": 6}
        sizes |= {"maxSeqTagLength": 2, "targetPattSize": 2}
        arrays = {
            "seqTags": (("numSeqs", "maxSeqTagLength"), np.full((frames // 400, 2), b"a", "S1")),
            "seqLengths": (("numSeqs",), np.full(frames // 400, 400, np.int32)),
            "inputs": (("numTimesteps", "inputPattSize"), np.zeros((frames, 6), np.float32)),
            "targetPatterns": (("numTimesteps", "targetPattSize"), np.ones((frames, 2), np.float32)),
        }
        with (here / f"{name}.nc").open("wb") as file:
            file.writelines(classic_pieces(sizes, arrays))
    line = "--network nets/tanh.jsn --train true --parallel_sequences 50 --max_epochs 1 --random_seed 1"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *line.split(), "--save_network", "n.jsn"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOTE: large.nc: variable 'inputs': 91.6 MiB don't fit into memory" in done.stdout
