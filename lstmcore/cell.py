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

from lstmcore.activations import Real, limit, logistic, one, tanh


def cell_forward(
    a_z: Real,
    a_i: Real,
    a_f: Real,
    a_o: Real,
    c_before: Real,
    p_i: Real,
    p_f: Real,
    p_o: Real,
) -> tuple[Real, Real, Real, Real, Real, Real]:
    """One time step of one unit.

    Parameters
    ----------
    a_z, a_i, a_f, a_o
        Net inputs without the peephole terms: W x_t + R h_{t-1} + bias.
    c_before
        Cell state c_{t-1}; 0 at the first step.
    p_i, p_f, p_o
        Peephole weights of input, forget and output gate.

    Returns
    -------
    z, i, f, o, c, h
        Activations of the four gates, new cell state and block output.
    """
    z = tanh(a_z)
    i = logistic(a_i + p_i * c_before)
    f = logistic(a_f + p_f * c_before)
    c = z * i + c_before * f
    o = logistic(a_o + p_o * c)  # the output gate sees the new cell state
    return z, i, f, o, c, tanh(c) * o


def cell_backward(
    e: Real,
    z: Real,
    i: Real,
    f: Real,
    o: Real,
    c_before: Real,
    c: Real,
    carry: Real,
    p_i: Real,
    p_f: Real,
    p_o: Real,
    bound: Real,
) -> tuple[Real, Real, Real, Real, Real]:
    """One time step of one unit backwards: errors at the gates' net inputs.

    Parameters
    ----------
    e
        dE/dh_t: from the layer above plus R^T D of the next step.
    z, i, f, o, c_before, c
        What `cell_forward` got and gave at this step.
    carry
        What the next step's call returned last: the error that reaches c_t through
        c_{t+1} and the peepholes; 0 at the last step of a sequence.
    p_i, p_f, p_o
        Peephole weights.
    bound
        The deltas are limited to [-bound, bound], elementwise; infinity gives the
        exact gradient.

    Returns
    -------
    d_z, d_i, d_f, d_o
        Limited deltas D, in gate order.
    carry
        For the step before this one.

    Notes
    -----
    The error of the cell state itself is not limited, and the output gate's
    peephole passes on the delta before its limit.
    """
    u = one(c)
    squashed = tanh(c)
    delta_o = o * (u - o) * squashed * e
    epsilon = o * (u - squashed * squashed) * e + p_o * delta_o + carry
    d_z = limit(i * (u - z * z) * epsilon, bound)
    d_i = limit(i * (u - i) * z * epsilon, bound)
    d_f = limit(f * (u - f) * c_before * epsilon, bound)
    d_o = limit(delta_o, bound)
    return d_z, d_i, d_f, d_o, f * epsilon + p_i * d_i + p_f * d_f
