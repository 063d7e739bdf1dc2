"""The machine and the versions that something was computed with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PACKAGES = (
    *("lstmcore", "numpy", "numba", "llvmlite", "scipy", "pandas", "opensmile", "soundfile", "safetensors"),
)
_VECTORS = ("avx", "avx2", "avx512f", "fma")
_NO_RESULT_DEPENDS_ON = ("system",)  # as a whole: its kernel; the C library stands apart


def environment() -> dict[str, Any]:
    """Describe machine and versions: what the last digits of results may depend on."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "c_library": " ".join(platform.libc_ver()).strip(),
        "processor": _processor(),
        "compiled_for": _compiled_for(),
        "blas": _blas(),
        "packages": {name: version_of(name) for name in _PACKAGES},
    }


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Say in what one environment differs from another, of what both tell.

    Parameters
    ----------
    there, here
        As `environment` returns them, now or in an earlier version.
    """
    found = []
    for key in there.keys() & here.keys() - {*_NO_RESULT_DEPENDS_ON}:
        a, b = there[key], here[key]
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b)
        elif a != b:
            found.append(f"{key.replace('_', ' ')} {_told(a)} there, {_told(b)} here")
    return sorted(found)


def _told(value: object) -> str:
    return "none" if value in (None, "") else str(value)


def _compiled_for() -> str:
    """Processor that Numba compiles for, as LLVM calls it, and of what it has what changes results."""
    import numba.core.registry

    registry: Any = numba.core.registry  # it has no types
    _, name, features = registry.cpu_target.target_context.codegen().magic_tuple()
    has = [one for one in _VECTORS if f"+{one}" in features.split(",")]
    return f"{name} ({', '.join(has) or 'no AVX'})"


def _blas() -> str:
    """Libraries of linear algebra that NumPy and SciPy have loaded, and the processor they compute for."""
    import numpy  # noqa: F401  (loads it)
    from threadpoolctl import threadpool_info

    found = {
        f"{one['internal_api']} for {one.get('architecture')}"
        for one in threadpool_info()
        if one.get("user_api") == "blas"
    }
    return ", ".join(sorted(found))


def _processor() -> str:
    """Name, family and model of the processor, as well as the system tells them: one name may be many."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0]
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
