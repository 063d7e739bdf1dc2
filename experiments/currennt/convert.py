"""Conversions between CURRENNT 0.2's files and ours.

Networks (``.jsn``, autosaves) become models (see `lstmcore.experiments.prediction.model`) and models
networks; NetCDF data become tables and tables data. Weights and data are exact both ways.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore import OBJECTIVES, Architecture, Network
from lstmcore.experiments.currennt.data import KINDS, TYPES, build_network, file_weights
from lstmcore.experiments.currennt.formats.netcdf import Float32, read_netcdf
from lstmcore.experiments.currennt.formats.netcdf_classic import MAGIC as CLASSIC
from lstmcore.experiments.currennt.formats.netcdf_hdf5 import MAGIC as HDF5
from lstmcore.experiments.currennt.formats.network_check import POST_OUTPUT
from lstmcore.experiments.currennt.formats.network_file import (
    LayerSpec,
    NetworkFile,
    read_network,
    write_network,
)
from lstmcore.experiments.currennt.formats.reading import file_size
from lstmcore.experiments.currennt.formats.table import data_to_table, table_to_data
from lstmcore.experiments.currennt.options.parsing import Options
from lstmcore.experiments.currennt.standardise import check_deviations
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.job import Tensors
from lstmcore.experiments.prediction.description import QUANTILES
from lstmcore.experiments.prediction.model import Model, layers_as_json, load_model, write_model
from lstmcore.features.errors import printable

_MODEL_FILE = "model.json"
_NETWORK, _DATA = (".jsn", ".json"), (".nc", ".nc1", ".nc3", ".nc4", ".cdf", ".netcdf")
_KINDS = dict.fromkeys(_NETWORK, "network") | dict.fromkeys(_DATA, "data")
_KINDS |= {".autosave": "autosave", ".csv": "table"}
_POSSIBLE = (
    f"expected data ({', '.join(_DATA)}) to .csv, or .csv to data; networks: lstmcore import and export"
)
_LOOKED_AT = 64  # bytes
_ONE_SEQUENCE = 1e-9  # of a file of which only the means are wanted


@dataclass(frozen=True)
class Wishes:
    """Options of a conversion; each belongs to one direction.

    Parameters
    ----------
    network
        Which network of a model, from 0; needed if it has several.
    data
        Standardised NetCDF file whose means and deviations become the model's scalers.
    labels
        Number of classes of a table.
    float64
        Keep the weights of a network in float64 instead of float32, in which CURRENNT reads them.
    """

    network: int | None = None
    data: Path | None = None
    labels: int | None = None
    float64: bool = False


def convert(source: Path, target: Path, wishes: Wishes | None = None) -> list[str]:
    """Convert a file or model into another kind.

    Parameters
    ----------
    source, target
        Network (``.jsn``, ``.json`` or ``.autosave``) and model (a folder), or NetCDF data (``.nc``,
        ``.nc1``, ``.netcdf`` and others) and table (``.csv``), and the other way round. What a source with
        another suffix is, its first bytes tell.
    wishes
        Options; one that has no meaning in this direction is an error.

    Returns
    -------
    list of str
        What is worth saying.

    Raises
    ------
    InputError
        If there is no such conversion, or the source can't be used.
    OSError
        If the target can't be written.
    """
    wishes = wishes or Wishes()
    kinds = _kind(source), _kind(target)
    if kinds[0] != "model":
        file_size(source)
    if kinds[0] is None:
        kinds = _kind_of_content(source), kinds[1]
    if kinds not in _CONVERSIONS:
        raise InputError(f"{source} to {target}: {_POSSIBLE}")
    work, allowed = _CONVERSIONS[kinds]
    for option in fields(wishes):
        if option.name not in allowed and getattr(wishes, option.name) != option.default:
            uses = [f"{a} to {b}" for (a, b), (_, names) in _CONVERSIONS.items() if option.name in names]
            raise InputError(f"--{option.name} has no meaning here; it is for {' and '.join(uses)}")
    return work(source, target, wishes)


def successor(source: Path, target: Path) -> str | None:
    """Return the command that converts a network; None for data and tables."""
    if _kind(source) == "model":
        return f"lstmcore export {printable(source)} --to currennt --out {printable(target)}"
    if _kind(target) == "model":
        return f"lstmcore import {printable(source)} --from currennt --out {printable(target)}"
    return None


def _kind(path: Path) -> str | None:
    if path.is_dir() or not (path.suffix or path.is_file()):
        return "model"
    return _KINDS.get(path.suffix.lower())


def _kind_of_content(source: Path) -> str | None:
    with source.open("rb") as file:
        start = file.read(_LOOKED_AT)
    if start.startswith((CLASSIC, HDF5)):
        return "data"
    return "network" if start.removeprefix(BOM_UTF8).lstrip().startswith(b"{") else None


def network_to_model(source: Path, folder: Path, wishes: Wishes) -> list[str]:
    """Make a model of a network or autosave of CURRENNT's; return what is worth saying.

    Raises
    ------
    InputError
        If the file can't be used, or there is a model in the folder.
    OSError
        If the model can't be written.
    """
    if (folder / _MODEL_FILE).exists():
        raise InputError(f"{folder}: there is a model already; expected another folder")
    file = read_network(source)
    for spec in file.layers[1:-1]:
        if spec.name not in file.weights:
            raise InputError(f"{source}: no weights of layer {spec.name!r}; a model needs all")
    network = build_network(file, Options(float64=wishes.float64), file.layers[0].size, 0)
    scalers, notes = _scalers(wishes.data, network.architecture)
    notes = [*file.notes, *notes]
    tensors = {"weights": network.weights} | scalers
    write_model(
        folder,
        _description(source, file, network.architecture),
        {name: values[None] for name, values in tensors.items()},
    )
    if not wishes.float64 and not all(_fit_float32(vars(w)) for w in file.weights.values()):
        notes.append(f"{source} has more digits than float32 holds; --float64 keeps them")
    return notes


def _fit_float32(pieces: dict[str, NDArray[Any]]) -> bool:
    """Whether weights come from float32, printed in full or with as many digits as it needs."""
    for values in pieces.values():
        narrow = values.astype(np.float32)
        shortest = narrow.astype("U32").astype(np.float64)
        if not ((narrow == values) | (shortest == values)).all():
            return False
    return True


def _description(source: Path, file: NetworkFile, architecture: Architecture) -> dict[str, Any]:
    return {
        "experiment": source.stem,
        "layers": layers_as_json(architecture),
        "layer_names": [layer.name for layer in file.layers],
        "objective": file.layers[-1].type,
        "gate_order": "z i f o",
        "feature_set": "custom",
        "feature_names": [f"input_{k}" for k in range(architecture.input_size)],
        "targets": [f"output_{k}" for k in range(architecture.output_size)],
        "target_range": None,
        "hop_seconds": None,
        "networks": [{"file": printable(source.name)}],
        "systems": {"network": [0]},
        "notes": [f"converted from {source.name}"],
    }


def _scalers(path: Path | None, architecture: Architecture) -> tuple[Tensors, list[str]]:
    sizes = {"input": architecture.input_size, "output": architecture.output_size}
    means = {kind: np.zeros(size) for kind, size in sizes.items()}
    scales = {kind: np.ones(size) for kind, size in sizes.items()}
    missing = []
    data = None if path is None else read_netcdf(path, fraction=_ONE_SEQUENCE)
    for kind, size in sizes.items() if data is not None else ():
        found = [getattr(data, f"{kind}_{what}") for what in ("means", "stdevs")]
        if any(values is None for values in found):
            missing.append(kind)
            continue
        _check_scaler(str(path), kind, found, size)
        means[kind], scales[kind] = (values.astype(np.float64) for values in found)
    if len(missing) == len(sizes):
        raise InputError(
            f"{path}: no inputMeans and inputStdevs, nor outputMeans and outputStdevs; "
            "expected a standardised file"
        )
    notes = [f"{path} has no {kind}Means and {kind}Stdevs: {kind}s are taken as they are" for kind in missing]
    names = {"input": "input", "output": "target"}
    tensors = {f"{names[kind]}_mean": values for kind, values in means.items()}
    return tensors | {f"{names[kind]}_scale": values for kind, values in scales.items()}, notes


def _check_scaler(place: str, kind: str, found: list[Float32], size: int) -> None:
    if len(found[0]) != size:
        raise InputError(f"{place}: {len(found[0])} {kind}Means; the network has {size} {kind}s")
    check_deviations(place, f"{kind}Stdevs", found[1])


def _model_to_network(source: Path, target: Path, wishes: Wishes) -> list[str]:
    inside = source / "model"
    folder = inside if inside.is_dir() else source
    model = load_model(folder)
    return write_network_of(folder, model, _chosen(folder, model, wishes.network), target)


def write_network_of(
    folder: Path, model: Model, number: int, target: Path, row: int | None = None
) -> list[str]:
    """Write a network of a model as a file of CURRENNT's.

    Parameters
    ----------
    folder
        Of the model.
    model
        It, or a part of it.
    number
        Of the network in `model`, from 0.
    target
        The file.
    row
        Of the network in the folder's arrays, if that is another number.

    Returns
    -------
    list of str
        Where the scalers are, which such a file has no place for.

    Raises
    ------
    InputError
        If CURRENNT has no such layer or error, or the description doesn't fit the layers.
    OSError
        If the file can't be written.
    """
    network = Network(model.architecture, model.tensors["weights"][number])
    layers = _layer_specs(folder, model.description, network.architecture)
    names = [layer.name for layer in layers[1:-1]]
    weights = file_weights(network.architecture, network.weights, names)
    write_network(target, NetworkFile(layers, weights))
    if all(_is_identity(model, number, kind) for kind in ("input", "target")):
        return []
    ranked = "take normal scores by its quantiles, then " if QUANTILES in model.tensors else ""
    return [
        f"{target}: a .jsn holds no scalers; {ranked}standardise the data, (x - mean) / scale, with "
        f"input_mean, input_scale, target_mean and target_scale, row {number if row is None else row} "
        f"(from 0), of {folder / 'networks.safetensors'}"
    ]


def _chosen(folder: Path, model: Model, wanted: int | None) -> int:
    count = len(model.tensors["weights"])
    if wanted is None and count == 1:
        return 0
    if wanted is not None and 0 <= wanted < count:
        return wanted
    known = [" ".join(f"{k} {v}" for k, v in facts.items()) for facts in model.description["networks"]]
    listed = "; ".join(f"{k}: {facts}" for k, facts in enumerate(known))
    given = "" if wanted is None else f", not {wanted}"
    raise InputError(f"{folder}: choose one of {count} networks with --network{given}: {listed}")


def _layer_specs(folder: Path, description: dict[str, Any], architecture: Architecture) -> list[LayerSpec]:
    objective = description.get("objective", "sse")
    foreign = [layer.kind for layer in architecture.layers if type(layer) not in TYPES]
    if foreign:
        raise InputError(
            f"{folder}: CURRENNT has no {foreign[0]} layer; expected layers of {', '.join(KINDS)}"
        )
    types = [TYPES[type(layer)] for layer in architecture.layers]
    hidden = [f"{kind}_{k}" for k, kind in enumerate(types[:-1], 1)]
    names = description.get("layer_names", ["input", *hidden, "output", "postoutput"])
    if objective not in POST_OUTPUT or len(names) != len(types) + 2:
        raise InputError(
            f"{folder / _MODEL_FILE}: objective {objective!r} and {len(names)} layer_names; expected one of "
            f"{', '.join(POST_OUTPUT)} and {len(types) + 2} names"
        )
    outputs = architecture.output_size
    last = outputs if "classification" in objective else OBJECTIVES[objective].target_size(outputs)
    inner = [
        LayerSpec(name, kind, layer.size, layer.bias, layer.learning_rate)
        for name, kind, layer in zip(names[1:-1], types, architecture.layers, strict=True)
    ]
    first = LayerSpec(names[0], "input", architecture.input_size)
    return [first, *inner, LayerSpec(names[-1], objective, last)]


def _is_identity(model: Model, number: int, kind: str) -> bool:
    mean, scale = (model.tensors[f"{kind}_{what}"][number] for what in ("mean", "scale"))
    return not mean.any() and bool((scale == 1).all())


def _table_to_data(source: Path, target: Path, wishes: Wishes) -> list[str]:
    table_to_data(source, target, wishes.labels)
    return []


_Work = Callable[[Path, Path, Wishes], list[str]]
_CONVERSIONS: dict[tuple[str | None, str | None], tuple[_Work, tuple[str, ...]]] = {
    ("network", "model"): (network_to_model, ("data", "float64")),
    ("autosave", "model"): (network_to_model, ("data", "float64")),
    ("model", "network"): (_model_to_network, ("network",)),
    ("data", "table"): (lambda source, target, _: data_to_table(source, target), ()),
    ("table", "data"): (_table_to_data, ("labels",)),
}
