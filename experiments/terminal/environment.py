"""The machine and the versions that something was computed with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

_PACKAGES = ("lstmcore", "numpy", "numba", "scipy", "pandas", "opensmile", "soundfile", "safetensors")


def environment() -> dict[str, Any]:
    """Describe machine and versions."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "packages": {name: version_of(name) for name in _PACKAGES},
    }


def _processor() -> str:
    """Name, family and model of the processor, as well as the system tells them: one name may be many."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0]
        told = dict(re.split(r"\s*:\s*", line, maxsplit=1) for line in first.splitlines() if ":" in line)
        name = told["model name"]
    except (OSError, KeyError):
        return platform.processor() or platform.machine()
    if "cpu family" not in told:
        return name
    return f"{name} (family {told['cpu family']}, model {told.get('model', 'unknown')})"


def version_of(package: str) -> str | None:
    """Return the version of an installed package; None if it isn't there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def processors() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
