"""Files to import that were changed at random: a model or a message, never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import helper

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.exchange import ExportOptions, export_model, import_model
from lstmcore.experiments.prediction.model import load_model
from tests.experiments.exchange.small_models import INPUTS, write_small
from tests.experiments.exchange.test_onnx import SQUEEZE, foreign, lstm

FILES = ("own.onnx", "foreign.onnx", "torch/model.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("files")
    write_small(path / "model", networks=2, quantiles=3)
    export_model(path / "model", "onnx", path / "own.onnx")
    export_model(path / "model", "torch", path / "torch", ExportOptions(peepholes="module"))
    node, arrays = lstm(np.random.default_rng(0))
    foreign(path / "foreign.onnx", node, SQUEEZE, helper.make_node("Identity", ["s"], ["y"]), **arrays)
    return path


@pytest.mark.parametrize("name", FILES)
def test_they_are_read_as_they_are(name, folder, tmp_path):
    import_model(folder / name, "torch" if "torch" in name else "onnx", tmp_path / "back")
    assert len(load_model(tmp_path / "back").about.feature_names) in (3, INPUTS)


def complaint(file: Path, program: Any, out: Path) -> str:
    """Return what is wrong with a file; nothing if it is read."""
    try:
        import_model(file, program, out)
        load_model(out)
    except InputError as error:
        return str(error)
    return ""


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_of_the_bytes_ends_in_a_traceback(data, folder, tmp_path_factory):
    name = data.draw(st.sampled_from(FILES))
    content = bytearray((folder / name).read_bytes())
    # Names, shapes and the description lie at both ends.
    ends = data.draw(
        st.sampled_from([(0, min(len(content), 3000)), (max(0, len(content) - 6000), len(content))])
    )
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(ends[0], ends[1] - 1))] = data.draw(st.integers(0, 255))
    here = tmp_path_factory.mktemp("changed")
    file = here / Path(name).name
    file.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content), ends[1], 9]))])
    told = complaint(file, "torch" if "torch" in name else "onnx", here / "back")
    assert bool(told) != (here / "back").exists()
    assert not told or str(file) in told
    assert len(told) < 3000


def test_a_text_that_is_none_is_named(folder, tmp_path):
    """Protobuf gives bytes for it, in whatever place it stands."""
    content = (folder / "own.onnx").read_bytes()
    for n, text in enumerate((b"lstm_all", b"features", b"delay_frames")):
        assert text in content
        changed = tmp_path / f"{n}.onnx"
        changed.write_bytes(content.replace(text, b"\xff" + text[1:], 1))
        assert "no text" in complaint(changed, "onnx", tmp_path / f"back{n}")


@pytest.mark.parametrize(
    ("changed", "value", "away"),
    [
        ({"W": np.nan}, 0.0, "not finite"),
        ({"W": np.inf}, 0.0, "not finite"),
        ({"B": 3e38}, 0.0, "not finite"),  # two of them are added up
        ({"V": 2.0}, 3e38, "not finite"),
        ({"V": np.inf}, 0.0, "not finite"),
        ({"V": 3e38}, 1.0, "something else"),  # the result isn't finite, however it is computed
    ],
)
def test_numbers_that_are_not_finite_or_do_not_stay_so_are_told(changed, value, away, tmp_path):
    """And nothing else: a warning would be an error here."""
    node, arrays = lstm(np.random.default_rng(0), peepholes=False)
    arrays |= {"V": np.full((4, 2), 2.0), "c": np.zeros(2)}
    for name, number in changed.items():
        arrays[name] = np.full_like(arrays[name], number)
    last = helper.make_node("Gemm", ["s", "V", "c"], ["y"], alpha=value)
    flat = helper.make_node("Squeeze", ["Y"], ["s"])
    file = foreign(tmp_path / "x.onnx", node, flat, last, **arrays)
    assert away in complaint(file, "onnx", tmp_path / "model")


def test_a_signalling_nan_among_weights_is_told(tmp_path):
    """A product with one is an invalid operation, where one with another NaN is none."""
    node, arrays = lstm(np.random.default_rng(0), peepholes=False)
    arrays |= {"V": np.full((4, 2), 7.0)}
    last = helper.make_node("Gemm", ["s", "V"], ["y"])
    file = foreign(tmp_path / "x.onnx", node, helper.make_node("Squeeze", ["Y"], ["s"]), last, **arrays)
    seven = np.float32(7).tobytes() * 8
    assert file.read_bytes().count(seven) == 1
    file.write_bytes(file.read_bytes().replace(seven, b"\x01\x00\x80\x7f" * 8))
    assert "not finite" in complaint(file, "onnx", tmp_path / "model")
