"""The kinds of layer: each says which named pieces of the parameter vector it owns.

The order of the pieces and of the values in a piece is that of CURRENNT's files, so
these map onto the vector without a permutation: unit-major, gates in the order
z, i, f, o (peepholes: i, f, o).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lstmcore.errors import EngineError

GATES = ("z", "i", "f", "o")
PEEPHOLES = ("i", "f", "o")


@dataclass(frozen=True)
class _Layer:
    """What all layers have in common.

    Parameters
    ----------
    size
        Number of units.
    bias
        The constant that the bias weights are multiplied with; 0 switches them off.
    """

    size: int
    bias: float = 1.0
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        if not isinstance(self.size, int) or self.size < 1:
            raise EngineError(f"{self.kind} layer: size is {self.size!r}; expected a whole number from 1")

    def pieces(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameters, in the order of the vector."""
        raise NotImplementedError


@dataclass(frozen=True)
class LSTM(_Layer):
    """Unidirectional LSTM layer with peepholes and no truncation in time.

    Pieces, for E units and P inputs: ``W`` (4, E, P), ``b`` (4, E), ``R`` (4, E, E)
    and ``p`` (3, E).
    """

    kind: ClassVar[str] = "lstm"

    def pieces(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameters, in the order of the vector."""
        gates, units = len(GATES), self.size
        return {
            "W": (gates, units, input_size),
            "b": (gates, units),
            "R": (gates, units, units),
            "p": (len(PEEPHOLES), units),
        }


@dataclass(frozen=True)
class Linear(_Layer):
    """Layer without a non-linearity: W x + bias.  Pieces: ``W`` (E, P), ``b`` (E,)."""

    kind: ClassVar[str] = "linear"

    def pieces(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameters, in the order of the vector."""
        return {"W": (self.size, input_size), "b": (self.size,)}


Layer = LSTM | Linear
