"""Outputs of a forward pass: the original's bytes, exact numbers, and names that stay in their folder."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from lstmcore.experiments.currennt.formats.outputs import (
    number,
    write_csv_folder,
    write_htk_folder,
    write_single_csv,
)
from lstmcore.experiments.currennt.numerics.numerals import numbers
from lstmcore.experiments.errors import InputError
from tests.experiments.currennt.golden_files import FILES

SAMPLES = FILES / "samples"
TAGS = [f"seq_{c}" for c in "abcdefg"]


def single() -> list[np.ndarray]:
    lines = (SAMPLES / "ff_output.csv").read_text().splitlines()
    return [np.array(line.split(";")[1:], np.float64).reshape(-1, 2) for line in lines]


def sequences(count: int) -> list[np.ndarray]:
    return [np.full((2, 1), k, np.float32) for k in range(count)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_single_csv_is_the_originals(dtype, tmp_path):
    write_single_csv(tmp_path / "x.csv", TAGS, [y.astype(dtype) for y in single()])
    assert (tmp_path / "x.csv").read_bytes() == (SAMPLES / "ff_output.csv").read_bytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_folder_of_csv_is_the_originals(dtype, tmp_path):
    outputs = [np.loadtxt(SAMPLES / "ff_csv" / f"{tag}.csv", dtype, delimiter=";") for tag in TAGS]
    files = write_csv_folder(tmp_path, TAGS, outputs)
    assert files == [tmp_path / f"{tag}.csv" for tag in TAGS]
    for file in files:
        assert file.read_bytes() == (SAMPLES / "ff_csv" / file.name).read_bytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_folder_of_htk_is_the_originals(dtype, tmp_path):
    bodies = [(SAMPLES / "ff_htk" / f"{tag}.htk").read_bytes()[12:] for tag in TAGS]
    outputs = [np.frombuffer(body, ">f4").reshape(-1, 2).astype(dtype) for body in bodies]
    for file in write_htk_folder(tmp_path, TAGS, outputs):
        assert file.read_bytes() == (SAMPLES / "ff_htk" / file.name).read_bytes()


def test_the_header_of_htk_says_period_and_kind(tmp_path):
    (file,) = write_htk_folder(tmp_path, ["a"], sequences(1), feature_period_ms=2.5, kind=-7)
    assert np.frombuffer(file.read_bytes()[:8], ">i4").tolist() == [2, 25000]
    assert np.frombuffer(file.read_bytes()[8:12], ">i2").tolist() == [4, -7]


@given(st.floats(width=32, allow_nan=False))
def test_a_single_precision_number_reads_back(value):
    text = number(np.float32(value))
    assert np.float32(text).tobytes() == np.float32(value).tobytes()
    assert np.float32(float(text)).tobytes() == np.float32(value).tobytes()
    assert numbers(np.array([value], np.float32)) == [text]


@given(st.floats(allow_nan=False))
def test_a_number_reads_back(value):
    assert np.float64(number(value)).tobytes() == np.float64(value).tobytes()
    assert number(np.float64(value)) == number(value) == numbers(np.array([value]))[0]


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_what_has_six_digits_is_written_as_the_original_does(value):
    text = f"{value:g}"
    assert float(text) in (math.inf, -math.inf) or number(float(text)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (1e5, "100000"),
        (1e6, "1e+06"),
        (-1234567.0, "-1234567"),
        (12345670.0, "1.234567e+07"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (1e100, "1e+100"),
        (math.inf, "inf"),
        (math.nan, "nan"),
        (np.float32(0.1), "0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_numbers_look_like_those_of_c(value, text):
    assert number(value) == text
    assert numbers(np.array([value], np.asarray(value).dtype)) == [text]


def test_no_numbers_are_no_text():
    assert numbers(np.empty((0, 2), np.float32)) == []


def test_folders_in_tags_are_made(tmp_path):
    write_csv_folder(tmp_path / "new", ["a/b.c/song.wav", "./a//x", "ü"], sequences(3))
    assert (tmp_path / "new" / "a" / "b.c" / "song.csv").read_text() == "0\n0\n"
    assert (tmp_path / "new" / "a" / "x.csv").read_text() == "1\n1\n"
    assert (tmp_path / "new" / "ü.csv").exists()
    write_htk_folder(tmp_path / "new", ["a/b.c/song.wav"], sequences(1))
    assert (tmp_path / "new" / "a" / "b.c" / "song.wav.htk").exists()


@pytest.mark.parametrize(
    ("tags", "names"),
    [
        (["song.1", "other"], ["song", "other"]),
        (["song.1", "song.2", "other.1"], ["song.1", "song.2", "other"]),
        (["song", "song.1"], ["song", "song.1"]),
        (["song.1", "song.1"], ["song", "song_2"]),
        (["song", "song", "song_2"], ["song", "song_3", "song_2"]),
        (["a.1.x", "a.1", "a.2"], ["a.1", "a.1_2", "a.2"]),
        (["d/a.1", "e/a.1"], ["d/a", "e/a"]),
        (["a/b", "a//b", "./a/b"], ["a/b", "a/b_2", "a/b_3"]),
        (["/a/b.x", "/c", "//d"], ["a/b", "c", "d"]),
        (["/a/b", "a/b"], ["a/b", "a/b_2"]),
    ],
)
def test_no_file_overwrites_another(tags, names, tmp_path):
    files = write_csv_folder(tmp_path, tags, sequences(len(tags)))
    assert [str(f.relative_to(tmp_path)) for f in files] == [f"{name}.csv" for name in names]
    assert [f.read_text() for f in files] == [f"{k}\n{k}\n" for k in range(len(tags))]


def test_htk_files_of_the_same_tag_are_numbered(tmp_path):
    files = write_htk_folder(tmp_path, ["a.1", "a.1", "a.2"], sequences(3))
    assert [f.name for f in files] == ["a.1.htk", "a.1_2.htk", "a.2.htk"]


@pytest.mark.parametrize("write", [write_csv_folder, write_htk_folder])
@pytest.mark.parametrize("tag", ["../../x", "/../x", "/", "a/../../x", "..", ".", "", "a/", "a\0b"])
def test_nothing_is_written_outside_the_folder(write, tag, tmp_path):
    with pytest.raises(InputError, match="is no name of a file in this folder"):
        write(tmp_path / "out", ["fine", tag], sequences(2))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("write", [write_single_csv, write_csv_folder, write_htk_folder])
def test_tags_and_outputs_must_fit(write, tmp_path):
    with pytest.raises(InputError, match="2 tags and 1 outputs; expected as many"):
        write(tmp_path / "x", ["a", "b"], sequences(1))
    with pytest.raises(InputError, match=r"outputs of 'a' are \(3,\); expected frames × outputs"):
        write(tmp_path / "x", ["a"], [np.ones(3, np.float32)])
    with pytest.raises(InputError, match="has a character that can't be written"):
        write(tmp_path / "x", ["\ud800"], sequences(1))


def test_a_tag_with_a_line_break_is_no_line(tmp_path):
    with pytest.raises(InputError, match="has a line break"):
        write_single_csv(tmp_path / "x", ["a\nb"], sequences(1))


@pytest.mark.parametrize(
    ("options", "width", "message"),
    [
        ({"feature_period_ms": -1.0}, 1, "a feature period of -1 ms"),
        ({"feature_period_ms": 1e9}, 1, r"a feature period of 1e\+09 ms; HTK can hold 0 to 214748 ms"),
        ({"feature_period_ms": math.nan}, 1, "a feature period of nan"),
        ({"kind": 40000}, 1, "an output kind of 40000; HTK can hold -32768 to 32767"),
        ({}, 8192, "8192 outputs; HTK can hold 8191 at most"),
    ],
)
def test_what_htk_can_not_hold_is_refused(options, width, message, tmp_path):
    with pytest.raises(InputError, match=message):
        write_htk_folder(tmp_path, ["a"], [np.zeros((1, width), np.float32)], **options)
