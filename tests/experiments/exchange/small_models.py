"""Small models of random weights, of every kind that is exported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lstmcore import BLSTM, LSTM, Convolution, Linear, Logistic, MaxPool, MeanPool, Softmax, Tanh
from lstmcore.experiments.prediction.model import Model, layers_as_json, load_model, write_model
from lstmcore.network import Architecture

INPUTS = 5
LAYERS: dict[str, tuple[Any, ...]] = {
    "lstm": (LSTM(4), LSTM(3), Linear(2)),
    "blstm": (BLSTM(6), BLSTM(4), Linear(2)),
    "mixed": (Tanh(4), LSTM(4, bias=0.5), Logistic(3), Linear(2, bias=2.0)),
    "softmax": (LSTM(3), Softmax(2)),
    "dense": (Tanh(4), Linear(2)),
}
BLOCK = (
    Convolution(shape=(4, 6, 2), window=(2, 3), stride=(1, 2), filters=4),
    MaxPool(shape=(3, 2, 4), window=(2, 1, 2)),
    Convolution(shape=(1, 2, 2), window=(1, 1), filters=4, activation="tanh"),
    MeanPool(shape=(1, 2, 4), window=(1, 2, 2)),
    LSTM(3),
    Linear(2),
)


def write_small(
    folder: Path,
    layers: Sequence[Any] = LAYERS["lstm"],
    *,
    networks: int = 3,
    peepholes: bool = True,
    quantiles: int = 0,
    inputs: int = INPUTS,
    single: bool = False,
    **keys: Any,
) -> Model:
    """Write a model whose inputs lie far from 0 and differ in scale, and read it.

    `single`: half of its networks are of the first target, half of the second.
    """
    rng = np.random.default_rng(7)
    architecture = Architecture(inputs, tuple(layers))
    weights = rng.uniform(-0.8, 0.8, (networks, architecture.parameter_count)).astype(np.float32)
    if not peepholes:
        for row in weights:
            for pieces in architecture.views(row):
                if "p" in pieces:
                    pieces["p"][:] = 0
    outputs = architecture.output_size
    far = np.zeros(inputs) if quantiles else np.linspace(-40, 90, inputs)
    tensors: dict[str, Any] = {
        "weights": weights,
        "input_mean": far + rng.standard_normal((networks, inputs)),
        "input_scale": rng.uniform(0.5, 3, (networks, inputs)),
        "target_mean": rng.uniform(-0.2, 0.2, (networks, outputs)),
        "target_scale": rng.uniform(0.2, 0.5, (networks, outputs)),
    }
    if quantiles:
        tensors["quantiles"] = np.sort(np.round(rng.standard_normal((quantiles, inputs)), 1), axis=0)
    about: dict[str, Any] = {
        "experiment": "small",
        "layers": layers_as_json(architecture),
        "feature_set": "custom",
        "feature_names": [f"f{k}" for k in range(inputs)],
        "targets": ["tension", "warmth"][:outputs],
        "target_range": [-1.0, 1.0],
        "hop_seconds": 0.5,
        "networks": [{"fold": k, "trial": 0} for k in range(networks)],
        "systems": {"lstm_all": list(range(networks)), "lstm_ccc": [networks - 1, 0]},
    }
    if single:
        half = networks // 2
        told = [
            {"fold": k % half, "trial": 0, "target": ("tension", "warmth")[k // half]}
            for k in range(networks)
        ]
        about |= {
            "targets": ["tension", "warmth"],
            "networks": told,
            "systems": {"lstm_all": [*range(networks)]},
        }
    write_model(folder, about | keys, tensors)
    return load_model(folder)


def rows_for(model: Model, frames: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Features as they are computed, some of them at the very quantiles and beyond them."""
    rng = np.random.default_rng(frames)
    mean, scale = model.tensors["input_mean"][0], model.tensors["input_scale"][0]
    rows = mean + scale * rng.standard_normal((frames, len(mean)))
    if "quantiles" in model.tensors:
        rows = np.round(2 * rng.standard_normal((frames, len(mean))), 1)
    return rows.astype(np.float32)
