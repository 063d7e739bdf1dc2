"""Files of CURRENNT's: options, networks, autosaves, sequences in NetCDF."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from lstmcore.experiments.currennt.data import KINDS, build_network, objective_of, sequence_set
from lstmcore.experiments.currennt.formats import netcdf_hdf5
from lstmcore.experiments.currennt.formats.autosave import read_autosave, write_autosave
from lstmcore.experiments.currennt.formats.netcdf import read_netcdf
from lstmcore.experiments.currennt.formats.netcdf_classic import classic_bytes
from lstmcore.experiments.currennt.formats.network_file import read_network, write_network
from lstmcore.experiments.currennt.opening import hybrid_notice, start_lines
from lstmcore.experiments.currennt.options.parsing import from_autosave, parse, to_configuration
from tests.experiments.currennt.golden_files import AUTOSAVE, NETCDF4
from tests.experiments.currennt.netcdf_files import arrays, sizes
from tests.experiments.currennt.network_files import TOKENS, small
from tests.fuzz.target import Target

# --- options ------------------------------------------------------------------------------------

_OPTIONS = b"""# a training
train = true
network = network.jsn
train_file = a.nc,b.nc
val_file = v.nc
learning_rate = 1e-5
momentum = 0.9
max_epochs = inf
stochastic = true   # one after the other
weights_dist = normal
weights_normal_sigma = 0.1
random_seed = 1
autosave_prefix = x_
"""
_FORWARD = b"train = false\nff_input_file = a.nc\nff_output_file = out.csv\nff_output_format = single_csv\n"


def _read_options(data: bytes, folder: Path) -> None:
    (folder / "config.cfg").write_bytes(data)
    options = parse([str(folder / "config.cfg")])
    with contextlib.suppress(OSError):  # of a place where nothing can be written; the command tells it
        assert start_lines(options)[-1] == ""
    hybrid_notice(options)
    assert from_autosave(to_configuration(options)) == options


# --- networks -----------------------------------------------------------------------------------


def _networks(_: Path) -> list[bytes]:
    found = [small(), {"layers": small()["layers"]}]
    blstm = small()
    blstm["layers"][1] |= {"type": "blstm", "size": 2}
    blstm["layers"][3] |= {"type": "rmse"}
    del blstm["weights"]
    return [json.dumps(network, indent=1).encode() for network in [*found, blstm]]


def _read_network(data: bytes, folder: Path) -> None:
    (folder / "n.jsn").write_bytes(data)
    network = read_network(folder / "n.jsn")
    for weights in network.weights.values():
        assert np.isfinite(np.concatenate([weights.input, weights.bias, weights.internal])).all()
    write_network(folder / "again.jsn", network)
    assert read_network(folder / "again.jsn").layers == network.layers
    objective_of(network)
    most = max(spec.size for spec in network.layers)
    if most < 100 and len(network.layers) < 10 and all(spec.type in KINDS for spec in network.layers[1:-1]):
        build_network(network, parse(["--train", "true", "--train_file", "x.nc"]), network.layers[0].size, 1)


# --- autosaves ----------------------------------------------------------------------------------


def _autosaves(folder: Path) -> list[bytes]:
    content: dict[str, Any] = json.loads(AUTOSAVE.read_text())
    network = small()
    sizes_of = [[], [0.5] * 19, [0.25] * 2, []]
    tiny = (
        content
        | network
        | {
            "configuration": "train=true;;;train_file=a.nc;;;network=n.jsn;;;momentum=0.9;;;",
            "info_rows": " 1 | 00:00:01.0 | 1 | 2 | 3 ;;;",
            "optimizer_cur_epoch": 1,
            "optimizer_epochs_since_lowest_error": 0,
            "optimizer_best_weights": sizes_of,
            "steepest_descent_optimizer_weight_deltas": sizes_of,
        }
    )
    beyond = tiny | {"lstmcore": {"best_epoch": 1, "best_error_sum": 1.5, "last_weights": sizes_of}}
    return [json.dumps(one, indent=1).encode() for one in (tiny, beyond)]


def _read_autosave(data: bytes, folder: Path) -> None:
    path = folder / "x.autosave"
    path.write_bytes(data)
    found = read_autosave(path)
    from_autosave(found.options, str(path))
    again = folder / "again.autosave"
    write_autosave(again, found)
    assert read_autosave(again).options == found.options


# --- sequences ----------------------------------------------------------------------------------


def _classic(_: Path) -> list[bytes]:
    classes = {
        "targetPatterns": None,
        "targetClasses": (("numTimesteps",), np.array([0, 1, 2, 1, 0], np.int32)),
    }
    labels = {key: size for key, size in sizes(numLabels=3).items() if key != "targetPattSize"}
    return [classic_bytes(sizes(), arrays()), classic_bytes(labels, arrays(**classes))]


def _read_sequences(data: bytes, folder: Path) -> None:
    (folder / "x.nc").write_bytes(data)
    found = read_netcdf(folder / "x.nc")
    assert found.lengths.sum() == len(found.inputs) > 0
    assert (found.lengths > 0).all()
    assert np.isfinite(found.inputs).all()
    assert found.targets is None or np.isfinite(found.targets).all()
    assert len(found.tags) == len(found.lengths)
    assert len(sequence_set(found, "float32", lag=1, truncate=2).targets) == len(found.inputs)


def _forked(command: list[str], timeout: float, **_: Any) -> subprocess.CompletedProcess[bytes]:
    """Do in a fork of this process what a new one would, in a hundredth of the time."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads that there may be; the fork uses none of their locks
        child = os.fork()
    if not child:
        code = 1
        try:
            import resource

            resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
            os.dup2(write, 1)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            sys.stdout = os.fdopen(os.dup(write), "w")
            sys.argv = ["netcdf_hdf5", *command[3:]]
            netcdf_hdf5._main()
            code = 0
        finally:
            sys.stdout.flush()
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(status), said, b"")


def _read_either(data: bytes, folder: Path) -> None:
    importlib.import_module("netCDF4")  # once, not in each fork
    forked = mock.patch.object(netcdf_hdf5.subprocess, "run", _forked)
    with forked, mock.patch("tempfile.tempdir", str(folder)):
        _read_sequences(data, folder)


_NAMES = tuple(name.encode() for name in (*sizes(), *arrays(), "targetClasses", "numLabels", "inputMeans"))
_JSON = (*TOKENS, b'"layers"', b'"weights"', b'"bias"', b'"input"', b'"internal"', b'"blstm"', b'"softmax"')
_KEYS = (
    b"configuration",
    b"info_rows",
    b"optimizer_cur_epoch",
    b"optimizer_best_weights",
    b"lstmcore",
    b";;;",
)
_NAMED = (
    b"train = false",
    b"=",
    b"#",
    b"true",
    b"inf",
    b"0.5",
    b"val_file",
    b"options_file",
    b"float64",
)

TARGETS = (
    Target("currennt-options", lambda _: [_OPTIONS, _FORWARD], _read_options, _NAMED),
    Target("currennt-network", _networks, _read_network, _JSON, ("n.jsn",)),
    Target("currennt-autosave", _autosaves, _read_autosave, (*_JSON, *_KEYS), ("x.autosave",)),
    Target("netcdf-classic", _classic, _read_either, _NAMES, ("x.nc",)),
)
if importlib.util.find_spec("netCDF4") is not None:
    _GOOD = [NETCDF4.read_bytes()]
    TARGETS += (Target("netcdf-hdf5", lambda _: _GOOD, _read_either, _NAMES, ("x.nc",), short=20),)
