"""NetCDF data: against CURRENNT's own files, there and back, and what is said about bad ones."""

import dataclasses
import importlib.util
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import netcdf_file

from experiments.currennt import netcdf_classic, netcdf_hdf5
from experiments.currennt.netcdf import NetcdfData, read_many, read_netcdf, write_netcdf
from experiments.currennt.netcdf_classic import ClassicFile, classic_bytes
from experiments.errors import InputError
from tests.currennt.fuzzing import bounded, bytes_like
from tests.currennt.golden_files import DATA, FILES, NETCDF4, twin

TRAIN7 = FILES / "data" / "train7.nc"
needs_netcdf4 = pytest.mark.skipif(
    importlib.util.find_spec("netCDF4") is None, reason="the extra 'netcdf4' is not installed"
)


def sizes(**changes):
    return {
        "numSeqs": 2,
        "numTimesteps": 5,
        "inputPattSize": 3,
        "maxSeqTagLength": 2,
        "targetPattSize": 1,
    } | changes


def arrays(**changes):
    """Two sequences of 2 and 3 frames; a change to None leaves a variable out."""
    found = {
        "seqTags": (("numSeqs", "maxSeqTagLength"), np.frombuffer(b"a\0b\0", "S1").reshape(2, 2)),
        "seqLengths": (("numSeqs",), np.array([2, 3], np.int32)),
        "inputs": (("numTimesteps", "inputPattSize"), np.arange(15, dtype=np.float32).reshape(5, 3)),
        "targetPatterns": (("numTimesteps", "targetPattSize"), np.ones((5, 1), np.float32)),
    } | changes
    return {name: array for name, array in found.items() if array is not None}


def written(tmp_path: Path, dimensions=None, **changes) -> Path:
    path = tmp_path / "x.nc"
    path.write_bytes(classic_bytes(dimensions or sizes(), arrays(**changes)))
    return path


def same(a: NetcdfData, b: NetcdfData) -> bool:
    pairs = [(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(NetcdfData)]
    return all(
        np.array_equal(x, y) and x.dtype == y.dtype if isinstance(x, np.ndarray) else x == y for x, y in pairs
    )


@pytest.mark.parametrize("file", DATA, ids=lambda f: f.stem)
def test_the_originals_files_hold_what_their_twins_say(file):
    found, expected = read_netcdf(file), twin(file.stem)
    sequences = expected["sequences"]
    assert found.tags == [s["tag"] for s in sequences]
    assert found.lengths.tolist() == [s["length"] for s in sequences]
    x = np.concatenate([np.array(s["inputs"], np.float32) for s in sequences])
    np.testing.assert_array_equal(found.inputs, x, strict=True)
    assert found.labels == expected.get("numLabels")
    if found.labels:
        classes = np.concatenate([np.array(s["classes"], np.int32) for s in sequences])
        np.testing.assert_array_equal(found.classes, classes, strict=True)
        assert found.targets is None
    else:
        y = np.concatenate([np.array(s["targets"], np.float32) for s in sequences])
        np.testing.assert_array_equal(found.targets, y, strict=True)
    for name, values in (("outputMeans", found.output_means), ("outputStdevs", found.output_stdevs)):
        assert (None if values is None else values.tolist()) == (
            np.float32(expected[name]).tolist() if name in expected else None
        )


@pytest.mark.parametrize("file", DATA, ids=lambda f: f.stem)
def test_written_again_they_are_the_same_bytes(file, tmp_path):
    write_netcdf(tmp_path / "x.nc", read_netcdf(file))
    assert (tmp_path / "x.nc").read_bytes() == file.read_bytes()


@given(
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(1, 3),
    kind=st.sampled_from(["targets", "classes", "neither"]),
    means=st.booleans(),
    tags=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=5),
    version=st.sampled_from([1, 2, 5]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trips_are_exact(lengths, seed, width, kind, means, tags, version, tmp_path):
    draw = np.random.default_rng(seed)
    n, outputs = sum(lengths), 2

    def floats(*shape):
        bits = draw.integers(0, 2**32, shape, np.uint32).view(np.float32)
        return np.where(np.isfinite(bits), bits, np.float32(-0.0))

    regression = kind == "targets"
    data = NetcdfData(
        tags[: len(lengths)],
        np.array(lengths, np.int64),
        floats(n, width),
        floats(n, outputs) if regression else None,
        draw.integers(0, 3, n).astype(np.int32) if kind == "classes" else None,
        3 if kind == "classes" else None,
        floats(outputs) if means and regression else None,
        floats(outputs) if means and regression else None,
        floats(width) if means else None,
        floats(width) if means else None,
    )
    path = tmp_path / "x.nc"
    with pytest.MonkeyPatch.context() as patch:
        # Data of a size that asks for the other formats would not fit into a test.
        patch.setattr(netcdf_classic, "_SMALL", 2**31 if version == 1 else 0)
        patch.setattr(netcdf_classic, "_LARGE", 0 if version == 5 else 2**32)
        write_netcdf(path, data)
    assert path.read_bytes()[3] == version
    assert same(read_netcdf(path), data)
    if version < 5:  # another reader finds the same
        with netcdf_file(path, mmap=False) as other:
            np.testing.assert_array_equal(other.variables["inputs"].data, data.inputs)
            assert other.variables["seqLengths"].data.tolist() == lengths


def test_the_last_sequences_may_be_left_out():
    whole = read_netcdf(TRAIN7)
    for fraction, count in ((0.01, 1), (0.2, 1), (0.3, 2), (3 / 7, 3), (0.999, 6), (1.0, 7)):
        part = read_netcdf(TRAIN7, fraction=fraction)
        frames = int(whole.lengths[:count].sum())
        assert part.tags == whole.tags[:count]
        np.testing.assert_array_equal(part.inputs, whole.inputs[:frames])
        np.testing.assert_array_equal(part.targets, whole.targets[:frames])


@pytest.mark.parametrize("fraction", [0.0, -1.0, 1.1, float("nan")])
def test_other_fractions_are_refused(fraction):
    with pytest.raises(InputError, match="expected above 0, at most 1"):
        read_netcdf(TRAIN7, fraction=fraction)


def test_several_files_are_joined_in_order():
    first, second = read_netcdf(TRAIN7), read_netcdf(FILES / "data" / "val3.nc")
    both = read_many([TRAIN7, FILES / "data" / "val3.nc"])
    assert both.tags == first.tags + second.tags
    np.testing.assert_array_equal(both.targets, np.concatenate([first.targets, second.targets]))
    np.testing.assert_array_equal(both.output_means, first.output_means)
    classes = [FILES / "data" / "cls7.nc"] * 2
    assert read_many(classes).labels == 3
    assert len(read_many(classes, 0.5).tags) == 6


def test_files_that_differ_are_not_joined(tmp_path):
    with pytest.raises(
        InputError, match=r"cls7\.nc: 6 inputs and 3 classes; expected 6 inputs and 2 targets"
    ):
        read_many([TRAIN7, FILES / "data" / "cls7.nc"])
    with pytest.raises(InputError, match="one or more"):
        read_many([])
    with pytest.raises(InputError, match="3 inputs and no targets; expected 3 inputs and 1 targets"):
        read_many([written(tmp_path), written(tmp_path / "..", targetPatterns=None)])


def test_targets_are_optional(tmp_path):
    assert read_netcdf(written(tmp_path, targetPatterns=None)).targets is None
    labels = read_netcdf(written(tmp_path, sizes(numLabels=4), targetPatterns=None))
    assert (labels.labels, labels.classes) == (4, None)


def test_numbers_of_other_types_are_converted(tmp_path):
    found = read_netcdf(
        written(
            tmp_path,
            seqLengths=(("numSeqs",), np.array([2, 3], np.float64)),
            inputs=(("numTimesteps", "inputPattSize"), np.full((5, 3), 7, np.int16)),
            targetPatterns=(("numTimesteps", "targetPattSize"), np.full((5, 1), 0.1, np.float64)),
        )
    )
    assert found.inputs.dtype == found.targets.dtype == np.float32
    assert found.targets[0, 0] == np.float32(0.1)
    assert found.lengths.dtype == np.int64


def test_tags_end_at_a_nul_and_need_not_be_utf_8(tmp_path):
    tags = np.frombuffer(b"ab\0zM\xfcll", "S1").reshape(2, 4)
    path = written(tmp_path, sizes(maxSeqTagLength=4), seqTags=(("numSeqs", "maxSeqTagLength"), tags))
    assert read_netcdf(path).tags == ["ab", "Müll"]


@pytest.mark.parametrize("others", [0, 1, 2])
def test_the_frames_may_be_an_unlimited_dimension(others, tmp_path):
    path = tmp_path / "x.nc"
    with netcdf_file(path, "w", version=2) as file:
        file.createDimension("numTimesteps", None)
        for name, size in sizes().items():
            if name != "numTimesteps":
                file.createDimension(name, size)
        kept = {n: a for n, a in arrays().items() if others or n != "targetPatterns"}
        for name, (dimensions, values) in kept.items():
            file.createVariable(name, values.dtype, dimensions)[:] = values
        if others == 2:  # of a size that needs padding
            file.createVariable("more", np.int16, ("numTimesteps",))[:] = np.arange(5)
    found = read_netcdf(path)
    np.testing.assert_array_equal(found.inputs, np.arange(15, dtype=np.float32).reshape(5, 3))
    assert (found.targets is None) == (not others)


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
    "zero length": (bad("seqLengths", [0, 5], np.int32), r"'seqLengths', sequence 0 \(from 0\): found 0"),
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
        r"\(dimension numLabels = 3\)",
    ),
    "negative class": (classes([-1] * 5), "frame 0: found -1"),
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


@needs_netcdf4
def test_a_netcdf_4_file_holds_the_same():
    assert same(read_netcdf(NETCDF4), read_netcdf(FILES / "data" / "val3.nc"))


@needs_netcdf4
def test_a_damaged_netcdf_4_file_is_named(tmp_path):
    data = NETCDF4.read_bytes()
    (tmp_path / "x.nc").write_bytes(data[:9000])
    with pytest.raises(InputError, match=r"x\.nc: "):
        read_netcdf(tmp_path / "x.nc")
    (tmp_path / "x.nc").write_bytes(data[:8] + bytes(100))
    with pytest.raises(InputError, match=r"x\.nc: "):
        read_netcdf(tmp_path / "x.nc")


def test_without_the_extra_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'lstmcore\[netcdf4\]'"):
        read_netcdf(NETCDF4)


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (subprocess.TimeoutExpired("x", 1), "not read after 30 s: the file is damaged"),
        (subprocess.CompletedProcess("x", 1, b"no such thing\n"), ": no such thing$"),
        (subprocess.CompletedProcess("x", -11, b""), "could not read it: the file is damaged"),
    ],
)
def test_a_library_that_crashes_or_hangs_is_survived(outcome, message, monkeypatch):
    def run(*_, **__):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)
    monkeypatch.setattr(netcdf_hdf5.subprocess, "run", run)
    with pytest.raises(InputError, match=message):
        read_netcdf(NETCDF4)


TOKENS = [b"numSeqs\0", b"inputs\0\0", b"\x7f\xc0\0\0", b"numLabels\0\0\0", b"\0\0\0\x0b\xff\xff\xff\xff"]


@given(content=bytes_like([f.read_bytes() for f in DATA], TOKENS, 400, [b"", b"CDF\1", b"CDF\2", b"CDF\5"]))
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_are_data_or_an_input_error(content, tmp_path):
    path = tmp_path / "x.nc"
    path.write_bytes(content)
    with bounded(len(content)):
        try:
            data = read_netcdf(path)
        except InputError:
            return
    assert data.lengths.min() >= 1
    assert data.lengths.sum() == len(data.inputs)
    assert np.isfinite(data.inputs).all()
    write_netcdf(path, data)
    assert same(read_netcdf(path), data)
