"""``lstmcore import``: graphs of ONNX and state_dicts of PyTorch that anybody may have made."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import resource
import signal
import struct
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from lstmcore import LSTM, Linear
from lstmcore.experiments.exchange import export_model, import_model, onnx_computing
from lstmcore.experiments.prediction.model import load_model
from lstmcore.experiments.terminal.limits import restrict
from tests.fuzz.target import Target


def _imported(file: Path, kind: Any, folder: Path) -> None:
    """Import a file; what comes out is a model that can be read, and predicts."""
    out = folder / "model"
    try:
        import_model(file, kind, out)
    except Exception:
        assert not out.exists() or not any(out.iterdir()), "half a model"
        raise
    model = load_model(out)
    rows = np.random.default_rng(1).standard_normal((4, len(model.about.feature_names)))
    mean, _ = model.predict(rows)
    assert np.isfinite(mean).all()


@cache
def _small(single: bool, quantiles: int) -> Path:
    from tests.experiments.exchange.small_models import write_small

    folder = Path(tempfile.mkdtemp())
    layers = (LSTM(2), Linear(1 if single else 2))
    write_small(folder, layers, networks=2, inputs=3, single=single, quantiles=quantiles, peepholes=False)
    return folder


# ONNX


def _own_seeds(folder: Path) -> list[bytes]:
    found = []
    for number, (single, quantiles) in enumerate(((False, 0), (True, 5))):
        file = folder / f"{number}.onnx"
        export_model(_small(single, quantiles), "onnx", file)
        found.append(file.read_bytes())
    return found


def _foreign_seeds(folder: Path) -> list[bytes]:
    """Graphs as other programs write them: a chain of layers, without a description of ours."""
    return [_graph(kind).SerializeToString() for kind in ("dense", "lstm", "shaped")]


def _graph(kind: str, **attributes: Any) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(5)

    def array(name: str, *shape: int) -> Any:
        return numpy_helper.from_array(rng.uniform(-0.5, 0.5, shape).astype(np.float32), name)

    if kind == "dense":
        nodes = [
            helper.make_node("Gemm", ["x", "w", "b"], ["h"], transB=1),
            helper.make_node("Tanh", ["h"], ["t"]),
            helper.make_node("MatMul", ["t", "v"], ["m"]),
            helper.make_node("Add", ["m", "c"], ["y"]),
        ]
        arrays = [array("w", 4, 3), array("b", 4), array("v", 4, 2), array("c", 2)]
        shape, end = ["T", 3], ["T", 2]
    else:
        nodes = [
            helper.make_node("LSTM", ["x", "w", "r", "b"], ["h"], hidden_size=2),
            helper.make_node("Squeeze", ["h", "axes"], ["s"]),
            helper.make_node("MatMul", ["s", "v"], ["y"]),
        ]
        arrays = [array("w", 1, 8, 3), array("r", 1, 8, 2), array("b", 1, 16), array("v", 2, 2)]
        arrays.append(numpy_helper.from_array(np.array([1], np.int64), "axes"))
        if kind == "shaped":  # as PyTorch has the first state: of a size that is computed
            state = [
                helper.make_node("Shape", ["x"], ["size"]),
                helper.make_node("Slice", ["size", "one", "two"], ["batch"]),
                helper.make_node("Concat", ["one", "batch", "two"], ["zeros"], axis=0),
                helper.make_node("Expand", ["zero", "zeros"], ["h0"]),
            ]
            nodes[0] = helper.make_node("LSTM", ["x", "w", "r", "b", "", "h0"], ["h"], hidden_size=2)
            nodes = [*state, *nodes]
            for name, value in (("one", [1]), ("two", [2])):
                arrays.append(numpy_helper.from_array(np.array(value, np.int64), name))
            arrays.append(numpy_helper.from_array(np.zeros((1, 1, 1), np.float32), "zero"))
        shape, end = ["T", 1, 3], ["T", 1, 2]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, end)],
        arrays,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def _read_onnx(content: bytes, folder: Path) -> None:
    file = folder / "a.onnx"
    file.write_bytes(content)
    with patch.object(onnx_computing, "ask", _asked):
        _imported(file, "onnx", folder)


_TAME = {
    "Gemm",
    "MatMul",
    "Tanh",
    "Sigmoid",
    "Softmax",
    "Add",
    "LSTM",
    "Identity",
    "Squeeze",
    "Transpose",
    "Cast",
}


@cache
def _warm() -> None:
    """Import here what computes, so that no copy of this process has to."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "a.onnx")
        file.write_bytes(_foreign_seeds(Path(folder))[2])
        with patch.object(onnx_computing, "ask", onnx_computing.answer):
            import_model(file, "onnx", Path(folder, "model"))


def _asked(line: str) -> bytes:
    """Answer as the process does that is started else: here, or in a copy if a node may fill memory."""
    import onnx

    graph = onnx.load(json.loads(line)["file"]).graph
    if {node.op_type for node in graph.node} <= _TAME:
        return onnx_computing.answer(line)
    come, go = os.pipe()
    child = os.fork()
    if not child:
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.close(come)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        restrict(replace(onnx_computing.LIMITS, processor_seconds=3, memory_bytes=used + (1 << 30)))
        try:
            with os.fdopen(go, "wb") as out:
                out.write(onnx_computing.answer(line))
        finally:
            os._exit(0)
    os.close(go)
    try:
        with os.fdopen(come, "rb") as said:
            return said.read()
    finally:
        os.waitpid(child, 0)


# ONNX, field by field: messages that parse, with odd values where they may stand

_NUMBERS = (0, 1, -1, 2, 3, 4, 5, 7, 16, 1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1, -(1 << 63))
_TEXTS = (
    *(
        "",
        "x",
        "y",
        "h",
        "w",
        "LSTM",
        "Gemm",
        "Add",
        "Identity",
        "Softmax",
        "Reshape",
        "Expand",
        "Tile",
        "Range",
    ),
    *(
        "ConstantOfShape",
        "RandomNormal",
        "Loop",
        "If",
        "ai.onnx.ml",
        "com.example",
        "../x",
        "\x1b[31m",
        "value",
    ),
    *("Squeeze", "Transpose", "Constant", "MatMul", "Pad", "OneHot", "Upsample", "lstmcore.model", "reverse"),
)


def edited(content: bytes, model: Any) -> bytes:
    """Read bytes as changes of a message's fields: of which one, how, and to what."""
    for at in range(0, len(content) - 3, 4):
        place, which, how, value = content[at : at + 4]
        messages = _messages(model)
        message = messages[(place | which >> 4 << 8) % len(messages)]
        fields = message.DESCRIPTOR.fields
        _change(message, fields[(which & 15) % len(fields)], how, value)
    return bytes(model.SerializeToString())


def _change(message: Any, field: Any, how: int, value: int) -> None:
    new: Any = None
    if field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_INT64, field.CPPTYPE_UINT64, field.CPPTYPE_ENUM):
        new = _NUMBERS[value % len(_NUMBERS)]
        if field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_ENUM):
            new = value % 32
        if field.cpp_type == field.CPPTYPE_UINT64:
            new = abs(new)
    elif field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        new = (0.0, 1.0, -1.0, 1e30, float("nan"), float("inf"), 1e-40)[value % 7]
    elif field.cpp_type == field.CPPTYPE_STRING:
        new = _TEXTS[value % len(_TEXTS)]
        new = new.encode("utf-8", "surrogateescape") if field.type == field.TYPE_BYTES else new
    many = hasattr(getattr(message, field.name), "extend")
    try:
        if not many:
            if how % 4 == 0 or new is None:
                message.ClearField(field.name)
            else:
                setattr(message, field.name, new)
            return
        held = getattr(message, field.name)
        if how % 4 == 0 and len(held):
            del held[value % len(held)]
        elif new is None and len(held):
            held.add().CopyFrom(held[value % len(held)])
        elif how % 4 == 1 and len(held):
            held[how % len(held)] = new
        elif new is not None:
            held.append(new)
    except (ValueError, TypeError):  # no such value in this field
        return


def _messages(message: Any) -> list[Any]:
    """A message and all that are in it."""
    found = [message]
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for one in [value] if hasattr(value, "ListFields") else value:
                found += _messages(one)
    return found


@cache
def _parsed(number: int) -> Any:
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        seeds = [*_foreign_seeds(Path(folder)), *_own_seeds(Path(folder))]
    return onnx.load_model_from_string(seeds[number % len(seeds)])


def _field_seeds(folder: Path) -> list[bytes]:
    _warm()
    for number in range(5):
        _parsed(number)
    return [bytes([number]) for number in range(5)]


def _read_fields(content: bytes, folder: Path) -> None:
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(_parsed((content[0] if content else 0) % 5))
    _read_onnx(edited(content[1:], model), folder)


# PyTorch


def _torch_seeds(folder: Path) -> list[bytes]:
    found = []
    for number, (single, quantiles) in enumerate(((False, 0), (True, 5))):
        out = folder / str(number)
        export_model(_small(single, quantiles), "torch", out)
        found.append((out / "model.safetensors").read_bytes())
    rng = np.random.default_rng(3)
    shapes = {
        "lstm.weight_ih_l0": (8, 3),
        "lstm.weight_hh_l0": (8, 2),
        "lstm.bias_ih_l0": (8,),
        "fc.weight": (2, 2),
    }
    return [*found, tensors_file({name: rng.uniform(-0.5, 0.5, shape) for name, shape in shapes.items()})]


def tensors_file(arrays: dict[str, Any]) -> bytes:
    """Write arrays as safetensors, in single precision."""
    told, body = {}, b""
    for name, array in arrays.items():
        begin, body = len(body), body + array.astype(np.float32).tobytes()
        told[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [begin, len(body)]}
    head = json.dumps(told).encode()
    return struct.pack("<Q", len(head)) + head + body


def _read_torch(content: bytes, folder: Path) -> None:
    """Take the length of the header for what it is, so that texts in it may grow."""
    end = content.rfind(b"]}}") + 3
    end += len(content[end:]) - len(content[end:].lstrip(b" "))
    if end > 10 and hashlib.sha256(content).digest()[0] & 1:
        content = struct.pack("<Q", end - 8) + content[8:]
    file = folder / "model.safetensors"
    file.write_bytes(content)
    _imported(file, "torch", folder)


_WORDS = (
    *(b'"F32"', b'"F64"', b'"F16"', b'"BF16"', b'"I64"', b'"shape":[', b'"data_offsets":[', b"__metadata__"),
    *(
        b"weight_hh_l0_reverse",
        b"weight_ih_l0",
        b"bias_hh_l0",
        b"weight",
        b"\\ud800",
        b"\\u001b[31m",
        b"null",
        b"{}",
    ),
)

TARGETS = [Target("torch", _torch_seeds, _read_torch, _WORDS)]
if importlib.util.find_spec("onnx"):
    _OPS = tuple(text.encode() for text in _TEXTS if text)
    TARGETS += [
        Target("onnx", _foreign_seeds, _read_onnx, _OPS),
        Target(
            "onnx-of-lstmcore", _own_seeds, _read_onnx, (*_OPS, b"null", b"[]", b"1e999", b'"feature_names"')
        ),
        Target("onnx-fields", _field_seeds, _read_fields),
    ]
