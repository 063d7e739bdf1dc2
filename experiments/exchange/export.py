"""``lstmcore export``: from a model to another program's file."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.exchange.selection import Selection, select
from lstmcore.experiments.files import check_writable
from lstmcore.features.errors import printable
from lstmcore.installing import install_extra

ExportFormat = Literal["onnx", "torch", "currennt", "rtneural"]
SUFFIXES = {"onnx": ".onnx", "currennt": ".jsn", "rtneural": ".json"}
"""Of files; for PyTorch a folder is written."""


@dataclass(frozen=True)
class ExportOptions:
    """ExportOptions of an export; each belongs to some formats.

    Parameters
    ----------
    system
        Which ensemble; the first if None.
    network
        The only network that is wanted, by its number in ``model.json``; None: all of the system.
    streaming
        Whether a state goes in and comes out.
    peepholes
        What becomes of peepholes that PyTorch's LSTM doesn't have.
    """

    system: str | None = None
    network: int | None = None
    streaming: bool = False
    peepholes: Literal["refuse", "module"] = "refuse"


def export_model(
    given: Path | None, to: ExportFormat, out: Path, options: ExportOptions | None = None
) -> list[str]:
    """Write a model for another program.

    Parameters
    ----------
    given
        Folder of a run or model, or the name of one that comes with lstmcore; that one if None.
    to
        For which program.
    out
        The file, or for PyTorch the folder, to write.
    options
        What of it, and how.

    Returns
    -------
    list of str
        What is worth knowing: where what was written differs from what lstmcore predicts.

    Raises
    ------
    InputError
        If there is no such model, or the format can't hold it; the reason is told.
    OSError
        If a file can't be written.
    """
    options = options or ExportOptions()
    _check_options(to, out, options)
    selection = select(given, options.system, options.network)
    if to == "onnx":
        _needs_onnx()
        from lstmcore.experiments.exchange.onnx_files import write_onnx

        return write_onnx(selection, out, streaming=options.streaming)
    if to == "torch":
        from lstmcore.experiments.exchange.torch_files import write_torch

        return write_torch(selection, out, peepholes=options.peepholes)
    if to == "rtneural":
        from lstmcore.experiments.exchange.rtneural import write_rtneural

        return write_rtneural(selection, out)
    return _write_currennt(selection, out)


def _check_options(to: ExportFormat, out: Path, options: ExportOptions) -> None:
    if options.streaming and to != "onnx":
        said = (
            "of the module is stream()" if to == "torch" else "networks there hold their state by themselves"
        )
        raise InputError(f"--streaming with --to {to}; expected it with onnx alone: {said}")
    if options.peepholes != "refuse" and to != "torch":
        raise InputError(f"--peepholes with --to {to}; expected it with torch alone")
    suffix = SUFFIXES.get(to)
    if suffix is None:
        return
    if out.suffix.lower() not in (suffix, ".json" if to == "currennt" else suffix):
        raise InputError(f"--out {printable(out)}; expected the name of a file that ends in {suffix}")
    check_writable(out)


def _needs_onnx() -> None:
    if find_spec("onnx") is None:
        raise InputError(f"the package onnx is missing; to install it: {install_extra('export')}")


def _write_currennt(selection: Selection, out: Path) -> list[str]:
    from lstmcore.experiments.currennt.convert import write_network_of
    from lstmcore.experiments.exchange.selection import single

    single(selection, "a network file of CURRENNT's")
    about, (before, late) = selection.about, selection.frames
    notes = write_network_of(
        selection.folder, selection.model, selection.model.members(None)[0], out, selection.numbers[0]
    )
    if before or late or selection.smoothing_reach or about.prediction_window_seconds is not None:
        notes.append(
            f"{printable(out)}: of lead-in, delay, smoothing and windows of the model it knows nothing"
        )
    return notes
