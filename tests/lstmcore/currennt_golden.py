"""Reads the golden cases: what CURRENNT 0.2 computed on small networks and data."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lstmcore import (
    BLSTM,
    LSTM,
    OBJECTIVES,
    Architecture,
    Linear,
    Logistic,
    Network,
    Objective,
    SequenceSet,
    Softmax,
    Tanh,
)

FOLDER = Path(__file__).parent.parent / "golden" / "currennt"
INDEX: dict[str, dict[str, str]] = json.loads((FOLDER / "index.json").read_text())
_KINDS = {
    "lstm": LSTM,
    "blstm": BLSTM,
    "feedforward_identity": Linear,
    "feedforward_tanh": Tanh,
    "feedforward_logistic": Logistic,
    "softmax": Softmax,
}
_PIECES = ("input", "bias", "internal")


@cache
def load(name: str) -> Any:
    return json.loads(gzip.decompress((FOLDER / f"{name}.gz").read_bytes()))


def flat(weights: dict[str, dict[str, list[float]]]) -> np.ndarray:
    """All weights in the order of the file: the order of our parameter vector."""
    return np.array([v for layer in weights.values() for piece in _PIECES for v in layer[piece]])


def network(name: str, dtype: str) -> Network:
    description = load(name)
    layers = tuple(
        _KINDS[d["type"]](d["size"], d["bias"], d.get("learningRate")) for d in description["layers"][1:-1]
    )
    architecture = Architecture(description["layers"][0]["size"], layers)
    return Network(architecture, flat(description["weights"]).astype(np.float32).astype(dtype))


def objective(name: str) -> Objective:
    return OBJECTIVES[load(name)["layers"][-1]["type"]]


def sequences(name: str, dtype: str) -> SequenceSet:
    """The data, read through float32 as the original does."""
    found = load(name)["sequences"]
    x = [np.array(s["inputs"], np.float32) for s in found]
    y = [np.array(s["targets"] if "targets" in s else s["classes"], np.float32) for s in found]
    y = [a.reshape(len(a), -1) for a in y]
    return SequenceSet.from_lists(x, y, dtype=dtype)


def option(case: str, name: str, default: str) -> str:
    words = INDEX[case]["command"].split()
    return words[words.index(f"--{name}") + 1] if f"--{name}" in words else default
