"""One module for all backends: the same results as the reference, whatever the batch."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lstmcore import BLSTM, LSTM, SGD, SSE, EngineError, Linear, get_backend, pack, predict
from lstmcore.layers import LAYERS
from tests.lstmcore.cuda_here import MISSING, SIMULATED, large, on_gpu
from tests.lstmcore.networks import random_mixture, random_network, random_sequences

BACKENDS = [
    ("cpu", "float64", 1e-12),
    ("cpu", "float32", 1e-5),
    ("reference", "float64", 0.0),
    on_gpu("cuda", "float64", 1e-12),
    on_gpu("cuda", "float32", 1e-5),
]
EXAMPLES, MOST_UNITS, MOST_STEPS = (5, 3, 4) if SIMULATED else (40, 9, 12)


def outputs_and_gradient(name, network, sequences):
    backend = get_backend(name)
    workspace = backend.workspace(network)
    batch = pack(sequences, np.arange(len(sequences)))
    outputs = backend.forward(network, batch, workspace).copy()
    gradient = np.full_like(network.weights, np.nan)
    backend.backward(network, batch, workspace, SSE.signal(outputs, batch.targets, batch.sequence), gradient)
    return outputs, gradient


kind = st.sampled_from(list(LAYERS.values()))
any_layer = st.builds(
    lambda k, half, bias: k(2 * half, bias), kind, st.integers(1, MOST_UNITS), st.sampled_from([1.0, 0.5])
)


@pytest.mark.parametrize(("name", "dtype", "tolerance"), BACKENDS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    hidden=st.lists(any_layer, min_size=1, max_size=3),
    lengths=st.lists(st.integers(1, MOST_STEPS), min_size=1, max_size=6),
    scale=st.sampled_from([1.0, 40.0]),  # 40: the limit on the deltas acts
    seed=st.integers(0, 1000),
)
def test_outputs_and_gradient_are_the_references(name, dtype, tolerance, hidden, lengths, scale, seed):
    layers = [*hidden, Linear(2, 1.3)]
    network, sequences = random_mixture(3, layers, seed), random_sequences(lengths, 3, 2, seed)
    sequences.targets[:] *= scale
    expected = outputs_and_gradient("reference", network, sequences)
    found = outputs_and_gradient(
        name,
        random_mixture(3, layers, seed, dtype),
        type(sequences)(sequences.inputs.astype(dtype), sequences.targets.astype(dtype), sequences.lengths),
    )
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.abs(theirs).max())


@large
@pytest.mark.parametrize(("name", "dtype", "tolerance"), BACKENDS)
@pytest.mark.parametrize(
    "lengths",
    [
        [1400],  # many steps
        [90, 71, 71, 60, 33, 20, 9, 2, 1, 1],
        list(range(1, 160)),  # many sequences, more at once than are computed in one go
    ],
    ids=["long", "ragged", "many"],
)
def test_large_batches(name, dtype, tolerance, lengths):
    layers = [LSTM(9, 0.5), BLSTM(6), Linear(2)]
    sequences = random_sequences(lengths, 3, 2, 7)
    expected = outputs_and_gradient("reference", random_mixture(3, layers, 7), sequences)
    found = outputs_and_gradient(
        name,
        random_mixture(3, layers, 7, dtype),
        type(sequences)(sequences.inputs.astype(dtype), sequences.targets.astype(dtype), sequences.lengths),
    )
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.abs(theirs).max())


@pytest.mark.parametrize(("name", "dtype", "tolerance"), BACKENDS)
def test_update(name, dtype, tolerance):
    weights, deltas, gradient = np.random.default_rng(1).standard_normal((3, 50)).astype(dtype)
    expected = 0.9 * deltas - 0.1 * gradient
    moved = weights + expected
    get_backend(name).update(weights, deltas, gradient, SGD(0.1, 0.9))
    np.testing.assert_allclose(deltas, expected, rtol=0, atol=max(tolerance, 1e-15))
    np.testing.assert_allclose(weights, moved, rtol=0, atol=max(tolerance, 1e-15))


@pytest.mark.parametrize(("name", "tolerance"), [("cpu", 0.0), ("reference", 1e-14), on_gpu("cuda", 0.0)])
def test_a_sequence_does_not_depend_on_its_neighbours(name, tolerance):
    network, sequences = random_network(3, [(7, 1.0)], 2), random_sequences([5, 2, 9, 1], 3, 2)
    alone = predict(network, sequences, backend=name, parallel_sequences=1)
    together = predict(network, sequences, backend=name, parallel_sequences=4)
    np.testing.assert_allclose(alone, together, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["cpu", on_gpu("cuda")])
def test_a_workspace_serves_batches_of_any_shape(name):
    network, backend = random_network(3, [(4, 1.0), (3, 1.0)], 2), get_backend(name)
    workspace = backend.workspace(network)
    for lengths in ([3, 2], [9, 9, 9], [1], [2, 12]):
        batch = pack(random_sequences(lengths, 3, 2), np.arange(len(lengths)))
        used = backend.forward(network, batch, workspace).copy()
        new = backend.forward(network, batch, backend.workspace(network))
        np.testing.assert_array_equal(used, new)


def test_the_reference_refuses_float32():
    with pytest.raises(EngineError, match="float64"):
        get_backend("reference").workspace(random_network(2, [(2, 1.0)], 1, dtype="float32"))


@pytest.mark.skipif(not MISSING, reason="there is a GPU, or the simulator of one")
def test_a_gpu_that_is_missing_is_named_with_what_to_do():
    with pytest.raises(EngineError, match=r"the backend 'cuda' .*pip install .*'numba-cuda\[cu12\]>="):
        get_backend("cuda")


def test_an_unknown_backend_is_named_with_the_nearest():
    with pytest.raises(EngineError, match=r"unknown backend 'cpus'.*did you mean 'cpu'"):
        get_backend("cpus")


@pytest.mark.parametrize("name", ["cpu", "reference", on_gpu("cuda")])
def test_networks_of_one_shape_predict_in_one_workspace(name):
    networks = [random_network(3, [(4, 1.0)], 2, seed=seed) for seed in (1, 2)]
    songs = random_sequences([7, 4], 3, 2)
    workspace = get_backend(name).workspace(networks[0])
    for network in networks:
        alone = predict(network, songs, backend=name)
        np.testing.assert_array_equal(predict(network, songs, backend=name, workspace=workspace), alone)
