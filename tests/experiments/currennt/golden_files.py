"""Files of CURRENNT 0.2: data, networks, and what it wrote."""

import gzip
import json
from functools import cache
from pathlib import Path

GOLDEN = Path(__file__).parent.parent.parent / "golden" / "currennt"
FILES = GOLDEN / "files"
DATA = sorted(f for f in (FILES / "data").glob("*.nc") if "netcdf4" not in f.name)
NETCDF4 = FILES / "data" / "val3_netcdf4.nc"
NETWORKS = [*sorted((FILES / "nets").glob("*.jsn")), FILES / "samples" / "trained_network.jsn"]
AUTOSAVE = FILES / "samples" / "as_epoch010.autosave"


@cache
def twin(name: str):
    """What a data file holds, as JSON."""
    return json.loads(gzip.decompress((GOLDEN / "data" / f"{name}.json.gz").read_bytes()))
