"""Numbers too small to be normal, and gates that are shut: the results stay those of the reference."""

import numpy as np
import pytest

from lstmcore import SGD, Network, SequenceSet, StreamingNetwork, get_backend, pack, predict
from tests.lstmcore.networks import random_network, random_sequences

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
FORGET_BIAS = 0.4  # the gate then is 0.6, and the smallest number times 0.6 is rounded up to itself


def scaled(dtype, weights=1.0, inputs=1.0, frames=30):
    network = random_network(6, [(9, 1.0), (8, 1.0)], 2, dtype=dtype)
    network.weights[:] *= weights
    sequences = random_sequences([frames, 7], 6, 2, dtype=dtype)
    sequences.inputs[:] *= inputs
    return network, sequences


def fading(dtype, frames=30):
    """Silence after three frames, no bias but that of the forget gate, and each unit for itself."""
    network, sequences = scaled(dtype, frames=frames)
    for pieces in network.parameters:
        pieces["b"][:] = 0
    for pieces in network.parameters[:-1]:
        pieces["b"][2] = FORGET_BIAS
        pieces["R"][:] = 0
        pieces["p"][:] = 0
    for part in sequences.split(sequences.inputs):
        part[3:] = 0
    return network, sequences


CASES = {
    "saturated": lambda dtype: scaled(dtype, weights=50, frames=8),
    "tiny weights": lambda dtype: scaled(dtype, weights=1e-20),
    "tiny inputs": lambda dtype: scaled(dtype, inputs=1e-30),
    "both tiny": lambda dtype: scaled(dtype, weights=1e-20, inputs=1e-30),
    "denormal inputs": lambda dtype: scaled(dtype, inputs=np.finfo(dtype).tiny / 8),
    "fading": fading,
}


def outputs_and_gradient(name, network, sequences):
    backend = get_backend(name)
    workspace = backend.workspace(network)
    batch = pack(sequences, np.arange(len(sequences)))
    outputs = backend.forward(network, batch, workspace).copy()
    gradient = np.full_like(network.weights, np.nan)
    backend.backward(network, batch, workspace, outputs - batch.targets, gradient)
    return outputs, gradient


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradient_are_the_references(case, dtype):
    network, sequences = CASES[case](dtype)
    found = outputs_and_gradient("cpu", network, sequences)
    wide = Network(network.architecture, network.weights.astype("float64"))
    inputs, targets = sequences.inputs.astype("float64"), sequences.targets.astype("float64")
    expected = outputs_and_gradient("reference", wide, SequenceSet(inputs, targets, sequences.lengths))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE[dtype] * np.abs(theirs).max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_long_silence_fades_to_nothing(dtype):
    network, sequences = fading(dtype, frames=2500)
    stream, outputs = StreamingNetwork(network), []
    for frame in sequences.inputs[:2500]:
        outputs.append(stream.step(frame))
    np.testing.assert_array_equal(outputs, predict(network, sequences)[:2500])
    for nothing in (stream.state, outputs[-1]):
        assert (np.abs(nothing) < np.finfo(dtype).tiny).all()


@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_momentum_fades_to_nothing(name):
    network, backend = random_network(3, [(4, 1.0)], 2), get_backend(name)
    deltas, nothing = np.full_like(network.weights, -0.1), np.zeros_like(network.weights)
    for _ in range(8000):
        backend.update(network.weights, deltas, nothing, SGD(1e-3, 0.9))
    assert (np.abs(deltas) < np.finfo("float64").tiny).all()
    before = network.weights.copy()
    backend.update(network.weights, deltas, nothing, SGD(1e-3, 0.9))
    np.testing.assert_array_equal(network.weights, before)


def test_the_caller_keeps_its_denormals():
    tenth = np.float32(0.1)
    for network, sequences in (CASES["tiny weights"]("float32"), CASES["fading"]("float32")):
        outputs_and_gradient("cpu", network, sequences)
        StreamingNetwork(network).step(sequences.inputs[0])
        get_backend("cpu").update(network.weights, network.weights.copy(), network.weights, SGD())
    assert np.finfo("float32").tiny * tenth > 0
