"""PyTorch's state_dict: there and back to the bit, and what the module computes where torch is installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lstmcore import BLSTM, LSTM, Linear
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.exchange import ExportOptions, export_model, import_model
from lstmcore.experiments.prediction.model import Model, load_model
from tests.experiments.exchange.small_models import BLOCK, LAYERS, rows_for, write_small

MODULE = ExportOptions(peepholes="module")


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("peepholes", [True, False])
def test_there_and_back_to_the_bit(kind, peepholes, tmp_path):
    model = write_small(
        tmp_path / "model", LAYERS[kind], peepholes=peepholes, quantiles=9, lead_in_seconds=1.0
    )
    export_model(tmp_path / "model", "torch", tmp_path / "t", MODULE)
    names = set(load_file(tmp_path / "t" / "model.safetensors"))
    assert any("peephole" in name for name in names) == (peepholes and kind != "dense")
    import_model(tmp_path / "t", "torch", tmp_path / "back")
    rows = rows_for(model, 12)
    for one, other in zip(model.predict(rows), load_model(tmp_path / "back").predict(rows), strict=True):
        np.testing.assert_array_equal(one, other)


def test_peepholes_are_refused_unless_a_module_is_asked_for(tmp_path):
    write_small(tmp_path / "model")
    with pytest.raises(
        InputError, match=r"layer 1 of 3 \(lstm\) has peepholes, the largest 0\.\d+, and torch"
    ):
        export_model(tmp_path / "model", "torch", tmp_path / "t")
    assert not (tmp_path / "t").exists()
    write_small(tmp_path / "blocks", BLOCK, inputs=48)
    with pytest.raises(InputError, match=r"layer 1 of 6 \(convolution\) sees a step as a block"):
        export_model(tmp_path / "blocks", "torch", tmp_path / "t", MODULE)


def numpy_lstm(x: Any, w: Any, r: Any, b: Any) -> Any:
    """PyTorch's LSTM by its documentation: gates i, f, g, o."""
    h = c = np.zeros(r.shape[1])
    found = []
    for row in x:
        i, f, g, o = np.split(w @ row + r @ h + b, 4)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        found.append(h)
    return np.array(found)


def state(rng: np.random.Generator, inputs: int, units: int, ending: str) -> dict[str, Any]:
    shapes = {"weight_ih": (4 * units, inputs), "weight_hh": (4 * units, units)}
    shapes |= {"bias_ih": (4 * units,), "bias_hh": (4 * units,)}
    return {f"rnn.{n}{ending}": rng.uniform(-1, 1, s).astype(np.float32) for n, s in shapes.items()}


def of(arrays: dict[str, Any], ending: str) -> tuple[Any, Any, Any]:
    w, r, b, c = (arrays[f"rnn.{n}{ending}"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    return w, r, b + c


def test_a_state_dict_of_somebody_else_is_read(tmp_path):
    rng = np.random.default_rng(5)
    arrays = state(rng, 3, 4, "_l0") | state(rng, 3, 4, "_l0_reverse")
    arrays |= state(rng, 8, 2, "_l1") | state(rng, 8, 2, "_l1_reverse")
    arrays |= {"head.weight": rng.uniform(-1, 1, (2, 4)).astype(np.float32), "head.bias": np.float32([1, 2])}
    save_file(arrays, tmp_path / "s.safetensors")
    notes = import_model(tmp_path / "s.safetensors", "torch", tmp_path / "back")
    assert "taken for BLSTM(8) → BLSTM(4) → Linear(2)" in notes[-1]
    x = rng.standard_normal((6, 3))
    y = x
    for layer in ("_l0", "_l1"):
        back = numpy_lstm(y[::-1], *of(arrays, f"{layer}_reverse"))[::-1]
        y = np.hstack([numpy_lstm(y, *of(arrays, layer)), back])
    wanted = y @ arrays["head.weight"].T + arrays["head.bias"]
    model = load_model(tmp_path / "back")
    assert model.architecture.layers == (BLSTM(8), BLSTM(4), Linear(2))
    np.testing.assert_allclose(model.predict(x)[0], wanted, atol=1e-5)


def test_what_a_state_dict_may_not_be(tmp_path):
    rng = np.random.default_rng(5)
    good = state(rng, 3, 4, "_l0")

    def refused(message: str, arrays: dict[str, Any], name: str = "s.safetensors") -> None:
        save_file(arrays, tmp_path / name)
        with pytest.raises(InputError, match=message) as error:
            import_model(tmp_path / name, "torch", tmp_path / "back")
        assert name in str(error.value)

    refused("a pickle can run anything", good, "model.pt")
    refused("'norm.running_mean' is of no layer", good | {"norm.running_mean": np.ones(3, np.float32)})
    two = {f"{n}.weight": np.ones((4, 4), np.float32) for n in ("a", "b")}
    refused("2 dense layers", good | two)
    refused(r"weight_hh_l0 has shape \(12, 4\)", good | {"rnn.weight_hh_l0": np.ones((12, 4), np.float32)})
    refused(
        r"weight has shape \(2, 5\); expected \(2, 4\)", good | {"head.weight": np.ones((2, 5), np.float32)}
    )
    refused("is I64; expected F16", good | {"head.weight": np.ones((2, 4), np.int64)})
    (tmp_path / "s.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(InputError, match="damaged, or no file of safetensors"):
        import_model(tmp_path / "s.safetensors", "torch", tmp_path / "back")
    write_small(tmp_path / "model")
    export_model(tmp_path / "model", "torch", tmp_path / "t", MODULE)
    arrays = load_file(tmp_path / "t" / "model.safetensors")
    save_file(arrays, tmp_path / "t" / "model.safetensors", {"lstmcore": json.dumps({"description": []})})
    with pytest.raises(InputError, match="its metadata 'lstmcore' are damaged"):
        import_model(tmp_path / "t", "torch", tmp_path / "back")


def loaded(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location("lstmcore_model", folder / "lstmcore_model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load()


def agrees(module: Any, model: Model) -> None:
    import torch

    rows = rows_for(model, 12)
    with torch.no_grad():
        found = module(torch.tensor(rows)[None])
    for one, other in zip(found, model.predict(rows), strict=True):
        np.testing.assert_allclose(one[0].numpy(), other, atol=1e-5)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("peepholes", [True, False])
def test_the_module_says_what_the_model_says(kind, peepholes, tmp_path):
    pytest.importorskip("torch")
    keys = {"lead_in_seconds": 1.0, "annotation_delay_seconds": 0.5, "smoothing_seconds": 3.0}
    model = write_small(tmp_path / "m", LAYERS[kind], peepholes=peepholes, quantiles=9, **keys)
    export_model(tmp_path / "m", "torch", tmp_path / "t", MODULE)
    agrees(loaded(tmp_path / "t"), model)


def test_the_module_of_single_targets_and_in_pieces(tmp_path):
    torch = pytest.importorskip("torch")
    model = write_small(tmp_path / "m", (LSTM(4), Linear(1)), networks=4, single=True)
    export_model(tmp_path / "m", "torch", tmp_path / "t", MODULE)
    module = loaded(tmp_path / "t")
    agrees(module, model)
    rows, states, means = torch.tensor(rows_for(model, 11))[None], None, []
    with torch.no_grad():
        for piece in rows.split([1, 4, 6], dim=1):
            mean, _, states = module.stream(piece, states)
            means.append(mean[0].numpy())
    np.testing.assert_allclose(np.concatenate(means), model.predict(rows[0].numpy())[0], atol=1e-5)
