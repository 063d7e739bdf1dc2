"""Squared errors, and a term on the correlation of one output's error with another output.

A network that takes one target for another errs in one direction: where its output a is large, the error
e_b = y_b − t_b of output b is large, too.  Over the frames of a group, with weights w_b (a frame counts as it
counts in b's error) and weighted means, u = y_a − ȳ_a and v = e_b − ē_b,

    E = ½ Σ w (y − t)² + ½ λ Σ_{a≠b} W_b r_ab²   with   r² = S_uv² / (S_uu S_vv),   S_uv = Σ w_b u v,

and W_b = Σ w_b: with λ = 1, a full correlation weighs as much as a mean squared error of 1.  The means add
nothing to the derivative, since Σ w u = Σ w v = 0, and both outputs get their part:

    ∂(½ r²)/∂y_a = s w (v − u S_uv / S_uu)
    ∂(½ r²)/∂y_b = s w (u − v S_uv / S_vv)   with   s = S_uv / (S_uu S_vv)

`EPSILON` times W_b is added to S_uu and S_vv: of a constant output r is 0.

The correlation is that of all frames of the sequences computed side by side, as the concordance of
`ccc_pooled` is: what outputs borrow from each other is above all their level, which differs between
sequences; along a sequence that was rated as a whole nothing varies.  Of few sequences r is far from 0 by
chance: more of them side by side leave less of that.  All is summed in float64.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from lstmcore import objective_terms as terms
from lstmcore.ccc import EPSILON
from lstmcore.checks import from_zero
from lstmcore.comparison import Comparison

Array = NDArray[np.floating]


class DecorrelatedSquaredErrors(Comparison):
    """½ Σ w (y − t)² and ½ λ Σ W r² with targets and weights interleaved: t1, w1, t2, w2, and so on.

    While training, a group is the sequences computed side by side; `evaluate` pools the whole set.

    Parameters
    ----------
    strength
        λ, from 0.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import DecorrelatedSquaredErrors, Linear, SequenceSet, evaluate, initial_network
    >>> frames = np.random.default_rng(1).standard_normal((9, 3))
    >>> ones = np.ones(9)
    >>> targets = np.stack([frames[:, 0], ones, frames[:, 1], ones], axis=1)  # weights of 1 beside them
    >>> songs = SequenceSet.from_lists([frames], [targets])
    >>> network = initial_network(3, [Linear(2)], 1)
    >>> errors = [evaluate(network, songs, objective=DecorrelatedSquaredErrors(s)).error for s in (0.0, 1.0)]
    >>> errors[1] > errors[0]
    True
    """

    name = "sse_decorrelated"
    pooled = True

    def __init__(self, strength: float) -> None:
        self.strength = from_zero("strength", strength)

    def target_size(self, outputs: int) -> int:
        """Return the number of target values a frame."""
        return 2 * outputs

    def _error(self, outputs: Array, targets: Array, sequence: NDArray[np.int64]) -> float:
        """Return the squared errors and the term, in float64."""
        y, t, w = _parts(outputs, targets)
        total = 0.5 * float(terms.weighted_square(y, t, w).sum())
        for a, b in permutations(range(y.shape[1]), 2):
            pair = _Pair(y[:, a], y[:, b] - t[:, b], w[:, b])
            total += 0.5 * self.strength * pair.weight * pair.squared_correlation
        return total

    def _signal(self, outputs: Array, targets: Array, sequence: NDArray[np.int64]) -> Array:
        """Return the derivative, shape (frames, outputs)."""
        y, t, w = _parts(outputs, targets)
        signal: NDArray[np.float64] = terms.weighted_square_signal(y, t, w)
        for a, b in permutations(range(y.shape[1]), 2):
            pair = _Pair(y[:, a], y[:, b] - t[:, b], w[:, b])
            share = self.strength * pair.weight
            signal[:, a] += share * pair.of_output
            signal[:, b] += share * pair.of_error
        return signal.astype(outputs.dtype)


class _Pair:
    """An output and another's error over the frames of a group."""

    def __init__(
        self, output: NDArray[np.float64], error: NDArray[np.float64], w: NDArray[np.float64]
    ) -> None:
        self.weight = float(w.sum())
        whole = self.weight or 1.0  # without a frame that counts nothing is divided
        self._u, self._v, self._w = output - (w @ output) / whole, error - (w @ error) / whole, w
        slack = whole * EPSILON
        self._uu = float(terms.comovement(self._u, self._u, w).sum()) + slack
        self._vv = float(terms.comovement(self._v, self._v, w).sum()) + slack
        self._uv = float(terms.comovement(self._u, self._v, w).sum())

    @property
    def squared_correlation(self) -> float:
        """r²."""
        return self._uv**2 / (self._uu * self._vv)

    @property
    def of_output(self) -> NDArray[np.float64]:
        """Derivative of ½ r² with respect to the output."""
        slope = self._uv / (self._uu * self._vv)
        return np.asarray(terms.comovement_signal(self._u, self._v, self._w, slope, self._vv))

    @property
    def of_error(self) -> NDArray[np.float64]:
        """Derivative of ½ r² with respect to the output whose error it is."""
        slope = self._uv / (self._uu * self._vv)
        return np.asarray(terms.comovement_signal(self._v, self._u, self._w, slope, self._uu))


def _parts(
    outputs: Array, targets: Array
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return outputs, targets and weights."""
    t = targets.astype(np.float64)
    return outputs.astype(np.float64), t[:, ::2], t[:, 1::2]
