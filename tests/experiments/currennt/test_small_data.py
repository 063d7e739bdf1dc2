"""Regression, several classes and two, each with its network, up to outputs in the units of the data."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from scipy.io import netcdf_file

from lstmcore import predict
from lstmcore.experiments.currennt.cli import run
from lstmcore.experiments.currennt.data import build_network
from lstmcore.experiments.currennt.formats.network_file import read_network
from lstmcore.experiments.currennt.options.parsing import Options
from tests.shared_data import DATA, SHARED, needs_cases

FOLDER = DATA / "cases" / "currennt"


@pytest.fixture
def data(tmp_path, monkeypatch):
    shutil.copytree(FOLDER, tmp_path / "data")
    monkeypatch.chdir(tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.parametrize(("kind", "validation"), [("reg", "val"), ("cls", "cls"), ("bin", "bin")])
def test_training_lowers_the_error_and_leaves_a_network(kind, validation, data, capsys):
    files = ["--train_file", f"{kind}.nc", "--val_file", f"{validation}.nc", "--network", f"{kind}.jsn"]
    options = ["--max_epochs", "9", "--learning_rate", "0.1", "--random_seed", "1"]
    assert run(["--train", "true", *files, *options, "--save_network", "new.jsn"]) == 0
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line[:6].strip().isdigit()]
    errors = [float(row[2].split()[-1]) for row in rows]
    assert len(errors) == 9
    assert errors[-1] < errors[0]
    assert (data / "new.jsn").exists()


def test_outputs_are_in_the_units_of_the_data(data):
    files = ["--train_file", "reg.nc", "--network", "reg.jsn", "--save_network", "new.jsn"]
    assert run(["--train", "true", *files, "--max_epochs", "1", "--random_seed", "1"]) == 0
    files = ["--ff_input_file", "val.nc", "--ff_output_file", "out.csv", "--network", "new.jsn"]
    assert run(["--train", "false", *files]) == 0
    with netcdf_file("val.nc", mmap=False) as file:
        inputs = file.variables["inputs"].data.astype(np.float64)
        lengths = file.variables["seqLengths"].data.tolist()
    found = read_network(data / "new.jsn")
    network, begin = build_network(found, Options(), 3, 1), 0
    for line, length in zip((data / "out.csv").read_text().splitlines(), lengths, strict=True):
        expected = 3 * predict(network, inputs[begin : begin + length]) + 2  # outputStdevs, outputMeans
        np.testing.assert_allclose(np.array(line.split(";")[1:], float), expected.ravel(), rtol=1e-4)
        begin += length


@needs_cases
def test_the_files_are_those_of_the_cases():
    for file in (SHARED / "cases" / "currennt").iterdir():
        assert file.read_bytes() == (FOLDER / file.name).read_bytes()
