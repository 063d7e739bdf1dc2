"""A graph of somebody else's may neither fill memory nor say that its inputs are huge."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.exchange import import_model, onnx_computing
from lstmcore.experiments.exchange.onnx_computing import NotComputed, Request, Run, computed


def graph(nodes, arrays, shape):
    """A dense layer's graph with other nodes before it."""
    dense = helper.make_node("MatMul", ["x", "w"], ["y"])
    weights = numpy_helper.from_array(np.ones((3, 2), np.float32), "w")
    return helper.make_model(
        helper.make_graph(
            [*nodes, dense],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["T", 2])],
            [weights, *arrays],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
    )


def test_a_node_that_fills_memory_is_refused(tmp_path):
    many = numpy_helper.from_array(np.array([1 << 20, 1 << 20], np.int64), "many")
    nodes = [
        helper.make_node("ConstantOfShape", ["many"], ["bomb"]),
        helper.make_node("Neg", ["bomb"], ["b"]),
    ]
    onnx.save(graph(nodes, [many], ["T", 3]), tmp_path / "a.onnx")
    with pytest.raises(InputError, match=r"a\.onnx: can't be computed: .*(memory|allocate)"):
        import_model(tmp_path / "a.onnx", "onnx", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_huge_input_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_computing, "ask", lambda line: pytest.fail("it was asked"))
    onnx.save(graph([], [], [90_000, 90_000, 3]), tmp_path / "a.onnx")
    with pytest.raises(InputError, match=r"an input has shape .*expected at most"):
        import_model(tmp_path / "a.onnx", "onnx", tmp_path / "model")


def test_a_process_that_says_nothing_is_an_error(monkeypatch):
    monkeypatch.setattr(onnx_computing, "ask", lambda line: b"")
    with pytest.raises(NotComputed, match="more memory or time"):
        computed(Request("a", "x", 3, {}, [Run((5,), 0)]))
