"""Models for PyTorch: a ``state_dict`` as safetensors, and the module that it belongs to.

PyTorch's LSTM has no peepholes.  Networks whose peepholes are 0 are written for ``torch.nn.LSTM``; the others
are refused, or written for the module's own cells, if that is asked for.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from lstmcore import LSTM, Layer
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.exchange.selection import Selection
from lstmcore.experiments.files import write_text, write_whole
from lstmcore.experiments.prediction.shipped import CARD
from lstmcore.features.errors import printable
from lstmcore.layers import BLSTM, BlockLayer

Array = NDArray[Any]

STATE, MODULE = "model.safetensors", "lstmcore_model.py"
KEY = "lstmcore"
"""Of the metadata: all that the module needs to know, ``description`` as in ``model.json`` among it."""
GATES = [1, 2, 0, 3]
"""Our gates z, i, f, o in PyTorch's order i, f, g, o."""


def write_torch(selection: Selection, out: Path, *, peepholes: str = "refuse") -> list[str]:
    """Write a folder with a ``state_dict``, the module to load it, and the model's card.

    Parameters
    ----------
    selection
        What is exported.
    out
        The folder.
    peepholes
        "module": layers with peepholes become the module's own cells; "refuse": they are an error.

    Returns
    -------
    list of str
        What the module does otherwise than lstmcore.

    Raises
    ------
    InputError
        If PyTorch's layers can't hold what the model has, or a file is in the folder's place.
    OSError
        If a file can't be written.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{printable(out)}: is a file; expected a folder's name, for {STATE} and {MODULE}")
    _check(selection, peepholes)
    notes = selection.rounding_notes()
    about = selection.about
    if about.prediction_window_seconds is not None:
        notes.append(
            f"lstmcore predict takes songs longer than {about.prediction_window_seconds:g} s in windows, and "
            "the module at once: of longer songs its curves differ"
        )
    seen = {number for number, _ in selection.peepholes()}
    content = save(state_dict(selection, seen), {KEY: json.dumps(_facts(selection, seen))})
    module = (resources.files("lstmcore.experiments.exchange") / "torch_module.txt").read_text(
        encoding="utf-8"
    )
    write_whole(out / STATE, content)
    write_text(out / MODULE, module)
    if selection.card is not None:
        write_text(out / CARD, selection.card)
    return notes


def _check(selection: Selection, peepholes: str) -> None:
    for number, layer in enumerate(selection.architecture.layers):
        if isinstance(layer, BlockLayer):
            raise InputError(
                f"{selection.layer_place(number)} sees a step as a block, which the module for PyTorch "
                "can't; expected --to onnx"
            )
    if peepholes == "module":
        return
    for number, largest in selection.peepholes():
        raise InputError(
            f"{selection.layer_place(number)} has peepholes, the largest {largest:.3g}, and "
            "torch.nn.LSTM has none: without them it would compute something else; expected --peepholes "
            "module, which writes cells that have them, or --to onnx"
        )


def _facts(selection: Selection, seen: set[int]) -> dict[str, Any]:
    about, (before, late) = selection.about, selection.frames
    return {
        "description": selection.description,
        "feature_names": about.feature_names,
        "target_names": about.target_names,
        "target_range": about.target_range,
        "hop_seconds": about.hop_seconds,
        "layers": [layer.model_dump(include={"kind", "size"}) for layer in about.layers],
        "peepholes": [number in seen for number in range(len(about.layers))],
        "network_count": len(selection.members),
        "networks_a_member": about.networks_a_member,
        "quantile_count": 0 if selection.quantiles is None else len(selection.quantiles),
        "lead_in_frames": before,
        "delay_frames": late,
        "smoothing_frames": selection.smoothing_reach,
    }


def state_dict(selection: Selection, seen: set[int]) -> dict[str, Array]:
    """Return the module's arrays by name; layers in `seen` have peepholes."""
    found: dict[str, Array] = {}
    for k, member in enumerate(selection.members):
        found |= {f"networks.{k}.{name}": values for name, values in member.scalers.items()}
        for number, (layer, pieces) in enumerate(
            zip(selection.architecture.layers, member.pieces, strict=True)
        ):
            named = _layer(layer, pieces, number in seen)
            found |= {f"networks.{k}.layers.{number}.{name}": values for name, values in named.items()}
    if selection.quantiles is not None:
        found["quantiles"] = selection.quantiles.astype(np.float64)
    return {name: np.ascontiguousarray(values) for name, values in found.items()}


def _layer(layer: Layer, pieces: dict[str, Array], seen: bool) -> dict[str, Array]:
    bias = np.float32(layer.bias) * pieces["b"]
    if not isinstance(layer, LSTM | BLSTM):
        return {"weight": pieces["W"], "bias": bias}
    directions = ("", "_reverse") if isinstance(layer, BLSTM) else ("",)
    units = layer.size // len(directions)
    found = {}
    for k, suffix in enumerate(directions):
        own = slice(k * units, (k + 1) * units)

        def rows(array: Array, own: slice = own) -> Array:
            return array[GATES][:, own].reshape(4 * units, *array.shape[2:])

        ending = suffix if seen else f"_l0{suffix}"
        found[f"weight_ih{ending}"] = rows(pieces["W"])
        found[f"weight_hh{ending}"] = rows(pieces["R"])
        if seen:
            found[f"bias{ending}"] = rows(bias)
            found[f"peephole{ending}"] = pieces["p"][:, own]
        else:
            found[f"bias_ih{ending}"] = rows(bias)
            found[f"bias_hh{ending}"] = np.zeros_like(rows(bias))
    return found
