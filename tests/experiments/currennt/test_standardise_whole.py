"""What a file holds besides its numbers is the same after it was standardised, in each format of NetCDF."""

import importlib

import numpy as np
import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.currennt.formats.netcdf import read_netcdf
from lstmcore.experiments.currennt.formats.netcdf_classic import classic_bytes
from tests.experiments.currennt.netcdf_files import arrays, sizes

netcdf4 = pytest.importorskip("netCDF4")

FORMATS = [
    "NETCDF3_CLASSIC",
    "NETCDF3_64BIT_OFFSET",
    "NETCDF3_64BIT_DATA",
    "NETCDF4_CLASSIC",
    "NETCDF4",
]
LENGTHS = [5, 1, 7]
FRAMES = sum(LENGTHS)
CHANGED = ("inputs", "targetPatterns", "inputMeans", "inputStdevs", "outputMeans", "outputStdevs")


def standardize(*arguments):
    return CliRunner().invoke(app, ["nc-standardize", *map(str, arguments)])


def numbers(seed=0, dtype="f4"):
    rng = np.random.default_rng(seed)
    return (
        (3 * rng.standard_normal((FRAMES, 3)) + [0, 50, -1000]).astype(dtype),
        rng.uniform(1, 9, (FRAMES, 2)).astype(dtype),
    )


def written(path, kind="NETCDF3_CLASSIC", dtype="f4", unlimited=None, seed=0, targets=True):
    """A file as others write them: attributes, labels, other variables, tags in Latin-1."""
    lengths = {"numSeqs": 3, "numTimesteps": FRAMES, "inputPattSize": 3, "maxSeqTagLength": 8}
    lengths |= {"targetPattSize": 2} if targets else {}
    lengths |= {"numTargetClasses": 4, "maxLabelLength": 5}
    with netcdf4.Dataset(path, "w", format=kind) as file:
        file.title = "who made it"
        file.numbers = np.arange(3, dtype="f8")
        for name, size in lengths.items():
            file.createDimension(name, None if name == unlimited else size)
        tags = file.createVariable("seqTags", "S1", ("numSeqs", "maxSeqTagLength"))
        tags[:] = np.array([list(b"caf\xe9\0\0\0\0"), list(b"b\0xyz\0\0\0"), list(b"c" * 8)], "u1").view("S1")
        file.createVariable("seqLengths", "i4", ("numSeqs",))[:] = LENGTHS
        packed = {"zlib": True, "shuffle": True} if kind.startswith("NETCDF4") else {}
        x = file.createVariable("inputs", dtype, ("numTimesteps", "inputPattSize"), **packed)
        x.units, x.valid_min = "dB", np.float32(-2000)
        x[:] = numbers(seed, dtype)[0]
        if targets:
            file.createVariable("targetPatterns", dtype, ("numTimesteps", "targetPattSize"))[:] = numbers(
                seed, dtype
            )[1]
        labels = file.createVariable("labels", "S1", ("numTargetClasses", "maxLabelLength"))
        labels[:] = np.frombuffer(b"happysad\0\0angryfine\0", "S1").reshape(4, 5)
        labels.comment = "mine"
        file.createVariable("clock", "f8", ("numTimesteps",))[:] = np.arange(FRAMES) / 3
        file.createVariable("count", "i2", ())[...] = 7
        if kind == "NETCDF4":
            group = file.createGroup("history")
            group.note = "kept"
            group.createVariable("words", str, ("numSeqs",))[:] = np.array(["a", "bb", "ccc"], object)
    return path


def holdings(path):
    """All that is in a file, as the library sees it; and what is standardised apart from it."""
    with netcdf4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        file.set_auto_chartostring(False)
        found = {"format": file.data_model, "attributes": attributes(file)}
        for group in (file, *file.groups.values()):
            found[group.path] = {
                "attributes": attributes(group),
                "dimensions": {n: (len(d), d.isunlimited()) for n, d in group.dimensions.items()},
                "variables": {n: facts(v) for n, v in group.variables.items() if n not in CHANGED[2:]},
            }
        values = {n: (v.dtype, np.array(v[...])) for n, v in file.variables.items() if n in CHANGED}
    for name in CHANGED[:2]:
        found["/"]["variables"].get(name, {}).pop("values", None)
    return found, values


def attributes(holder):
    return {name: np.array(holder.getncattr(name)).tolist() for name in holder.ncattrs()}


def facts(variable):
    filters = variable.filters() if variable.group().data_model.startswith("NETCDF4") else None
    return {
        "type": variable.dtype,
        "dimensions": variable.dimensions,
        "attributes": attributes(variable),
        "filters": filters,
        "values": np.array(variable[...]).tolist(),
    }


@pytest.mark.parametrize("unlimited", [None, "numTimesteps", "numSeqs"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_else_changes(kind, dtype, unlimited, tmp_path):
    path = written(tmp_path / "a.nc", kind, dtype, unlimited)
    before, raw = holdings(path)
    assert standardize(path).exit_code == 0
    after, done = holdings(path)
    assert after == before
    for name, kind_ in (("inputs", "input"), ("targetPatterns", "output")):
        (stored, values), x = done[name], raw[name][1].astype(np.float64)
        mean, deviation = (done[f"{kind_}{what}"][1] for what in ("Means", "Stdevs"))
        assert {stored, done[f"{kind_}Means"][0], done[f"{kind_}Stdevs"][0]} == {np.dtype(dtype)}
        np.testing.assert_allclose(mean, x.mean(0), rtol=1e-6)
        np.testing.assert_allclose(deviation, x.std(0, ddof=1), rtol=1e-6)
        np.testing.assert_array_equal(values, ((x - mean) / deviation.astype("f8")).astype(dtype))


@pytest.mark.parametrize("kind", FORMATS)
def test_again_and_with_itself_as_reference(kind, tmp_path):
    once = written(tmp_path / "a.nc", kind, "f8", "numTimesteps")
    twin = written(tmp_path / "b.nc", kind, "f8", "numTimesteps")
    assert standardize(once).exit_code == 0
    assert standardize(twin, once).exit_code == 0
    for name, (dtype, values) in holdings(once)[1].items():
        other = holdings(twin)[1][name]
        assert other[0] == dtype
        np.testing.assert_array_equal(other[1], values)
    before, _ = holdings(once)
    assert standardize(once, "--again").exit_code == 0
    after, done = holdings(once)
    assert after == before
    np.testing.assert_allclose(done["inputStdevs"][1], 1, rtol=1e-12)


@pytest.mark.parametrize("kind", FORMATS)
def test_means_of_outputs_come_into_a_file_without_targets(kind, tmp_path):
    known = written(tmp_path / "a.nc", kind)
    path = written(tmp_path / "b.nc", kind, seed=1, targets=False)
    assert standardize(known).exit_code == 0
    before, _ = holdings(path)
    assert standardize(path, known).exit_code == 0
    after, done = holdings(path)
    assert after["/"]["dimensions"].pop("targetPattSize") == (2, False)
    assert after == before
    np.testing.assert_array_equal(done["outputMeans"][1], holdings(known)[1]["outputMeans"][1])


def test_rows_behind_the_last_sequence_stay_as_they_are(tmp_path):
    path = written(tmp_path / "a.nc")
    with netcdf4.Dataset(path, "r+") as file:
        file["seqLengths"][2] = 4
    _, raw = holdings(path)
    assert standardize(path).exit_code == 0
    _, done = holdings(path)
    x = raw["inputs"][1][:10].astype("f8")
    np.testing.assert_allclose(done["inputMeans"][1], x.mean(0), rtol=1e-6)
    np.testing.assert_array_equal(done["inputs"][1][10:], raw["inputs"][1][10:])


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF4"])
def test_whole_numbers_can_not_hold_the_result(kind, tmp_path):
    path = written(tmp_path / "a.nc", kind, "i2")
    before = path.read_bytes()
    result = standardize(path)
    assert result.exit_code == 2
    assert "variable 'inputs' has the type int16, which can't hold what is standardised" in result.output
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF4"])
def test_a_dimension_of_another_size_is_named(kind, tmp_path):
    known = written(tmp_path / "a.nc")
    assert standardize(known).exit_code == 0
    path = written(tmp_path / "b.nc", kind, targets=False)
    with netcdf4.Dataset(path, "r+") as file:
        file.createDimension("targetPattSize", 5)
    before = path.read_bytes()
    result = standardize(path, known)
    assert result.exit_code == 2
    assert "dimension 'targetPattSize' is 5; expected 2, for outputMeans" in result.output
    assert path.read_bytes() == before


def test_a_file_that_ends_too_early_is_refused(tmp_path):
    extra = {"notes": (("numSeqs", "inputPattSize"), np.ones((2, 3), np.float64))}
    path = tmp_path / "x.nc"
    path.write_bytes(classic_bytes(sizes(), arrays() | extra)[:-16])
    result = standardize(path)
    assert result.exit_code == 2
    assert "it is truncated or damaged" in result.output


def test_no_room_in_the_classic_format(tmp_path, monkeypatch):
    change = importlib.import_module("lstmcore.experiments.currennt.formats.netcdf_change")
    path = written(tmp_path / "a.nc")
    before = path.read_bytes()

    class Small(change.Encoder):
        def place(self, begin):
            if begin >= len(before):
                raise OverflowError
            return super().place(begin)

    monkeypatch.setattr(change, "Encoder", Small)
    result = standardize(path)
    assert result.exit_code == 2
    assert "the classic format holds 2 GiB, and no place is left for inputMeans" in result.output
    assert path.read_bytes() == before
    assert read_netcdf(path).input_means is None
