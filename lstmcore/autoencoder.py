"""Learning without labels, from sequences alone: what hidden layers are given to do before there are targets.

The de-noising auto-encoder:

Vincent, Larochelle, Bengio and Manzagol, ICML 2008, with an LSTM layer as Coutinho et al.
(MediaEval 2015) have it: one hidden layer and a linear output are trained to give back the
clean input from a noisy one, the noise being drawn anew at each epoch and time step.  Its
hidden layer then starts the regression network.

Two tasks for all hidden layers together, each a set that a network is trained on like on any other:
the next frames (`as_next_frames_set`), and reading a sequence and then writing it backwards
(`as_reversal_set`), after Srivastava, Mansimov and Salakhutdinov, "Unsupervised learning of video
representations using LSTMs", ICML 2015.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from lstmcore.checks import kind, whole
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

    Examples
    --------
    >>> from lstmcore import LSTM, new_autoencoder
    >>> new_autoencoder(260, LSTM(200), 1)
    <Network 260 → LSTM(200) → Linear(260); 421660 weights, float32>
    """
    layers = [hidden, Linear(input_size)]
    return initial_network(input_size, layers, generator, dtype=dtype, forget_bias=forget_bias)


def as_autoencoder_set(sequences: SequenceSet) -> SequenceSet:
    """Return the set with its own clean inputs as targets.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import SequenceSet, as_autoencoder_set
    >>> songs = SequenceSet.from_lists([np.ones((9, 3))])
    >>> np.array_equal(as_autoencoder_set(songs).targets, songs.inputs)
    True
    """
    kind("sequences", sequences, SequenceSet)
    return SequenceSet(sequences.inputs, sequences.inputs, sequences.lengths)


def as_next_frames_set(sequences: SequenceSet, frames: int) -> SequenceSet:
    """Return a set whose targets are the next frames.

    Parameters
    ----------
    sequences
        The sequences; their inputs stay as they are.
    frames
        How many frames are told at each: the targets are those of the first, then of the second, and so on.

    Returns
    -------
    SequenceSet
        Each sequence without its last `frames` frames, of which nothing is known; sequences that are not
        longer than that are left out.  The targets have shape (frames of the set, `frames` × inputs).

    Raises
    ------
    EngineError
        If no sequence is long enough.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import SequenceSet, as_next_frames_set
    >>> as_next_frames_set(SequenceSet.from_lists([np.ones((9, 3))]), 4).targets.shape
    (5, 12)
    """
    kind("sequences", sequences, SequenceSet)
    whole("frames", frames)
    long = [part for part in sequences.split(sequences.inputs) if len(part) > frames]
    if not long:
        raise EngineError(
            f"no sequence has more than {frames} frames, so that no frame has so many next ones"
        )
    inputs = [part[:-frames] for part in long]
    targets = [
        np.concatenate([part[k : len(part) - frames + k] for k in range(1, frames + 1)], axis=1)
        for part in long
    ]
    return SequenceSet(
        np.concatenate(inputs), np.concatenate(targets), np.array([len(part) for part in inputs], np.int64)
    )


def as_reversal_set(sequences: SequenceSet) -> SequenceSet:
    """Return a set that has a network read each sequence, and then write it backwards.

    Parameters
    ----------
    sequences
        The sequences.

    Returns
    -------
    SequenceSet
        Sequences of twice the length.  In the first half a network hears the sequence, with noise if there
        is any, and its outputs don't count; in the second it hears zeros, without noise, and its targets are
        the clean frames, the last first.  Targets and their weights are interleaved, as the objective
        ``weightedsse`` has them.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import SequenceSet, as_reversal_set
    >>> as_reversal_set(SequenceSet.from_lists([np.ones((9, 3))])).lengths
    array([18])
    """
    kind("sequences", sequences, SequenceSet)
    lengths = sequences.lengths
    reads = np.concatenate([np.arange(2 * n) < n for n in lengths])
    columns = sequences.inputs.shape[1]
    inputs = np.zeros((2 * sequences.frames, columns), sequences.inputs.dtype)
    inputs[reads] = sequences.inputs
    targets = np.zeros((2 * sequences.frames, 2 * columns), sequences.inputs.dtype)
    targets[~reads, ::2] = np.concatenate([part[::-1] for part in sequences.split(sequences.inputs)])
    targets[~reads, 1::2] = 1
    return SequenceSet(inputs, targets, 2 * lengths, noisy=reads)


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

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import LSTM, Linear, initial_network, new_autoencoder, start_from_autoencoder
    >>> autoencoder = new_autoencoder(3, LSTM(2), 1)
    >>> network = start_from_autoencoder(initial_network(3, [LSTM(2), Linear(1)], 2), autoencoder)
    >>> np.array_equal(network.parameters[0]["W"], autoencoder.parameters[0]["W"])
    True
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
