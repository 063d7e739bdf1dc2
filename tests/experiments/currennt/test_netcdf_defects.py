"""NetCDF data that can't be used: each defect is named, whatever the bytes are."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from scipy.io import netcdf_file

from lstmcore.experiments.currennt.formats.netcdf import NetcdfData, read_netcdf, write_netcdf
from lstmcore.experiments.currennt.formats.netcdf_classic import ClassicFile, classic_bytes
from lstmcore.experiments.errors import InputError
from tests.experiments.currennt.fuzzing import bytes_like, read_in_bounds
from tests.experiments.currennt.golden_files import DATA, FILES
from tests.experiments.currennt.netcdf_files import arrays, same, sizes, written

TRAIN7 = FILES / "data" / "train7.nc"


def bad(name, values, dtype=np.float32, dimensions=None):
    return {name: (dimensions or DIMENSIONS[name], np.array(values, dtype))}


def with_value(row, column, value):
    x = np.zeros((5, 3))
    x[row, column] = value
    return bad("inputs", x, np.float64)


FRAMES = ("numTimesteps",)
DIMENSIONS = {
    "seqTags": ("numSeqs", "maxSeqTagLength"),
    "seqLengths": ("numSeqs",),
    "inputs": ("numTimesteps", "inputPattSize"),
    "targetPatterns": ("numTimesteps", "targetPattSize"),
    "targetClasses": FRAMES,
    "outputMeans": ("targetPattSize",),
    "inputStdevs": ("inputPattSize",),
}


def classes(values, dimensions=FRAMES):
    return {"targetPatterns": None} | bad("targetClasses", values, np.int32, dimensions)


VARIABLES = {
    "no inputs": ({"inputs": None}, "no variable 'inputs'; found seqTags, seqLengths, targetPatterns"),
    "no lengths": ({"seqLengths": None}, "no variable 'seqLengths'"),
    "no tags": ({"seqTags": None}, "no variable 'seqTags'"),
    "sum": (
        bad("seqLengths", [2, 4], np.int32),
        "'inputs' has the size numTimesteps = 5 × .*expected the sum of seqLengths = 6 × inputPattSize = 3",
    ),
    "no frames": (
        bad("seqLengths", [0, 0], np.int32),
        "no frames: the first 2 of 2 sequences have the length 0",
    ),
    "negative length": (bad("seqLengths", [6, -1], np.int32), "sequence 1 .*found -1; expected a whole"),
    "half a length": (bad("seqLengths", [2.5, 2.5]), "found 2.5; expected a whole number"),
    "nan length": (bad("seqLengths", [2, np.nan]), "sequence 1 .*found nan"),
    "text as lengths": (bad("seqLengths", [b"2", b"3"], "S1"), "has the type .S1; expected numbers"),
    "numbers as tags": (bad("seqTags", [[1, 1]] * 2, np.int32), "'seqTags' has the type >i4; expected char"),
    "rank": (
        bad("inputs", np.ones(5), dimensions=FRAMES),
        "'inputs' has the size numTimesteps = 5; expected",
    ),
    "other width": (
        bad("inputs", np.ones((5, 2)), dimensions=("numTimesteps", "numSeqs")),
        "numTimesteps = 5 × numSeqs = 2; .*inputPattSize = 3",
    ),
    "nan": (with_value(3, 1, np.nan), r"'inputs', sequence 'b' \(1 from 0\), frame 1, column 1: found nan"),
    "inf": (with_value(1, 2, np.inf), "'a' .*frame 1, column 2: found inf; expected a finite number"),
    "overflow": (with_value(0, 0, 1e39), "frame 0, column 0: found inf"),
    "bad target": (
        bad("targetPatterns", [[0]] * 4 + [[np.nan]]),
        "'targetPatterns', sequence 'b' .*, frame 2, column 0: found nan",
    ),
    "bad mean": (bad("outputMeans", [np.nan]), r"'outputMeans', column 0 .*found nan"),
    "mean size": (
        bad("outputMeans", [1, 1], dimensions=("numSeqs",)),
        "'outputMeans' has the size numSeqs = 2; expected targetPattSize = 1",
    ),
    "input stdev": (bad("inputStdevs", [1, 1, -np.inf]), "'inputStdevs', column 2 .*found -inf"),
}
CLASSES = {
    "class too large": (
        classes([0, 1, 2, 3, 0]),
        r"'targetClasses', sequence 'b' .*, frame 1: found 3; expected a whole number from 0 to 2 "
        r"\(dimension numLabels = 3\), or -1",
    ),
    "negative class": (classes([-1, -2, 0, 0, 0]), "frame 1: found -2; .*, or -1"),
    "class count": (
        classes([0, 0], ("numSeqs",)),
        "'targetClasses' has the size numSeqs = 2; expected the sum of seqLengths = 5",
    ),
}
DEFECTS = (
    {name: ({}, *case) for name, case in VARIABLES.items()}
    | {name: ({"numLabels": 3}, *case) for name, case in CLASSES.items()}
    | {
        "no sequences": (
            {"numSeqs": 0},
            {"seqTags": None, "seqLengths": None},
            "dimension 'numSeqs' is 0; expected 1",
        )
    }
)


@pytest.mark.parametrize("case", DEFECTS)
def test_defects_are_named(case, tmp_path):
    dimensions, changes, message = DEFECTS[case]
    with pytest.raises(InputError, match=message) as caught:
        read_netcdf(written(tmp_path, sizes(**dimensions), **changes))
    assert str(tmp_path / "x.nc") in str(caught.value)


@pytest.mark.parametrize("name", ["numSeqs", "inputPattSize", "maxSeqTagLength", "targetPattSize"])
def test_a_missing_dimension_is_named(name, tmp_path):
    renamed = {("other" if key == name else key): size for key, size in sizes().items()}
    changed = {
        key: (tuple("other" if d == name else d for d in dimensions), values)
        for key, (dimensions, values) in arrays().items()
    }
    (tmp_path / "x.nc").write_bytes(classic_bytes(renamed, changed))
    with pytest.raises(InputError, match=f"no dimension '{name}'; found "):
        read_netcdf(tmp_path / "x.nc")


def test_what_is_no_file_is_named(tmp_path):
    for path, message in (
        (tmp_path / "none.nc", "no such file"),
        (tmp_path, "not an ordinary file"),
        (tmp_path / "empty.nc", "the file is empty"),
        (tmp_path / "text.nc", "not a NetCDF file: it begins with b'seq_a;1;'"),
        (tmp_path / "version.nc", r"the header is damaged: it begins with b'CDF\\x03'"),
        (Path("a\0b"), "no such file"),
    ):
        (tmp_path / "empty.nc").touch()
        (tmp_path / "text.nc").write_text("seq_a;1;2\n")
        (tmp_path / "version.nc").write_bytes(b"CDF\3" + bytes(40))
        with pytest.raises(InputError, match=message):
            read_netcdf(path)


@pytest.mark.parametrize("end", [4, 30, 150, 300, 1000, 2100])
def test_a_truncated_file_is_named(end, tmp_path):
    (tmp_path / "x.nc").write_bytes(TRAIN7.read_bytes()[:end])
    with pytest.raises(InputError, match="truncated"):
        read_netcdf(tmp_path / "x.nc")


HEADERS = {
    "records": (4, 2**32 - 1, "number of records was never written"),
    "list": (8, 13, "a list of kind 13"),
    "entries": (12, 2**31, "a list of 2147483648 entries; expected 65536 at most"),
    "name": (16, 2**31, "a name of 2147483648 bytes"),
    "no name": (16, 0, "a name of 0 bytes"),
    "utf": (20, 0xFFFFFFFF, "expected UTF-8"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_damaged_header_is_named(case, tmp_path):
    place, value, message = HEADERS[case]
    data = bytearray(TRAIN7.read_bytes())
    data[place : place + 4] = value.to_bytes(4, "big")
    (tmp_path / "x.nc").write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_netcdf(tmp_path / "x.nc")


def header(*variables: bytes, dimensions=(1,)) -> bytes:
    """A header of dimensions a, b, … and variables."""

    def words(*values):
        return b"".join(v.to_bytes(4, "big") for v in values)

    names = b"".join(words(1) + bytes([97 + k, 0, 0, 0]) + words(n) for k, n in enumerate(dimensions))
    start = b"CDF\1" + words(0, 10, len(dimensions)) + names + words(0, 0, 11, len(variables))
    return start + b"".join(variables)


def variable(name=b"v", numbers=(0,), kind=5, begin=200) -> bytes:
    words = [1, int.from_bytes(name + b"\0\0\0"), len(numbers), *numbers, 0, 0, kind, 4, begin]
    return b"".join(w.to_bytes(4, "big") for w in words)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header(variable(kind=99)), "a type 99"),
        (header(variable(numbers=(1,))), "a dimension that is not there"),
        (header(variable(numbers=(0, 1)), dimensions=(1, 0)), "the unlimited dimension in another place"),
        (header(variable(numbers=(0,) * 1025)), "has 1025 dimensions"),
        (header(variable(begin=3)), "a variable lies within it"),
        (header(variable(), variable()), "appears twice"),
        (header()[:-8] + (12).to_bytes(4, "big") + (0).to_bytes(4, "big"), "a list of kind 12"),
    ],
)
def test_a_header_that_makes_no_sense_is_named(content, message, tmp_path):
    path = tmp_path / "x.nc"
    path.write_bytes(content + bytes(100))
    with path.open("rb") as file, pytest.raises(InputError, match=message):
        ClassicFile(file, path.stat().st_size, "x")


def test_attributes_are_passed_over(tmp_path):
    with netcdf_file(tmp_path / "x.nc", "w") as file:
        file.title, file.numbers = b"odd", np.arange(3, dtype=np.int16)
        for name, size in sizes().items():
            file.createDimension(name, size)
        for name, (dimensions, values) in arrays().items():
            created = file.createVariable(name, values.dtype, dimensions)
            created[:] = values
            created.units = b"none"
    assert read_netcdf(tmp_path / "x.nc").tags == ["a", "b"]
    data = bytearray((tmp_path / "x.nc").read_bytes())
    k = data.index(b"numbers\0") + 12
    data[k : k + 4] = (2**31).to_bytes(4, "big")
    (tmp_path / "x.nc").write_bytes(data)
    with pytest.raises(InputError, match="an attribute of 4294967296 bytes"):
        read_netcdf(tmp_path / "x.nc")


GOOD = NetcdfData(["a"], np.array([2]), np.ones((2, 3), np.float32), np.ones((2, 1), np.float32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tags": []}, "0 tags and 1 lengths"),
        ({"lengths": np.array([3])}, "'inputs' has 2 frames; the sequences' lengths add up to 3"),
        ({"lengths": np.array([0])}, "sequence 'a' has 0 frames"),
        ({"tags": ["a\0b"]}, "can't be written"),
        ({"tags": ["\ud800"]}, "can't be written"),
        ({"inputs": np.ones(2, np.float32)}, r"inputs are \(2,\); expected frames × inputs"),
        ({"targets": np.ones(2, np.float32)}, r"targets are \(2,\)"),
        ({"targets": np.ones((3, 1), np.float32)}, "'targetPatterns' has 3 frames"),
        ({"inputs": np.full((2, 3), np.nan, np.float32)}, "column 0: found nan"),
        ({"classes": np.zeros(2, np.int32)}, "classes need the number of labels"),
        ({"targets": None, "labels": 2, "classes": np.array([0, 2])}, "frame 1: found 2"),
        ({"labels": 0}, "0 labels; expected 1 or more"),
        ({"output_means": np.ones(2, np.float32)}, r"'outputMeans' has the size \(2,\); expected 1 numbers"),
        ({"input_means": np.full(3, np.inf, np.float32)}, "'inputMeans', column 0 .*found inf"),
    ],
)
def test_what_can_not_be_read_back_is_not_written(changes, message, tmp_path):
    with pytest.raises(InputError, match=message):
        write_netcdf(tmp_path / "x.nc", dataclasses.replace(GOOD, **changes))
    assert not (tmp_path / "x.nc").exists()


TOKENS = [b"numSeqs\0", b"inputs\0\0", b"\x7f\xc0\0\0", b"numLabels\0\0\0", b"\0\0\0\x0b\xff\xff\xff\xff"]


@given(content=bytes_like([f.read_bytes() for f in DATA], TOKENS, 400, [b"", b"CDF\1", b"CDF\2", b"CDF\5"]))
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_are_data_or_an_input_error(content, tmp_path):
    path = tmp_path / "x.nc"
    path.write_bytes(content)
    data = read_in_bounds(read_netcdf, path)
    if data is None:
        return
    assert data.lengths.min() >= 1
    assert data.lengths.sum() == len(data.inputs)
    assert np.isfinite(data.inputs).all()
    write_netcdf(path, data)
    assert same(read_netcdf(path), dataclasses.replace(data, notes=()))
