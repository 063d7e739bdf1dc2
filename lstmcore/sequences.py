"""A set of sequences of different lengths: what a network is trained on and applied to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lstmcore.errors import EngineError


@dataclass(frozen=True)
class SequenceSet:
    """Sequences lying one after another in two matrices.

    Use `from_lists` to make one; it checks what it is given.

    Parameters
    ----------
    inputs
        All frames of all sequences, shape (frames, inputs).
    targets
        The targets of the same frames, shape (frames, outputs).
    lengths
        Frames of each sequence, shape (sequences,), int64.
    context
        How many frames to the left and to the right a network sees beside each frame, the
        first and last frame of a sequence being repeated at its ends.
    """

    inputs: NDArray[np.floating]
    targets: NDArray[np.floating]
    lengths: NDArray[np.int64]
    context: tuple[int, int] = (0, 0)

    @classmethod
    def from_lists(
        cls,
        inputs: Sequence[ArrayLike],
        targets: Sequence[ArrayLike],
        *,
        dtype: DTypeLike = np.float32,
    ) -> SequenceSet:
        """Join lists of matrices, one a sequence.

        Parameters
        ----------
        inputs, targets
            For each sequence a matrix (frames, inputs) and one (frames, outputs).
        dtype
            Precision of the set.

        Returns
        -------
        SequenceSet
            The sequences in the order given.

        Raises
        ------
        EngineError
            If there is no sequence, one is empty, the numbers of frames or columns do
            not fit, or a value is not finite.
        """
        if len(inputs) == 0 or len(inputs) != len(targets):
            raise EngineError(
                f"{len(inputs)} input and {len(targets)} target sequences; expected as many, at least one"
            )
        x = [_matrix("inputs", n, a, dtype) for n, a in enumerate(inputs)]
        y = [_matrix("targets", n, a, dtype) for n, a in enumerate(targets)]
        for n, (a, b) in enumerate(zip(x, y, strict=True)):
            if len(a) != len(b) or len(a) == 0:
                raise EngineError(
                    f"sequence {n} has {len(a)} frames of inputs and {len(b)} of targets; "
                    "expected as many, at least one"
                )
            if a.shape[1] != x[0].shape[1] or b.shape[1] != y[0].shape[1]:
                raise EngineError(
                    f"sequence {n} has {a.shape[1]} inputs and {b.shape[1]} targets a frame; "
                    f"sequence 0 has {x[0].shape[1]} and {y[0].shape[1]}"
                )
        return cls(np.concatenate(x), np.concatenate(y), np.array([len(a) for a in x], np.int64))

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def frames(self) -> int:
        """Number of frames of all sequences together."""
        return len(self.inputs)

    @property
    def input_size(self) -> int:
        """Number of inputs that a network gets at each frame, context included."""
        return int(self.inputs.shape[1] * (self.context[0] + 1 + self.context[1]))

    @property
    def starts(self) -> NDArray[np.int64]:
        """First row of each sequence, shape (sequences,)."""
        return np.cumsum(self.lengths) - self.lengths

    def split(self, rows: NDArray[np.floating]) -> list[NDArray[np.floating]]:
        """Cut a matrix with a row for each frame into one view a sequence."""
        return np.split(rows, np.cumsum(self.lengths)[:-1])


def _matrix(what: str, number: int, values: ArrayLike, dtype: DTypeLike) -> NDArray[np.floating]:
    matrix: NDArray[np.floating] = np.asarray(values, dtype)
    if matrix.ndim != 2:
        raise EngineError(f"{what} of sequence {number}: {matrix.ndim} dimensions; expected (frames, values)")
    bad = np.argwhere(~np.isfinite(matrix))
    if len(bad):
        row, column = bad[0]
        raise EngineError(
            f"{what} of sequence {number}, frame {row}, column {column}: "
            f"{matrix[row, column]}; expected a finite number"
        )
    return matrix
