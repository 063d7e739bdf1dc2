"""A network as RTNeural's JSON: layers as Keras counts them, for plug-ins that run it in real time.

The scaler is folded into the first layer and the annotation's scale into the last, in double precision.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore import LSTM, Layer, Linear
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.exchange.selection import Member, Selection, single
from lstmcore.experiments.files import write_json
from lstmcore.layers import BLSTM, BlockLayer

Array = NDArray[Any]

GATES = [1, 2, 0, 3]
"""Our gates z, i, f, o in the order of Keras i, f, c, o."""
_ACTIVATIONS = {"linear": "", "tanh": "tanh", "logistic": "sigmoid", "softmax": "softmax"}


def write_rtneural(selection: Selection, out: Path) -> list[str]:
    """Write the only network of a system.

    Parameters
    ----------
    selection
        What is exported.
    out
        The file.

    Returns
    -------
    list of str
        What the network does otherwise than the model.

    Raises
    ------
    InputError
        If there are several networks, or RTNeural's layers can't hold what the network has.
    OSError
        If the file can't be written.
    """
    _check(selection)
    member = single(selection, "a file of RTNeural's")
    write_json(out, rtneural_model(selection, member))
    notes = selection.frame_by_frame_notes()
    window = selection.about.prediction_window_seconds
    if window is not None:
        notes.append(
            f"lstmcore predict takes songs longer than {window:g} s in windows; of longer songs its curves "
            "differ"
        )
    return notes


def _check(selection: Selection) -> None:
    if selection.quantiles is not None:
        raise InputError(
            f"{selection.name}: its features are ranked first (normal scores), which no layer of RTNeural "
            "does; expected --to onnx, or a model that was trained with data.normal_scores = false"
        )
    for number, layer in enumerate(selection.architecture.layers):
        if isinstance(layer, BLSTM | BlockLayer):
            raise InputError(
                f"{selection.layer_place(number)} has no counterpart in RTNeural; expected layers of "
                f"{', '.join(('lstm', *_ACTIVATIONS))}, or --to onnx"
            )
    for number, largest in selection.peepholes():
        raise InputError(
            f"{selection.layer_place(number)} has peepholes, the largest {largest:.3g}, and RTNeural's LSTM "
            "has none: without them it would compute something else; expected --to onnx"
        )


def rtneural_model(selection: Selection, member: Member) -> dict[str, Any]:
    """Return what the file says."""
    layers = selection.architecture.layers
    scalers = member.scalers
    pieces = [
        {
            name: array.astype(np.float64) * (layer.bias if name == "b" else 1.0)
            for name, array in part.items()
        }
        for layer, part in zip(layers, member.pieces, strict=True)
    ]
    first = pieces[0]
    first["b"] = first["b"] - first["W"] @ (scalers["input_mean"] / scalers["input_scale"])
    first["W"] = first["W"] / scalers["input_scale"]
    last_is_linear = isinstance(layers[-1], Linear)
    if last_is_linear:
        last = pieces[-1]
        last["W"] = last["W"] * scalers["target_scale"][:, None]
        last["b"] = last["b"] * scalers["target_scale"] + scalers["target_mean"]
    written = [_layer(layer, part) for layer, part in zip(layers, pieces, strict=True)]
    if not last_is_linear:
        written.append(_dense(np.diag(scalers["target_scale"]), scalers["target_mean"], ""))
    return {"in_shape": [None, None, len(scalers["input_mean"])], "layers": written}


def _layer(layer: Layer, pieces: dict[str, Array]) -> dict[str, Any]:
    if not isinstance(layer, LSTM):
        return _dense(pieces["W"], pieces["b"], _ACTIVATIONS[layer.kind])
    columns = [pieces[name][GATES].reshape(4 * layer.size, -1).T.tolist() for name in ("W", "R")]
    return {
        "type": "lstm",
        "activation": "tanh",
        "shape": [None, None, layer.size],
        "weights": [*columns, pieces["b"][GATES].ravel().tolist()],
    }


def _dense(weights: Array, bias: Array, activation: str) -> dict[str, Any]:
    return {
        "type": "dense",
        "activation": activation,
        "shape": [None, None, len(bias)],
        "weights": [weights.T.tolist(), bias.tolist()],
    }
