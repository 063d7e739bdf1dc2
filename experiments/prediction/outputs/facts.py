"""What must be known to read predictions: their scale, hop and model, and what a time stamp means."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from lstmcore.experiments.errors import InputError

Scale = tuple[float, float]
FILE, TIME, END, LABEL, NOVELTY = "file", "time", "end", "label", "novelty"
_OF_TIME = (FILE, TIME, END, LABEL)


@dataclass(frozen=True)
class Facts:
    """What a file of predictions says of itself, beside the numbers.

    Parameters
    ----------
    targets
        Names of what is predicted.
    model
        Name of the model.
    digest
        Hash of all that the model is.
    system
        Which of its ensembles.
    networks
        How many networks are averaged.
    version
        Of lstmcore.
    hop_seconds, window_seconds
        Distance of the time stamps, and length of the sound that each describes.
    scale
        Lowest and highest value of the annotations; None: unknown.
    heard_seconds
        Length of the sound around each window that the model hears of, if it is another than that.
    delay_seconds
        How far the annotations lag behind the music, as the model's training took it.
    cautions
        What a person should know before believing the numbers.
    """

    targets: tuple[str, ...]
    model: str
    digest: str
    system: str
    networks: int
    version: str
    hop_seconds: float
    window_seconds: float
    scale: Scale | None = None
    heard_seconds: float | None = None
    delay_seconds: float = 0.0
    cautions: tuple[str, ...] = ()

    @property
    def time_stamp(self) -> str:
        """What a time stamp means, in one sentence."""
        text = (
            "seconds from the beginning of the song to the beginning of a window of "
            f"{self.window_seconds:g} s; the clock is that of the annotations"
        )
        if self.heard_seconds is not None:
            text = f"{text}; values are of the {self.heard_seconds:g} s around it"
        if not self.delay_seconds:
            return text
        return f"{text}; annotations lag {self.delay_seconds:g} s behind the music"

    def as_json(self) -> dict[str, Any]:
        """Keys and values for the head of a file."""
        return {
            "program": f"lstmcore {self.version}",
            "model": self.model,
            "model_digest": self.digest,
            "system": self.system,
            "networks": self.networks,
            "targets": list(self.targets),
            "scale": None if self.scale is None else list(self.scale),
            "hop_seconds": self.hop_seconds,
            "window_seconds": self.window_seconds,
            "annotation_delay_seconds": self.delay_seconds,
            "time_stamp": self.time_stamp,
            "spread": "standard deviation over the networks",
            "cautions": list(self.cautions),
        }

    def line(self) -> str:
        """Return all of it as one line of text."""
        scale = "unknown" if self.scale is None else f"{self.scale[0]:g} to {self.scale[1]:g}"
        return (
            f"lstmcore {self.version}; model {self.model} ({self.digest[:12]}), {self.system}, "
            f"{self.networks} {'network' if self.networks == 1 else 'networks'}; scale {scale}; "
            f"hop {self.hop_seconds:g} s; time stamp: {self.time_stamp}"
        )

    def meaning(self, column: str) -> str:
        """Say what a column of a table of predictions holds."""
        known = {
            FILE: "the song, as it was given",
            TIME: self.time_stamp,
            END: "seconds from the beginning of the song to the end of what the row describes; "
            "values are means from its time to its end",
            LABEL: "what the file of times calls it",
            NOVELTY: "share of the songs learnt from that lie nearer to the others of them than this one",
        }
        if column in known:
            return known[column]
        if column in self.targets:
            return column if self.scale is None else f"{column}, {self.scale[0]:g} to {self.scale[1]:g}"
        target = column.removesuffix("_spread")
        if target in self.targets:
            return f"standard deviation of {target} over the networks"
        return column

    def of_scale(self, wanted: Scale | None) -> Facts:
        """Return the facts of predictions that were mapped to another scale."""
        return self if wanted is None else replace(self, scale=wanted)


def value_columns(table: pd.DataFrame) -> list[str]:
    """Columns that hold numbers, be they of time stamps or of the whole song."""
    return [str(name) for name in table.columns if name not in _OF_TIME]


def curve_columns(table: pd.DataFrame) -> list[str]:
    """Columns that hold a number for each time stamp."""
    return [name for name in value_columns(table) if name != NOVELTY]


def novelty_in(table: pd.DataFrame) -> float | None:
    """Novelty of the song of a table, if the model knows it."""
    value = float(table[NOVELTY].iloc[0]) if NOVELTY in table else float("nan")
    return value if math.isfinite(value) else None


def parse_scale(text: str) -> Scale:
    """Read what ``--scale`` says: two numbers that rise, such as ``0..1``.

    Raises
    ------
    InputError
        If it is something else.
    """
    low, dots, high = text.partition("..")
    try:
        scale = (float(low), float(high))
    except ValueError:
        scale = (0.0, 0.0)
    if not dots or not scale[0] < scale[1] or not scale[1] - scale[0] < float("inf"):
        raise InputError(f"--scale {text}: expected two numbers that rise, such as 0..1 or 1..9")
    return scale


def check_scale(facts: Facts, wanted: Scale | None) -> None:
    """Refuse to map predictions of an unknown scale to another; an InputError says so."""
    if wanted is not None and facts.scale is None:
        raise InputError(
            f"--scale: the model {facts.model} doesn't say which scale its annotations had; "
            "expected a model that does, or no --scale"
        )


def rescaled(table: pd.DataFrame, facts: Facts, wanted: Scale | None) -> pd.DataFrame:
    """Map predictions linearly from the model's scale to another.

    Parameters
    ----------
    table
        With a column of each target, and one of each one's spread.
    facts
        Of the table.
    wanted
        Lowest and highest value; None: the table stays as it is.

    Raises
    ------
    InputError
        If the model's scale isn't known.
    """
    check_scale(facts, wanted)
    if wanted is None or facts.scale is None:
        return table
    factor = (wanted[1] - wanted[0]) / (facts.scale[1] - facts.scale[0])
    mapped = table.copy()
    for target in facts.targets:
        mapped[target] = wanted[0] + (table[target] - facts.scale[0]) * factor
        if f"{target}_spread" in table:
            mapped[f"{target}_spread"] = table[f"{target}_spread"] * factor
    return mapped
