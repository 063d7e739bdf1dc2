"""The layers before a network's hidden ones, where it learns from sound itself: ``[network.front]``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from lstmcore import Convolution, EngineError, Layer, MaxPool, MeanPool
from lstmcore.experiments.config.features import OwnSet
from lstmcore.experiments.config.section import Section
from lstmcore.features.sets import is_sound
from lstmcore.features.sound_names import WAVEFORM, block_shape
from lstmcore.layers import BlockLayer

_Size = Annotated[int, Field(ge=1, le=100_000)]
_Pair = Annotated[list[_Size], Field(min_length=2, max_length=2)]
_Window = Annotated[list[_Size], Field(min_length=2, max_length=3)]


class FrontLayer(Section):
    """A convolution, and the pool above it.

    ``window``, ``stride`` and ``pool`` are over time and over bands, of which sound has one; ``pool`` takes
    the largest value, with a third number of as many channels; if left out, there is none.
    """

    filters: _Size
    window: _Pair
    stride: _Pair = Field(default=[1, 1])
    activation: Literal["relu", "tanh"] = "relu"
    pool: _Window | None = None


class Front(Section):
    """Convolutions within each row's block of sound, below the hidden layers.

    ``over_time``: what becomes of the times that the last of them leaves: their largest values, their
    means, or all of them (``none``).  ``learning_rate``: of the convolutions, instead of the one of
    ``training``; 0 leaves them as they begin.
    """

    layers: list[FrontLayer] = Field(min_length=1)
    over_time: Literal["max", "mean", "none"] = "mean"
    learning_rate: float | None = Field(default=None, ge=0)


SPECTROGRAM = Front(
    layers=[
        FrontLayer(filters=16, window=[5, 5], stride=[2, 2], pool=[2, 2]),
        FrontLayer(filters=32, window=[3, 3]),
    ]
)
"""Of ``log-mel``, if nothing is said: a small one, after Malik et al. (2017)."""

SAMPLES = Front(
    layers=[
        FrontLayer(filters=40, window=[160, 1], stride=[80, 1], pool=[2, 1]),
        FrontLayer(filters=40, window=[20, 1], pool=[4, 1, 10]),
    ],
    over_time="none",
)
"""Of ``waveform``, if nothing is said: after Trigeorgis et al. (2016), whose filters move by samples."""


def front_layers(front: Front | None, feature_set: str, bias: float) -> tuple[Layer, ...]:
    """Make the layers of a front, those of a set that isn't sound being none.

    Parameters
    ----------
    front
        What the configuration says; None: what suits the set.
    feature_set
        Name of the set.
    bias
        The constant that bias weights are multiplied with.

    Raises
    ------
    ValueError
        If a window doesn't fit into what is below it; the layer is named.
    """
    if not is_sound(feature_set):
        return ()
    told = front or (SAMPLES if feature_set == WAVEFORM else SPECTROGRAM)
    shape = block_shape(feature_set)
    layers: list[BlockLayer] = []
    for number, one in enumerate(told.layers):
        try:
            layers.append(
                Convolution(
                    bias,
                    told.learning_rate,
                    shape=shape,
                    window=tuple(one.window),
                    filters=one.filters,
                    stride=tuple(one.stride),
                    activation=one.activation,
                )
            )
            if one.pool is not None:
                layers.append(MaxPool(shape=layers[-1].output_shape, window=tuple(one.pool)))
        except EngineError as error:
            raise ValueError(f"network.front.layers.{number}: {error}") from None
        shape = layers[-1].output_shape
    if told.over_time != "none" and shape[0] > 1:
        kind = MaxPool if told.over_time == "max" else MeanPool
        layers.append(kind(shape=shape, window=(shape[0], 1)))
    return tuple(layers)


def check_front(front: Front | None, sets: Sequence[str], bias: float) -> str | None:
    """Return the set that is sound, if there is one.

    Raises
    ------
    ValueError
        If a front has no sound to learn from, or its windows don't fit into it.
    """
    sound = next(filter(is_sound, sets), None)
    if front is not None and sound is None:
        raise ValueError(
            f"network.front is there, and data.features is {sets[0]!r}; expected features = 'log-mel' or "
            "'waveform', sound that a front can learn from"
        )
    for feature_set in sets:
        front_layers(front, feature_set, bias)
    return sound


def check_whole(features: str | OwnSet, leave_out: Sequence[str]) -> None:
    """Raise ValueError if a part of a block of sound is left out: its columns are a picture."""
    sets = [features] if isinstance(features, str) else features.sets or []
    sound = next(filter(is_sound, sets), None)
    columns = None if isinstance(features, str) else features.columns
    key, found = ("leave_out", leave_out) if leave_out else ("features.columns", columns)
    if sound is not None and found:
        raise ValueError(
            f"data.{key} is {found} and features {sound}, whose columns are a picture; expected no data.{key}"
        )


def front_size(layers: tuple[Layer, ...], inputs: int) -> int:
    """Return how many values the hidden layers get."""
    return layers[-1].size if layers else inputs
