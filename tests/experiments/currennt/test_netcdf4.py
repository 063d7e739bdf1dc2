"""NetCDF-4 data, with the extra and without it."""

import importlib.util
import subprocess

import pytest

from lstmcore.experiments.currennt.formats import netcdf_hdf5
from lstmcore.experiments.currennt.formats.netcdf import read_netcdf
from lstmcore.experiments.errors import InputError
from tests.experiments.currennt.golden_files import FILES, NETCDF4
from tests.experiments.currennt.netcdf_files import same

needs_netcdf4 = pytest.mark.skipif(
    importlib.util.find_spec("netCDF4") is None, reason="the extra 'netcdf4' is not installed"
)


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
    with pytest.raises(InputError, match=r"pip install .*'?netcdf4>="):
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
