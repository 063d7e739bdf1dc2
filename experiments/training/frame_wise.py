"""A network without memory, as large as one of LSTM layers: to see what memory is worth."""

from __future__ import annotations

from collections.abc import Sequence

from lstmcore import LSTM, Architecture, Linear, Tanh


def frame_wise_sizes(hidden: Sequence[int], inputs: int, outputs: int) -> list[int]:
    """Sizes of feed-forward layers that have as many parameters as LSTM layers.

    There are as many layers, in the same proportions; of all such networks it is the one whose number of
    parameters, that of the linear output included, is nearest to that of the LSTM network.

    Parameters
    ----------
    hidden
        Units of the LSTM layers, from the input on.
    inputs, outputs
        Of the network.

    Returns
    -------
    list of int
        A size a layer, each at least 1.
    """
    wanted = Architecture(inputs, (*(LSTM(size) for size in hidden), Linear(outputs))).parameter_count

    def sizes(first: int) -> list[int]:
        return [max(1, round(size * first / hidden[0])) for size in hidden]

    def count(first: int) -> int:
        return Architecture(inputs, (*map(Tanh, sizes(first)), Linear(outputs))).parameter_count

    low, high = 1, 2
    while count(high) < wanted:
        low, high = high, 2 * high
    while high - low > 1:  # the count rises with the size of the first layer
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < wanted else (low, middle)
    return sizes(min((low, high), key=lambda first: abs(count(first) - wanted)))
