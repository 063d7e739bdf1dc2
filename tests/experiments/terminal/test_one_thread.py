"""SciPy's BLAS computes on one thread in a run, though it is loaded after the run has begun."""

import json
import os
import subprocess
import sys

import pytest

RUN = """
import json, sys
import numpy as np
from threadpoolctl import threadpool_info
from lstmcore.experiments.run.experiment import run_experiment
from lstmcore.experiments.scoring.solvers import ProductSolver
from lstmcore.experiments.terminal.one_thread import one_thread, use_scipy

def threads():
    return [one["num_threads"] for one in threadpool_info()]

told = {}
with one_thread():
    told["before"] = "scipy.linalg" in sys.modules
    rows = np.random.default_rng(1).standard_normal((20, 4))
    ProductSolver([ProductSolver.kept(None, [np.hstack([np.ones((20, 1)), rows])])], 1)
    told["within"] = threads()
    with one_thread():
        use_scipy()
    told["after another"] = threads()
told["behind"] = threads()
use_scipy()
told["alone"] = threads()
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told():
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    command = [sys.executable, "-c", RUN]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_run_begins_without_scipy(told):
    assert told["before"] is False


def test_what_is_loaded_later_computes_on_one_thread_too(told):
    assert len(told["within"]) >= 2  # NumPy's and SciPy's
    assert set(told["within"]) == {1}
    assert set(told["after another"]) == {1}


def test_whoever_computes_outside_of_a_run_has_all_threads(told):
    assert set(told["behind"]) == set(told["alone"]) == {2}
