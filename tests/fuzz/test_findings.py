"""What campaigns found, each as small as it can be: the input, and what is said now."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import pandas as pd
import pytest

from lstmcore.experiments.datasets.rating_scheme import SETTINGS, read_scheme
from lstmcore.experiments.datasets.table_file import TableFile
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import from_json, from_toml, whole_in
from lstmcore.features import AudioError
from tests.fuzz.target import targets

DEEP = b"[" * 2000
DIGITS = b"9" * 5000
SCHEME = b'targets = ["a"]\nscale = '
NOT_ANNOTATED = r"arousal\.csv: song 2 has valence annotations and no arousal"
LONG = r"column joy is '<9999.* … \(5\d\d\d characters\) … "
FOUND = [
    # A column that is asked for isn't there, and those that are would change the terminal's colours.
    ("tidy-csv", b"\x1b[31m,song\na,b\n", r"found \\x1b\[31m, song"),
    ("tidy-csv", b"song,time,joy,tension,mfcc_1\na,0,<" + DIGITS + b",5,1\n", LONG),
    ("raters-table", b"song,rater,va\x19lence\n,,0", r"said\.csv: targets has 'va\\x19lence'"),
    ("raters-table", b",sample_0ms\ns", r"said\.csv: no rater has answered"),
    ("annotate", SCHEME + DEEP, rf"{SETTINGS}: lists or tables are nested too deeply"),
    ("annotate", SCHEME + b"[0, 1]\nhop_ms = 0\n", rf"{SETTINGS}: hop_ms is 0; expected 1 to"),
    ("annotate", SCHEME + b"[0, 1]\nhop_ms = 9999999\n", rf"{SETTINGS}: hop_ms is 9999999; expected"),
    ("annotate", SCHEME + b"[0, 1]\nhop_ms = inf\n", rf"{SETTINGS}: cannot convert float infinity"),
    ("tidy-csv", b"song,joy,tension,f\n\xe2\x80\xa8", r"line 2: column song is empty"),
    ("tidy-csv", b"song,joy,tension,f\na,5,5," + b"9" * 400 + b"\n", r"line 2: column f is '9999"),
    ("deam-ratings", b"song_id,sample_15000ms\n1,0.1\n", NOT_ANNOTATED),
    ("deam-song-means", b"song_id,f0\n1,0.1\n2,1\n3,2\n", r"input: song 2001 is annotated but there are no"),
    (
        "deam-ratings",
        b"song_id,sample_15000ms\n" + DIGITS + b",0.1\n",
        r"song_id is '9999.*9'; expected a whole",
    ),
]


# Changes of an ONNX graph's fields: a batch of a million that is declared, and a parameter of no function.
FIELDS = [
    (
        "onnx-fields",
        b"-0.0\n#\xff\xff\xff\xff\xff#\xff\xff\xff\xff%",
        r"an input has shape \[1048576, 3\]; exp",
    ),
    (
        "onnx-fields",
        b"y" * 25 + b"\x00'",
        r"an input has shape \[1048576, 1, 3\]; expected at most 1,048,576",
    ),
    ("onnx-fields", b"$" + b"\xe5" * 53 + b"\n\x04\n\x04A\n$", r"an attribute has no value of its own"),
]
if importlib.util.find_spec("onnx"):
    FOUND += FIELDS


@pytest.mark.parametrize(("name", "data", "message"), FOUND)
def test_what_was_found_is_an_error_that_can_be_read(
    name: str, data: bytes, message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "input"
    folder.mkdir()
    with pytest.raises(InputError, match=message) as error:
        targets()[name].read(data, folder)
    assert str(error.value).replace("\n", "").isprintable()
    if DEEP not in data:  # Python 3.11 may count calls wrongly after a RecursionError
        assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


def test_a_rater_whose_name_is_a_number_of_thousands_of_digits_is_a_rater(tmp_path: Path) -> None:
    names = [b"a", b"12", DIGITS]
    rows = b"".join(b"%s,0.%d,0.%d\n" % (name, k, k + 1) for k, name in enumerate(names))
    data = b"rater,sample_0ms,sample_500ms\n" + rows
    data += b"\n" * (-len(data) % 8)  # of such a length the target measures, too
    targets()["raters-files"].read(data, tmp_path)


@pytest.mark.parametrize("notes", [b"{", b"\xff", b"[]", DEEP])
def test_what_pandas_noted_in_a_parquet_file_may_be_damaged(notes: bytes, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "x.parquet"
    table = pa.table({"song": ["a", "b"], "x": [1.5, None]}).replace_schema_metadata({b"pandas": notes})
    parquet.write_table(table, path)
    parts = []
    TableFile(path).read(["song"], ["x"], parts.append)
    assert list(parts[0].texts["song"]) == ["a", "b"]
    assert parts[0].numbers[0, 0] == 1.5
    assert TableFile(path).head(2) == [["a", "1.5"], ["b", ""]]


def test_the_index_of_a_data_frame_is_a_column_of_its_parquet_file(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "x.parquet"
    pd.DataFrame({"song": ["a", "b"], "x": [1.5, 2.5]}).set_index("song").to_parquet(path)
    parts = []
    TableFile(path).read(["song"], ["x"], parts.append)
    assert list(parts[0].texts["song"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("a\x00b\x1b[1m\r\x7f\x85", r"a\x00b\x1b[1m\r\x7f\x85"),
        ("a\ud800\u202eb\u2028", r"a\ud800\u202eb\u2028"),
        ("caf\udce9.csv", "caf\udce9.csv"),  # a byte of a name
        ("\ufeffsong", r"\ufeffsong"),
        ("two\nlines,\ta tab, é, 音, 👩\u200d🎤", "two\nlines,\ta tab, é, 音, 👩\u200d🎤"),
        ("a" * 5000 + "z", "a" * 1500 + " … (5001 characters) … " + "a" * 399 + "z"),
    ],
)
def test_an_error_writes_what_it_quotes_so_that_it_can_be_seen(said: str, told: str) -> None:
    assert str(InputError(said)) == told
    assert str(InputError(str(InputError(said)))) == told
    assert str(AudioError("x.wav", said)) == f"x.wav: {told}"
    assert told.encode(errors="surrogateescape")


@pytest.mark.parametrize("read", [from_json, from_toml])
def test_nesting_without_end_is_a_wrong_value(read) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        read("x = " * (read is from_toml) + "[" * 100_000)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("007", 7),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, None),
        ("²", None),
        ("١", None),
        ("-1", None),
        ("", None),
    ],
)
def test_a_whole_number_is_one_of_64_bits(text: str, number: int | None) -> None:
    assert whole_in(text) == number


def test_a_scheme_of_ratings_that_was_written_is_read(tmp_path: Path) -> None:
    (tmp_path / SETTINGS).write_text('targets = ["a"]\nscale = [0, 1]\nhop_ms = 250\n')
    scheme = read_scheme(tmp_path)
    assert scheme is not None
    assert (scheme.targets, scheme.scale, scheme.hop) == (("a",), (0.0, 1.0), 250)
