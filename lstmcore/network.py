"""A network: its layers and one flat vector with all its parameters.

One vector makes the optimiser one loop, an ensemble a matrix, a checkpoint an array.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lstmcore.checks import PRECISIONS, kind, plain, precision, real, whole
from lstmcore.errors import EngineError
from lstmcore.layers import BLOCK_LAYERS, BLSTM, GATES, LAYERS, LSTM, Layer
from lstmcore.seeds import generator_of

__all__ = ["PRECISIONS", "Architecture", "Network", "Parameter", "initial_network"]


_FORMAT = 1  # of saved networks


@dataclass(frozen=True)
class Parameter:
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
        If there is no layer, something else stands for one, or the input size is not a whole number from 1.

    Examples
    --------
    >>> from lstmcore import LSTM, Architecture, Linear
    >>> Architecture(260, (LSTM(200), Linear(2))).parameter_count
    369802
    """

    input_size: int
    layers: tuple[Layer, ...]
    parameters: tuple[Parameter, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_size", whole("input size", self.input_size))
        object.__setattr__(self, "layers", _layers(self.layers))
        parameters: list[Parameter] = []
        offset = 0
        for index, (layer, inputs) in enumerate(zip(self.layers, self.input_sizes, strict=True)):
            for name, shape in layer.parameters(inputs).items():
                parameters.append(Parameter(index, name, shape, offset))
                offset += parameters[-1].size
        if not parameters:
            raise EngineError("no layer has parameters; expected at least one that can learn")
        object.__setattr__(self, "parameters", tuple(parameters))

    @property
    def input_sizes(self) -> tuple[int, ...]:
        """Number of inputs of each layer."""
        return (self.input_size, *(layer.size for layer in self.layers[:-1]))

    @property
    def output_size(self) -> int:
        """Number of outputs of a frame."""
        return self.layers[-1].size

    @property
    def parameter_count(self) -> int:
        """Length of the parameter vector."""
        return self.parameters[-1].offset + self.parameters[-1].size

    def views(self, vector: NDArray[np.floating]) -> list[dict[str, NDArray[np.floating]]]:
        """Cut a vector with the network's length into its parameters, without a copy.

        Parameters
        ----------
        vector
            Weights, gradient or momentum, shape (parameters,).

        Returns
        -------
        list of dict
            One entry per layer: name of the parameter to a view of its shape.

        Raises
        ------
        EngineError
            If the vector has another length.
        """
        if np.shape(vector) != (self.parameter_count,):
            raise EngineError(
                f"parameter vector has shape {np.shape(vector)}; this network needs ({self.parameter_count},)"
            )
        views: list[dict[str, NDArray[np.floating]]] = [{} for _ in self.layers]
        for parameter in self.parameters:
            part = vector[parameter.offset : parameter.offset + parameter.size]
            views[parameter.layer][parameter.name] = part.reshape(parameter.shape)
        return views


class Network:
    """An architecture with weights.

    Parameters
    ----------
    architecture
        The layers.
    weights
        Flat parameter vector, shape (parameters,), float32 or float64, contiguous.  Kept, not copied.

    Raises
    ------
    EngineError
        If the vector has the wrong length or type, or holds a value that is not finite.

    Examples
    --------
    >>> from lstmcore import LSTM, Linear, initial_network
    >>> network = initial_network(3, [LSTM(2), Linear(1)], 1)
    >>> network.parameters[0]["W"].shape  # gates, units, inputs
    (4, 2, 3)
    """

    def __init__(self, architecture: Architecture, weights: NDArray[np.floating]) -> None:
        kind("architecture", architecture, Architecture)
        plain("weights", weights, 1)
        self._architecture, self._weights = architecture, weights
        self._pieces = architecture.views(weights)
        if not np.isfinite(weights).all():
            raise EngineError(f"{int((~np.isfinite(weights)).sum())} weights are not finite numbers")

    @property
    def architecture(self) -> Architecture:
        """The layers."""
        return self._architecture

    @property
    def weights(self) -> NDArray[np.floating]:
        """The flat parameter vector, shape (parameters,); ``weights[:] = …`` gives it other values."""
        return self._weights

    @property
    def parameters(self) -> list[dict[str, NDArray[np.floating]]]:
        """Views of the vector: of each layer, name of the parameter to its values."""
        return self._pieces

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Precision of weights and computation."""
        return self.weights.dtype

    def copy(self) -> Network:
        """Return a network with its own copy of the weights."""
        return Network(self.architecture, self.weights.copy())

    def __reduce__(self) -> tuple[Any, ...]:
        # Copied one by one, the pieces would no longer be views of the vector.
        return Network, (self.architecture, self.weights)

    def __repr__(self) -> str:
        layers = " → ".join(f"{type(layer).__name__}({layer.size})" for layer in self.architecture.layers)
        sizes = f"{self.architecture.input_size} → {layers}"
        return f"<Network {sizes}; {self.architecture.parameter_count} weights, {self.dtype}>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file, whole or not at all.

        Parameters
        ----------
        path
            The file; an older one is replaced.  It is a NumPy archive, whatever its name: ``weights``, and
            ``architecture`` as JSON.

        Raises
        ------
        OSError
            If it can't be written.

        Examples
        --------
        >>> from lstmcore import LSTM, Linear, Network, initial_network
        >>> network = initial_network(3, [LSTM(2), Linear(1)], 1)
        >>> network.save("song.npz")
        >>> Network.load("song.npz")
        <Network 3 → LSTM(2) → Linear(1); 57 weights, float32>
        """
        layers = [described(layer) for layer in self.architecture.layers]
        text = json.dumps({"format": _FORMAT, "input_size": self.architecture.input_size, "layers": layers})
        target = Path(path)
        with tempfile.TemporaryDirectory(prefix=".lstmcore-", dir=target.parent) as folder:
            whole_file = Path(folder, "network.npz")
            np.savez(whole_file, weights=self.weights, architecture=np.array(text))
            whole_file.replace(target)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Read a network that `save` has written.

        Parameters
        ----------
        path
            The file.

        Returns
        -------
        Network
            With the same weights, to the bit.

        Raises
        ------
        EngineError
            If the file can't be read, is damaged, or holds something else.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                weights, text = arrays["weights"], str(arrays["architecture"])
            told = json.loads(text)
            if told["format"] != _FORMAT:
                raise EngineError(f"{path}: format {told['format']!r}; expected {_FORMAT}")
            kinds = LAYERS | BLOCK_LAYERS
            layers = [kinds[layer.pop("kind")](**layer) for layer in told["layers"]]
            return cls(Architecture(told["input_size"], tuple(layers)), weights)
        except OSError as error:
            raise EngineError(f"{path}: can't be read: {error.strerror or error}") from error
        except EngineError as error:
            where = "" if str(error).startswith(str(path)) else f"{path}: "
            raise EngineError(f"{where}{error}") from error
        except Exception as error:  # whatever zipfile, NumPy and json say of damage
            raise EngineError(f"{path}: damaged, or no network that Network.save has written") from error


def described(layer: Layer) -> dict[str, Any]:
    """Return a layer's kind and what it is made of, as JSON can hold them."""
    return {"kind": layer.kind, **{f.name: getattr(layer, f.name) for f in fields(layer) if f.init}}


def initial_network(
    input_size: int,
    layers: Iterable[Layer],
    generator: np.random.Generator | np.random.SeedSequence | int,
    *,
    dtype: DTypeLike = np.float32,
    low: float = -0.1,
    high: float = 0.1,
    forget_bias: float = 0.0,
) -> Network:
    """Make a network with uniformly distributed weights, biases and peepholes included.

    Parameters
    ----------
    input_size
        Number of inputs of a frame.
    layers
        From the input to the output.
    generator
        Source of the random numbers, or a seed.
    dtype
        float32 or float64.
    low, high
        Range of the weights; the paper's is [-0.1, 0.1].
    forget_bias
        Added to the bias weights of LSTM layers' forget gates.  At 0 a cell forgets half of its state at each
        step; from 2 to 4 it begins by remembering, for about 8 to 55 steps.

    Returns
    -------
    Network
        The new network.

    Raises
    ------
    EngineError
        If something is not what a network is made of.

    Notes
    -----
    Source of `forget_bias`: F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to forget", Neural
    Computation 12, 2000; R. Jozefowicz, W. Zaremba and I. Sutskever, "An empirical exploration of recurrent
    network architectures", ICML 2015.  A state fades by σ(b) a step: to 1/e in -1 / log σ(b) steps.

    Examples
    --------
    >>> from lstmcore import LSTM, Linear, initial_network
    >>> initial_network(260, [LSTM(200), LSTM(150), LSTM(25), Linear(2)], 1)
    <Network 260 → LSTM(200) → LSTM(150) → LSTM(25) → Linear(2); 598177 weights, float32>
    """
    if isinstance(layers, Layer | Integral | str):
        raise EngineError(f"layers: {layers!r}; expected a list, such as [LSTM(200), Linear(2)]")
    architecture = Architecture(input_size, tuple(layers))
    if not math.isfinite(real("low", low)) or not math.isfinite(real("high", high)) or low > high:
        raise EngineError(f"weights from {low} to {high}; expected finite numbers, the lower first")
    if not math.isfinite(real("forget_bias", forget_bias)):
        raise EngineError(f"forget_bias is {forget_bias}; expected a finite number")
    random = generator_of(generator)
    weights = random.uniform(low, high, architecture.parameter_count).astype(precision(dtype))
    network = Network(architecture, weights)
    for layer, parameters in zip(architecture.layers, network.parameters, strict=True):
        if isinstance(layer, LSTM | BLSTM):
            parameters["b"][GATES.index("f")] += forget_bias
    return network


def _layers(layers: Any) -> tuple[Layer, ...]:
    """Check that these are layers, and at least one."""
    if not isinstance(layers, tuple | list):
        raise EngineError(f"layers: {layers!r}; expected a tuple, such as (LSTM(200), Linear(2))")
    if not layers:
        raise EngineError("a network needs at least one layer")
    for number, layer in enumerate(layers, 1):
        if not isinstance(layer, Layer):
            units = layer if isinstance(layer, int) else 200
            raise EngineError(f"layer {number} is {layer!r}; expected a layer, such as LSTM({units})")
    return tuple(layers)
