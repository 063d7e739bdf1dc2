"""Conversions: exact both ways, predictions kept, and every mistake told."""

import gzip
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.currennt.cli import run
from lstmcore.experiments.currennt.formats.autosave import read_autosave
from lstmcore.experiments.currennt.formats.netcdf import NetcdfData, read_netcdf, write_netcdf
from lstmcore.experiments.currennt.formats.network_file import (
    LayerWeights,
    NetworkFile,
    read_network,
    write_network,
)
from lstmcore.experiments.currennt.formats.table import data_to_table, table_to_data
from lstmcore.experiments.currennt.standardise import standardise
from lstmcore.experiments.prediction.model import load_model, write_model
from tests.experiments.currennt.netcdf_files import written
from tests.experiments.jobs.test_checksums import without_digest
from tests.lstmcore.currennt_golden import FOLDER, INDEX, load

DATA = FOLDER / "files" / "data"
NETS = sorted(path.stem.removesuffix(".jsn") for path in (FOLDER / "nets").glob("*.jsn.gz"))
NETS = [name for name in NETS if "weights" in load(f"nets/{name}.jsn")]
CLASSIC = sorted(path for path in DATA.glob("*.nc") if path.read_bytes()[:3] == b"CDF")
TOLERANCE = {"float64": 1e-12, "float32": 2e-6}


def convert(*arguments):
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


def done(*arguments):
    result = convert(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def told(*arguments):
    result = convert(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.output


def assert_same(a, b):
    for name, value in vars(a).items():
        if isinstance(value, np.ndarray):
            assert value.dtype == getattr(b, name).dtype
            np.testing.assert_array_equal(value, getattr(b, name))
        else:
            assert value == getattr(b, name)


@pytest.fixture
def net(tmp_path):
    """Unpacks a golden network."""

    def unpack(name):
        path = tmp_path / f"{name}.jsn"
        path.write_bytes(gzip.decompress((FOLDER / "nets" / f"{name}.jsn.gz").read_bytes()))
        return path

    return unpack


# Networks


@pytest.mark.parametrize("name", NETS)
def test_networks_there_and_back_are_the_same(name, net, tmp_path):
    path = net(name)
    first = read_network(path)
    for precision, flags in (("float32", []), ("float64", ["--float64"])):
        model, back = tmp_path / precision, tmp_path / f"{precision}.jsn"
        assert done(path, model, *flags) == ""
        assert load_model(model).tensors["weights"].dtype == precision
        assert done(model, back) == ""
        second = read_network(back)
        assert first.layers == second.layers
        for layer in first.weights:
            for piece, values in vars(first.weights[layer]).items():
                found = getattr(second.weights[layer], piece)
                np.testing.assert_array_equal(values.astype(precision), found.astype(precision))


def test_a_file_of_our_own_comes_back_to_the_byte(net, tmp_path):
    network = read_network(net("lstm54_lr"))
    layers = [replace(layer, name=f"{layer.name} é") for layer in network.layers]
    for precision, flags in (("float32", []), ("float64", ["--float64"])):
        weights = {
            f"{name} é": LayerWeights(
                *(v.astype(precision) * np.sqrt(2.0, dtype=precision) for v in vars(w).values())
            )
            for name, w in network.weights.items()
        }
        ours, back = tmp_path / "ours.jsn", tmp_path / f"{precision}.jsn"
        write_network(ours, NetworkFile(layers, weights))
        note = done(ours, tmp_path / f"{precision}-32")
        assert (note == "") == (precision == "float32")
        assert "--float64 keeps them" in note or precision == "float32"
        done(ours, tmp_path / precision, *flags)
        done(tmp_path / precision, back)
        assert back.read_bytes() == ours.read_bytes()


@pytest.mark.golden
@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("case", [c for c in INDEX if INDEX[c]["kind"] == "forward" and "_ps1" in c])
def test_a_model_predicts_what_the_original_does(case, precision, net, tmp_path):
    words = INDEX[case]["command"].split()
    name = words[words.index("--network") + 1].removeprefix("nets/").removesuffix(".jsn")
    data = read_netcdf(FOLDER / "files" / words[words.index("--ff_input_file") + 1])
    done(net(name), tmp_path / "model", *(["--float64"] if precision == "float64" else []))
    model = load_model(tmp_path / "model")
    expected = load(INDEX[case]["file"])["precisions"]["f64" if precision == "float64" else "f32"]
    inputs = np.split(data.inputs, np.cumsum(data.lengths)[:-1])
    for x, wanted in zip(inputs, expected.values(), strict=True):
        mean, spread = model.predict(x)
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(
            mean, np.reshape(wanted, mean.shape), rtol=0, atol=TOLERANCE[precision] * scale
        )
        assert not spread.any()


def test_a_model_with_scalers_predicts_what_the_forward_pass_does(net, tmp_path, monkeypatch):
    """Raw inputs into the model; standardised ones into the program, which scales its outputs back."""
    monkeypatch.chdir(tmp_path)
    raw = read_netcdf(DATA / "train7.nc")
    write_netcdf(
        tmp_path / "a.nc", replace(raw, inputs=3 * raw.inputs + 7, output_means=None, output_stdevs=None)
    )
    before = read_netcdf(tmp_path / "a.nc")
    standardise(tmp_path / "a.nc")
    path = net("lstm54")
    assert run(["--network", str(path), "--ff_input_file", "a.nc", "--ff_output_file", "out.csv"]) == 0
    rows = [line.split(";")[1:] for line in (tmp_path / "out.csv").read_text().splitlines()]
    assert done(path, "model", "--data", "a.nc") == ""
    model = load_model(tmp_path / "model")
    for x, row in zip(np.split(before.inputs, np.cumsum(raw.lengths)[:-1]), rows, strict=True):
        np.testing.assert_allclose(model.predict(x)[0].ravel(), np.array(row, float), atol=1e-6)
    note = done("model", "back.jsn")
    assert note.startswith("back.jsn: a .jsn holds no scalers; standardise the data")
    assert read_network(tmp_path / "back.jsn").layers == read_network(path).layers


def test_half_the_scalers_are_taken_and_the_others_named(net, tmp_path):
    path = net("lstm54")
    note = done(path, tmp_path / "model", "--data", DATA / "train7.nc")
    assert note.endswith("train7.nc has no inputMeans and inputStdevs: inputs are taken as they are\n")
    tensors = load_model(tmp_path / "model").tensors
    assert tensors["target_mean"].tolist() == [[0.25, -0.5]]
    assert tensors["target_scale"].tolist() == [[1.5, 0.75]]
    assert not tensors["input_mean"].any()


def test_what_a_model_says_of_itself(net, tmp_path):
    done(net("wf"), tmp_path / "model")
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    assert description["feature_set"] == "custom"
    assert description["feature_names"] == [f"input_{k}" for k in range(6)]
    assert description["targets"] == ["output_0", "output_1"]
    assert description["systems"] == {"network": [0]}
    assert description["objective"] == "wf"
    assert description["layer_names"] == ["input", "lstm_1", "output", "postoutput"]


def test_an_autosave_becomes_a_model(tmp_path):
    path = FOLDER / "files" / "samples" / "as_epoch010.autosave"
    assert done(path, tmp_path / "model") == ""
    done(tmp_path / "model", tmp_path / "back.jsn")
    first, second = read_autosave(path).network, read_network(tmp_path / "back.jsn")
    assert first.layers == second.layers
    for name, weights in first.weights.items():
        assert_same(weights, second.weights[name])


def ensemble(folder, dtype="float32"):
    """A model as a run leaves it, of three networks."""
    rng = np.random.default_rng(0)
    layers = [{"kind": "lstm", "size": 3, "bias": 1.0}, {"kind": "linear", "size": 2, "bias": 1.0}]
    description = {
        "layers": layers,
        "feature_set": "custom",
        "feature_names": ["a", "b"],
        "networks": [{"fold": k // 2, "trial": k % 2} for k in range(3)],
        "systems": {"lstm_all": [0, 1, 2]},
    }
    parameters = 4 * 3 * 2 + 4 * 3 + 4 * 9 + 9 + 3 * 2 + 2
    tensors = {"weights": rng.standard_normal((3, parameters)).astype(dtype)}
    for kind in ("input", "target"):
        tensors |= {f"{kind}_mean": rng.standard_normal((3, 2)), f"{kind}_scale": rng.uniform(1, 2, (3, 2))}
    write_model(folder, description, tensors)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("place", ["run/model", "model"])
def test_one_network_of_an_ensemble(place, dtype, tmp_path):
    ensemble(tmp_path / place, dtype)
    source = tmp_path / place.partition("/")[0]
    output = told(source, tmp_path / "net.jsn")
    assert "choose one of 3 networks with --network: 0: fold 0 trial 0; 1: fold 0 trial 1; 2:" in output
    assert "--network, not 3" in told(source, tmp_path / "net.jsn", "--network", 3)
    assert "--network, not -1" in told(source, tmp_path / "net.jsn", "--network", -1)
    note = done(source, tmp_path / "net.jsn", "--network", 2)
    assert "row 2 (from 0)" in note
    model, network = load_model(tmp_path / place), read_network(tmp_path / "net.jsn")
    assert [(x.name, x.type, x.size, x.bias) for x in network.layers] == [
        ("input", "input", 2, None),
        ("lstm_1", "lstm", 3, 1.0),
        ("output", "feedforward_identity", 2, 1.0),
        ("postoutput", "sse", 2, None),
    ]
    found = np.concatenate([piece for w in network.weights.values() for piece in vars(w).values()])
    np.testing.assert_array_equal(found.astype(dtype), model.tensors["weights"][2])


def test_a_model_is_not_overwritten(net, tmp_path):
    path = net("tanh")
    done(path, tmp_path / "model")
    assert "there is a model already" in told(path, tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": "mse"}, "objective 'mse' and 5 layer_names; expected one of"),
        ({"layer_names": ["a"]}, "and 1 layer_names; expected one of"),
        ({"layers": None}, "model.json: key 'layers' is missing"),
        ({"format": 7}, "model.json: format is 7; expected 1"),
    ],
)
def test_a_damaged_model(change, message, net, tmp_path):
    done(net("lstm54_bias05"), tmp_path / "model")
    without_digest(tmp_path / "model" / "networks.safetensors")  # so that a file changed by hand is read
    file = tmp_path / "model" / "model.json"
    description = json.loads(file.read_text()) | change
    file.write_text(json.dumps({key: value for key, value in description.items() if value is not None}))
    assert message in told(tmp_path / "model", tmp_path / "x.jsn")


def test_networks_that_can_not_become_models(net, tmp_path):
    path = net("lstm54")
    assert "4 outputMeans; the network has 2 outputs" in told(
        path, tmp_path / "model", "--data", with_means(tmp_path, 6, 4)
    )
    assert "5 inputMeans; the network has 6 inputs" in told(
        path, tmp_path / "model", "--data", with_means(tmp_path, 5, 2)
    )
    assert "'outputStdevs', column 0 (from 0): found 0" in told(
        path, tmp_path / "model", "--data", with_means(tmp_path, 6, 2, 0)
    )
    assert "edge6.nc: no inputMeans and inputStdevs, nor" in told(
        path, tmp_path / "model", "--data", DATA / "edge6.nc"
    )
    network = read_network(path)
    del network.weights["lstm_2"]
    write_network(path, network)
    assert "no weights of layer 'lstm_2'; a model needs all" in told(path, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def with_means(folder, inputs, outputs, deviation=1):
    means = [np.ones(n, np.float32) for n in (outputs, outputs, inputs, inputs)]
    means[1] *= deviation
    x, y = np.ones((1, inputs), np.float32), np.ones((1, outputs), np.float32)
    write_netcdf(folder / "means.nc", NetcdfData(["a"], np.array([1]), x, y, None, None, *means))
    return folder / "means.nc"


# Data


@pytest.mark.parametrize("path", CLASSIC, ids=lambda path: path.stem)
def test_tables_there_and_back_are_the_same(path, tmp_path):
    table, back = tmp_path / "a.csv", tmp_path / "a.nc"
    note = done(path, table)
    first = read_netcdf(path)
    assert (str(tmp_path / "a.scalers.json") in note) == (first.output_means is not None)
    assert done(table, back) == ""
    assert_same(first, read_netcdf(back))


def test_how_a_table_looks(tmp_path):
    x = np.array([[0.1, 1e-30], [2, -3.25], [7, 123456.5]], np.float32)
    data = NetcdfData(['a "b", c', "007"], np.array([2, 1]), x, None, np.array([1, 0, 1], np.int32), 3)
    write_netcdf(tmp_path / "a.nc", data)
    note = done(tmp_path / "a.nc", tmp_path / "a.csv")
    assert note.endswith("has 3 labels, of which the table shows 2; back to NetCDF with --labels 3\n")
    assert (tmp_path / "a.csv").read_text() == (
        "tag,sequence,frame,input_0,input_1,class\n"
        '"a ""b"", c",0,0,0.1,1e-30,1\n'
        '"a ""b"", c",0,1,2,-3.25,0\n'
        "007,1,0,7,123456.5,1\n"
    )
    done(tmp_path / "a.csv", tmp_path / "b.nc")
    assert read_netcdf(tmp_path / "b.nc").labels == 2
    done(tmp_path / "a.csv", tmp_path / "b.nc", "--labels", 3)
    assert_same(data, read_netcdf(tmp_path / "b.nc"))
    assert "expected a whole number from 0 to 0" in told(tmp_path / "a.csv", tmp_path / "b.nc", "--labels", 1)


number = st.floats(width=32, allow_nan=False, allow_infinity=False)
tag = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_data_there_and_back(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("any")
    lengths = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    tags = data.draw(st.lists(tag, min_size=len(lengths), max_size=len(lengths)))

    def array(*shape):
        values = data.draw(st.lists(number, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
        return np.array(values, np.float32).reshape(shape)

    inputs, outputs, frames = data.draw(st.integers(1, 2)), data.draw(st.integers(0, 2)), sum(lengths)
    first = NetcdfData(
        tags,
        np.array(lengths),
        array(frames, inputs),
        array(frames, outputs) if outputs else None,
        output_means=array(2) if outputs != 1 and data.draw(st.booleans()) else None,
        input_means=array(inputs) if data.draw(st.booleans()) else None,
    )
    write_netcdf(folder / "a.nc", first)
    data_to_table(folder / "a.nc", folder / "a.csv")
    table_to_data(folder / "a.csv", folder / "b.nc", None)
    assert (folder / "a.nc").read_bytes() == (folder / "b.nc").read_bytes()


def test_means_of_other_data_are_not_left_beside_a_table(tmp_path):
    done(DATA / "train7.nc", tmp_path / "a.csv")
    output = told(DATA / "edge6.nc", tmp_path / "a.csv")
    assert "a.scalers.json: means of other data" in output


HEAD = "tag,sequence,frame,input_0,input_1"
ONE = "\na,0,0,1,2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        (HEAD, "no rows; expected one for each frame"),
        ("tag;sequence;frame;input_0", "column 1 is 'tag;sequence;frame;input_0'; expected 'tag'"),
        ("tag,sequence,frame\na,0,0", "column 4 is 'nothing'; expected 'input_0'"),
        (HEAD + ",input_3" + ONE + ",1", "column 6 is 'input_3'; expected 'input_2'"),
        (HEAD + ",loudness" + ONE + ",1", "column 6 is 'loudness'; expected 'nothing'"),
        (HEAD + ",target_0,class" + ONE + ",1,1", "column 7 is 'class'; expected 'nothing'"),
        (HEAD + ONE + ",3", "line 2: 6 cells; expected 5"),
        (HEAD + "\na,0,0,1,x", "line 2, column 'input_1': found 'x'; expected a number"),
        (HEAD + "\na,0,0,1,", "line 2, column 'input_1': found ''; expected a number"),
        (HEAD + "\na,0,0,1,nan", "sequence 'a' (0 from 0), frame 0, column 1: found nan"),
        (HEAD + "\na,0,0,1,1e40", "column 1: found inf"),
        (HEAD + ",class" + ONE + ",1.5", "line 2, column 'class': found '1.5'; expected a whole number"),
        (HEAD + ",class" + ONE + ",-2", "line 2, column 'class': found '-2'; expected a whole number"),
        (HEAD + "\na,1,0,1,2", "line 2: sequence, frame = 1, 0 of 'a'; expected 0, 0"),
        (HEAD + ONE + "\na,0,2,1,2", "line 3: sequence, frame = 0, 2 of 'a'; expected 0, 1 of 'a', or 1, 0"),
        (HEAD + ONE + "\nb,0,1,1,2", "sequence, frame = 0, 1 of 'b'; expected 0, 1 of 'a', or 1, 0"),
        (HEAD + "\na\0b,0,0,1,2", "has a character that can't be written"),
        (HEAD + '\n"a' + 200_000 * "x", "not CSV: field larger than"),
        ("tag,sequence,frame,\udcff", "not UTF-8"),
    ],
)
def test_tables_that_are_not_what_is_expected(text, message, tmp_path):
    (tmp_path / "a.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert message in told(tmp_path / "a.csv", tmp_path / "a.nc")
    assert not (tmp_path / "a.nc").exists()


@pytest.mark.parametrize(
    ("scalers", "message"),
    [
        ('{"inputMean": [1, 2]}', "unknown key 'inputMean'; expected inputMeans,"),
        ('{"inputMeans": [1]}', "'inputMeans': found 1 numbers; expected 2"),
        ('{"inputMeans": 1}', "'inputMeans': found 1; expected a list of 2 numbers"),
        ('{"outputMeans": 1}', "'outputMeans': found 1; expected a list of 0 numbers"),
        ('{"outputMeans": []}', "'outputMeans': found 0 numbers; expected 1"),
        ("[]", "expected a JSON object"),
    ],
)
def test_scalers_that_are_not_what_is_expected(scalers, message, tmp_path):
    (tmp_path / "a.csv").write_text(HEAD + ONE)
    (tmp_path / "a.scalers.json").write_text(scalers)
    assert message in told(tmp_path / "a.csv", tmp_path / "a.nc")


# The command


def test_what_can_not_be_converted_is_told_with_what_can(net, tmp_path):
    path = net("tanh")
    shutil.copy(path, tmp_path / "bare")
    (tmp_path / "song.mp3").write_bytes(b"ID3" + bytes(100))
    possible = "expected data (.nc, .nc1, .nc3, .nc4, .cdf, .netcdf) to .csv, or .csv to data"
    for source, target in (
        (path, "b.jsn"),
        (path, "b.nc"),
        (DATA / "edge6.nc", "b"),
        (tmp_path / "bare", "b.jsn"),
        (DATA / "edge6.nc", "b.txt"),
    ):
        assert possible in told(source, tmp_path / target)
    assert possible in told(tmp_path / "song.mp3", tmp_path / "b.csv")
    assert "song.mp4: no such file" in told(tmp_path / "song.mp4", tmp_path / "b.csv")
    assert "none.jsn: no such file" in told(tmp_path / "none.jsn", tmp_path / "b")
    assert "model.json: no readable model" in told(tmp_path / "none", tmp_path / "b.jsn")


@pytest.mark.parametrize("suffix", [".nc1", ".nc3", ".nc4", ".netcdf", ".cdf", ".NC", ".weird", ""])
def test_data_have_many_suffixes(suffix, tmp_path):
    source = tmp_path / f"a{suffix or '_'}"
    shutil.copy(DATA / "edge6.nc", source)
    assert done(source, tmp_path / "a.csv") == ""
    if suffix not in (".weird", ""):
        assert done(tmp_path / "a.csv", tmp_path / f"b{suffix}") == ""
        assert (tmp_path / f"b{suffix}").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("suffix", [".json", ".JSN", ".net", ".best"])
def test_networks_have_many_suffixes(suffix, net, tmp_path):
    source = tmp_path / f"a{suffix}"
    source.write_bytes(b"\xef\xbb\xbf\n " + net("tanh").read_bytes())
    assert done(source, tmp_path / "model") == ""
    assert done(tmp_path / "model", tmp_path / "b.json") == ""
    assert read_network(tmp_path / "b.json").layers == read_network(source).layers


def test_what_a_table_has_no_place_for_is_named(tmp_path):
    more = {"labels": (("numSeqs",), np.zeros(2, np.int32))}
    more |= {"inputs": (("numTimesteps", "inputPattSize"), np.ones((5, 3)))}
    note = done(written(tmp_path, **more), tmp_path / "a.csv")
    assert "x.nc: variables that a table has no place for: labels\n" in note
    assert "x.nc: doubles are rounded to single precision: inputs\n" in note


@pytest.mark.parametrize(
    ("option", "uses"),
    [
        (["--network", 0], "--network has no meaning here; it is for model to network"),
        (["--data", "x.nc"], "--data has no meaning here; it is for network to model and autosave to model"),
        (["--labels", 3], "--labels has no meaning here; it is for table to data"),
        (["--float64"], "--float64 has no meaning here; it is for network to model and"),
    ],
)
def test_options_of_another_direction(option, uses, tmp_path):
    assert uses in told(DATA / "edge6.nc", tmp_path / "b.csv", *option)


def test_labels_without_classes(tmp_path):
    (tmp_path / "a.csv").write_text(HEAD + ONE)
    assert "no column 'class'" in told(tmp_path / "a.csv", tmp_path / "a.nc", "--labels", 2)


def test_tags_with_line_breaks_and_quotes_come_back(tmp_path):
    tags = ["a\r", "b\nc", 'd"e', "f,g", " h "]
    frames = np.arange(5, dtype=np.float32)[:, None]
    write_netcdf(tmp_path / "a.nc", NetcdfData(tags, np.ones(5, np.int64), frames, frames))
    data_to_table(tmp_path / "a.nc", tmp_path / "a.csv")
    table_to_data(tmp_path / "a.csv", tmp_path / "b.nc", None)
    assert read_netcdf(tmp_path / "b.nc").tags == tags
