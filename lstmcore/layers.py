"""The kinds of layer: each says which named parameters of the parameter vector it owns.

The order of the parameters and of the values in a parameter is that of CURRENNT's files, so
these map onto the vector without a permutation: unit-major, gates in the order
z, i, f, o (peepholes: i, f, o).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from lstmcore.checks import from_zero, real, whole
from lstmcore.errors import EngineError

GATES = ("z", "i", "f", "o")
PEEPHOLES = ("i", "f", "o")


@dataclass(frozen=True)
class Layer:
    """What all layers have in common.

    Parameters
    ----------
    size
        Number of units.
    bias
        The constant that the bias weights are multiplied with; 0 switches them off.
    learning_rate
        Instead of the optimiser's own; 0 freezes the layer.
    """

    size: int
    bias: float = 1.0
    learning_rate: float | None = None
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", whole(f"{self.kind} layer: size", self.size))
        if not math.isfinite(real(f"{self.kind} layer: bias", self.bias)):
            raise EngineError(f"{self.kind} layer: bias is {self.bias}; expected a finite number")
        if self.learning_rate is not None:
            from_zero(f"{self.kind} layer: learning_rate", self.learning_rate)

    def parameters(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameters, in the order of the vector."""
        raise NotImplementedError


@dataclass(frozen=True)
class LSTM(Layer):
    """Unidirectional LSTM layer with peepholes and no truncation in time.

    With x_t the inputs, h and c zero before the first step, σ the logistic function, β the layer's `bias`
    and ⊙ a product unit by unit::

        z   = tanh(W_z x_t + R_z h_{t-1} + β b_z)
        i   =    σ(W_i x_t + R_i h_{t-1} + β b_i + p_i ⊙ c_{t-1})
        f   =    σ(W_f x_t + R_f h_{t-1} + β b_f + p_f ⊙ c_{t-1})
        c_t = z ⊙ i + c_{t-1} ⊙ f
        o   =    σ(W_o x_t + R_o h_{t-1} + β b_o + p_o ⊙ c_t)
        h_t = tanh(c_t) ⊙ o

    Pieces, for E units and P inputs: ``W`` (4, E, P), ``b`` (4, E), ``R`` (4, E, E)
    and ``p`` (3, E).
    """

    kind: ClassVar[str] = "lstm"

    def parameters(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameters, in the order of the vector."""
        return _lstm_parameters(input_size, self.size, self.size)


@dataclass(frozen=True)
class BLSTM(Layer):
    """Bidirectional LSTM layer: half of the units run forwards in time, half backwards.

    The output is the forward half followed by the backward half.  Pieces, for L units
    (E = L/2 a direction) and P inputs: ``W`` (4, L, P), ``b`` (4, L), ``R`` (4, L, E) and
    ``p`` (3, L); in each gate the forward units come first.
    """

    kind: ClassVar[str] = "blstm"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size % 2:
            raise EngineError(f"blstm layer: size is {self.size}; expected an even number")

    def parameters(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameters, in the order of the vector."""
        return _lstm_parameters(input_size, self.size, self.size // 2)


def _lstm_parameters(inputs: int, units: int, direction: int) -> dict[str, tuple[int, ...]]:
    gates = len(GATES)
    return {
        "W": (gates, units, inputs),
        "b": (gates, units),
        "R": (gates, units, direction),
        "p": (len(PEEPHOLES), units),
    }


@dataclass(frozen=True)
class Feedforward(Layer):
    """Layer without memory: φ(W x + bias).  Pieces: ``W`` (E, P), ``b`` (E,)."""

    def parameters(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameters, in the order of the vector."""
        return {"W": (self.size, input_size), "b": (self.size,)}


@dataclass(frozen=True)
class Linear(Feedforward):
    """Feed-forward layer without a non-linearity."""

    kind: ClassVar[str] = "linear"


@dataclass(frozen=True)
class Tanh(Feedforward):
    """Feed-forward layer with the hyperbolic tangent."""

    kind: ClassVar[str] = "tanh"


@dataclass(frozen=True)
class Logistic(Feedforward):
    """Feed-forward layer with the logistic function."""

    kind: ClassVar[str] = "logistic"


@dataclass(frozen=True)
class Softmax(Feedforward):
    """Feed-forward layer whose outputs are positive and add up to 1."""

    kind: ClassVar[str] = "softmax"


LAYERS: dict[str, type[Layer]] = {kind.kind: kind for kind in (LSTM, BLSTM, Linear, Tanh, Logistic, Softmax)}
