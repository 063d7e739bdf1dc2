"""A set of sequences of different lengths: what a network is trained on and applied to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lstmcore.checks import numbers, plain, precision, shown, whole
from lstmcore.errors import EngineError

_BLOCK = 4096  # frames looked at together: a set may be larger than the memory


@dataclass(frozen=True)
class SequenceSet:
    """Sequences lying one after another in two matrices.

    `from_lists` makes one of a matrix a sequence, in any precision.

    Parameters
    ----------
    inputs
        All frames of all sequences, shape (frames, inputs), float32 or float64.
    targets
        The targets of the same frames, shape (frames, outputs), in the same precision; of no column
        if there are none.
    lengths
        Frames of each sequence, shape (sequences,), int64.
    context
        How many frames to the left and to the right a network sees beside each frame, the
        first and last frame of a sequence being repeated at its ends.
    noisy
        Which frames a training's input noise is added to, shape (frames,), bool; None: to all.

    Raises
    ------
    EngineError
        If there is no sequence, one is empty, lengths don't add up to the frames, an array is of another
        kind, or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import SequenceSet
    >>> inputs = [np.zeros((60, 3)), np.zeros((90, 3))]
    >>> songs = SequenceSet.from_lists(inputs, [np.zeros((60, 2)), np.zeros((90, 2))])
    >>> songs.lengths
    array([60, 90])
    """

    inputs: NDArray[np.floating]
    targets: NDArray[np.floating]
    lengths: NDArray[np.int64]
    context: tuple[int, int] = (0, 0)
    noisy: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        for name in ("inputs", "targets"):
            values = getattr(self, name)
            if isinstance(values, np.ndarray):
                values = np.ascontiguousarray(values) if values.ndim else values
                object.__setattr__(self, name, values)
            plain(name, values, 2)
        object.__setattr__(self, "lengths", _lengths(self.lengths, self.frames))
        if len(self.targets) != self.frames:
            raise EngineError(
                f"{self.frames} frames of inputs and {len(self.targets)} of targets; expected as many"
            )
        if self.targets.dtype != self.inputs.dtype:
            raise EngineError(
                f"inputs are {self.inputs.dtype} and targets {self.targets.dtype}; expected one precision"
            )
        if not isinstance(self.context, tuple | list) or len(self.context) != 2:
            raise EngineError(f"context is {self.context!r}; expected two numbers of frames")
        left, right = (whole("context", frames, 0) for frames in self.context)
        object.__setattr__(self, "context", (left, right))
        noisy = self.noisy
        if noisy is not None and (
            not isinstance(noisy, np.ndarray) or noisy.dtype != np.bool_ or noisy.shape != (self.frames,)
        ):
            raise EngineError(
                f"noisy: {shown(np.asarray(noisy))}; expected true or false for each of {self.frames} frames"
            )
        self._refuse_what_is_not_finite("inputs", self.inputs)
        if self.targets is not self.inputs:
            self._refuse_what_is_not_finite("targets", self.targets)

    def _refuse_what_is_not_finite(self, name: str, values: NDArray[np.floating]) -> None:
        for start in range(0, len(values), _BLOCK):
            finite = np.isfinite(values[start : start + _BLOCK])
            if not finite.all():
                row, column = np.argwhere(~finite)[0]
                self._refuse(name, values, start + int(row), int(column))

    def _refuse(self, name: str, values: NDArray[np.floating], row: int, column: int) -> None:
        sequence = int(np.searchsorted(np.cumsum(self.lengths), row, side="right"))
        raise EngineError(
            f"{name} of sequence {sequence}, frame {row - self.starts[sequence]}, column {column}: "
            f"{values[row, column]}; expected a finite {values.dtype} number"
        )

    @classmethod
    def from_lists(
        cls,
        inputs: Sequence[ArrayLike],
        targets: Sequence[ArrayLike] | None = None,
        *,
        dtype: DTypeLike = np.float32,
    ) -> SequenceSet:
        """Join lists of matrices, one per sequence.

        Parameters
        ----------
        inputs, targets
            For each sequence a matrix (frames, inputs) and one (frames, outputs); without targets the
            set can be predicted, not trained on.
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
        dtype = precision(dtype)
        x = _matrices("inputs", inputs, dtype)
        y = (
            [np.empty((len(a), 0), dtype) for a in x]
            if targets is None
            else _matrices("targets", targets, dtype)
        )
        if len(x) == 0 or len(x) != len(y):
            raise EngineError(f"{len(x)} input and {len(y)} target sequences; expected as many, at least one")
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

    def __repr__(self) -> str:
        context = f", context {self.context}" if any(self.context) else ""
        return (
            f"<SequenceSet of {len(self)} sequences, {self.frames} frames: {self.inputs.shape[1]} inputs"
            f"{context}, {self.targets.shape[1]} targets, {self.inputs.dtype}>"
        )

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


def _matrices(what: str, sequences: Sequence[ArrayLike], dtype: DTypeLike) -> list[NDArray[np.floating]]:
    if (
        isinstance(sequences, str)
        or not hasattr(sequences, "__len__")
        or not hasattr(sequences, "__getitem__")
    ):
        raise EngineError(f"{what}: {shown(sequences)}; expected a list with a matrix for each sequence")
    return [_matrix(what, n, values, dtype) for n, values in enumerate(sequences)]


def _matrix(what: str, number: int, values: ArrayLike, dtype: DTypeLike) -> NDArray[np.floating]:
    matrix: NDArray[np.floating] = numbers(f"{what} of sequence {number}", values, dtype)
    if matrix.ndim != 2:
        raise EngineError(f"{what} of sequence {number}: {matrix.ndim} dimensions; expected (frames, values)")
    return matrix


def _lengths(lengths: ArrayLike, frames: int) -> NDArray[np.int64]:
    """Take lengths that add up to the frames."""
    found = np.asarray(lengths)
    if found.ndim != 1 or found.dtype.kind not in "iu" or len(found) == 0:
        raise EngineError(
            f"lengths: {shown(found)}; expected a whole number for each of at least one sequence"
        )
    if found.min() < 1:
        raise EngineError(
            f"lengths: sequence {int(found.argmin())} has {found.min()} frames; expected at least 1"
        )
    # One by one first, for a sum can overflow.
    if found.max() > frames or found.sum() != frames:
        raise EngineError(f"lengths add up to {sum(found.tolist())} frames; there are {frames}")
    return found.astype(np.int64, copy=False)
