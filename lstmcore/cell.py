"""The LSTM cell with peepholes: the equations, once, without a loop, an array or a decorator.

The reference backend calls these functions on NumPy arrays, the compiled backends
compile them as scalar functions.  To change the cell, change this file.

Gate order is z, i, f, o everywhere: cell input, input gate, forget gate, output gate.

Sources: Gers, Schraudolph and Schmidhuber, "Learning precise timing with LSTM
recurrent networks", JMLR 3, 2002 (peepholes); Graves and Schmidhuber, Neural
Networks 18, 2005 (full back-propagation through time).  The limit on the deltas
and the places where the limited and the unlimited ones enter follow the toolkit
CURRENNT 0.2.
"""

from typing import NamedTuple

from lstmcore.activations import Real, limit, logistic, one, tanh


class Gates(NamedTuple):
    """A number for each of the four gates: net inputs, activations or deltas."""

    z: Real
    i: Real
    f: Real
    o: Real


class Peepholes(NamedTuple):
    """The peephole weights of the three gates that see the cell state."""

    i: Real
    f: Real
    o: Real


def cell_forward(net: Gates, c_before: Real, p: Peepholes) -> tuple[Gates, Real, Real]:
    """One time step of one unit.

    Parameters
    ----------
    net
        Net inputs without the peephole terms: W x_t + R h_{t-1} + bias.
    c_before
        Cell state c_{t-1}; 0 at the first step.
    p
        Peephole weights.

    Returns
    -------
    gates, c, h
        Activations of the four gates, new cell state and block output.
    """
    z = tanh(net.z)
    i = logistic(net.i + p.i * c_before)
    f = logistic(net.f + p.f * c_before)
    c = z * i + c_before * f
    o = logistic(net.o + p.o * c)  # the output gate sees the new cell state
    return Gates(z, i, f, o), c, tanh(c) * o


def cell_backward(
    e: Real, gates: Gates, c_before: Real, c: Real, carry: Real, p: Peepholes, bound: Real
) -> tuple[Gates, Real]:
    """One time step of one unit backwards: errors at the gates' net inputs.

    Parameters
    ----------
    e
        dE/dh_t: from the layer above plus R^T D of the next step.
    gates, c_before, c
        What `cell_forward` got and gave at this step.
    carry
        What the next step's call returned last: the error that reaches c_t through
        c_{t+1} and the peepholes; 0 at the last step of a sequence.
    p
        Peephole weights.
    bound
        The deltas are limited to [-bound, bound], elementwise; infinity gives the
        exact gradient.

    Returns
    -------
    deltas
        Limited deltas D of the four gates.
    carry
        For the step before this one.

    Notes
    -----
    The error of the cell state itself is not limited, and the output gate's
    peephole passes on the delta before its limit.
    """
    z, i, f, o = gates
    u = one(c)
    squashed = tanh(c)
    delta_o = o * (u - o) * squashed * e
    epsilon = o * (u - squashed * squashed) * e + p.o * delta_o + carry
    d_z = limit(i * (u - z * z) * epsilon, bound)
    d_i = limit(i * (u - i) * z * epsilon, bound)
    d_f = limit(f * (u - f) * c_before * epsilon, bound)
    d_o = limit(delta_o, bound)
    return Gates(d_z, d_i, d_f, d_o), f * epsilon + p.i * d_i + p.f * d_f


def peephole_gradients(deltas: Gates, c_before: Real, c: Real) -> Peepholes:
    """Return what one time step of one unit adds to the gradients of its peephole weights.

    Input and forget gate see the cell state of the step before, the output gate the new one.
    """
    return Peepholes(deltas.i * c_before, deltas.f * c_before, deltas.o * c)
