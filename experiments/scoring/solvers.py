"""Solvers of linear regressions on groups of frames, each of which is kept as one small matrix.

Of the rows (1, features, targets) that is the triangular factor R of their QR decomposition, or the product
RᵀR.  The factor keeps all digits; the product, several times cheaper, loses half of them where nothing is
penalised (G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th edition, sections 5.3 and 6.1.4).  With a
penalty of 1e-6 a frame on c standardised features its condition is about c · 1e6 at most, which leaves seven.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.terminal.one_thread import use_scipy

Array = NDArray[np.float64]
Fit = tuple[Array, Array]
"""Weights, shape (features, targets), and level, shape (targets,)."""

# Features are computed in single precision: what varies by less, beside what varies most, is their rounding.
RANK_TOLERANCE = float(np.finfo(np.float32).eps)


class FactorSolver:
    """Solver by factors.

    Parameters
    ----------
    groups
        What is kept of the frames.
    targets
        How many columns, the last ones, are targets.
    """

    def __init__(self, groups: Sequence[Array], targets: int) -> None:
        whole = _triangular(groups)
        first = whole.shape[1] - targets
        self._features, self._targets = whole[0, 1:first], whole[0, first:]
        self._size = whole[0, 0]
        # Below the first row are the deviations from the means, for the first column is 1 everywhere.
        left, self._singular, self._right = np.linalg.svd(whole[1:, 1:first], full_matrices=False)
        self._projected = left.T @ whole[1:, first:]

    @staticmethod
    def kept(before: Array | None, rows: Sequence[Array]) -> Array:
        """Add rows to what is kept of a group."""
        return _triangular([*([] if before is None else [before]), *rows])

    @staticmethod
    def squared_errors(kept: Array, fits: Sequence[Fit]) -> Array:
        """Sum of squared errors of each fit and target on the frames of a group, shape (fits, targets)."""
        errors = []
        for weights, level in fits:
            fitted = kept[:, : 1 + len(weights)] @ np.vstack([level, weights])
            errors.append(((kept[:, 1 + len(weights) :] - fitted) ** 2).sum(0))
        return np.array(errors)

    def without_penalty(self) -> Fit:
        """Fit by least squares; directions below the tolerance have no weight.

        A standardised feature that varies has the norm of the column of ones.  Where none reaches it, nothing
        varies but by rounding, and nothing has weight.
        """
        s = self._singular
        used = s > RANK_TOLERANCE * max(s.max(initial=0), abs(self._size))
        return self._fit(np.divide(1, s, out=np.zeros_like(s), where=used))

    def solve(self, penalties: Array) -> list[Fit]:
        """Fit with each of these penalties on the sum of the squared weights."""
        return [self._fit(self._singular / (self._singular**2 + penalty)) for penalty in penalties]

    def _fit(self, inverse: Array) -> Fit:
        weights = self._right.T @ (inverse[:, None] * self._projected)
        return weights, (self._targets - self._features @ weights) / self._size


class ProductSolver:
    """Solver by products, with penalties only.

    The product of the deviations from the means is made tridiagonal once, by reflections; of a penalty the
    time then grows with the number of features only (Golub and Van Loan, section 8.3.1).

    Parameters
    ----------
    groups, targets
        As of `FactorSolver`; of at least two features.
    """

    def __init__(self, groups: Sequence[Array], targets: int) -> None:
        use_scipy()
        from scipy.linalg import lapack

        whole = sum(groups[1:], groups[0])
        count = len(whole) - targets - 1
        means = whole[0, 1:] / whole[0, 0]
        self._features, self._targets = means[:count], means[count:]
        deviations = whole[1:, 1:] - whole[0, 0] * np.outer(means, means)
        workspace = int(lapack.dsytrd_lwork(count, lower=1)[0])
        reflected, diagonal, beside, self._scales, _ = lapack.dsytrd(
            deviations[:count, :count], lower=1, lwork=workspace
        )
        self._bands = np.stack([diagonal, np.append(beside, 0.0)])
        self._reflections = np.asfortranarray(reflected[1:, :-1])  # as those of a QR decomposition lie
        self._projected = self._reflect("T", deviations[:count, count:])

    @staticmethod
    def kept(before: Array | None, rows: Sequence[Array]) -> Array:
        """Add rows to what is kept of a group."""
        together = np.concatenate(rows)
        product: Array = together.T @ together
        return product if before is None else before + product

    @staticmethod
    def squared_errors(kept: Array, fits: Sequence[Fit]) -> Array:
        """Sum of squared errors of each fit and target on the frames of a group, shape (fits, targets)."""
        less = np.hstack([np.vstack([level, weights, -np.eye(len(level))]) for weights, level in fits])
        errors: Array = (less * (kept @ less)).sum(0)
        return errors.reshape(len(fits), -1)

    def solve(self, penalties: Array) -> list[Fit]:
        """Fit with each of these penalties on the sum of the squared weights."""
        from scipy.linalg import solveh_banded

        solved = [
            solveh_banded(self._bands + np.array([[penalty], [0.0]]), self._projected, lower=True)
            for penalty in penalties
        ]
        weights = np.split(self._reflect("N", np.hstack(solved)), len(penalties), axis=1)
        return [(one, self._targets - self._features @ one) for one in weights]

    def _reflect(self, direction: str, columns: Array) -> Array:
        """Go over to the directions in which the product is tridiagonal ("T"), or back ("N")."""
        from scipy.linalg import lapack

        workspace = 64 * columns.shape[1]
        turned = lapack.dormqr("L", direction, self._reflections, self._scales, columns[1:], workspace)[0]
        return np.concatenate([columns[:1], turned])


def _triangular(parts: Sequence[Array]) -> Array:
    """Factor R of matrices, or factors, one below the other."""
    # NumPy's types know this mode no better than the others, which give two matrices.
    factor: Any = np.linalg.qr(np.concatenate(parts), mode="r")
    return np.asarray(factor, np.float64)
