"""Network files: the original's read, and written ones exact."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from lstmcore.experiments.currennt.formats.network_file import (
    PIECES,
    LayerSpec,
    LayerWeights,
    NetworkFile,
    read_network,
    weight_sizes,
    write_network,
)
from lstmcore.experiments.errors import InputError
from tests.experiments.currennt.golden_files import AUTOSAVE, FILES, NETWORKS
from tests.experiments.currennt.network_files import layer, read, same, small, weights

TRAINED = FILES / "samples" / "trained_network.jsn"


@pytest.mark.parametrize("file", NETWORKS, ids=lambda f: f.stem)
def test_the_originals_networks_are_read(file):
    found, content = read_network(file), json.loads(file.read_text())
    for spec, expected in zip(found.layers, content["layers"], strict=True):
        assert (spec.name, spec.type, spec.size) == (expected["name"], expected["type"], expected["size"])
        assert (spec.bias, spec.learning_rate) == (expected.get("bias"), expected.get("learningRate"))
    assert list(found.weights) == list(content["weights"])
    for name, pieces in content["weights"].items():
        for piece in PIECES:
            np.testing.assert_array_equal(getattr(found.weights[name], piece), pieces[piece])
            assert getattr(found.weights[name], piece).dtype == np.float64


def test_what_the_original_wrote_is_written_byte_for_byte(tmp_path):
    write_network(tmp_path / "n.jsn", read_network(TRAINED))
    assert (tmp_path / "n.jsn").read_bytes() == TRAINED.read_bytes()


def test_an_autosave_is_a_network():
    assert same(read_network(AUTOSAVE), read_network(AUTOSAVE))
    assert read_network(AUTOSAVE).layers == read_network(TRAINED).layers


def test_learning_rates_are_written_back(tmp_path):
    network = read_network(FILES / "nets" / "lstm54_lr.jsn")
    write_network(tmp_path / "n.jsn", network)
    assert [s.learning_rate for s in read_network(tmp_path / "n.jsn").layers] == [None, 0.0, 5e-4, None, None]


def finite(width):
    return st.floats(allow_nan=False, allow_infinity=False, width=width)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trips_are_exact(dtype, data, tmp_path):
    width = np.finfo(dtype).bits
    kind = data.draw(st.sampled_from(["lstm", "blstm", "feedforward_tanh", "softmax"]))
    rate = st.one_of(st.none(), finite(64).map(abs))
    names = data.draw(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=4, max_size=4, unique=True
        )
    )
    layers = [
        LayerSpec(names[0], "input", data.draw(st.integers(1, 3))),
        LayerSpec(names[1], kind, 2, data.draw(finite(64)), data.draw(rate)),
        LayerSpec(names[2], "feedforward_identity", 1, 1.0),
        LayerSpec(names[3], "sse", 1),
    ]
    pieces = [
        data.draw(arrays(dtype, n, elements=finite(width))) for n in weight_sizes(layers[1], layers[0].size)
    ]
    network = NetworkFile(layers, {names[1]: LayerWeights(*pieces)} if data.draw(st.booleans()) else {})
    write_network(tmp_path / "n.jsn", network)
    assert same(read_network(tmp_path / "n.jsn"), network, dtype)
    json.loads((tmp_path / "n.jsn").read_text())


def test_weights_may_be_absent_or_of_some_layers(tmp_path):
    assert read(tmp_path, {"layers": small()["layers"]}).weights == {}
    some = small()
    del some["weights"]["out"]
    assert list(read(tmp_path, some).weights) == ["h"]
    empty = {piece: [] for piece in PIECES}
    assert list(read(tmp_path, weights("post", **empty)).weights) == ["h", "out"]


def test_names_of_the_manual_are_known(tmp_path):
    for alias, name in (("weighted_sse", "weightedsse"), ("sse_mask", "wf")):
        assert read(tmp_path, layer(3, type=alias, size=2)).layers[-1].type == name


def test_what_else_is_in_a_file_does_not_matter(tmp_path):
    found = read(
        tmp_path, b"\xef\xbb\xbf" + json.dumps(layer(1, comment="x", learningRate=-1) | {"by": "us"}).encode()
    )
    assert found.layers[1].learning_rate is None


def test_a_minus_before_a_zero_stays(tmp_path):
    text = (
        json.dumps(weights("out", bias=[0.5]))
        .replace("0.5]}", "-0]}")
        .replace('"bias": [0.5]', '"bias": [-0]')
    )
    assert np.signbit(read(tmp_path, text).weights["out"].bias[0])


def test_the_datas_number_of_inputs_may_replace_the_files(tmp_path):
    (tmp_path / "x.jsn").write_text(json.dumps(layer(0, size=1)))
    with pytest.raises(InputError, match="'input': found 8 numbers; expected 4"):
        read_network(tmp_path / "x.jsn")
    assert read_network(tmp_path / "x.jsn", input_size=2).layers[0].size == 2


def test_sizes_of_weights():
    assert weight_sizes(LayerSpec("a", "lstm", 5, 1.0), 6) == (120, 20, 115)
    assert weight_sizes(LayerSpec("a", "blstm", 6, 1.0), 6) == (144, 24, 90)
    assert weight_sizes(LayerSpec("a", "softmax", 3, 1.0), 4) == (12, 3, 0)
    assert weight_sizes(LayerSpec("a", "sse", 3), 3) == (0, 0, 0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([1.0, np.nan, 0, 0]), r"layer 'h', 'bias': weight 1 \(from 0\) is nan; .*diverged"),
        (np.array([1.0, 2.0]), r"layer 'h', 'bias': weights of shape \(2,\); expected \(4,\)"),
    ],
)
def test_what_can_not_be_read_back_is_not_written(value, message, tmp_path):
    network = read(tmp_path, small())
    network.weights["h"] = replace(network.weights["h"], bias=value)
    with pytest.raises(InputError, match=message):
        write_network(tmp_path / "x.jsn", network)
    with pytest.raises(InputError, match="a layer 'other' that is not in the network"):
        write_network(tmp_path / "x.jsn", NetworkFile(network.layers, {"other": network.weights["out"]}))
    without_bias = [network.layers[0], replace(network.layers[1], bias=None), *network.layers[2:]]
    with pytest.raises(InputError, match="layer 'h': no key 'bias'"):
        write_network(tmp_path / "x.jsn", NetworkFile(without_bias))
    assert not (tmp_path / "x.jsn").exists()
