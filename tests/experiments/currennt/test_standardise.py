"""Standardising data in place: numbers, references, constants, what is refused."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.currennt.formats.netcdf import NetcdfData, read_netcdf, write_netcdf
from lstmcore.experiments.currennt.standardise import moments_of
from tests.lstmcore.currennt_golden import FOLDER

DATA = FOLDER / "files" / "data"
MEANS = ("input_means", "input_stdevs", "output_means", "output_stdevs")


def standardize(*arguments):
    return CliRunner().invoke(app, ["nc-standardize", *map(str, arguments)])


def random_data(seed=0, frames=(5, 1, 7), **changes):
    rng = np.random.default_rng(seed)
    total = sum(frames)
    data = NetcdfData(
        [f"s{k}" for k in range(len(frames))],
        np.array(frames),
        (3 * rng.standard_normal((total, 4)) + [0, 5, -100, 1e4]).astype(np.float32),
        rng.uniform(-1, 1, (total, 2)).astype(np.float32),
    )
    return replace(data, **changes)


@pytest.fixture
def file(tmp_path):
    write_netcdf(tmp_path / "a.nc", random_data())
    return tmp_path / "a.nc"


def test_means_and_deviations_of_all_frames(file):
    result = standardize(file)
    assert result.exit_code == 0, result.output
    assert result.output == f"{file}: 4 inputs and 2 targets standardised, 13 frames\n"
    raw, done = random_data(), read_netcdf(file)
    for values, found, mean, deviation in (
        (raw.inputs, done.inputs, done.input_means, done.input_stdevs),
        (raw.targets, done.targets, done.output_means, done.output_stdevs),
    ):
        x = values.astype(np.float64)
        np.testing.assert_array_equal(mean, x.mean(0).astype(np.float32))
        np.testing.assert_allclose(deviation, x.std(0, ddof=1), rtol=1e-7)
        np.testing.assert_array_equal(found, ((x - mean) / deviation.astype(float)).astype(np.float32))
        np.testing.assert_allclose(found.astype(float).std(0, ddof=1), 1, rtol=1e-6)
    assert done.tags == raw.tags
    np.testing.assert_array_equal(done.lengths, raw.lengths)


def test_with_a_reference_its_numbers_are_used(file, tmp_path):
    write_netcdf(tmp_path / "b.nc", random_data(1))
    shutil.copy(file, tmp_path / "same.nc")
    assert standardize(file).exit_code == 0
    for name in ("b.nc", "same.nc"):
        assert standardize(tmp_path / name, file).exit_code == 0
    a, b = read_netcdf(file), read_netcdf(tmp_path / "b.nc")
    assert (tmp_path / "same.nc").read_bytes() == file.read_bytes()
    for name in MEANS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    x = (random_data(1).inputs - a.input_means.astype(float)) / a.input_stdevs
    np.testing.assert_allclose(b.inputs, x, rtol=1e-6, atol=1e-7)


def test_a_reference_gives_data_without_targets_what_undoes_the_outputs(file, tmp_path):
    write_netcdf(tmp_path / "b.nc", random_data(1, targets=None))
    standardize(file)
    result = standardize(tmp_path / "b.nc", file)
    assert "4 inputs standardised" in result.output
    np.testing.assert_array_equal(read_netcdf(tmp_path / "b.nc").output_means, read_netcdf(file).output_means)


def test_inputs_only_leaves_targets_and_their_means_alone(tmp_path):
    shutil.copy(DATA / "train7.nc", tmp_path / "a.nc")
    result = standardize(tmp_path / "a.nc")
    assert result.exit_code == 2
    assert "it holds outputMeans and outputStdevs: its targets are already" in result.output
    assert standardize(tmp_path / "a.nc", "--inputs-only").exit_code == 0
    raw, done = read_netcdf(DATA / "train7.nc"), read_netcdf(tmp_path / "a.nc")
    for name in ("targets", "output_means", "output_stdevs"):
        np.testing.assert_array_equal(getattr(raw, name), getattr(done, name))
    assert done.input_means is not None


def test_classes_are_left_alone(tmp_path):
    shutil.copy(DATA / "cls7.nc", tmp_path / "a.nc")
    assert standardize(tmp_path / "a.nc").exit_code == 0
    done = read_netcdf(tmp_path / "a.nc")
    np.testing.assert_array_equal(done.classes, read_netcdf(DATA / "cls7.nc").classes)
    assert done.output_means is None
    assert done.input_means is not None


def test_a_constant_column_is_named_and_not_divided(tmp_path):
    data = random_data()
    data.inputs[:, 2] = np.float32(0.1)
    data.targets[:, 1] = -3
    write_netcdf(tmp_path / "a.nc", data)
    result = standardize(tmp_path / "a.nc")
    assert "not scaled (columns from 0): input 2, target 1" in result.output
    done = read_netcdf(tmp_path / "a.nc")
    assert not done.inputs[:, 2].any()
    assert not done.targets[:, 1].any()
    assert (done.input_means[2], done.input_stdevs[2]) == (np.float32(0.1), 1)


def test_a_single_frame_is_constant(tmp_path):
    write_netcdf(tmp_path / "a.nc", random_data(frames=(1,)))
    assert "input 0, input 1, input 2, input 3, target 0, target 1" in standardize(tmp_path / "a.nc").output


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 20), st.integers(1, 3)),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_moments_are_those_of_exact_arithmetic(values):
    found = moments_of(values)
    wide = values.astype(np.longdouble)
    np.testing.assert_allclose(found.means, wide.mean(0).astype(float), rtol=1e-6, atol=1e-9)
    varying = [k for k in range(values.shape[1]) if k not in found.constant]
    if varying:
        exact = wide[:, varying].std(0, ddof=1).astype(float)
        np.testing.assert_allclose(found.deviations[varying], exact, rtol=1e-6, atol=1e-44)
    assert np.isfinite(found.apply(values)).all()


def test_large_means_do_not_swallow_small_deviations():
    noise = np.random.default_rng(0).integers(0, 3, (1000, 1))
    values = (np.float32(2**22) + noise).astype(np.float32)
    np.testing.assert_allclose(moments_of(values).deviations, noise.std(0, ddof=1), rtol=1e-6)


def test_standardised_data_are_refused_unless_asked(file):
    assert standardize(file).exit_code == 0
    before = file.read_bytes()
    result = standardize(file)
    assert result.exit_code == 2
    assert "it holds inputMeans and inputStdevs: already standardised (--again" in result.output
    assert file.read_bytes() == before
    assert standardize(file, "--again").exit_code == 0
    np.testing.assert_allclose(read_netcdf(file).input_stdevs, 1, rtol=1e-6)


def test_a_link_stays_a_link(file, tmp_path):
    (tmp_path / "link.nc").symlink_to(file)
    assert standardize(tmp_path / "link.nc").exit_code == 0
    assert (tmp_path / "link.nc").is_symlink()
    assert read_netcdf(file).input_means is not None


def reference(tmp_path, **changes):
    path = tmp_path / "reference.nc"
    write_netcdf(path, random_data(2, **changes))
    return path


ONES = np.ones(4, np.float32)
INPUTS = {"input_means": ONES, "input_stdevs": ONES}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "reference.nc: no inputMeans and inputStdevs; expected a standardised file"),
        (INPUTS, "reference.nc: no outputMeans and outputStdevs; expected a standardised file (or leave"),
        (
            INPUTS | {"input_stdevs": ONES * [1, 0, 1, 1]},
            "'inputStdevs', column 1 (from 0): found 0",
        ),
        (
            {k: np.ones(3, np.float32) for k in INPUTS} | {"inputs": np.ones((13, 3), np.float32)},
            "reference.nc: 3 inputMeans; ",
        ),
    ],
)
def test_a_reference_that_does_not_fit(file, tmp_path, changes, message):
    before = file.read_bytes()
    result = standardize(file, reference(tmp_path, **changes))
    assert result.exit_code == 2
    assert message in result.output
    assert file.read_bytes() == before


def test_files_that_are_no_data(tmp_path):
    (tmp_path / "text.nc").write_text("not NetCDF")
    for path, message in (
        (tmp_path / "none.nc", "no such file"),
        (tmp_path / "text.nc", "not a NetCDF file"),
        (tmp_path, "not an ordinary file"),
    ):
        result = standardize(path)
        assert result.exit_code == 2
        assert message in result.output
        assert "Traceback" not in result.output


def test_a_full_disk_leaves_the_old_file(file, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    before = file.read_bytes()
    monkeypatch.setattr("os.fsync", full)
    result = standardize(file)
    assert result.exit_code == 2
    assert "No space left on device" in result.output
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_dash_in_place_of_the_reference_means_none(file, tmp_path):
    shutil.copy(file, tmp_path / "b.nc")
    assert standardize(file, "-").exit_code == 0
    assert standardize(tmp_path / "b.nc").exit_code == 0
    assert file.read_bytes() == (tmp_path / "b.nc").read_bytes()


def test_a_read_only_file_is_left_alone(file):
    before = file.read_bytes()
    file.chmod(0o444)
    result = standardize(file)
    assert result.exit_code == 2
    assert f"{file}: the file is read-only" in result.output
    assert file.read_bytes() == before


def test_permissions_stay(file):
    file.chmod(0o640)
    assert standardize(file).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o640
