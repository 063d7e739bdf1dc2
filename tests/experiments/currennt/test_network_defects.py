"""Network files that can't be used: each defect is named, whatever the bytes are."""

import json

import pytest
from hypothesis import HealthCheck, given, settings

from lstmcore.experiments.currennt.formats import json_file
from lstmcore.experiments.currennt.formats.network_file import read_network, write_network
from lstmcore.experiments.errors import InputError
from tests.experiments.currennt.fuzzing import bytes_like, read_in_bounds
from tests.experiments.currennt.golden_files import NETWORKS
from tests.experiments.currennt.network_files import TOKENS, layer, read, same, small, weights

DEFECTS = {
    "no layers": ({"weights": {}}, "no key 'layers'; found 'weights'"),
    "layers": (small(layers={}), r"'layers': found an object {…}; expected a list of 3 or more"),
    "two layers": (small(layers=small()["layers"][:2]), "'layers': found 2 layers; expected a list of 3"),
    "layer": (small(layers=[1, 2, 3]), r"layer 0 \(from 0\): found 1; expected an object"),
    "no name": (layer(1, name=...), r"layer 1 \(from 0\): no key 'name'; found 'type', 'size', 'bias'"),
    "empty name": (layer(1, name=""), r"layer 1 .*'name': found ''; expected text that is not empty"),
    "name": (layer(1, name=3), "'name': found 3"),
    "surrogate": (layer(1, name="\ud800"), "half a surrogate pair"),
    "same name": (layer(2, name="h"), r"layer 2 \(from 0\): the name 'h' appears a second time"),
    "no type": (layer(1, type=...), "layer 'h': no key 'type'"),
    "unknown type": (layer(1, type="lsmt"), "layer 'h': 'type': found 'lsmt'; .*did you mean 'lstm'"),
    "type": (layer(1, type=[1]), r"'type': found a list \[…\]; expected one of input, "),
    "first": (layer(0, type="lstm", bias=1), "'in': 'type': found 'lstm'; the first layer must be 'input'"),
    "last": (layer(3, type="softmax", bias=1), "layer 'post': .*the last layer must be one of sse, weighted"),
    "between": (layer(1, type="sse"), "found 'sse' between the first and the last layer; expected one of"),
    "input between": (layer(1, type="input"), "found 'input' between the first and the last"),
    "no size": (layer(1, size=...), "layer 'h': no key 'size'"),
    "zero size": (layer(1, size=0), "'size': found 0; expected a whole number of 1 or more"),
    "half a size": (layer(1, size=1.5), "'size': found 1.5"),
    "true size": (layer(1, size=True), "'size': found true"),
    "huge size": (layer(1, size=10**60), "'size': found 1000.*…; expected a whole"),
    "odd": (layer(1, type="blstm", size=3), "layer 'h': 'size': found 3; expected an even number"),
    "no bias": (layer(1, bias=...), "layer 'h': no key 'bias'"),
    "bias": (layer(1, bias="1"), "layer 'h': 'bias': found '1'; expected a finite number"),
    "learning rate": (layer(1, learningRate=None), "'learningRate': found null"),
    "misspelt": (layer(1, learning_rate=0), "unknown key 'learning_rate'; did you mean 'learningRate'"),
    "post size": (layer(3, size=2), "layer 'post': 'size': found 2; expected 1 .*after an output layer"),
    "post pairs": (layer(3, type="wf"), "'size': found 1; expected 2 "),
    "binary": (layer(2, size=2) | {"weights": {}}, "found 1; expected 2"),
    "weights": (small(weights=[]), r"'weights': found a list \[…\]; expected an object"),
    "layer's weights": (small(weights={"h": 1}), "weights of layer 'h': found 1; expected an object"),
    "piece": (small(weights={"h": {"input": [0] * 8}}), "weights of layer 'h': no key 'bias'; found 'input'"),
    "list": (weights("h", bias=1), "layer 'h', 'bias': found 1; expected a list of 4 numbers"),
    "length": (weights("h", internal=[0]), "layer 'h', 'internal': found 1 numbers; expected 7"),
    "internal": (weights("out", internal=[0]), "layer 'out', 'internal': found 1 numbers; expected 0"),
    "text": (weights("h", bias=[0, 0, "x", 0]), r"'h', 'bias', number 2 \(from 0\): found 'x'"),
    "true": (weights("h", bias=[0, 0, 0, True]), "number 3 .*found true"),
    "null": (weights("h", bias=[None, 0, 0, 0]), "number 0 .*found null; .*the training had diverged"),
}


@pytest.mark.parametrize("case", DEFECTS)
def test_defects_are_named(case, tmp_path):
    content, message = DEFECTS[case]
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, content)
    assert str(tmp_path / "n.jsn") in str(caught.value)


def test_a_binary_classification_has_one_output(tmp_path):
    content = layer(3, type="binary_classification", size=2)
    content["layers"][2]["size"] = 2
    with pytest.raises(InputError, match="'size': found 2; expected 1 before 'binary_classification'"):
        read(tmp_path, content)


GOOD = json.dumps(small())
TEXTS = {
    "broken": (GOOD[:-1], "line 1, column [0-9]+: not JSON: "),
    "NaN": (GOOD.replace("0.25", "NaN", 1), "found NaN; expected a finite number"),
    "nan": (GOOD.replace("0.25", "nan", 1), "found nan; expected a finite number"),
    "inf": (GOOD.replace("0.25", "-inf", 1), "found -inf; expected a finite number"),
    "windows": (GOOD.replace("0.25", "1.#INF", 1), "found 1.#INF; expected a finite number"),
    "windows nan": (GOOD.replace("0.25", "-1.#IND", 1), "found -1.#IND; expected a finite number"),
    "large": (GOOD.replace("0.25", "1e999", 1), "number 0 .*found inf"),
    "huge whole": (GOOD.replace("0.25", "9" * 5000, 1), "number 0 .*found inf"),
    "twice": (GOOD.replace('"size": 2', '"size": 2, "size": 3'), "key 'size' appears twice in one object"),
    "deep": ("[" * 200_000, "nested too deeply"),
    "deep objects": ('{"a":' * 200_000, "nested too deeply"),
    "latin": (GOOD.replace('"h"', '"ü"').encode("latin-1"), "byte [0-9]+ is not UTF-8"),
    "list": ("[1]", r"found a list \[…\]; expected a JSON object"),
    "csv": ("seq_a;1;2\n", "not JSON"),
    "empty": ("", "the file is empty"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_what_is_no_json_is_named(case, tmp_path):
    content, message = TEXTS[case]
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, content)
    assert str(tmp_path / "n.jsn") in str(caught.value)


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_network(tmp_path / "none.jsn")
    with pytest.raises(InputError, match="not an ordinary file"):
        read_network(tmp_path)


def test_a_file_larger_than_any_network_is_not_read(tmp_path):
    with (tmp_path / "n.jsn").open("wb") as file:
        file.truncate(json_file.LARGEST + 1)  # sparse: it takes no space
    with pytest.raises(InputError, match="4294967297 bytes; expected 4294967296 at most"):
        read_network(tmp_path / "n.jsn")


@given(content=bytes_like([f.read_bytes() for f in NETWORKS], TOKENS, 900, [b"", b'{"layers": [']))
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_are_a_network_or_an_input_error(content, tmp_path):
    path = tmp_path / "n.jsn"
    path.write_bytes(content)
    network = read_in_bounds(read_network, path)
    if network is None:
        return
    write_network(path, network)
    assert same(read_network(path), network)
