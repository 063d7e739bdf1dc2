"""Models from PyTorch: a ``state_dict`` as safetensors, which holds numbers and nothing that could run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from lstmcore import LSTM, Layer, Linear
from lstmcore.experiments.errors import InputError, unreadable
from lstmcore.experiments.exchange.imported import Imported, array_in, custom, read_back
from lstmcore.experiments.exchange.torch_files import GATES, KEY, STATE
from lstmcore.experiments.files import from_json, read_plain
from lstmcore.experiments.prediction.shipped import card_in
from lstmcore.features.errors import printable
from lstmcore.layers import BLSTM, BlockLayer

Array = NDArray[Any]

_LSTM = re.compile(
    r"^(?:(?P<of>.*)\.)?(?P<name>(?:weight|bias)_(?:ih|hh))_l(?P<layer>\d{1,3})(?P<back>_reverse)?$"
)
_DENSE = re.compile(r"^(?:(?P<of>.*)\.)?(?P<name>weight|bias)$")
_PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")


def state_file(path: Path) -> Path:
    """File of a ``state_dict``, which may be named by its folder."""
    return path / STATE if path.is_dir() else path


def read_torch(path: Path) -> Imported:
    """Read a model from a ``state_dict``.

    Raises
    ------
    InputError
        If it is no file of safetensors, damaged, or holds other layers than LSTM layers and a dense one.
    """
    file = state_file(path)
    arrays, told = _read(file)
    if KEY in told:
        return replace(_own(file, told[KEY], arrays), card=card_in(file.parent))
    return _foreign(file, arrays)


def _read(file: Path) -> tuple[dict[str, Array], dict[str, str]]:
    if file.suffix.lower() in _PICKLES:
        raise InputError(
            f"{printable(file)}: a pickle can run anything when it is read; expected safetensors, which "
            "safetensors.torch.save_file(model.state_dict(), 'model.safetensors') writes"
        )
    try:
        content = read_plain(file)
    except OSError as error:
        raise unreadable(file, error) from None
    try:
        header = from_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
        told = header.get("__metadata__", {})
        kinds = {name: about["dtype"] for name, about in header.items() if name != "__metadata__"}
        foreign = {name: kind for name, kind in kinds.items() if kind not in ("F16", "F32", "F64")}
        if foreign:
            name, kind = next(iter(foreign.items()))
            raise InputError(f"{printable(file)}: {name} is {kind}; expected F16, F32 or F64")
        return load(content), {str(key): str(value) for key, value in told.items()}
    except InputError:
        raise
    except (SafetensorError, LookupError, TypeError, ValueError, OverflowError, AttributeError):
        raise InputError(f"{printable(file)}: damaged, or no file of safetensors") from None


def _own(file: Path, text: str, arrays: dict[str, Array]) -> Imported:
    try:
        facts = from_json(text)
        content, peepholes = facts["description"], list(facts["peepholes"])
    except (ValueError, LookupError, TypeError):
        raise InputError(f"{printable(file)}: its metadata {KEY!r} are damaged") from None

    def pieces_of(place: int, number: int, layer: Layer, inputs: int) -> dict[str, Array]:
        if isinstance(layer, BlockLayer):
            raise InputError(f"{printable(file)}: has a {layer.kind} layer, which no such file holds")
        own = f"networks.{place}.layers.{number}."
        if not isinstance(layer, LSTM | BLSTM):
            shapes = {"weight": (layer.size, inputs), "bias": (layer.size,)}
            found = {n: array_in(file, arrays, own + n, shape) for n, shape in shapes.items()}
            return {"W": found["weight"], "b": found["bias"]}
        seen = number < len(peepholes) and bool(peepholes[number])
        return _lstm(file, arrays, own, layer, inputs, "" if seen else "_l0")

    def scaler_of(place: int, name: str, length: int) -> Array:
        return array_in(file, arrays, f"networks.{place}.{name}", (length,))

    values = sum(array.size for array in arrays.values())
    return read_back(file, content, pieces_of, scaler_of, arrays.get("quantiles"), values)


def _lstm(
    file: Path, arrays: dict[str, Array], own: str, layer: Layer, inputs: int, ending: str
) -> dict[str, Array]:
    """Read an LSTM layer; without an ending to its names it is of the module's own cells."""
    directions = ("", "_reverse") if isinstance(layer, BLSTM) else ("",)
    units = layer.size // len(directions)
    parts: dict[str, list[Array]] = {"W": [], "R": [], "b": [], "p": []}
    back = np.argsort(GATES)
    for direction in directions:

        def one(name: str, *shape: int, behind: str = ending + direction) -> Array:
            return array_in(file, arrays, f"{own}{name}{behind}", shape)

        def gates(array: Array) -> Array:
            return array.reshape(4, units, *array.shape[1:])[back]

        parts["W"].append(gates(one("weight_ih", 4 * units, inputs)))
        parts["R"].append(gates(one("weight_hh", 4 * units, units)))
        if ending:
            biases = [
                one(name, 4 * units) for name in ("bias_ih", "bias_hh") if _has(arrays, own, name, ending)
            ]
            total = (
                sum(biases) if len(biases) > 1 and biases[1].any() else (biases or [np.zeros(4 * units)])[0]
            )
            parts["b"].append(gates(np.asarray(total)))
            parts["p"].append(np.zeros((3, units)))
        else:
            parts["b"].append(gates(one("bias", 4 * units)))
            parts["p"].append(one("peephole", 3, units))
    return {name: np.concatenate(found, axis=1) for name, found in parts.items()}


def _has(arrays: dict[str, Array], own: str, name: str, ending: str) -> bool:
    return f"{own}{name}{ending}" in arrays  # layers without biases have none


def _foreign(file: Path, arrays: dict[str, Array]) -> Imported:
    """Take LSTM layers in the order of their names, and then one dense layer."""
    stacks: dict[str, dict[int, bool]] = {}
    dense: dict[str, None] = {}
    for name in arrays:
        if found := _LSTM.match(name):
            stack = stacks.setdefault(found["of"] or "", {})
            number = int(found["layer"])
            stack[number] = stack.get(number, False) or bool(found["back"])
        elif found := _DENSE.match(name):
            dense[found["of"] or ""] = None
        else:
            raise InputError(
                f"{printable(file)}: {name!r} is of no layer that a network here has; expected nn.LSTM "
                "(weight_ih_l0 …) and one nn.Linear (weight, bias)"
            )
    if not stacks and not dense:
        raise InputError(f"{printable(file)}: no array; expected those of nn.LSTM and nn.Linear")
    if len(dense) > 1:
        raise InputError(
            f"{printable(file)}: {len(dense)} dense layers ({', '.join(sorted(dense)[:4])}), and a "
            "state_dict doesn't say in which order, nor what is between them; expected one, or a file of ONNX"
        )
    layers: list[Layer] = []
    pieces: list[dict[str, Array]] = []
    size = None
    for of in sorted(stacks, key=_natural):
        for number in sorted(stacks[of]):
            own, ending = f"{of}." if of else "", f"_l{number}"
            inner = arrays.get(f"{own}weight_hh{ending}")
            if inner is None or inner.ndim != 2 or not inner.size:
                raise InputError(f"{printable(file)}: no matrix {own}weight_hh{ending}")
            if len(inner) != 4 * inner.shape[1]:
                raise InputError(
                    f"{printable(file)}: {own}weight_hh{ending} has shape {inner.shape}; expected (4 E, E), "
                    "as in an LSTM without projection"
                )
            two, units = stacks[of][number], inner.shape[1]
            layer: Layer = BLSTM(2 * units) if two else LSTM(units)
            outer = arrays.get(f"{own}weight_ih{ending}")
            below = size if size is not None else 0 if outer is None or outer.ndim != 2 else outer.shape[1]
            pieces.append(_lstm(file, arrays, own, layer, below, ending))
            layers.append(layer)
            size = layer.size
    for of in dense:
        own = f"{of}." if of else ""
        weights = arrays.get(f"{own}weight")
        if weights is None or weights.ndim != 2:
            raise InputError(f"{printable(file)}: no matrix {own}weight")
        weights = array_in(file, arrays, f"{own}weight", (len(weights), size or weights.shape[1]))
        known = f"{own}bias" in arrays
        bias = array_in(file, arrays, f"{own}bias", (len(weights),)) if known else np.zeros(len(weights))
        layers.append(Linear(len(weights)))
        pieces.append({"W": weights, "b": bias})
    result = custom(file, pieces[0]["W"].shape[-1], layers, pieces, "PyTorch")
    told = " → ".join(f"{type(layer).__name__}({layer.size})" for layer in layers)
    result.notes.append(f"a state_dict doesn't say what is computed; taken for {told}")
    return result


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part or 0) if part.isdigit() else -1, part) for part in re.split(r"(\d+)", name)]
