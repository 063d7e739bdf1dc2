"""One module for all backends: the same results as the reference, whatever the batch."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lstmcore import BLSTM, LSTM, SGD, SSE, EngineError, Linear, SequenceSet, get_backend, pack, predict
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
OTHERS = [*BACKENDS[:2], *BACKENDS[3:]]  # than the reference
LAYERS_OF_LARGE = [LSTM(9, 0.5), BLSTM(6), Linear(2)]
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


def one_cell(w, b, r, p, inputs, signal, bound):
    """Free and limited deltas of an LSTM of one unit written down once more, each of shape (frames, 4)."""
    squash, h, c, steps = (lambda x: 1 / (1 + np.exp(-x))), 0.0, 0.0, []
    for x in inputs:
        net, before = w * x + r * h + b, c
        z, i, f = np.tanh(net[0]), squash(net[1] + p[0] * c), squash(net[2] + p[1] * c)
        c = z * i + c * f
        o = squash(net[3] + p[2] * c)
        h = np.tanh(c) * o
        steps.append((z, i, f, o, before, c))
    free, limited, carry = [], [np.zeros(4)], 0.0
    for (z, i, f, o, before, c), error in zip(reversed(steps), reversed(signal), strict=True):
        e = error + r @ limited[0]
        d_o = o * (1 - o) * np.tanh(c) * e
        inner = o * (1 - np.tanh(c) ** 2) * e + p[2] * d_o + carry
        free.insert(0, [i * (1 - z**2) * inner, i * (1 - i) * z * inner, f * (1 - f) * before * inner, d_o])
        limited.insert(0, np.clip(free[0], -bound, bound))
        carry = f * inner + p[0] * limited[0][1] + p[1] * limited[0][2]
    return np.array(free), np.array(limited[:-1])


@pytest.mark.parametrize(("name", "dtype", "tolerance"), BACKENDS)
def test_the_limit_on_the_deltas_binds_in_each_gate(name, dtype, tolerance):
    rng = np.random.default_rng(4)
    (w, b, r), p = rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, 3)
    inputs, signal, bound = rng.standard_normal(8), 4 * rng.standard_normal(8), 0.05
    free, limited = one_cell(w, b, r, p, inputs, signal, bound)
    assert (np.abs(free) > bound).any(0).all()  # in every gate somewhere
    assert (np.abs(free) < bound).any(0).all()
    network = random_mixture(1, [LSTM(1), Linear(1)], 1, dtype)
    lstm, linear = network.parameters
    lstm["W"][:, 0, 0], lstm["b"][:, 0], lstm["R"][:, 0, 0], lstm["p"][:, 0] = w, b, r, p
    linear["W"][:] = 1
    backend, batch = (
        get_backend(name),
        pack(SequenceSet.from_lists([inputs[:, None]], dtype=dtype), np.arange(1)),
    )
    workspace, gradient = backend.workspace(network), np.zeros_like(network.weights)
    backend.forward(network, batch, workspace)
    backend.backward(network, batch, workspace, signal[:, None].astype(dtype), gradient, bound)
    found = network.architecture.views(gradient)[0]
    np.testing.assert_allclose(found["b"][:, 0], limited.sum(0), rtol=0, atol=max(tolerance, 1e-14))
    np.testing.assert_allclose(found["W"][:, 0, 0], inputs @ limited, rtol=0, atol=max(tolerance, 1e-14))


@functools.cache
def of_the_reference(lengths):
    return outputs_and_gradient(
        "reference", random_mixture(3, LAYERS_OF_LARGE, 7), random_sequences(lengths, 3, 2, 7)
    )


@large
@pytest.mark.parametrize(("name", "dtype", "tolerance"), OTHERS)
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
    sequences, expected = random_sequences(lengths, 3, 2, 7), of_the_reference(tuple(lengths))
    found = outputs_and_gradient(
        name,
        random_mixture(3, LAYERS_OF_LARGE, 7, dtype),
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
