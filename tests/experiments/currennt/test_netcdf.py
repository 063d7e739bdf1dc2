"""NetCDF data: against CURRENNT's own files, and there and back."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from scipy.io import netcdf_file

from lstmcore.experiments.currennt.formats import netcdf_classic
from lstmcore.experiments.currennt.formats.netcdf import NetcdfData, read_many, read_netcdf, write_netcdf
from lstmcore.experiments.errors import InputError
from tests.experiments.currennt.golden_files import DATA, FILES, twin
from tests.experiments.currennt.netcdf_files import arrays, same, sizes, written

TRAIN7 = FILES / "data" / "train7.nc"


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
