"""Graphs of ONNX: ONNX Runtime says what lstmcore says, and they come back to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from lstmcore import LSTM, Linear, StreamingNetwork
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.exchange import ExportOptions, export_model, import_model
from lstmcore.experiments.prediction.model import Model, load_model
from lstmcore.network import Network
from tests.experiments.exchange.small_models import BLOCK, LAYERS, rows_for, write_small

CLOSE = 1e-5


def session(file: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def exported(model: Path, out: Path, **options: Any) -> onnxruntime.InferenceSession:
    export_model(model, "onnx", out, ExportOptions(**options))
    return session(out)


def check(run: onnxruntime.InferenceSession, model: Model, system: str | None = None) -> None:
    """The graph's mean and spread are the model's, for songs of some lengths and for several at once."""
    for frames in (1, 2, 9, 40):
        rows = rows_for(model, frames)
        mean, spread = model.predict(rows, system, "reference")
        found = run.run(None, {"features": np.stack([rows, rows[::-1]])})
        assert [one.shape for one in found] == 2 * [(2, frames, mean.shape[1])]
        np.testing.assert_allclose(found[0][0], mean, atol=CLOSE, rtol=0)
        np.testing.assert_allclose(found[1][0], spread, atol=CLOSE, rtol=0)
        np.testing.assert_allclose(found[0][1], model.predict(rows[::-1], system)[0], atol=CLOSE, rtol=0)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_graph_says_what_the_model_says(kind, tmp_path):
    model = write_small(tmp_path / "model", LAYERS[kind])
    check(exported(tmp_path / "model", tmp_path / "m.onnx"), model)


def test_layers_that_see_blocks(tmp_path):
    model = write_small(tmp_path / "model", BLOCK, inputs=48, networks=2)
    check(exported(tmp_path / "model", tmp_path / "m.onnx"), model)


@pytest.mark.parametrize("points", [2, 7, 8, 100])
def test_normal_scores_are_in_the_graph(points, tmp_path):
    model = write_small(tmp_path / "model", quantiles=points)
    check(exported(tmp_path / "model", tmp_path / "m.onnx"), model)


@pytest.mark.parametrize(
    "keys",
    [
        {"lead_in_seconds": 2.0},
        {"annotation_delay_seconds": 1.5},
        {"smoothing_seconds": 3.0},
        {"lead_in_seconds": 1.0, "annotation_delay_seconds": 0.5, "smoothing_seconds": 60.0},
    ],
)
def test_lead_in_delay_and_smoothing_are_in_the_graph(keys, tmp_path):
    plain = write_small(tmp_path / "plain")
    model = write_small(tmp_path / "model", **keys)
    rows = rows_for(model, 9)
    assert np.abs(plain.predict(rows)[0] - model.predict(rows)[0]).max() > 1e-3
    check(exported(tmp_path / "model", tmp_path / "m.onnx"), model)


def test_a_system_a_network_and_single_targets(tmp_path):
    model = write_small(tmp_path / "model")
    check(exported(tmp_path / "model", tmp_path / "s.onnx", system="lstm_ccc"), model, "lstm_ccc")
    one = exported(tmp_path / "model", tmp_path / "n.onnx", network=1)
    mean, spread = one.run(None, {"features": rows_for(model, 5)[None]})
    assert not spread.any()
    both = [exported(tmp_path / "model", tmp_path / "n.onnx", network=k) for k in (0, 2)]
    means = [mean, *(run.run(["mean"], {"features": rows_for(model, 5)[None]})[0] for run in both)]
    np.testing.assert_allclose(np.mean(means, 0)[0], model.predict(rows_for(model, 5))[0], atol=CLOSE)


def test_networks_of_single_targets(tmp_path):
    model = write_small(tmp_path / "model", (LSTM(4), Linear(1)), networks=4, single=True)
    check(exported(tmp_path / "model", tmp_path / "m.onnx"), model)
    with pytest.raises(InputError, match="networks have one target each"):
        exported(tmp_path / "model", tmp_path / "n.onnx", network=1)


def test_the_shipped_model(tmp_path):
    run = exported(Path("deam-means"), tmp_path / "m.onnx")
    folder = Path(__file__).parents[3] / "experiments" / "models" / "deam-means"
    model = load_model(folder)
    known = model.tensors["quantiles"]
    rng = np.random.default_rng(0)
    rows = known[rng.integers(0, len(known), (30, known.shape[1])), np.arange(known.shape[1])]
    mean, spread = model.predict(rows)
    found = run.run(None, {"features": rows[None].astype(np.float32)})
    np.testing.assert_allclose(found[0][0], mean, atol=CLOSE, rtol=0)
    np.testing.assert_allclose(found[1][0], spread, atol=CLOSE, rtol=0)
    told = run.get_modelmeta()
    assert "Scores" in told.description  # the card
    assert json.loads(told.custom_metadata_map["target_names"]) == ["arousal", "valence"]
    assert json.loads(told.custom_metadata_map["hop_seconds"]) == 0.5


def test_a_song_in_pieces_is_the_song_at_once(tmp_path):
    layers = (LSTM(4), LSTM(3), Linear(2))
    model = write_small(tmp_path / "model", layers, networks=2)
    run = exported(tmp_path / "model", tmp_path / "m.onnx", streaming=True)
    rows = rows_for(model, 11)
    state = np.zeros((1, run.get_inputs()[1].shape[1]), np.float32)
    means = []
    for piece in np.split(rows, [1, 4]):
        mean, _, state = run.run(None, {"features": piece[None], "state": state})
        means.append(mean[0])
    np.testing.assert_allclose(np.concatenate(means), model.predict(rows)[0], atol=CLOSE, rtol=0)
    part = {name: array[0] for name, array in model.tensors.items()}
    stream = StreamingNetwork(Network(model.architecture, part["weights"]))
    for row in (rows - part["input_mean"]) / part["input_scale"]:
        stream.step(row)
    np.testing.assert_allclose(state[0, : len(stream.state)], stream.state, atol=CLOSE)


def test_what_streaming_leaves_to_others_is_told(tmp_path):
    write_small(tmp_path / "m", lead_in_seconds=1.0, annotation_delay_seconds=0.5, smoothing_seconds=2.0)
    notes = export_model(tmp_path / "m", "onnx", tmp_path / "m.onnx", ExportOptions(streaming=True))
    assert len(notes) == 3
    assert all(any(w in n for n in notes) for w in ("first frame 2 times", "1 frames late", "not smoothed"))
    write_small(tmp_path / "b", LAYERS["blstm"])
    with pytest.raises(InputError, match=r"layer 1 of 3 \(blstm\) runs backwards"):
        export_model(tmp_path / "b", "onnx", tmp_path / "b.onnx", ExportOptions(streaming=True))
    write_small(tmp_path / "d", LAYERS["dense"])
    with pytest.raises(InputError, match="no lstm layer"):
        export_model(tmp_path / "d", "onnx", tmp_path / "d.onnx", ExportOptions(streaming=True))
    write_small(tmp_path / "w", prediction_window_seconds=30.0)
    (note,) = export_model(tmp_path / "w", "onnx", tmp_path / "w.onnx")
    assert "longer than 30 s in windows" in note


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("quantiles", [0, 9])
def test_there_and_back_to_the_bit(kind, quantiles, tmp_path):
    model = write_small(tmp_path / "model", LAYERS[kind], quantiles=quantiles, smoothing_seconds=2.0)
    (tmp_path / "model" / "README.md").write_text("# small\n\nIts card.\n")
    export_model(tmp_path / "model", "onnx", tmp_path / "m.onnx", ExportOptions(system="lstm_ccc"))
    import_model(tmp_path / "m.onnx", "onnx", tmp_path / "back")
    back = load_model(tmp_path / "back")
    rows = rows_for(model, 12)
    for one, other in zip(model.predict(rows, "lstm_ccc"), back.predict(rows), strict=True):
        np.testing.assert_array_equal(one, other)
    if kind != "mixed":  # where bias values are folded into the weights
        for name, array in back.tensors.items():
            wanted = model.tensors[name][[0, 2]] if name != "quantiles" else model.tensors[name]
            np.testing.assert_array_equal(array, wanted)
    assert back.about.smoothing_seconds == 2.0
    assert (tmp_path / "back" / "README.md").read_text() == "# small\n\nIts card.\n"


def test_blocks_come_back(tmp_path):
    model = write_small(tmp_path / "model", BLOCK, inputs=48, networks=1)
    export_model(tmp_path / "model", "onnx", tmp_path / "m.onnx", ExportOptions(network=0))
    import_model(tmp_path / "m.onnx", "onnx", tmp_path / "back")
    np.testing.assert_array_equal(load_model(tmp_path / "back").tensors["weights"], model.tensors["weights"])


def foreign(file: Path, *nodes: Any, **arrays: Any) -> Path:
    """Write a graph of somebody else's: from x (time, batch, 3) to y."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["t", 1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["t", 1, "o"])],
        [
            numpy_helper.from_array(np.asarray(a, np.float32 if n != "axis" else np.int64), n)
            for n, a in arrays.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    file.write_bytes(model.SerializeToString())
    return file


def lstm(
    rng: np.random.Generator, *, peepholes: bool = True, **attributes: Any
) -> tuple[Any, dict[str, Any]]:
    shapes = {"W": (1, 16, 3), "R": (1, 16, 4), "B": (1, 32), "P": (1, 12)}
    inputs = ["x", "W", "R", "B", "", "", "", *(["P"] if peepholes else [])]
    node = helper.make_node("LSTM", inputs, ["Y"], hidden_size=4, **attributes)
    arrays = {n: rng.uniform(-1, 1, s) for n, s in shapes.items() if peepholes or n != "P"}
    return node, arrays | {"axis": [1]}


SQUEEZE = helper.make_node("Squeeze", ["Y", "axis"], ["s"])


@pytest.mark.parametrize("peepholes", [True, False])
def test_a_graph_of_somebody_else_is_read(peepholes, tmp_path):
    rng = np.random.default_rng(3)
    node, arrays = lstm(rng, peepholes=peepholes)
    tail = [
        helper.make_node("MatMul", ["s", "V"], ["v"]),
        helper.make_node("Add", ["v", "c"], ["a"]),
        helper.make_node("Tanh", ["a"], ["y"]),
    ]
    file = foreign(
        tmp_path / "f.onnx", node, SQUEEZE, *tail, **arrays, V=rng.uniform(-1, 1, (4, 2)), c=[0.1, -0.2]
    )
    notes = import_model(file, "onnx", tmp_path / "back")
    assert "input_0" in notes[0]
    model = load_model(tmp_path / "back")
    rows = rng.standard_normal((8, 3)).astype(np.float32)
    (wanted,) = session(file).run(None, {"x": rows[:, None]})
    np.testing.assert_allclose(model.predict(rows)[0], wanted[:, 0], atol=CLOSE)


def test_what_a_foreign_graph_may_not_be(tmp_path):
    rng = np.random.default_rng(3)
    node, arrays = lstm(rng)

    def refused(message: str, *nodes: Any, **more: Any) -> None:
        file = foreign(tmp_path / "f.onnx", *nodes, **more)
        with pytest.raises(InputError, match=message) as error:
            import_model(file, "onnx", tmp_path / "back")
        assert str(file) in str(error.value)
        assert not (tmp_path / "back").exists()

    refused(r"\(Erf\) is none of what", node, SQUEEZE, helper.make_node("Erf", ["s"], ["y"]), **arrays)
    last = helper.make_node("LSTM", ["x", "W", "R", "B"], ["", "y"], hidden_size=4)
    refused("only the last step is used", last, **arrays)
    reverse, _ = lstm(rng, direction="reverse")
    end = helper.make_node("Identity", ["s"], ["y"])
    refused("direction is reverse", reverse, SQUEEZE, end, **arrays)
    clipped, _ = lstm(rng, clip=3.0)
    refused("other activations, clip", clipped, SQUEEZE, end, **arrays)
    odd = helper.make_node("LSTM", ["x", "W", "R", "B", "", "h"], ["Y"], hidden_size=4)
    refused("computes something else", odd, SQUEEZE, end, **arrays, h=np.ones((1, 1, 4)))
    refused("expected frames of 2 values", node, SQUEEZE, end, **arrays | {"W": np.ones((1, 16, 2))})
    refused("R has shape|don't fit each other", node, SQUEEZE, end, **arrays | {"R": np.ones((1, 12, 4))})


def test_damaged_and_hostile_files(tmp_path):
    write_small(tmp_path / "model")
    export_model(tmp_path / "model", "onnx", tmp_path / "m.onnx")
    content = (tmp_path / "m.onnx").read_bytes()
    for bad in (b"", b"junk" * 50, content[: len(content) // 2]):
        (tmp_path / "bad.onnx").write_bytes(bad)
        with pytest.raises(InputError, match=r"bad\.onnx"):
            import_model(tmp_path / "bad.onnx", "onnx", tmp_path / "back")
    with pytest.raises(InputError, match=r"none\.onnx"):
        import_model(tmp_path / "none.onnx", "onnx", tmp_path / "back")

    def changed(change: Any, message: str) -> None:
        model = onnx.load_model_from_string(content)
        change(model)
        (tmp_path / "bad.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(InputError, match=message):
            import_model(tmp_path / "bad.onnx", "onnx", tmp_path / "back")

    def elsewhere(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/passwd")

    def renamed(model: Any) -> None:
        for tensor in model.graph.initializer:
            if tensor.name == "network.0.layer.0.W":
                tensor.CopyFrom(numpy_helper.from_array(np.zeros((1, 16, 4), np.float32), tensor.name))

    def told(text: str) -> Any:
        def change(model: Any) -> None:
            for entry in model.metadata_props:
                if entry.key == "lstmcore.model":
                    entry.value = text

        return change

    def nested(model: Any) -> None:
        model.graph.node.append(
            helper.make_node("If", ["state"], ["z"], then_branch=model.graph, else_branch=model.graph)
        )

    changed(elsewhere, "lies in another file")
    changed(nested, r"\(If\) in its graph; expected plain nodes")
    changed(renamed, r"network.0.layer.0.W has shape \(1, 16, 4\); expected \(1, 16, 5\)")
    changed(told("{"), "aren't valid JSON")
    changed(told("[1]"), "its description of the model")
    changed(told('{"format": 2}'), "its description of the model: format is 2; expected 1")
    about = json.loads(session(tmp_path / "m.onnx").get_modelmeta().custom_metadata_map["lstmcore.model"])
    changed(told(json.dumps(about | {"feature_names": list("abcd")})), r"has shape .*; expected \(1, 16, 4\)")
    huge = [about["layers"][0] | {"size": 10_000_000}, *about["layers"][1:]]
    changed(told(json.dumps(about | {"layers": huge})), "numbers; expected [0-9]{10}")
    assert not (tmp_path / "back").exists()
