"""A frame at a time gives what the whole sequence gives, and the state can be kept."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lstmcore import BLSTM, LSTM, EngineError, Linear, Logistic, Softmax, StreamingNetwork, Tanh, predict
from tests.lstmcore.networks import random_mixture, random_network, random_sequences

any_layer = st.builds(
    lambda kind, size, bias: kind(size, bias),
    st.sampled_from([LSTM, Linear, Tanh, Logistic, Softmax]),
    st.integers(1, 40),
    st.sampled_from([1.0, 0.3, 0.0]),
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=60, deadline=None)
@given(
    layers=st.lists(any_layer, min_size=1, max_size=4),
    inputs=st.integers(1, 40),
    streams=st.integers(1, 9),
    frames=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_outputs_have_the_bits_of_whole_sequences(dtype, layers, inputs, streams, frames, seed):
    network = random_mixture(inputs, layers, seed, dtype)
    outputs = network.architecture.output_size
    sequences = random_sequences([frames] * streams, inputs, outputs, seed, dtype)
    expected = predict(network, sequences)
    x = sequences.inputs.reshape(streams, frames, inputs)
    together = StreamingNetwork(network, streams)
    found = np.stack([together.step(x[:, t]) for t in range(frames)], axis=1)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.reshape(-1, outputs), expected)
    alone = StreamingNetwork(network)
    np.testing.assert_array_equal([alone.step(frame) for frame in x[0]], expected[:frames])


@pytest.fixture
def network():
    return random_network(3, [(5, 1.0), (4, 0.5)], 2, dtype="float32")


def frames_of(count, *shape):
    return np.random.default_rng(7).standard_normal((count, *shape)).astype("float32")


def test_reset_begins_a_new_sequence(network):
    stream, frames = StreamingNetwork(network), frames_of(5, 3)
    first = [stream.step(frame) for frame in frames]
    assert not np.array_equal(stream.step(frames[0]), first[0])
    stream.reset()
    np.testing.assert_array_equal([stream.step(frame) for frame in frames], first)


def test_a_saved_state_is_gone_on_from(network):
    stream, frames = StreamingNetwork(network), frames_of(6, 3)
    for frame in frames[:3]:
        stream.step(frame)
    saved = stream.state
    assert saved.shape == (18,)
    before = saved.copy()
    expected = [stream.step(frame) for frame in frames[3:]]
    np.testing.assert_array_equal(saved, before)
    stream.state = saved
    np.testing.assert_array_equal([stream.step(frame) for frame in frames[3:]], expected)
    other = StreamingNetwork(network, 2)
    other.state = [saved, np.zeros(18)]
    np.testing.assert_array_equal(other.step(frames[[3, 0]])[0], expected[0])
    np.testing.assert_array_equal(other.state[1], _state_after(network, frames[0]))


def _state_after(network, frame):
    stream = StreamingNetwork(network)
    stream.step(frame)
    return stream.state


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_goes_its_own_way(network, copied):
    stream, frames = StreamingNetwork(network), frames_of(3, 3)
    stream.step(frames[0])
    other = copied(stream)
    expected = [stream.step(frame) for frame in frames[1:]]
    np.testing.assert_array_equal([other.step(frame) for frame in frames[1:]], expected)


def test_weights_are_those_of_the_beginning(network):
    stream, frame = StreamingNetwork(network), frames_of(1, 3)[0]
    expected = StreamingNetwork(network).step(frame)
    network.weights[:] = 0
    np.testing.assert_array_equal(stream.step(frame), expected)


def test_outputs_are_written_where_they_are_wanted(network):
    stream, other, frames = StreamingNetwork(network), StreamingNetwork(network), frames_of(4, 3)
    out = np.full((4, 2), np.nan)
    for frame, row in zip(frames, out, strict=True):
        assert stream.step(frame.tolist(), out=row) is row
    np.testing.assert_array_equal(out, [other.step(frame) for frame in frames])


def test_a_returned_array_is_not_written_to_again(network):
    stream, frames = StreamingNetwork(network), frames_of(2, 3)
    first = stream.step(frames[0])
    kept = first.copy()
    stream.step(frames[1])
    np.testing.assert_array_equal(first, kept)


def test_a_step_keeps_no_memory(network):
    stream, frame, out = StreamingNetwork(network), frames_of(1, 3)[0], np.empty(2, "float32")
    stream.step(frame, out)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(1000):
        stream.step(frame, out)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 1000


def test_a_network_without_memory_has_an_empty_state():
    stream = StreamingNetwork(random_mixture(3, [Tanh(4), Softmax(2)]), 2)
    assert stream.state.shape == (2, 0)
    stream.state = stream.state


def test_layers_that_run_backwards_are_refused():
    network = random_mixture(3, [LSTM(4), BLSTM(4), Linear(1)])
    with pytest.raises(EngineError, match=r"layer 2 of 3 is a blstm layer.*need the frames to come"):
        StreamingNetwork(network)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_a_bad_input_is_named_and_changes_nothing(network, bad):
    stream, frames = StreamingNetwork(network, 2), frames_of(3, 2, 3).astype("float64")
    stream.step(frames[0])
    before = stream.state
    wrong = frames[1].copy()
    wrong[1, 2] = bad
    with pytest.raises(EngineError, match=r"stream 1, input 2: .*expected a finite float32"):
        stream.step(wrong)
    np.testing.assert_array_equal(stream.state, before)


def test_wrong_shapes_are_named(network):
    stream = StreamingNetwork(network)
    with pytest.raises(EngineError, match=r"frame has shape \(2,\); expected \(3,\)"):
        stream.step(np.zeros(2))
    with pytest.raises(EngineError, match=r"frame has shape \(1, 3\); expected \(3,\)"):
        stream.step(np.zeros((1, 3)))
    with pytest.raises(EngineError, match=r"out has shape \(3,\); expected \(2,\)"):
        stream.step(np.zeros(3), np.zeros(3))
    with pytest.raises(EngineError, match=r"state has shape \(3,\); expected \(18,\)"):
        stream.state = np.zeros(3)
    with pytest.raises(EngineError, match="1 values of the state are not finite"):
        stream.state = np.r_[np.nan, np.zeros(17)]
    with pytest.raises(EngineError, match="streams is 0; expected at least 1"):
        StreamingNetwork(network, 0)
