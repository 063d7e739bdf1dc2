"""``lstmcore import``: from another program's file to a model."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from lstmcore.experiments.errors import InputError, unreadable
from lstmcore.experiments.files import check_writable, write_text
from lstmcore.experiments.prediction.model import write_model
from lstmcore.experiments.prediction.shipped import CARD
from lstmcore.features.errors import printable
from lstmcore.installing import install_extra

if TYPE_CHECKING:
    from lstmcore.experiments.exchange.imported import Imported

ImportFormat = Literal["onnx", "torch", "currennt"]
MOST_BYTES = 2_000_000_000
"""Of a file: what a message of protobuf can have, and more than any network here."""


@dataclass(frozen=True)
class ImportOptions:
    """ImportOptions of an import, of CURRENNT's files both.

    Parameters
    ----------
    data
        Standardised NetCDF file whose means and deviations become the model's scalers.
    float64
        Whether weights are kept in double precision.
    """

    data: Path | None = None
    float64: bool = False


def import_model(
    file: Path, from_: ImportFormat, out: Path, options: ImportOptions | None = None
) -> list[str]:
    """Make a model of another program's file.

    Parameters
    ----------
    file
        The file; of PyTorch also a folder that `lstmcore.experiments.exchange.export` wrote.
    from_
        Which program's.
    out
        Folder for the model.
    options
        What else is known.

    Returns
    -------
    list of str
        What is worth saying.

    Raises
    ------
    InputError
        If the file can't be read, is damaged, or holds what a model can't; the place is named.
    OSError
        If the model can't be written.
    """
    options = options or ImportOptions()
    if from_ != "currennt" and (options.data is not None or options.float64):
        wrong = "--data" if options.data is not None else "--float64"
        raise InputError(f"{wrong} with --from {from_}; expected it with currennt alone")
    if (out / "model.json").exists():
        raise InputError(f"{printable(out)}: there is a model already; expected another folder")
    if out.exists() and not out.is_dir():
        raise InputError(f"{printable(out)}: is a file; expected the name of a new folder")
    check_writable(out / "model.json")
    if from_ == "currennt":
        from lstmcore.experiments.currennt.convert import Wishes, network_to_model

        _check_size(file)
        return network_to_model(file, out, Wishes(data=options.data, float64=options.float64))
    with np.errstate(over="ignore", invalid="ignore"):  # what isn't finite is told by what is made of it
        found = _read(file, from_)
    if found.card is not None:
        write_text(out / CARD, found.card)
    write_model(out, found.description, found.tensors)
    return found.notes


def _read(file: Path, from_: Literal["onnx", "torch"]) -> Imported:
    if from_ == "onnx":
        if find_spec("onnx") is None:
            raise InputError(f"the package onnx is missing; to install it: {install_extra('export')}")
        from lstmcore.experiments.exchange.onnx_reading import read_onnx

        _check_size(file)
        return read_onnx(file)
    from lstmcore.experiments.exchange.torch_reading import read_torch, state_file

    _check_size(state_file(file))
    return read_torch(file)


def _check_size(file: Path) -> None:
    try:
        size = file.stat().st_size
    except OSError as error:
        raise unreadable(file, error) from None
    if file.is_dir():
        raise InputError(f"{printable(file)}: is a folder; expected a file")
    if size > MOST_BYTES:
        raise InputError(f"{printable(file)}: has {size:,} bytes; expected at most {MOST_BYTES:,}")
