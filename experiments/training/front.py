"""The front of networks that learn from sound itself: its layers, and the weights they begin with."""

from __future__ import annotations

import math
from typing import Any

from lstmcore import Convolution, Layer, Network
from lstmcore.experiments.config import Experiment, front_layers
from lstmcore.network import described

_RANGE = 0.1  # of the weights that networks begin with


def front_of(experiment: Experiment) -> tuple[Layer, ...]:
    """Layers below the hidden ones; none but where features are sound."""
    return front_layers(experiment.network.front, experiment.data.computed_set, experiment.network.bias)


def described_front(experiment: Experiment) -> dict[str, Any]:
    """Return what a job's name says of the front: nothing if there is none."""
    layers = front_of(experiment)
    return {"front": [described(layer) for layer in layers]} if layers else {}


def started(network: Network) -> Network:
    """Give the filters of a front a range that suits their number of inputs, and no bias, in place.

    Of a range that suits hundreds of features, a filter of some dozen values would hardly hear anything.

    Source: K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", ICCV 2015.
    """
    for layer, pieces in zip(network.architecture.layers, network.parameters, strict=True):
        if isinstance(layer, Convolution):
            pieces["W"] *= math.sqrt(6 / math.prod(layer.window_shape)) / _RANGE
            pieces["b"][:] = 0
    return network
