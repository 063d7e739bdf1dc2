"""The limit on the LSTM's deltas, gate by gate, against numbers worked out by hand.

In all cases c = ln(3) / 2, so that tanh c = 1/2.  With u = 1 − tanh² c = 3/4 and a limit of 1:

    delta_o = o (1 − o) / 2 · e                   D_z = lim(i (1 − z²) ε)    D_f = lim(f (1 − f) c_before ε)
    ε = o u e + p_o delta_o + carry               D_i = lim(i (1 − i) z ε)   D_o = lim(delta_o)
    carry for the step before = f ε + p_i D_i + p_f D_f

Each number is a sum of powers of 2, so that the results are exact up to the rounding of tanh c.
"""

import math

import numpy as np
import pytest

from lstmcore.cell import Gates, Peepholes, cell_backward

C = math.log(3) / 2
# What one gate's delta exceeds alone: inputs (e, z, i, f, o, c_before, carry, p_i, p_f, p_o), then
# D_z, D_i, D_f, D_o and the carry.
CASES = {
    # delta_o = 0.5; ε = 0.5 · 0.75 · 4 + 2 · 0.5 + 5.5 = 8; D_z = 0.5 · 0.9375 · 8 = 3.75,
    # D_i = 0.25 · 0.25 · 8, D_f = 0.25 · 0.125 · 8; carry = 4 + 2 · 0.5 + 4 · 0.25
    "z": ((4, 0.25, 0.5, 0.5, 0.5, 0.125, 5.5, 2, 4, 2), (1, 0.5, 0.25, 0.5), 6.0),
    # ε = 8 as above; D_z = 0.25 · 31/256 · 8, D_i = 0.1875 · 0.9375 · 8 = 1.40625, D_f = 0.25;
    # carry = 4 + 2 · 1 + 4 · 0.25
    "i": ((4, 0.9375, 0.25, 0.5, 0.5, 0.125, 5.5, 2, 4, 2), (0.2421875, 1, 0.25, 0.5), 7.0),
    # ε = 8; D_z = 0.0625 · 0.75 · 8, D_i = 15/256 · 0.5 · 8, D_f = 0.25 · 4 · 8 = 8;
    # carry = 4 + 2 · 0.234375 + 4 · 1
    "f": ((4, 0.5, 0.0625, 0.5, 0.5, 4, 5.5, 2, 4, 2), (0.375, 0.234375, 1, 0.5), 8.46875),
    # delta_o = 2, of which the peephole passes on all: ε = 0.5 · 0.75 · 16 + 2 · 2 − 9.5 = 0.5;
    # D_z = 0.5 · 0.9375 · 0.5, D_i = 0.25 · 0.25 · 0.5, D_f = 0.25 · 2 · 0.5; carry = 0.25 + 2 · D_i + 1
    "o": ((16, 0.25, 0.5, 0.5, 0.5, 2, -9.5, 2, 4, 2), (0.234375, 0.03125, 0.25, 1), 1.3125),
}


def backward(inputs, bound, sign=1):
    """The deltas of the four gates, then the carry, shape (5,)."""
    e, z, i, f, o, c_before, carry, p_i, p_f, p_o = map(float, inputs)
    gates, peepholes = Gates(z, i, f, o), Peepholes(p_i, p_f, p_o)
    deltas, before = cell_backward(sign * e, gates, c_before, C, sign * carry, peepholes, bound)
    return np.array([*deltas, before])


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("gate", CASES)
def test_the_limit_of_each_gate_binds_for_itself(gate, sign):
    inputs, deltas, carry = CASES[gate]
    np.testing.assert_allclose(backward(inputs, 1.0, sign), sign * np.array([*deltas, carry]), rtol=1e-14)


@pytest.mark.parametrize("gate", CASES)
def test_it_is_that_gate_alone_that_exceeds_the_limit(gate):
    inputs, deltas, _ = CASES[gate]
    free = backward(inputs, math.inf)[:4]
    assert [name for name, d in zip("zifo", free, strict=True) if abs(d) > 1] == [gate]
    others = [name != gate for name in "zifo"]
    np.testing.assert_allclose(free[others], np.array(deltas)[others], rtol=1e-14)


@pytest.mark.parametrize("bound", [0.25, 0.125])
def test_other_limits(bound):
    inputs, deltas, _ = CASES["z"]
    np.testing.assert_allclose(backward(inputs, bound)[:4], np.minimum(deltas, bound), rtol=1e-14)
