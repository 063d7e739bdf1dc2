"""The kinds of layer: each says which named parameters of the parameter vector it owns.

The order of the parameters and of the values in a parameter is that of CURRENNT's files, so
these map onto the vector without a permutation: unit-major, gates in the order
z, i, f, o (peepholes: i, f, o).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lstmcore.checks import from_zero, real, shown, whole
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

    Examples
    --------
    >>> from lstmcore import LSTM, Linear, initial_network
    >>> initial_network(3, [LSTM(4), Linear(1)], 1)
    <Network 3 → LSTM(4) → Linear(1); 145 weights, float32>
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

    Examples
    --------
    >>> from lstmcore import BLSTM, Linear, initial_network
    >>> initial_network(3, [BLSTM(4), Linear(1)], 1)  # two units in each direction of time
    <Network 3 → BLSTM(4) → Linear(1); 113 weights, float32>
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
    """Feed-forward layer without a non-linearity.

    Examples
    --------
    >>> from lstmcore import Linear, initial_network
    >>> initial_network(3, [Linear(2)], 1)
    <Network 3 → Linear(2); 8 weights, float32>
    """

    kind: ClassVar[str] = "linear"


@dataclass(frozen=True)
class Tanh(Feedforward):
    """Feed-forward layer with the hyperbolic tangent.

    Examples
    --------
    >>> from lstmcore import Tanh, initial_network
    >>> initial_network(3, [Tanh(2)], 1)
    <Network 3 → Tanh(2); 8 weights, float32>
    """

    kind: ClassVar[str] = "tanh"


@dataclass(frozen=True)
class Logistic(Feedforward):
    """Feed-forward layer with the logistic function.

    Examples
    --------
    >>> from lstmcore import Logistic, initial_network
    >>> initial_network(3, [Logistic(2)], 1)
    <Network 3 → Logistic(2); 8 weights, float32>
    """

    kind: ClassVar[str] = "logistic"


@dataclass(frozen=True)
class Softmax(Feedforward):
    """Feed-forward layer whose outputs are positive and add up to 1.

    Examples
    --------
    >>> from lstmcore import Softmax, initial_network
    >>> initial_network(3, [Softmax(2)], 1)
    <Network 3 → Softmax(2); 8 weights, float32>
    """

    kind: ClassVar[str] = "softmax"


Shape = tuple[int, int, int]
"""Time, bands and channels of a block."""


@dataclass(frozen=True, kw_only=True)
class BlockLayer(Layer):
    """Layer that sees the inputs of a step as a block, time × bands × channels, and moves a window over it.

    It has no memory in time beyond the block: to packing and training it is a layer without memory.  The
    values of a block lie in this order, the channels of a place side by side; its outputs are a block again.

    Parameters
    ----------
    shape
        Time, bands and channels of the inputs.  A spectrogram has one channel, and sound one band, too.
    window
        Times and bands of the window; a pool's may have channels as well.  It stays within the block.
    """

    size: int = field(init=False, default=0)
    shape: Shape
    window: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", self._sizes("shape", self.shape, 3))
        for name, length, most in zip(
            ("times", "bands", "channels"), self.window_shape, self.shape, strict=True
        ):
            if length > most:
                raise EngineError(
                    f"{self.kind} layer: its window has {length} {name}, and its block {most}; "
                    "expected a window within the block"
                )
        object.__setattr__(self, "size", math.prod(self.output_shape))
        super().__post_init__()

    def _sizes(self, name: str, values: Any, count: int) -> tuple[int, ...]:
        """Take some whole numbers from 1."""
        if not isinstance(values, tuple | list) or len(values) != count:
            raise EngineError(f"{self.kind} layer: {name} is {shown(values)}; expected {count} whole numbers")
        return tuple(whole(f"{self.kind} layer: {name}", value) for value in values)

    @property
    def window_shape(self) -> Shape:
        """Times, bands and channels of the window."""
        raise NotImplementedError

    @property
    def steps(self) -> tuple[int, int]:
        """How far the window moves, over time and over bands."""
        raise NotImplementedError

    @property
    def output_shape(self) -> Shape:
        """Time, bands and channels of the outputs."""
        raise NotImplementedError

    @property
    def places(self) -> tuple[int, int]:
        """How many places the window has, over time and over bands; what is left at the end isn't seen."""
        time, bands = (
            (length - window) // step + 1
            for length, window, step in zip(self.shape[:2], self.window_shape[:2], self.steps, strict=True)
        )
        return time, bands

    def parameters(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameters, in the order of the vector."""
        if input_size != math.prod(self.shape):
            raise EngineError(
                f"{self.kind} layer: its block of {' × '.join(map(str, self.shape))} has "
                f"{math.prod(self.shape)} values, and what is below gives {input_size}; expected as many"
            )
        return self._parameters()

    def _parameters(self) -> dict[str, tuple[int, ...]]:
        return {}


ACTIVATIONS = ("relu", "tanh")


@dataclass(frozen=True, kw_only=True)
class Convolution(BlockLayer):
    """Filters of all channels, moved over time and bands: φ(W ⋆ x + β b).

    With x the block, t and f the place of the window, s its steps and β the layer's `bias`::

        y[t, f, k] = φ(Σ W[k, a, b, c] x[s_t t + a, s_f f + b, c] + β b[k])

    the sum being over the window's times a and bands b and all channels c.  Pieces, for K filters:
    ``W`` (K, times, bands, channels) and ``b`` (K,).

    Parameters
    ----------
    filters
        How many: the channels of the outputs.
    stride
        How far the window moves, over time and over bands.
    activation
        φ: "relu", max(0, ·), or "tanh".

    Examples
    --------
    >>> from lstmcore import Convolution
    >>> Convolution(shape=(50, 40, 1), window=(5, 5), filters=16, stride=(2, 2)).output_shape
    (23, 18, 16)
    """

    kind: ClassVar[str] = "convolution"

    filters: int
    stride: tuple[int, ...] = (1, 1)
    activation: str = "relu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "window", self._sizes("window", self.window, 2))
        object.__setattr__(self, "stride", self._sizes("stride", self.stride, 2))
        object.__setattr__(self, "filters", whole(f"{self.kind} layer: filters", self.filters))
        if self.activation not in ACTIVATIONS:
            known = " or ".join(map(repr, ACTIVATIONS))
            raise EngineError(f"{self.kind} layer: activation is {self.activation!r}; expected {known}")
        super().__post_init__()

    @property
    def window_shape(self) -> Shape:
        """Times, bands and channels of the window: it has all channels."""
        return (self.window[0], self.window[1], self.shape[2])

    @property
    def steps(self) -> tuple[int, int]:
        """How far the window moves, over time and over bands."""
        return (self.stride[0], self.stride[1])

    @property
    def output_shape(self) -> Shape:
        """Time, bands and channels of the outputs: a channel for each filter."""
        return (*self.places, self.filters)

    def _parameters(self) -> dict[str, tuple[int, ...]]:
        return {"W": (self.filters, *self.window_shape), "b": (self.filters,)}


@dataclass(frozen=True, kw_only=True)
class Pool(BlockLayer):
    """One number for each window, and windows that lie side by side.  It has no parameters.

    A window without channels has one: then each channel is pooled by itself.
    """

    bias: float = field(init=False, default=1.0)
    learning_rate: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        window = self.window
        if isinstance(window, tuple | list) and len(window) == 2:
            window = (*window, 1)
        object.__setattr__(self, "window", self._sizes("window", window, 3))
        super().__post_init__()

    @property
    def window_shape(self) -> Shape:
        """Times, bands and channels of the window."""
        return (self.window[0], self.window[1], self.window[2])

    @property
    def steps(self) -> tuple[int, int]:
        """How far the window moves: its own length."""
        return (self.window[0], self.window[1])

    @property
    def output_shape(self) -> Shape:
        """Time, bands and channels of the outputs."""
        return (*self.places, self.shape[2] // self.window[2])


@dataclass(frozen=True, kw_only=True)
class MaxPool(Pool):
    """The largest value of each window; its error goes to that one, of equal ones to the first.

    Examples
    --------
    >>> from lstmcore import MaxPool
    >>> MaxPool(shape=(23, 18, 16), window=(2, 2)).output_shape
    (11, 9, 16)
    """

    kind: ClassVar[str] = "max_pool"


@dataclass(frozen=True, kw_only=True)
class MeanPool(Pool):
    """The mean of each window.

    Examples
    --------
    >>> from lstmcore import MeanPool
    >>> MeanPool(shape=(23, 18, 16), window=(2, 2)).output_shape
    (11, 9, 16)
    """

    kind: ClassVar[str] = "mean_pool"


LAYERS: dict[str, type[Layer]] = {kind.kind: kind for kind in (LSTM, BLSTM, Linear, Tanh, Logistic, Softmax)}
"""Kinds of layer that are made of a number of units."""

BLOCK_LAYERS: dict[str, type[BlockLayer]] = {kind.kind: kind for kind in (Convolution, MaxPool, MeanPool)}
"""Kinds of layer that are made of a block's shape and a window."""
