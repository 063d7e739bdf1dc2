"""What a NetCDF file of CURRENNT 0.2 holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NetcdfData:
    """Sequences, one after another.

    Parameters
    ----------
    tags
        Name of each sequence; names may repeat.
    lengths
        (sequences,) int64, in frames.
    inputs
        (frames, inputs) float32.
    targets
        (frames, outputs) float32, or None.
    classes
        (frames,) int32 from 0, or None.
    labels
        Number of classes, or None if the data are not for classification.
    output_means, output_stdevs
        (outputs,) float32: what undoes the standardisation of targets, or None.
    input_means, input_stdevs
        (inputs,) float32: what the inputs were standardised with, or None.
    notes
        What the file holds and was left out, a sentence each.
    """

    tags: list[str]
    lengths: NDArray[np.int64]
    inputs: Float32
    targets: Float32 | None = None
    classes: NDArray[np.int32] | None = None
    labels: int | None = None
    output_means: Float32 | None = None
    output_stdevs: Float32 | None = None
    input_means: Float32 | None = None
    input_stdevs: Float32 | None = None
    notes: tuple[str, ...] = ()
