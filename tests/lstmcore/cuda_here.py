"""What of CUDA there is: a GPU, Numba's simulator of one (NUMBA_ENABLE_CUDASIM=1), or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from numba import config

from lstmcore import EngineError, get_backend

SIMULATED = bool(config.ENABLE_CUDASIM)


def _missing() -> str:
    try:
        get_backend("cuda")
    except EngineError as error:
        return str(error)
    return ""


MISSING = _missing()
REASON = f"{MISSING}; the simulator runs these in test_cuda_simulator.py" if MISSING else ""
gpu = [pytest.mark.gpu, pytest.mark.skipif(bool(MISSING), reason=REASON)]
# Python runs the simulator's threads: what takes a GPU microseconds takes it minutes.
large = pytest.mark.skipif(SIMULATED, reason="too large for the simulator")


def on_gpu(*values: Any) -> Any:
    """Parameters of a test that needs CUDA."""
    return pytest.param(*values, marks=gpu)
