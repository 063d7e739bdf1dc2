"""Files of ONNX: written with all that is known of the model in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
from onnx import helper

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.exchange.onnx_graph import IR_VERSION, OPSET, graph_of
from lstmcore.experiments.exchange.selection import Selection
from lstmcore.experiments.files import write_whole
from lstmcore.experiments.terminal.environment import version_of
from lstmcore.layers import BLSTM

MODEL_KEY = "lstmcore.model"
"""Of the metadata: what ``model.json`` says of the part that is in the file."""


def write_onnx(selection: Selection, out: Path, *, streaming: bool = False) -> list[str]:
    """Write a system of a model as one graph.

    Parameters
    ----------
    selection
        What is exported.
    out
        The file.
    streaming
        Whether a state goes in and comes out, so that a song can come in pieces.

    Returns
    -------
    list of str
        What the graph does otherwise than lstmcore.

    Raises
    ------
    InputError
        If the networks need frames to come and are to be streamed.
    OSError
        If the file can't be written.
    """
    if streaming:
        _check_streaming(selection)
    about = selection.about
    notes = [*selection.rounding_notes(), *_notes(selection, streaming)]
    model = helper.make_model(
        graph_of(selection, streaming),
        producer_name="lstmcore",
        producer_version=version_of("lstmcore") or "",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    model.doc_string = selection.card or f"{selection.name}: {selection.system}"
    before, late = selection.frames
    facts: dict[str, Any] = {
        MODEL_KEY: selection.description,
        "feature_names": about.feature_names,
        "target_names": about.target_names,
        "target_range": about.target_range,
        "hop_seconds": about.hop_seconds,
        "system": selection.system,
        "lead_in_frames": before,
        "delay_frames": late,
        "streaming": streaming,
        "notes": notes,
    }
    helper.set_model_props(model, {key: json.dumps(value) for key, value in facts.items()})
    onnx.checker.check_model(model, full_check=True)
    write_whole(out, model.SerializeToString())
    return notes


def _check_streaming(selection: Selection) -> None:
    for number, layer in enumerate(selection.architecture.layers):
        if isinstance(layer, BLSTM):
            raise InputError(
                f"{selection.layer_place(number)} runs backwards in time, too, and needs the frames to come; "
                "expected lstm layers, or no --streaming"
            )
    if not any(layer.kind == "lstm" for layer in selection.architecture.layers):
        raise InputError(f"{selection.name}: has no lstm layer, and so no state; expected no --streaming")


def _notes(selection: Selection, streaming: bool) -> list[str]:
    window = selection.about.prediction_window_seconds
    found = selection.frame_by_frame_notes() if streaming else []
    if window is not None:
        found.append(
            f"lstmcore predict takes songs longer than {window:g} s in windows, and the graph at once: of "
            "longer songs its curves differ"
        )
    return found
