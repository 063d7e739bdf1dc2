"""RTNeural's and CURRENNT's files, and the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.exchange import ExportOptions, export_model
from lstmcore.experiments.prediction.model import load_model
from tests.experiments.exchange.small_models import BLOCK, LAYERS, rows_for, write_small

ONE = ExportOptions(network=1)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def keras(file: dict[str, Any], x: Any) -> Any:
    """Compute what a file of RTNeural's says, by Keras's definitions: gates i, f, c, o."""
    assert file["in_shape"] == [None, None, x.shape[1]]
    for layer in file["layers"]:
        weights = [np.array(w) for w in layer["weights"]]
        if layer["type"] == "dense":
            x = x @ weights[0] + weights[1]
            match layer["activation"]:
                case "tanh":
                    x = np.tanh(x)
                case "sigmoid":
                    x = sigmoid(x)
                case "softmax":
                    x = np.exp(x) / np.exp(x).sum(1, keepdims=True)
                case other:
                    assert other == ""
        else:
            assert (layer["type"], layer["activation"]) == ("lstm", "tanh")
            h = c = np.zeros(layer["shape"][2])
            found = []
            for row in x:
                i, f, g, o = np.split(row @ weights[0] + h @ weights[1] + weights[2], 4)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
                found.append(h)
            x = np.array(found)
        assert layer["shape"] == [None, None, x.shape[1]]
    return x


@pytest.mark.parametrize("kind", [kind for kind in LAYERS if kind != "blstm"])
def test_a_file_for_rtneural_says_what_the_network_says(kind, tmp_path):
    write_small(tmp_path / "all", LAYERS[kind], peepholes=False)
    export_model(tmp_path / "all", "onnx", tmp_path / "one.onnx", ONE)
    import onnxruntime

    assert export_model(tmp_path / "all", "rtneural", tmp_path / "r.json", ONE) == []
    rows = rows_for(load_model(tmp_path / "all"), 15)
    found = keras(json.loads((tmp_path / "r.json").read_text()), rows.astype(float))
    run = onnxruntime.InferenceSession(str(tmp_path / "one.onnx"), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(found, run.run(["mean"], {"features": rows[None]})[0][0], atol=1e-5)


def test_what_rtneural_can_not_hold_is_refused(tmp_path):
    def refused(message: str, options: ExportOptions = ONE, **keys: Any) -> None:
        write_small(tmp_path / "m", **keys)
        with pytest.raises(InputError, match=message):
            export_model(tmp_path / "m", "rtneural", tmp_path / "r.json", options)
        assert not (tmp_path / "r.json").exists()

    refused(r"layer 1 of 3 \(lstm\) has peepholes, the largest .*, and RTNeural's LSTM has none")
    refused("features are ranked first", quantiles=9, peepholes=False)
    refused(r"layer 1 of 3 \(blstm\) has no counterpart", layers=LAYERS["blstm"], peepholes=False)
    refused(r"layer 1 of 6 \(convolution\)", layers=BLOCK, inputs=48, peepholes=False)
    refused(r"3 networks in lstm_all.*0: fold 0 trial 0; 1: fold 1", ExportOptions(), peepholes=False)


def test_what_frame_by_frame_leaves_to_others(tmp_path):
    keys = {"lead_in_seconds": 1.0, "smoothing_seconds": 2.0, "prediction_window_seconds": 30.0}
    write_small(tmp_path / "m", peepholes=False, **keys)
    notes = export_model(tmp_path / "m", "rtneural", tmp_path / "r.json", ONE)
    for word in ("first frame 2 times", "not smoothed", "in windows"):
        assert any(word in note for note in notes)
    assert len(notes) == 3


def command(*words: Any) -> Any:
    return CliRunner().invoke(app, [*map(str, words)])


def test_currennt_there_and_back(tmp_path):
    model = write_small(tmp_path / "m")
    told = command("export", tmp_path / "m", "--to", "currennt", "--network", 1, "--out", tmp_path / "n.jsn")
    assert told.exit_code == 0, told.output
    assert "row 1 (from 0), of" in told.stdout
    back = command("import", tmp_path / "n.jsn", "--from", "currennt", "--out", tmp_path / "back")
    assert back.exit_code == 0, back.output
    np.testing.assert_array_equal(
        load_model(tmp_path / "back").tensors["weights"][0], model.tensors["weights"][1]
    )
    system = command("export", tmp_path / "m", "--to", "currennt", "--out", tmp_path / "n.jsn")
    assert system.exit_code == 2
    assert "expected --network and one of 0: fold 0 trial 0" in system.output
    write_small(tmp_path / "blocks", BLOCK, inputs=48, networks=1)
    blocks = command(
        "export", tmp_path / "blocks", "--to", "currennt", "--out", tmp_path / "b.jsn", "--network", 0
    )
    assert blocks.exit_code == 2
    assert "CURRENNT has no convolution layer" in blocks.output


def test_converting_a_network_names_the_commands_that_do(tmp_path):
    write_small(tmp_path / "m", networks=1, systems={"lstm_all": [0]})
    told = command("convert", tmp_path / "m", tmp_path / "n.jsn")
    assert told.exit_code == 0
    assert f"lstmcore export {tmp_path / 'm'} --to currennt --out {tmp_path / 'n.jsn'}" in told.stderr
    told = command("convert", tmp_path / "n.jsn", tmp_path / "back")
    assert f"lstmcore import {tmp_path / 'n.jsn'} --from currennt --out {tmp_path / 'back'}" in told.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "onnx", "--out", "a.txt"], "expected the name of a file that ends in .onnx"),
        (["--to", "onnx", "--out", "a.onnx", "--system", "lstm_cc"], "did you mean 'lstm_ccc'"),
        (["--to", "onnx", "--out", "a.onnx", "--network", "9"], "no network 9; expected 0 to 2"),
        (
            ["--to", "onnx", "--out", "a.onnx", "--network", "0", "--system", "lstm_all"],
            "expected one of them",
        ),
        (["--to", "onnx", "--out", "a.onnx", "--peepholes", "module"], "expected it with torch alone"),
        (["--to", "rtneural", "--out", "a.json", "--streaming"], "expected it with onnx alone"),
        (["--to", "torch", "--out", "file"], "is a file; expected a folder"),
    ],
)
def test_mistakes_of_export_are_told(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_small(tmp_path / "m")
    Path("file").write_text("")
    told = command("export", "m", *words)
    assert told.exit_code == 2
    assert message in told.output
    assert {path.name for path in tmp_path.iterdir()} == {"m", "file"}


def test_mistakes_of_import_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_small(tmp_path / "m", networks=1, systems={"lstm_all": [0]})
    assert command("export", "m", "--to", "onnx", "--out", "m.onnx").exit_code == 0
    for words, message in (
        (["m.onnx", "--from", "onnx", "--out", "m"], "there is a model already"),
        (["m.onnx", "--from", "onnx", "--out", "m.onnx"], "is a file; expected the name of a new folder"),
        (["m.onnx", "--from", "torch", "--out", "b"], "damaged, or no file of safetensors"),
        (["m.onnx", "--from", "onnx", "--out", "b", "--float64"], "--float64 with --from onnx"),
        (["m", "--from", "onnx", "--out", "b"], "is a folder; expected a file"),
        (["none.jsn", "--from", "currennt", "--out", "b"], "none.jsn"),
    ):
        told = command("import", *words)
        assert told.exit_code == 2, told.output
        assert message in told.output
        assert "Traceback" not in told.output
        assert not Path("b").exists()


def test_without_the_package_onnx_its_installation_is_told(tmp_path, monkeypatch):
    write_small(tmp_path / "m")
    monkeypatch.setattr("lstmcore.experiments.exchange.export.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"the package onnx is missing; to install it: .*onnx"):
        export_model(tmp_path / "m", "onnx", tmp_path / "m.onnx")
