"""Gates and cells over time: the equations of the cell, in both directions, under their names."""

import numpy as np
import pytest

from lstmcore import BLSTM, LSTM, EngineError, Linear, Tanh, gates, initial_network, predict

X = np.random.default_rng(2).standard_normal((9, 3))


def network(*layers, dtype="float64"):
    return initial_network(3, [*layers, Linear(2)], 5, dtype=dtype, low=-0.8, high=0.8)


def logistic(a):
    return 1 / (1 + np.exp(-a))


def check_equations(found, w, x, bias=1.0):
    """Each frame's gates from the cell state and the output of the frame before."""
    h, c = np.zeros_like(found.h[0]), np.zeros_like(found.c[0])
    for t in range(len(x)):
        net = w["W"] @ x[t] + w["R"] @ h + bias * w["b"]
        np.testing.assert_allclose(found.z[t], np.tanh(net[0]), rtol=1e-12)
        np.testing.assert_allclose(found.i[t], logistic(net[1] + w["p"][0] * c), rtol=1e-12)
        np.testing.assert_allclose(found.f[t], logistic(net[2] + w["p"][1] * c), rtol=1e-12)
        c = found.z[t] * found.i[t] + c * found.f[t]
        np.testing.assert_allclose(found.c[t], c, rtol=1e-12)
        np.testing.assert_allclose(found.o[t], logistic(net[3] + w["p"][2] * c), rtol=1e-12)
        h = np.tanh(c) * found.o[t]
        np.testing.assert_allclose(found.h[t], h, rtol=1e-12)


def test_they_obey_the_equations_of_the_cell_layer_by_layer():
    net = network(LSTM(4, bias=0.5), LSTM(2))
    first, second = gates(net, X)
    assert [(one.layer, one.direction) for one in (first, second)] == [(0, "forwards"), (1, "forwards")]
    assert all(array.shape == (9, 4) for array in first.arrays.values())
    check_equations(first, net.parameters[0], X, 0.5)
    check_equations(second, net.parameters[1], first.h)
    outputs = second.h @ net.parameters[2]["W"].T + net.parameters[2]["b"]
    np.testing.assert_allclose(outputs, predict(net, X), rtol=1e-10)


def test_a_backward_direction_is_in_the_sequences_own_time():
    net = network(Tanh(5), BLSTM(6))
    there, back = gates(net, X)
    assert [(one.layer, one.direction) for one in (there, back)] == [(1, "forwards"), (1, "backwards")]
    below = np.tanh(X @ net.parameters[0]["W"].T + net.parameters[0]["b"])
    halves = [{name: a[:, part] for name, a in net.parameters[1].items()} for part in (slice(3), slice(3, 6))]
    check_equations(there, halves[0], below)
    turned = type(back)(back.layer, back.direction, **{name: a[::-1] for name, a in back.arrays.items()})
    check_equations(turned, halves[1], below[::-1])
    outputs = np.hstack([there.h, back.h]) @ net.parameters[2]["W"].T + net.parameters[2]["b"]
    np.testing.assert_allclose(outputs, predict(net, X), rtol=1e-10)


def test_of_a_network_in_single_precision_they_are_those_of_its_weights():
    net = network(LSTM(4), dtype="float32")
    [found] = gates(net, X)
    check_equations(found, {name: a.astype(np.float64) for name, a in net.parameters[0].items()}, X)
    assert repr(found) == "<GateActivations of layer 0, forwards: 9 frames, 4 units>"


def test_what_has_no_gates_is_refused():
    with pytest.raises(EngineError, match="the network has no lstm or blstm layer, but tanh, linear"):
        gates(network(Tanh(3)), X)
    with pytest.raises(EngineError, match="2 inputs"):
        gates(network(LSTM(4)), X[:, :2])
    with pytest.raises(EngineError, match="expected a Network"):
        gates("model", X)
