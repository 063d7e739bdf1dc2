"""The GPU: its name, its driver, what CUDA there is."""

from __future__ import annotations

import subprocess
from typing import Any

from lstmcore.experiments.terminal.environment import version_of

_PACKAGES = ("numba-cuda", "cuda-bindings", "cuda-toolkit", "nvidia-cuda-nvcc", "nvidia-cuda-nvrtc")


def describe_gpu() -> dict[str, str]:
    """Describe the GPU that is used.

    Returns
    -------
    dict of str to str
        ``name``, ``memory``, ``multiprocessors``, ``compute capability``, ``driver``, ``CUDA`` (of the
        driver and of what compiles) and versions of packages, as far as they can be found out.

    Raises
    ------
    RuntimeError
        If there is none, or no driver or package for it; the message says which.
    """
    cuda = _numba_cuda()
    device = cuda.get_current_device()
    memory = cuda.current_context().get_memory_info()
    name = device.name
    found = {
        "name": name.decode() if isinstance(name, bytes) else str(name),
        "memory": f"{memory.total / 2**30:.0f} GiB, {memory.free / 2**30:.0f} GiB free",
        "multiprocessors": str(device.MULTIPROCESSOR_COUNT),
        "compute capability": ".".join(map(str, device.compute_capability)),
        "driver": _driver() or "unknown",
        "CUDA": _cuda_versions(cuda),
    }
    return found | {name: version for name in _PACKAGES if (version := version_of(name))}


def simulated() -> bool:
    """Return whether Numba simulates the GPU, as ``NUMBA_ENABLE_CUDASIM=1`` makes it do."""
    from numba.core import config

    return bool(config.ENABLE_CUDASIM)


def _numba_cuda() -> Any:
    try:
        from numba import cuda as numba_cuda
    except ImportError as error:
        raise RuntimeError(f"numba.cuda is not there: {error}") from None
    cuda: Any = numba_cuda  # it has no types
    if simulated():
        raise RuntimeError("Numba simulates it (NUMBA_ENABLE_CUDASIM is set)")
    if not cuda.is_available():
        reason = str(cuda.cuda_error() or "no GPU, or no driver for it")
        raise RuntimeError(" ".join(reason.split()))
    return cuda


def _driver() -> str | None:
    """Return the driver's version as its own tool prints it."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().partition("\n")[0]


def _cuda_versions(cuda: Any) -> str:
    from numba.cuda.cudadrv.driver import driver

    def told(version: Any) -> str:
        return ".".join(map(str, version())) if callable(version) else "unknown"

    runtime = getattr(cuda.runtime, "get_version", None)
    return f"{told(getattr(driver, 'get_version', None))} in the driver, {told(runtime)} to compile with"
