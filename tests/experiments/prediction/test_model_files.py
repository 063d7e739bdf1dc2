"""Model folders that were changed: an error that names file and field, never a traceback."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from lstmcore import LSTM, Architecture, Linear
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.job import Result, load_result, save_result
from lstmcore.experiments.prediction.model import Model, load_model, write_model
from lstmcore.features import feature_names
from tests.shared_data import DATA, SHARED, needs_cases

FEATURES = ["f0", "f1", "f2"]
ROWS = np.random.default_rng(1).standard_normal((6, 3))
DESCRIPTION: dict[str, Any] = {
    "experiment": "tiny",
    "layers": [{"kind": "lstm", "size": 2, "bias": 1.0}, {"kind": "linear", "size": 2, "bias": 1.0}],
    "gate_order": "z i f o",
    "feature_set": "song_means",
    "feature_names": FEATURES,
    "targets": ["arousal", "valence"],
    "target_range": [-1, 1],
    "hop_seconds": 0.5,
    "smoothing_seconds": 2.0,
    "lead_in_seconds": 1.0,
    "annotation_delay_seconds": 0.0,
    "networks": [{"fold": 0, "trial": 0}, {"fold": 0, "trial": 1}],
    "systems": {"lstm_rmse": [1], "lstm_ccc": [0, 1]},
    "notes": ["a note"],
}
SINGLE = {
    "layers": [{"kind": "lstm", "size": 2, "bias": 1.0}, {"kind": "linear", "size": 1, "bias": 1.0}],
    "networks": [{"fold": 0, "trial": 0, "target": t} for t in ("arousal", "valence")],
    "systems": {"lstm_rmse": [0, 1]},
}


def arrays(outputs: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    parameters = Architecture(3, (LSTM(2), Linear(outputs))).parameter_count
    return {
        "weights": rng.uniform(-0.5, 0.5, (2, parameters)).astype(np.float32),
        "input_mean": np.zeros((2, 3)),
        "input_scale": np.ones((2, 3)),
        "target_mean": np.zeros((2, outputs)),
        "target_scale": np.full((2, outputs), 0.3),
        "quantiles": np.sort(rng.standard_normal((11, 3)), axis=0),
        "novelty_centre": np.zeros(3),
        "novelty_scale": np.ones(3),
        "novelty_axes": np.eye(3)[:1],
        "novelty_variances": np.array([2.0, 0.5]),
        "novelty_distances": np.linspace(0.5, 2, 5),
    }


def write_tiny_model(folder: Path, **keys: Any) -> None:
    """Write a model of random weights that predicts audio."""
    names, rng = keys.get("feature_names", list(feature_names("FS1"))), np.random.default_rng(0)
    parameters = Architecture(len(names), (LSTM(2), Linear(2))).parameter_count
    wide = {"input_mean": np.zeros((2, len(names))), "input_scale": np.full((2, len(names)), 1e3)}
    weights = {"weights": rng.uniform(-0.5, 0.5, (2, parameters)).astype(np.float32)}
    kept = {name: array for name, array in arrays().items() if name.startswith("target_")}
    about = DESCRIPTION | {"feature_set": "FS1", "feature_names": names} | keys
    folder.mkdir(parents=True, exist_ok=True)
    write_model(folder, about, kept | wide | weights)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("model")
    write_model(path, DESCRIPTION, arrays())
    return path


def complaint(model: Path) -> str:
    """Return what is wrong with a model; nothing if it predicts."""
    try:
        predicted(model)
    except InputError as error:
        return str(error)
    return ""


def predicted(model: Path) -> None:
    """Load and predict; what is wrong must be told in our own words."""
    found: Model = load_model(model)
    for system in found.about.systems:
        rows = np.ones((6, len(found.about.feature_names)))
        mean, spread = found.predict(rows, system)
        assert 0 <= (found.standing(rows).novelty or 0) <= 1
        assert np.isfinite(mean).all()
        assert np.isfinite(spread).all()


def changed(folder: Path, **changes: Any) -> Path:
    text = json.loads((folder / "model.json").read_text()) | changes
    (folder / "model.json").write_text(json.dumps(text))
    return folder


def test_an_intact_model_predicts(folder):
    predicted(folder)
    found = load_model(folder).description
    assert set(found.pop("checksums")) == set(arrays())
    assert found == {"format": 1, "cautions": []} | DESCRIPTION


def test_a_network_for_each_target(tmp_path):
    write_model(tmp_path, DESCRIPTION | SINGLE, arrays(1))
    assert load_model(tmp_path).predict(ROWS)[0].shape == (6, 2)


LAYER = {"kind": "lstm", "size": 2, "bias": 1.0}
OUTPUT = {"kind": "linear", "size": 2, "bias": 1.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format is 2; expected 1"),
        ({"layers": [LAYER | {"kind": "1"}, OUTPUT]}, "layers.0.kind is '1'; expected one of lstm, blstm"),
        (
            {"layers": [LAYER | {"bias": [0, 0]}, OUTPUT]},
            r"layers.0.bias is \[0, 0\]; expected a valid number",
        ),
        ({"layers": [LAYER | {"size": "2"}, OUTPUT]}, "layers.0.size is '2'; expected a valid integer"),
        ({"layers": [LAYER | {"size": 10**30}, OUTPUT]}, "layers.0.size is 1000"),
        ({"layers": [LAYER | {"kind": "blstm", "size": 3}, OUTPUT]}, "layers.0.blstm layer: size is 3"),
        ({"layers": ["f1", LAYER, OUTPUT]}, "layers.0 is 'f1'; expected "),
        ({"layers": []}, r"layers is \[\]"),
        ({"targets": ["arousal", "novelty"]}, "targets has 'novelty', which curves have a column of"),
        ({"targets": ["arousal", "arousal_spread"]}, "targets has 'arousal_spread', which curves"),
        ({"targets": ["arousal", "arousal"]}, "targets has 'arousal' twice"),
        ({"networks": "x"}, "networks is 'x'; expected a valid array"),
        ({"networks": {}}, r"networks is \{\}; expected a valid array"),
        ({"networks": [{"fold": 0}]}, "systems.lstm_rmse has network 1; expected 0 to 0"),
        ({"systems": {}}, r"systems is \{\}; expected"),
        ({"systems": {"lstm_rmse": []}}, r"systems.lstm_rmse is \[\]"),
        ({"systems": {"lstm_rmse": [-1]}}, "systems.lstm_rmse has network -1"),
        ({"lead_in_seconds": 10**30}, "lead_in_seconds is 1000"),
        ({"annotation_delay_seconds": -1}, "annotation_delay_seconds is -1; expected greater than or equal"),
        (
            {
                "annotation_delay_seconds": 9.0,
                "hop_seconds": None,
                "smoothing_seconds": 0.0,
                "lead_in_seconds": 0.0,
            },
            "annotation_delay_seconds is 9.0 and there is no hop_seconds",
        ),
        ({"lead_in_seconds": 1e9}, "lead_in_seconds is 1000000000.0; expected less than or equal to 3600"),
        ({"lead_in_seconds": 3600.0, "hop_seconds": 0.001}, "expected at most 100000 frames"),
        ({"smoothing_seconds": 1e308}, r"smoothing_seconds is 1e\+308; expected less than or equal to 3600"),
        ({"smoothing_seconds": float("nan")}, "smoothing_seconds is nan; expected a finite number"),
        ({"hop_seconds": 0}, "hop_seconds is 0; expected greater"),
        (
            {"smoothing_seconds": 0.0, "prediction_window_seconds": 30.0, "hop_seconds": None},
            "prediction_window_seconds is 30.0 and there is no hop_seconds",
        ),
        (
            {"lead_in_seconds": 10.0, "prediction_window_seconds": 10.0},
            "prediction_window_seconds is 10.0 and lead_in_seconds 10.0; expected a window longer than",
        ),
        ({"hop_seconds": None}, "smoothing_seconds is 2.0 and there is no hop_seconds"),
        ({"target_range": [1, -1]}, r"target_range is \[1.0, -1.0\]; expected two numbers that rise"),
        ({"targets": ["arousal"]}, "layers end in 2 outputs and there are 1 targets"),
        (
            {"feature_names": ["a", "b"]},
            r"networks.safetensors: input_mean has shape \(2, 3\); expected \(2, 2\)",
        ),
        ({"feature_set": "FS1"}, "feature_names aren't of the 260 of FS1, in their order"),
        ({"smothing_seconds": 1.0}, "unknown key 'smothing_seconds'"),
        (
            SINGLE | {"systems": {"a": [1, 0]}},
            "systems.a: expected as many networks of arousal, then as many",
        ),
        (SINGLE | {"networks": [{"target": "arousal"}, {}]}, "networks.target: expected none, or for each"),
    ],
)
def test_a_damaged_field_is_named(changes, message, tmp_path):
    write_model(tmp_path, DESCRIPTION, arrays())
    with pytest.raises(InputError, match=message) as error:
        predicted(changed(tmp_path, **changes))
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "no readable model: not valid JSON"),
        (b"[1, 2]", "the whole is"),
        (b'"\xff"', "no readable model: not valid JSON"),
        (b"[" * 100_000, "no readable model: not valid JSON"),
        (b'{"format": ' + b"9" * 5000 + b"}", "no readable model: not valid JSON: number out of range"),
    ],
)
def test_what_is_no_description_is_told(text, message, tmp_path):
    write_model(tmp_path, DESCRIPTION, arrays())
    (tmp_path / "model.json").write_bytes(text)
    with pytest.raises(InputError, match=message):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("weights", lambda a: a[:, 1:], r"weights has shape \(2, 59\); expected \(2, 60\)"),
        ("weights", lambda a: a.astype(np.int32), "weights is int32; expected float32 or float64"),
        ("weights", lambda a: a * np.nan, "weights holds numbers that aren't finite"),
        ("input_mean", lambda a: a[:1], r"input_mean has shape \(1, 3\); expected \(2, 3\)"),
        ("input_scale", lambda a: 0 * a, "input_scale holds numbers that aren't above 0"),
        ("input_scale", lambda a: 1e-300 * a, "its input_mean and input_scale, are damaged"),
        ("target_scale", lambda a: a[0], r"target_scale has shape \(2,\); expected \(2, 2\)"),
        ("target_mean", lambda a: a + np.inf, "target_mean holds numbers that aren't finite"),
        (
            "target_mean",
            lambda a: np.array([[1e200] * 2, [-1e200] * 2]),
            "their weights or scales are damaged",
        ),
        ("target_scale", lambda a: 1e308 * (a > 0), "their weights or scales are damaged"),
        ("novelty_variances", lambda a: 1e-320 * a, "no finite distance: its novelty arrays are damaged"),
        ("novelty_axes", lambda a: 1e308 * a, "no finite distance: its novelty arrays are damaged"),
        ("quantiles", lambda a: a[:0], r"quantiles has shape \(0, 3\)"),
        ("quantiles", lambda a: a[:, :2], r"quantiles has shape \(11, 2\); expected \(11, 3\)"),
        ("strange", lambda a: np.zeros(3), "unknown array 'strange'"),
    ],
)
def test_a_damaged_array_is_named(name, change, message, tmp_path):
    found = arrays()
    write_model(tmp_path, DESCRIPTION, found | {name: change(found.get(name))})
    with pytest.raises(InputError, match=message):
        predicted(tmp_path)


@pytest.mark.parametrize("name", arrays())
def test_a_flipped_bit_is_told_with_the_name_of_its_array(name, tmp_path):
    write_model(tmp_path, DESCRIPTION, arrays())
    file = tmp_path / "networks.safetensors"
    content = bytearray(file.read_bytes())
    size = int.from_bytes(content[:8], "little")
    begin, end = json.loads(content[8 : 8 + size])[name]["data_offsets"]
    content[8 + size + (begin + end) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=rf"networks.safetensors: {name} is not what was written") as error:
        load_model(tmp_path)
    assert str(file) in str(error.value)


def test_an_array_that_was_written_anew_is_told(tmp_path):
    write_model(tmp_path, DESCRIPTION, arrays())
    file = tmp_path / "networks.safetensors"
    was = load_result(file)
    assert was is not None
    save_result(file, Result(was.tensors | {"target_mean": was.tensors["target_mean"] + 1}, was.facts))
    with pytest.raises(InputError, match="target_mean is not what was written: its SHA-256 is"):
        load_model(tmp_path)


def test_a_model_of_before_there_were_checksums_is_read(tmp_path):
    write_model(tmp_path, DESCRIPTION, arrays())
    file = tmp_path / "model.json"
    text = json.loads(file.read_text())
    del text["checksums"]
    file.write_text(json.dumps(text))
    arrays_file = tmp_path / "networks.safetensors"
    was = load_result(arrays_file)
    assert was is not None
    save_result(arrays_file, Result(was.tensors, {"format": 1}))
    predicted(tmp_path)


def test_weights_that_give_no_numbers_are_told(tmp_path):
    write_model(tmp_path, DESCRIPTION | {"layers": [LAYER, OUTPUT | {"bias": 1e308}]}, arrays())
    with pytest.raises(InputError, match="numbers that aren't finite: their weights or scales are damaged"):
        predicted(tmp_path)


def test_a_missing_array_is_named(tmp_path):
    found = arrays()
    del found["target_mean"]
    write_model(tmp_path, DESCRIPTION, found)
    with pytest.raises(InputError, match=r"networks.safetensors: no target_mean"):
        load_model(tmp_path)
    (tmp_path / "networks.safetensors").unlink()
    with pytest.raises(InputError, match=r"networks.safetensors: missing or damaged"):
        load_model(tmp_path)
    (tmp_path / "networks.safetensors").mkdir()
    with pytest.raises(InputError, match=r"networks.safetensors"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS[:, :2], r"features have shape \(6, 2\); expected \(frames, 3\)"),
        (ROWS[0], r"features have shape \(3,\)"),
        (ROWS[:0], r"features have shape \(0, 3\)"),
        (np.where(ROWS[2, 1] == ROWS, np.inf, ROWS), r"feature 'f1', frame 2 \(from 0\), is inf"),
    ],
)
def test_features_that_do_not_fit(folder, rows, message):
    with pytest.raises(InputError, match=message):
        load_model(folder).predict(rows)


def test_an_unknown_system(folder):
    with pytest.raises(InputError, match=r"no system 'lstm_cc'; expected one of .*; did you mean 'lstm_ccc'"):
        load_model(folder).predict(ROWS, "lstm_cc")


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([10**30, -(10**400), 1e308, -1e308, 5e-324, float("nan"), float("inf"), 0.5]),
    st.sampled_from(["", "x", "lstm", "arousal", "FS1", "1", "\0"]),
    st.sampled_from([[], {}, [0], [[]], {"a": 1}, [0, 0], ["f0"], list(range(1000))]),
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a JSON value with each key or index that it has."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_of_the_description_ends_in_a_traceback(data, folder, tmp_path_factory):
    single = data.draw(st.booleans())
    description = json.loads(json.dumps({"format": 1} | DESCRIPTION | (SINGLE if single else {})))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(description)))
        match data.draw(st.sampled_from(["replace", "replace", "remove", "rename", "double"])):
            case "replace":
                container[key] = copy.deepcopy(data.draw(JUNK))
            case "remove":
                del container[key]
            case "rename" if isinstance(container, dict):
                container[data.draw(st.text(max_size=3))] = container.pop(key)
            case "double" if isinstance(container, list):
                container.append(copy.deepcopy(container[key]))
    model = tmp_path_factory.mktemp("changed")
    write_model(model, DESCRIPTION, arrays(1 if single else 2))
    (model / "model.json").write_text(json.dumps(description))
    assert len(complaint(model)) < 2000


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_of_the_bytes_ends_in_a_traceback(data, folder, tmp_path_factory):
    model = tmp_path_factory.mktemp("bytes")
    for file in folder.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    file = model / data.draw(st.sampled_from(["model.json", "networks.safetensors"]))
    content = bytearray(file.read_bytes())
    head = min(len(content), 900)  # of the arrays' file: where its description is
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, head - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content), head, 7]))])
    told = complaint(model)
    assert not told or str(model) in told or "damaged" in told


HERE = DATA / "cases"
CASES = json.loads((HERE / "models.json").read_text())


@pytest.mark.parametrize("name", CASES)
def test_a_model_that_failed_in_use(name: str, tmp_path: Path) -> None:
    (tmp_path / "networks.safetensors").write_bytes((HERE / "networks.safetensors").read_bytes())
    (tmp_path / "model.json").write_text(CASES[name])
    where = re.escape(str(tmp_path / "model.json"))
    with pytest.raises(InputError, match=rf"{where}: (layers|systems|networks|lead_in_seconds)"):
        predicted(tmp_path)


@needs_cases
def test_the_models_that_failed_in_use_are_those() -> None:
    folder = SHARED / "cases" / "models"
    texts = [path.read_text() for path in [*folder.glob("*/model.json"), *folder.glob("*-model.json")]]
    assert sorted(texts) == sorted(CASES.values())
    for path in folder.glob("*/networks.safetensors"):
        assert path.read_bytes() == (HERE / "networks.safetensors").read_bytes()
