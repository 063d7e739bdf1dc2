"""What the first layer of a network on sound has learnt: a picture of its filters.

    python -m benchmarks.filters MODEL --out FILE.svg [--network N]

Of a spectrogram, each filter as it is: time to the right, bands upwards, blue below 0 and red above, on one
scale.  Of samples, the gain of each at all frequencies, filters in the order of their peaks.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from lstmcore import Convolution
from lstmcore.experiments.prediction.model import load_model
from lstmcore.features.sound_names import SOUND_RATE_HZ, WAVEFORM


def draw_filters(model: Path, network: int, out: Path) -> None:
    """Draw the filters of one of a model's networks.

    Parameters
    ----------
    model
        Folder of the model.
    network
        Its number.
    out
        The file.
    """
    found = load_model(model)
    layer = found.architecture.layers[0]
    if not isinstance(layer, Convolution):
        raise SystemExit(f"{model}: its first layer is a {layer.kind} layer; expected a convolution")
    filters = found.architecture.views(found.tensors["weights"][network])[0]["W"][..., 0]
    if found.about.feature_set == WAVEFORM:
        _gains(filters[:, :, 0], out)
    else:
        _pictures(filters, out)


def _pictures(filters: np.ndarray, out: Path) -> None:
    columns = min(8, len(filters))
    rows, most = math.ceil(len(filters) / columns), float(np.abs(filters).max())
    figure, axes = plt.subplots(rows, columns, figsize=(columns, rows * 1.05), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, weights in zip(axes.flat, filters, strict=False):
        axis.imshow(weights.T, cmap="RdBu_r", vmin=-most, vmax=most, origin="lower")
    figure.savefig(out, bbox_inches="tight")


def _gains(filters: np.ndarray, out: Path) -> None:
    gains = np.abs(np.fft.rfft(filters, 512, axis=1))
    gains = gains[np.argsort(gains.argmax(1))]
    figure, axis = plt.subplots(figsize=(6, 3))
    axis.imshow(
        gains.T, origin="lower", aspect="auto", extent=(0, len(gains), 0, SOUND_RATE_HZ / 2000), cmap="magma"
    )
    axis.set_xlabel("filter, in the order of peaks")
    axis.set_ylabel("frequency, kHz")
    figure.savefig(out, bbox_inches="tight")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the filters of a network's first layer.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--network", type=int, default=0)
    a = parser.parse_args()
    draw_filters(a.model, a.network, a.out)
