"""A network: its layers and one flat vector with all its parameters.

One vector makes the optimiser one loop, an ensemble a matrix, a checkpoint an array.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lstmcore.errors import EngineError
from lstmcore.layers import Layer

PRECISIONS = ("float32", "float64")


@dataclass(frozen=True)
class Piece:
    """Where a named parameter of a layer lies in the flat vector."""

    layer: int
    name: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Architecture:
    """Layers on top of an input of a given size; the last layer is the output.

    Parameters
    ----------
    input_size
        Number of inputs of a frame.
    layers
        From the input to the output.

    Raises
    ------
    EngineError
        If there is no layer or the input size is not positive.
    """

    input_size: int
    layers: tuple[Layer, ...]
    pieces: tuple[Piece, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.input_size < 1:
            raise EngineError(f"input size is {self.input_size}; expected at least 1")
        if not self.layers:
            raise EngineError("a network needs at least one layer")
        pieces: list[Piece] = []
        offset = 0
        for index, (layer, inputs) in enumerate(zip(self.layers, self.input_sizes, strict=True)):
            for name, shape in layer.pieces(inputs).items():
                pieces.append(Piece(index, name, shape, offset))
                offset += pieces[-1].size
        object.__setattr__(self, "pieces", tuple(pieces))

    @property
    def input_sizes(self) -> tuple[int, ...]:
        """Number of inputs of each layer."""
        return (self.input_size, *(layer.size for layer in self.layers[:-1]))

    @property
    def output_size(self) -> int:
        """Number of outputs of a frame."""
        return self.layers[-1].size

    @property
    def parameters(self) -> int:
        """Length of the parameter vector."""
        return self.pieces[-1].offset + self.pieces[-1].size

    def views(self, vector: NDArray[np.floating]) -> list[dict[str, NDArray[np.floating]]]:
        """Cut a vector with the network's length into its pieces, without a copy.

        Parameters
        ----------
        vector
            Weights, gradient or momentum, shape (parameters,).

        Returns
        -------
        list of dict
            One entry a layer, name of the piece to a view of its shape.

        Raises
        ------
        EngineError
            If the vector has another length.
        """
        if vector.shape != (self.parameters,):
            raise EngineError(
                f"parameter vector has shape {vector.shape}; this network needs ({self.parameters},)"
            )
        views: list[dict[str, NDArray[np.floating]]] = [{} for _ in self.layers]
        for piece in self.pieces:
            part = vector[piece.offset : piece.offset + piece.size]
            views[piece.layer][piece.name] = part.reshape(piece.shape)
        return views


class Network:
    """An architecture with weights.

    Parameters
    ----------
    architecture
        The layers.
    weights
        Flat parameter vector, shape (parameters,), float32 or float64.  Kept, not copied.

    Raises
    ------
    EngineError
        If the vector has the wrong length or type, or holds a value that is not finite.
    """

    def __init__(self, architecture: Architecture, weights: NDArray[np.floating]) -> None:
        if weights.dtype.name not in PRECISIONS:
            raise EngineError(f"weights are {weights.dtype.name}; expected float32 or float64")
        self.architecture = architecture
        self.pieces = architecture.views(weights)
        if not np.isfinite(weights).all():
            raise EngineError(f"{int((~np.isfinite(weights)).sum())} weights are not finite numbers")
        self.weights = weights

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Precision of weights and computation."""
        return self.weights.dtype

    def copy(self) -> Network:
        """Return a network with its own copy of the weights."""
        return Network(self.architecture, self.weights.copy())


def initial_network(
    input_size: int,
    layers: Iterable[Layer],
    generator: np.random.Generator,
    *,
    dtype: DTypeLike = np.float32,
    low: float = -0.1,
    high: float = 0.1,
) -> Network:
    """Make a network with uniformly distributed weights, biases and peepholes included.

    Parameters
    ----------
    input_size
        Number of inputs of a frame.
    layers
        From the input to the output.
    generator
        Source of the random numbers.
    dtype
        float32 or float64.
    low, high
        Range of the weights; the paper's is [-0.1, 0.1].

    Returns
    -------
    Network
        The new network.
    """
    architecture = Architecture(input_size, tuple(layers))
    weights = generator.uniform(low, high, architecture.parameters).astype(dtype)
    return Network(architecture, weights)
