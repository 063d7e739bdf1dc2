"""A change of the cell's equations reaches kernels that were compiled before it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import lstmcore

OUTPUT = """
import numpy as np
from lstmcore import LSTM, SequenceSet, initial_network, predict
network = initial_network(1, [LSTM(2)], np.random.default_rng(1), dtype="float64")
print(predict(network, SequenceSet.from_lists([np.ones((2, 1))], [np.ones((2, 2))], dtype="float64")).sum())
"""


def output(folder: Path) -> float:
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    command = [sys.executable, "-c", OUTPUT]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_a_changed_cell_is_compiled_anew(tmp_path):
    shutil.copytree(
        Path(lstmcore.__file__).parent, tmp_path / "lstmcore", ignore=shutil.ignore_patterns("__pycache__")
    )
    before = output(tmp_path)
    assert output(tmp_path) == before
    assert list(tmp_path.rglob("*.nbi"))
    cell = tmp_path / "lstmcore" / "cell.py"
    text = cell.read_text()
    assert "tanh(c) * o\n" in text
    cell.write_text(text.replace("tanh(c) * o\n", "tanh(c) * o + o\n"))
    assert abs(output(tmp_path) - before) > 0.1
