"""Other vectors, other last digits, and no more: a training without AVX against one as it is here."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.widths import PROCESSORS

TRAINING = """
import json
import numpy as np
from lstmcore import LSTM, SGD, Linear, SequenceSet, Sets, Training, TrainingSettings
from lstmcore import initial_network, predict, train
from lstmcore.backends.cpu.tiles import VECTOR_BYTES

rng = np.random.default_rng(1)
inputs = [rng.standard_normal((frames, 19)) for frames in (30, 41, 25, 30)]
songs = SequenceSet.from_lists(inputs, [np.tanh(x[:, :2]) for x in inputs])
network = initial_network(19, [LSTM(21), LSTM(10), Linear(2)], 1)
settings = TrainingSettings(SGD(1e-2, momentum=0.9), input_noise=0.3, max_epochs=20, patience=20)
[best] = train([Training(network, Sets(songs, songs), settings, seed=1)])
print(json.dumps([VECTOR_BYTES, best.weights.tolist(), predict(best, inputs[0]).tolist()]))
"""


@functools.cache
def trained(**changed: str) -> tuple[int, np.ndarray, np.ndarray]:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", TRAINING], cwd=root, env=os.environ | changed, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    width, weights, outputs = json.loads(done.stdout)
    return width, np.array(weights), np.array(outputs)


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="glibc's settings make it another processor's"),
]


@pytest.mark.skipif(
    not PROCESSORS["AVX2"].can_be_played(), reason="this processor has no AVX2: other widths were not tried"
)
def test_the_width_of_vectors_changes_no_bit():
    """Where products are added up in one rounding: sums have one order, and lanes don't meet."""
    _, weights, outputs = trained()
    width, others, told = trained(**PROCESSORS["AVX2"].environment())
    assert width == 32
    assert np.array_equal(others, weights)
    assert np.array_equal(told, outputs)


def test_a_training_without_avx_comes_to_the_same_but_for_last_digits():
    here, weights, outputs = trained()
    there, others, told = trained(**PROCESSORS["generic"].environment())
    assert there == 16 <= here
    # In single precision; docs/reliability.md has what was measured.
    assert np.abs(others - weights).max() < 5e-6 * np.abs(weights).max()
    assert np.abs(told - outputs).max() < 5e-6
    assert np.ptp(outputs, 0).min() > 1
