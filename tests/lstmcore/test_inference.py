"""The pass that keeps nothing: the bits of the pass that training has, in memory that is used again."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lstmcore import (
    BLSTM,
    LSTM,
    SSE,
    Convolution,
    EngineError,
    Linear,
    Logistic,
    MaxPool,
    PackedNetwork,
    Softmax,
    Tanh,
    evaluate,
    get_backend,
    predict,
)
from lstmcore.backends.cpu import backend as cpu, inference
from lstmcore.batches import pack
from tests.lstmcore.networks import random_mixture, random_network, random_sequences

_FIRST = Convolution(shape=(2, 3, 1), window=(2, 2), filters=4, activation="tanh")
LAYERS = {
    "lstm": [LSTM(20, 0.7), LSTM(9), Linear(2)],
    "blstm": [BLSTM(18), Tanh(7), Linear(2, 0.5)],
    "feedforward": [Tanh(33), Logistic(5), Softmax(3), Linear(2)],
    "wide": [LSTM(70), Linear(2)],
    "blocks": [_FIRST, MaxPool(shape=_FIRST.output_shape, window=(1, 2)), LSTM(5), Linear(2)],
}
LENGTHS = [[1], [130], [30, 7, 7, 1], [3] * 11, [9, 9, 2] * 8]


def _expected(network, songs):
    """Outputs of the pass that training has, each sequence by itself."""
    backend, result = get_backend("cpu"), np.empty((songs.frames, 2), network.dtype)
    workspace = backend.workspace(network)
    for number in range(len(songs)):
        batch = pack(songs, np.array([number]))
        result[batch.rows] = backend.forward(network, batch, workspace)
    return result


@pytest.fixture
def small_parts(monkeypatch):
    """Cut small batches, too, and share them out."""
    monkeypatch.setattr(inference, "_PORTION", 7)
    monkeypatch.setattr(inference, "_SIDE_BY_SIDE", 3)
    monkeypatch.setattr(cpu, "_MUCH_TO_COMPUTE", 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.usefixtures("small_parts")
def test_it_has_the_bits_of_the_other_pass(layers, lengths, dtype):
    network = random_mixture(6, LAYERS[layers], seed=3, dtype=dtype)
    songs = random_sequences(lengths, 6, 2, seed=4, dtype=dtype)
    expected = _expected(network, songs)
    for threads, together in ((1, 1), (1, 16), (2, 16), (3, len(lengths))):
        found = predict(network, songs, threads=threads, parallel_sequences=together)
        np.testing.assert_array_equal(found, expected)
        found = PackedNetwork(network, threads).predict(songs, parallel_sequences=together)
        np.testing.assert_array_equal(found, expected)


def test_parts_hold_each_sequence_once():
    batch = pack(random_sequences([90, 4, 3, 3, 2, 1] * 30, 1, 1), np.arange(180))
    for threads in (1, 2, 3):
        parts = inference._parts(batch, threads)
        assert [s for left, right in parts for s in range(left, right)] == list(range(180))
        assert len(parts) > 1
    one = pack(random_sequences([5], 1, 1), np.arange(1))
    assert inference._parts(one, 1) == inference._parts(one, 4) == [(0, 1)]


def test_weights_may_change_between_two_passes():
    """Memory is kept, packed weights in it."""
    network, songs = random_network(6, [(8, 1.0)], 2), random_sequences([20, 9], 6, 2)
    workspace = get_backend("cpu").workspace(network)
    for given in (None, workspace):
        network.weights[:] *= -0.9
        found = predict(network, songs, workspace=given)
        np.testing.assert_array_equal(found, _expected(network, songs))


def test_a_thread_keeps_the_memory_of_one_network():
    small, large = (random_network(6, [(units, 1.0)], 2) for units in (8, 9))
    songs = random_sequences([20, 9], 6, 2)
    predict(small, songs)
    first = inference._kept.memory
    predict(small.copy(), songs)
    assert inference._kept.memory is first
    predict(large, songs)
    assert inference._kept.memory is not first


def test_much_memory_is_given_back(monkeypatch):
    network, songs = random_network(6, [(8, 1.0)], 2), random_sequences([20, 9], 6, 2)
    monkeypatch.setattr(inference, "_KEPT", 29 * (6 + 10) * 8 - 1)  # frames, inputs, units and outputs, bytes
    predict(network, songs)
    assert inference._kept.memory is None
    monkeypatch.setattr(inference, "_KEPT", 29 * (6 + 10) * 8)
    predict(network, songs)
    assert inference._kept.memory is not None


def test_a_pass_within_a_pass_has_memory_of_its_own():
    network, other = (random_network(6, [(8, 1.0)], 2, seed=k) for k in (1, 2))
    songs = random_sequences([20, 9, 9], 6, 2)

    class Asking(type(SSE)):
        def error(self, outputs, targets, sequence):
            predict(other, songs)
            return super().error(outputs, targets, sequence)

    found = evaluate(network, songs, objective=Asking(), parallel_sequences=1)
    assert found.error == evaluate(network, songs, parallel_sequences=1).error


def test_threads_of_the_caller_dont_share_memory():
    networks = [random_network(6, [(40, 1.0)], 2, seed=k) for k in range(4)]
    songs = random_sequences([60] * 20, 6, 2)
    expected = [predict(network, songs) for network in networks]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for found, one in zip(pool.map(lambda n: predict(n, songs), networks), expected, strict=True):
                np.testing.assert_array_equal(found, one)


def test_a_pass_leaves_the_other_passs_memory_alone():
    """`backward` goes on from the last `forward`."""
    network, songs = random_network(6, [(8, 1.0)], 2), random_sequences([20, 9], 6, 2)
    backend, gradients = get_backend("cpu"), []
    for between in (False, True):
        workspace, batch = backend.workspace(network), pack(songs, np.arange(2))
        signal = backend.forward(network, batch, workspace) - batch.targets
        if between:
            predict(network, random_sequences([3], 6, 2), backend=backend, workspace=workspace)
        gradients.append(np.full_like(network.weights, np.nan))
        backend.backward(network, batch, workspace, signal, gradients[-1])
    np.testing.assert_array_equal(*gradients)


def test_a_workspace_of_another_network_is_refused():
    network, other = random_network(6, [(8, 1.0)], 2), random_network(6, [(9, 1.0)], 2)
    with pytest.raises(EngineError, match="the workspace was made for"):
        predict(network, random_sequences([3], 6, 2), workspace=get_backend("cpu").workspace(other))


# --- packed once ---------------------------------------------------------------------------------


@pytest.fixture
def packings(monkeypatch):
    """Widths of the panels for which weights were packed."""
    widths, pack_weights = [], inference._pack

    def counted(layers, network, width):
        widths.append(width)
        return pack_weights(layers, network, width)

    monkeypatch.setattr(inference, "_pack", counted)
    return widths


def test_a_packed_network_is_packed_once_for_each_width(packings):
    network = random_network(6, [(8, 1.0)], 2)
    songs = [random_sequences([20] * count, 6, 2) for count in (1, 2, 3, 4, 9, 1)]
    packed = PackedNetwork(network)
    for _ in range(3):
        for some in songs:
            np.testing.assert_array_equal(packed.predict(some), _expected(network, some))
    assert len(packings) == len(set(packings)) == 3
    predict(network, songs[0])
    assert len(packings) == 4


@pytest.mark.parametrize("layers", LAYERS)
def test_a_packed_network_is_a_copy(layers):
    network, songs = random_mixture(6, LAYERS[layers], seed=3), random_sequences([20, 9], 6, 2)
    packed, expected = PackedNetwork(network), _expected(network, songs)
    network.weights[:] *= -0.9
    np.testing.assert_array_equal(packed.predict(songs), expected)
    assert not np.array_equal(predict(network, songs), expected)


def test_packed_networks_of_one_shape_share_a_threads_memory():
    networks = [random_network(6, [(8, 1.0)], 2, seed=k) for k in range(2)]
    songs = random_sequences([20, 9], 6, 2)
    packed = [PackedNetwork(network) for network in networks]
    packed[0].predict(songs)
    first = inference._kept.memory
    for _ in range(2):
        for one, network in zip(packed, networks, strict=True):
            np.testing.assert_array_equal(one.predict(songs), _expected(network, songs))
            np.testing.assert_array_equal(predict(network, songs), one.predict(songs))
    assert inference._kept.memory is first


def test_threads_of_the_caller_share_a_packed_network():
    network = random_network(6, [(40, 1.0)], 2)
    songs = [random_sequences([60] * count, 6, 2, seed=count) for count in (1, 3, 20, 30)]
    expected = [predict(network, some) for some in songs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            packed = PackedNetwork(network)
            for found, one in zip(pool.map(packed.predict, songs), expected, strict=True):
                np.testing.assert_array_equal(found, one)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_a_packed_network_can_be_copied_and_pickled(again):
    network, songs = random_network(6, [(8, 1.0)], 2), random_sequences([20, 9], 6, 2)
    found = again(PackedNetwork(network, threads=2))
    np.testing.assert_array_equal(found.predict(songs), predict(network, songs))
    assert found._backend.threads == 2


def test_a_packed_network_takes_what_predict_takes():
    network, songs = random_network(6, [(8, 1.0)], 2), random_sequences([20, 9], 6, 2)
    packed, listed = PackedNetwork(network), songs.split(songs.inputs)
    for found, one in zip(packed.predict(listed), predict(network, listed), strict=True):
        np.testing.assert_array_equal(found, one)
    np.testing.assert_array_equal(packed.predict(listed[0]), predict(network, listed[0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n: PackedNetwork(n.architecture), "expected a Network"),
        (lambda n: PackedNetwork(n, 0), "threads is 0"),
        (lambda n: PackedNetwork(n, 1.5), "threads is 1.5"),
        (lambda n: PackedNetwork(n).predict(np.zeros((4, 5))), "5 inputs in float64; the network needs 6"),
        (lambda n: PackedNetwork(n).predict(np.full((4, 6), np.nan)), "0: nan; expected a finite"),
        (
            lambda n: PackedNetwork(n).predict(np.zeros((4, 6)), parallel_sequences=0),
            "parallel_sequences is 0",
        ),
        (lambda n: PackedNetwork(n).predict([]), "sequence"),
    ],
)
def test_what_a_packed_network_refuses(call, message):
    with pytest.raises(EngineError, match=message):
        call(random_network(6, [(8, 1.0)], 2))
