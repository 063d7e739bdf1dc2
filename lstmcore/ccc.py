"""Lin's concordance correlation coefficient (CCC) as an objective.

Of n outputs y and targets t, with divisor N in variances and covariance (Lin, Biometrics 45,
1989; Weninger, Ringeval, Marchi and Schuller, IJCAI 2016, for training with it):

    CCC = 2 s_yt / (s_y² + s_t² + (ȳ − t̄)²)

Because Σ (y − t̄)² = n s_y² + n (ȳ − t̄)² and Σ (y − t)² = n (s_y² + s_t² + (ȳ − t̄)² − 2 s_yt),

    E = 1 − CCC = A / B   with   A = Σ (y − t)²   and   B = Σ (y − t̄)² + Σ (t − t̄)².

B is 0 if all outputs and targets are the same constant.  `EPSILON` times n is added to it, so
that E is then 0, as it should be, and has a derivative.  Of a constant target, E is 1 as soon as
the outputs are further from it than about sqrt(EPSILON), and nearly flat there: a sequence
with a constant target teaches next to nothing.  From ∂A/∂y_i = 2 (y_i − t_i) and
∂B/∂y_i = 2 (y_i − t̄):

    ∂E/∂y_i = (A' B − A B') / B² = 2 ((y_i − t_i) − E (y_i − t̄)) / B

All is summed in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmcore import objective_terms as terms
from lstmcore.comparison import Comparison
from lstmcore.errors import EngineError

Array = NDArray[np.floating]

# In squared units of the targets; of standardised ones, a millionth of their variance.
EPSILON = 1e-6


class Concordance(Comparison):
    """Σ (1 − CCC) over outputs and sequences, of each sequence on its own or of all together.

    Parameters
    ----------
    name
        Of the objective.
    pooled
        False takes the CCC of each sequence.  True takes, for each output, one CCC of all
        frames of a group together, times the number of sequences in it, so that the same
        learning rate suits both.  While training, a group is the sequences computed side by
        side, and the training error a sum over such groups; `evaluate` pools the whole set,
        however it is grouped.
    """

    def __init__(self, name: str, *, pooled: bool) -> None:
        self.name = name
        self.pooled = pooled

    def _error(self, outputs: Array, targets: Array, sequence: NDArray[np.int64]) -> float:
        """Return Σ (1 − CCC), in float64."""
        found = self._found(outputs, targets, sequence)
        return float(found.weight * found.error.sum())

    def _signal(self, outputs: Array, targets: Array, sequence: NDArray[np.int64]) -> Array:
        """Return the derivative of the error, shape (frames, outputs)."""
        found, k = self._found(outputs, targets, sequence), self._pool(sequence)
        signal: Array = terms.concordance_signal(
            outputs.astype(np.float64),
            targets,
            found.target_mean[k],
            found.error[k],
            found.denominator[k],
            found.weight,
        )
        return signal.astype(outputs.dtype)

    def _pool(self, sequence: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which CCC each frame is a part of."""
        return np.zeros_like(sequence) if self.pooled else sequence

    def _found(self, outputs: Array, targets: Array, sequence: NDArray[np.int64]) -> _Found:
        y, t, k = outputs.astype(np.float64), targets.astype(np.float64), self._pool(sequence)
        if sequence.min() < 0:
            raise EngineError(f"sequence numbers from {sequence.min()}; expected numbers from 0")
        frames = np.bincount(k)[:, None]
        if not frames.all():
            gap = int(frames.argmin())
            raise EngineError(f"no frame of sequence {gap}; expected numbers from 0 without a gap")
        mean = _sums(t, k) / frames
        denominator = _sums(terms.concordance_denominator(y, t, mean[k]), k) + frames * EPSILON
        weight = int(sequence.max()) + 1 if self.pooled else 1
        return _Found(weight, mean, denominator, _sums(terms.concordance_numerator(y, t), k) / denominator)


@dataclass(frozen=True)
class _Found:
    """Weight of the error, and t̄, B and E of each CCC, shape (CCCs, outputs)."""

    weight: int
    target_mean: NDArray[np.float64]
    denominator: NDArray[np.float64]
    error: NDArray[np.float64]


def _sums(values: NDArray[np.float64], k: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum the rows of each number, in their order, so that a sequence's sum doesn't depend on its batch."""
    return np.stack([np.bincount(k, column) for column in values.T], axis=1)


CCC = Concordance("ccc", pooled=False)
CCC_POOLED = Concordance("ccc_pooled", pooled=True)
