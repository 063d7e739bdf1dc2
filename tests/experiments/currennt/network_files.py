"""Small networks as JSON, and whether two networks are the same."""

import json

import numpy as np

from lstmcore.experiments.currennt.formats.network_file import PIECES, NetworkFile, read_network

TOKENS = [
    b"nan",
    b"1e999",
    b"-0",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'"x"',
    b'"size"',
    b"\\ud800",
    b"1" * 200,
    b"[" * 2000,
    b"-1",
]


def small(**changes) -> dict:
    """A network of 2 inputs, lstm 1, linear 1, with weights, as JSON."""
    layers = [
        {"name": "in", "type": "input", "size": 2},
        {"name": "h", "type": "lstm", "size": 1, "bias": 1},
        {"name": "out", "type": "feedforward_identity", "size": 1, "bias": 1},
        {"name": "post", "type": "sse", "size": 1},
    ]
    weights = {
        "h": {"input": [0.5] * 8, "bias": [0.25] * 4, "internal": [1] * 7},
        "out": {"input": [2], "bias": [0], "internal": []},
    }
    return {"layers": layers, "weights": weights} | changes


def layer(k: int, **changes) -> dict:
    """The small network with another layer k; a change to ... leaves a key out."""
    network = small()
    merged = network["layers"][k] | changes
    network["layers"][k] = {key: value for key, value in merged.items() if value is not ...}
    return network


def weights(name: str, **changes) -> dict:
    network = small()
    network["weights"][name] = network["weights"].get(name, {}) | changes
    return network


def read(tmp_path, content):
    path = tmp_path / "n.jsn"
    data = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_network(path)


def same(a: NetworkFile, b: NetworkFile, dtype=np.float64) -> bool:
    pairs = [
        (getattr(a.weights[name], piece), getattr(b.weights[name], piece))
        for name in a.weights
        for piece in PIECES
    ]
    return (
        a.layers == b.layers
        and list(a.weights) == list(b.weights)
        and all(x.astype(dtype).tobytes() == y.astype(dtype).tobytes() for x, y in pairs)
    )
