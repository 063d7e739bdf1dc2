"""The CUDA kernels in Numba's simulator: the backends' own tests, small shapes, in a process of their own.

Whether kernels are compiled or simulated is settled when Numba is imported.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lstmcore.cuda_here import SIMULATED

HERE = Path(__file__).parent
# Golden cases with several epochs take the simulator minutes: those of one epoch are enough here, and one
# network's outputs of one sequence at a time.
GOLDEN = "cuda and float64 and (test_outputs and (ps3 or ps4 or blstm64) or grad)"
PARTS = {
    "kernels": (["test_backends.py"], "cuda", 6),
    "training": (["test_cuda.py", "test_divergence.py"], "", 39),
    "golden": (["test_against_currennt.py"], GOLDEN, 8),
}


@pytest.mark.slow
@pytest.mark.skipif(SIMULATED, reason="it is the simulator that runs this")
@pytest.mark.timeout(3600)  # dozens of tests, each with a limit of its own
@pytest.mark.parametrize("part", PARTS)
def test_in_the_simulator(part):
    files, chosen, least = PARTS[part]
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider"]
    command += ["-W", "ignore::RuntimeWarning", "-k", chosen, *(str(HERE / file) for file in files)]
    done = subprocess.run(
        command,
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"},
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= least, done.stdout[-2000:]
