"""Small data files, and whether two hold the same."""

import dataclasses
from pathlib import Path

import numpy as np

from lstmcore.experiments.currennt.formats.netcdf import NetcdfData
from lstmcore.experiments.currennt.formats.netcdf_classic import classic_bytes


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
