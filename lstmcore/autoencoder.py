"""The de-noising auto-encoder: unsupervised pre-training of the first hidden layer.

Vincent, Larochelle, Bengio and Manzagol, ICML 2008, with an LSTM layer as Coutinho et al.
(MediaEval 2015) have it: one hidden layer and a linear output are trained to give back the
clean input from a noisy one, the noise being drawn anew at each epoch and time step.  Its
hidden layer then starts the regression network.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from lstmcore.checks import kind
from lstmcore.errors import EngineError
from lstmcore.layers import Layer, Linear
from lstmcore.network import Network, initial_network
from lstmcore.sequences import SequenceSet


def new_autoencoder(
    input_size: int,
    hidden: Layer,
    generator: np.random.Generator | np.random.SeedSequence | int,
    *,
    dtype: DTypeLike = np.float32,
    forget_bias: float = 0.0,
) -> Network:
    """Make an auto-encoder: an LSTM or tanh layer with a linear output of the input's size.

    Train it like any network, on `as_autoencoder_set` and with ``input_noise`` above 0.
    `forget_bias` is that of `initial_network`.
    """
    layers = [hidden, Linear(input_size)]
    return initial_network(input_size, layers, generator, dtype=dtype, forget_bias=forget_bias)


def as_autoencoder_set(sequences: SequenceSet) -> SequenceSet:
    """Return the set with its own clean inputs as targets."""
    kind("sequences", sequences, SequenceSet)
    return SequenceSet(sequences.inputs, sequences.inputs, sequences.lengths)


def start_from_autoencoder(network: Network, autoencoder: Network) -> Network:
    """Copy the auto-encoder's hidden layer into the first layer of a network.

    Parameters
    ----------
    network
        Gives all other layers; it is left as it is.
    autoencoder
        Gives the first layer.

    Returns
    -------
    Network
        A new network.

    Raises
    ------
    EngineError
        If the first layers differ in kind, size or inputs.
    """
    kind("network", network, Network)
    kind("autoencoder", autoencoder, Network)
    ours, theirs = network.architecture, autoencoder.architecture
    mine, other = ours.layers[0], theirs.layers[0]
    if (ours.input_size, mine.kind, mine.size) != (theirs.input_size, other.kind, other.size):
        raise EngineError(
            f"the auto-encoder's hidden layer is {other} on {theirs.input_size} inputs; "
            f"the network's first layer is {mine} on {ours.input_size}"
        )
    started = network.copy()
    for name, parameter in autoencoder.parameters[0].items():
        started.parameters[0][name][:] = parameter
    return started
