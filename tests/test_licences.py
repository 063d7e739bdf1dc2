"""Licences of all that an installation brings along, base and extras: free ones, and one named exception."""

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

EXTRAS = (
    *("cuda", "dask", "export", "media", "mlflow", "netcdf4", "parquet", "search", "serve", "sklearn"),
    "tensorboard",
)
# One of these words, or a name in which one stands, for each part of what a package says.
FREE = (
    "Apache",
    "BSD",
    "MIT",
    "ISC",
    "MPL",
    "Mozilla",
    "PSF",
    "Python Software Foundation",
    "0BSD",
    "Zlib",
    "CC0",
)
# What packages don't say in their description, read in their files.
SAID_ELSEWHERE = {"pympi-ling": "MIT"}
ROOT = Path(__file__).parent.parent


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def brought_along(name: str, extras: tuple[str, ...], found: dict[str, metadata.Distribution]) -> None:
    """Put what a package needs to `found`, as far as it's installed."""
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return
    if canonical(name) in found:
        return
    found[canonical(name)] = distribution
    for line in distribution.requires or []:
        needed = Requirement(line)
        environments = [{"extra": extra} for extra in ("", *extras)]
        if needed.marker is None or any(needed.marker.evaluate(e) for e in environments):
            brought_along(needed.name, tuple(needed.extras), found)


def licence(distribution: metadata.Distribution) -> str:
    about = distribution.metadata
    classified = [c.split("::")[-1].strip() for c in about.get_all("Classifier", []) if c[:7] == "License"]
    listed = "; ".join(c for c in classified if c != "OSI Approved")
    return about.get("License-Expression") or listed or (about.get("License") or "").partition("\n")[0]


def is_free(text: str) -> bool:
    parts = re.split(r"\s+(?:AND|OR)\s+|;", text.removesuffix(" WITH LLVM-exception"))
    return all(any(word in part for word in FREE) and "GPL" not in part.replace("MPL", "") for part in parts)


def test_all_that_is_brought_along_is_free_software():
    found: dict[str, metadata.Distribution] = {}
    brought_along("lstmcore", EXTRAS, found)
    assert {"numpy", "numba", "opensmile", "pydantic"} <= found.keys()
    said = {name: SAID_ELSEWHERE.get(name) or licence(one) for name, one in found.items()}
    assert not {name: text for name, text in said.items() if not is_free(text)}


def test_no_licence_that_asks_for_more_passes():
    for text in ("GPL-3.0-or-later", "GNU General Public License v3 (GPLv3)", "LGPL-2.1", "", "Proprietary"):
        assert not is_free(text)
    assert not is_free("MIT AND GPL-3.0-only")
    assert is_free("BSD-2-Clause AND Apache-2.0 WITH LLVM-exception")
    assert is_free("Mozilla Public License 2.0 (MPL 2.0)")


def test_what_packages_hold_beside_their_own_is_named():
    """openSMILE's library isn't its Python package's; two wheels have libraries under the LGPL inside."""
    text = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    for word in ("openSMILE", "non-commercial", "libsndfile", "FFmpeg", "LGPL"):
        assert word in text
