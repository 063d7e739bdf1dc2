"""What is kept as JSON and safetensors: models from strangers, results and states of jobs, features, curves.

Checksums are put right before anything is read: whoever changes a file on purpose does so, too.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstmcore import (
    LSTM,
    SGD,
    Architecture,
    Convolution,
    Linear,
    Network,
    SequenceSet,
    Sets,
    Trainer,
    Training,
    TrainingSettings,
)
from lstmcore.experiments.datasets.window_means import MEAN_NAMES
from lstmcore.experiments.jobs.checkpoint import Checkpoint
from lstmcore.experiments.jobs.job import load_result
from lstmcore.experiments.prediction.checksums import checksums
from lstmcore.experiments.prediction.model import Model, load_model
from tests.fuzz.target import Target
from tests.fuzz.temporary import temporary
from tests.shared_data import DATA

Json = dict[str, Any]

FRAMES = 7
_FORMAT = {"format": 1}


@cache
def _features() -> list[str]:
    """Three of FS1, in its order."""
    from lstmcore.features import feature_names

    known = feature_names("FS1")
    return [known[k] for k in (0, 5, 9)]


# A model by hand: what `write_model` writes, but without a disk's caution


def packed(tensors: dict[str, Any], facts: Any, *, header: Callable[[Json], None] = lambda _: None) -> bytes:
    """Return a file of arrays and facts as jobs and models have it, its digest included."""
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    arrays["sha256"] = np.zeros(32, np.uint8)
    kinds = {"float32": "F32", "float64": "F64", "float16": "F16", "uint8": "U8", "int64": "I64"}
    told: Json = {"__metadata__": {"facts": json.dumps(facts)}}
    body = b""
    for name, array in sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize):
        begin = len(body)
        body += array.tobytes()
        told[name] = {
            "dtype": kinds[str(array.dtype)],
            "shape": list(array.shape),
            "data_offsets": [begin, len(body)],
        }
    header(told)
    head = json.dumps(told).encode()
    return sealed(struct.pack("<Q", len(head)) + head + body)


def sealed(content: bytes) -> bytes:
    """Put the digest at the end right."""
    return content[:-32] + hashlib.sha256(content[:-32]).digest()


def _description(layers: list[Json], count: int, **keys: Any) -> Json:
    return {
        "format": 1,
        "experiment": "tiny",
        "version": "0.1.0",
        "layers": layers,
        "gate_order": "z i f o",
        "feature_set": "FS1",
        "feature_names": _features(),
        "targets": ["arousal", "valence"],
        "target_range": [-1, 1],
        "hop_seconds": 0.5,
        "smoothing_seconds": 2.0,
        "lead_in_seconds": 1.0,
        "annotation_delay_seconds": 0.5,
        "prediction_window_seconds": 2.5,
        "trained_on": {"source": "deam", "synthetic": False, "songs": 3, "unlabelled_songs": 0},
        "networks": [{"fold": 0, "trial": k} for k in range(count)],
        "systems": {"lstm_rmse": [0], "lstm_ccc": list(range(count))},
        "notes": ["a note"],
        "cautions": ["a caution"],
        "card": {"summary": "tiny", "data": "none", "licence": "CC0"},
    } | keys


def _layers(outputs: int = 2) -> list[Json]:
    return [{"kind": "lstm", "size": 2, "bias": 1.0}, {"kind": "linear", "size": outputs, "bias": 1.0}]


def _arrays(networks: int, outputs: int, parameters: int, inputs: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "weights": rng.uniform(-0.5, 0.5, (networks, parameters)).astype(np.float32),
        "input_mean": np.zeros((networks, inputs)),
        "input_scale": np.ones((networks, inputs)),
        "target_mean": np.zeros((networks, outputs)),
        "target_scale": np.full((networks, outputs), 0.3),
        "quantiles": np.sort(rng.standard_normal((5, inputs)), axis=0),
        "novelty_centre": np.zeros(inputs),
        "novelty_scale": np.ones(inputs),
        "novelty_axes": np.eye(inputs)[:1],
        "novelty_variances": np.array([2.0, 0.5]),
        "novelty_distances": np.linspace(0.5, 2, 5),
    }


@cache
def bases() -> tuple[tuple[Json, dict[str, Any]], ...]:
    """Whole models: description and arrays."""
    plain = Architecture(3, (LSTM(2), Linear(2))).parameter_count
    one = Architecture(3, (LSTM(2), Linear(1))).parameter_count
    single = {
        "networks": [{"fold": 0, "trial": 0, "target": name} for name in ("arousal", "valence")],
        "systems": {"lstm_rmse": [0, 1]},
    }
    means = {"feature_set": "song_means", "feature_names": [*MEAN_NAMES[:3]], "window_seconds": 10.0}
    blocks: list[Json] = [
        {
            "kind": "convolution",
            "size": 2,
            "shape": [1, 3, 1],
            "window": [1, 2],
            "stride": [1, 1],
            "filters": 1,
        },
        *_layers(),
    ]
    block = Architecture(
        3, (Convolution(shape=(1, 3, 1), window=(1, 2), filters=1), LSTM(2), Linear(2))
    ).parameter_count
    return (
        (_description(_layers(), 2), _arrays(2, 2, plain)),
        (_description(_layers(1), 2, **single), _arrays(2, 1, one)),
        (_description(_layers(), 2, **means), _arrays(2, 2, plain)),
        (_description(blocks, 2), _arrays(2, 2, block)),
    )


def write_model_files(folder: Path, text: bytes, tensors: dict[str, Any]) -> None:
    """Write both files so that each fits the other, whatever the first one says."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict) and isinstance(content.get("checksums"), dict):
        right = checksums(tensors)
        content["checksums"] = {name: right.get(name, told) for name, told in content["checksums"].items()}
        text = json.dumps(content).encode()
    try:
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    except (ValueError, RecursionError, TypeError):
        digest = ""
    (folder / "model.json").write_bytes(text)
    (folder / "networks.safetensors").write_bytes(packed(tensors, _FORMAT | {"model.json": digest}))


# Reading a model, and using it


def used(folder: Path) -> None:
    """Read a model and predict by it, as ``lstmcore predict`` and the page do but for the sound."""
    with temporary(folder):
        _predicted(folder, load_model(folder))


def _predicted(folder: Path, model: Model) -> None:
    rng = np.random.default_rng(1)
    about = model.about
    rows = rng.standard_normal((FRAMES, len(about.feature_names)))
    times = np.arange(FRAMES) * (about.hop_seconds or 0.5)
    for system in about.systems:
        mean, spread = model.predict(rows, system, times=times)
        assert mean.shape == spread.shape == (FRAMES, len(about.target_names))
        assert np.isfinite(mean).all()
        assert np.isfinite(spread).all()
    standing = model.standing(rows)
    for share in (standing.novelty, standing.outside):
        assert share is None or 0 <= share <= 1
    assert standing.distance is None or np.isfinite(standing.distance)
    about.warnings()
    _song(folder, rows, times)


def _song(folder: Path, rows: Any, times: Any) -> None:
    """Predict a song by the model as the command does, and write what comes out in every format."""
    from lstmcore.experiments.datasets.window_means import FRAMES as FRAME_SET
    from lstmcore.experiments.prediction.command import facts_of
    from lstmcore.experiments.prediction.outputs.opening import FORMATS, Destination, open_output
    from lstmcore.experiments.prediction.songs import open_predictor
    from lstmcore.features import Extraction, feature_names

    predictor = open_predictor(folder)
    facts = facts_of(predictor)
    json.dumps(facts.as_json(), allow_nan=False)
    if predictor.feature_set not in ("FS1", FRAME_SET):
        return
    names = list(feature_names(predictor.feature_set))
    values = np.random.default_rng(2).standard_normal((FRAMES, len(names)))
    features = pd.DataFrame(values, columns=names)
    features.insert(0, "frameTime", times)
    song = folder / "song.wav"
    said = predictor.song(Extraction(song, features, None))
    assert list(said.table.columns) == predictor.columns
    for form in FORMATS:
        if form == "svl":  # looks into the sound
            continue
        out = folder / f"out.{'TextGrid' if form == 'textgrid' else form}"
        with open_output(Destination(form, out), {song: song.name}, facts) as output:
            output.add(song, said.table)
        assert out.stat().st_size


# model.json byte by byte


def _json_seeds(folder: Path) -> list[bytes]:
    return [json.dumps(_whole(about, arrays)).encode() for about, arrays in bases()]


def _whole(about: Json, arrays: dict[str, Any]) -> Json:
    return about | {"checksums": checksums(arrays)}


def _failed_in_use() -> list[bytes]:
    """Descriptions that ended in tracebacks once."""
    return [text.encode() for text in json.loads((DATA / "cases" / "models.json").read_text()).values()]


def _read_json(content: bytes, folder: Path) -> None:
    """Take the arrays of the model that it looks like."""
    number = 1 if b'"target":' in content else 3 if b"convolution" in content else 0
    write_model_files(folder, content, bases()[number][1])
    used(folder)


# model.json key by key

_ODD = [
    *("null", "true", "false", "0", "1", "-1", "2", "3", "0.5", "-0.0", "1e-300", "1e300", "1e308", "-1e308"),
    *("NaN", "Infinity", "-Infinity", "2147483648", "9223372036854775808", "1" + "0" * 400, "1e999"),
    *('""', '"a"', '"\\u0000"', '"\\u001b[31m"', '"../../x"', '"<script>alert(1)</script>"', '"\\ud800"'),
    *('"a\\nb"', '"' + "x" * 5000 + '"', '"time"', '"file"', '"novelty"', '"arousal"', '"arousal_spread"'),
    *(
        "[]",
        "{}",
        "[[]]",
        "[0]",
        "[1, 1]",
        "[-1, 1]",
        '[""]',
        '["a", "a"]',
        "[0, 0, 0, 0]",
        '{"a": 1}',
        "[null]",
    ),
    *('"lstm"', '"blstm"', '"softmax"', '"convolution"', '"max_pool"', '"tanh"', '"FS1"', '"FS2"', '"FS3"'),
    *(
        '"song_means"',
        '"log-mel"',
        '"waveform"',
        '"music"',
        '"FS1+tonality"',
        '"custom"',
        '"rmse"',
        '"z i f o"',
    ),
    *(
        "[" * 40 + "]" * 40,
        "[" * 5000 + "]" * 5000,
        "100000",
        "10000000",
        "3600",
        "0.001",
        "0.0005",
        "1800.0",
    ),
    *(
        '["time", "novelty"]',
        "[1, 2]",
        "[1, 3, 1]",
        "[100000, 100000, 100000]",
        "[1e-320, 1e308]",
        '"\\u202e"',
    ),
    *('{"lstm": [0, 1, 0, 1]}', '{"\\u001b": [0]}', '{"": [1]}', "[0.0, 1e-310]", "0.25", "0.7", "1e16"),
]
_KEYS = [
    *("format", "experiment", "version", "layers", "layer_names", "objective", "gate_order", "feature_set"),
    *("feature_names", "targets", "target_range", "hop_seconds", "smoothing_seconds", "lead_in_seconds"),
    *("window_seconds", "annotation_delay_seconds", "prediction_window_seconds", "trained_on", "networks"),
    *("systems", "notes", "cautions", "card", "checksums", "kind", "size", "bias", "learning_rate", "shape"),
    *("window", "stride", "filters", "activation", "fold", "trial", "target", "file", "source", "synthetic"),
    *(
        "songs",
        "unlabelled_songs",
        "summary",
        "data",
        "licence",
        "",
        "unknown",
        "lstm_rmse",
        "weights",
        "quantiles",
    ),
]


_MOST_HOLDERS = 500  # what is copied holds copies, so they could double with each change


def edited(content: bytes, about: Json) -> bytes:
    """Read bytes as changes of a description: of which place, and to what."""
    whole = json.loads(json.dumps(about))
    raw: list[str] = []
    for at in range(0, len(content) - 2, 3):
        place, key, value = content[at : at + 3]
        holders = _holders(whole)
        if len(holders) > _MOST_HOLDERS:
            break
        holder = holders[place % len(holders)]
        token = f"\x01{len(raw)}\x01"
        raw.append(_ODD[value % len(_ODD)])
        if isinstance(holder, list):
            _change_list(holder, key, token)
        elif key & 1 or not holder:
            name = [*holder, *_KEYS][(key >> 1) % (len(holder) + len(_KEYS))]
            holder[name] = token
        elif key & 2:
            holder.pop([*holder][(key >> 2) % len(holder)])
        else:
            holder[[*holder][(key >> 2) % len(holder)]] = token
    return re.sub(r'"\\u0001(\d+)\\u0001"', lambda found: raw[int(found[1])], json.dumps(whole)).encode()


def _change_list(holder: list[Any], key: int, token: str) -> None:
    change, at = key % 4, (key >> 2) % (len(holder) + 1)
    if change == 0 or not holder:
        holder.insert(at, token)
    elif change == 1:
        holder[at % len(holder)] = token
    elif change == 2:
        holder.pop(at % len(holder))
    else:
        holder.append(holder[at % len(holder)])


def _holders(value: Any) -> list[Any]:
    """All objects and lists in a value, itself first."""
    found = [value]
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, dict | list):
            found += _holders(one)
    return found


def _field_seeds(folder: Path) -> list[bytes]:
    return [bytes([number]) for number in range(4)]


def _read_fields(content: bytes, folder: Path) -> None:
    about, arrays = bases()[content[0] % 4 if content else 0]
    write_model_files(folder, edited(content[1:], _whole(about, arrays)), arrays)
    used(folder)


# The arrays


def _array_seeds(folder: Path) -> list[bytes]:
    return [packed(arrays, _FORMAT) for _, arrays in bases()[:3]]


def _read_arrays(content: bytes, folder: Path) -> None:
    """Read changed arrays beside an older description, which has no checksums of them."""
    about = bases()[1 if b'"target_mean": {"dtype": "F64", "shape": [2, 1]' in content else 0][0]
    (folder / "model.json").write_text(json.dumps({k: v for k, v in about.items() if v is not None}))
    (folder / "networks.safetensors").write_bytes(sealed(content))
    used(folder)


# Results and states of jobs, curves, features


def _result_seeds(folder: Path) -> list[bytes]:
    facts = {
        "history": [{"epoch": 1, "best_epoch": 1, "training_error_per_frame": 0.5}],
        "fold": 0,
        "trial": 1,
    }
    return [packed({"weights": np.ones(5, np.float32), "curves": np.zeros((3, 2))}, facts), packed({}, {})]


def _read_result(content: bytes, folder: Path) -> None:
    """A result is one, or counts as absent; and a run that is watched shows it."""
    from lstmcore.experiments.serving.live import Watch

    file = folder / "network-fold00-trial1-0123456789abcdef.safetensors"
    (folder / "jobs").mkdir()
    for path, written in ((file, sealed(content)), (folder / "jobs" / file.name, content)):
        path.write_bytes(written)
    found = load_result(file)
    if found is not None:
        assert isinstance(found.facts, dict), found.facts
        for array in found.tensors.values():
            assert array.nbytes <= len(content)
    watch = object.__new__(Watch)  # of a run whose configuration needn't be read each time
    watch.folder, watch._read, watch._experiment = folder, {}, _experiment()
    json.dumps(watch.state(), allow_nan=False).encode()


@cache
def _experiment() -> Any:
    from lstmcore.experiments.config import load_experiment

    return load_experiment("quickstart")


@cache
def _training() -> Training:
    rng = np.random.default_rng(3)
    songs = SequenceSet.from_lists([np.ones((4, 3))], [np.ones((4, 2))])
    architecture = Architecture(3, (LSTM(2), Linear(2)))
    network = Network(architecture, rng.uniform(-0.5, 0.5, architecture.parameter_count).astype(np.float32))
    return Training(network, Sets(songs, songs), TrainingSettings(SGD(1e-3), max_epochs=5), seed=1)


def _checkpoint_seeds(folder: Path) -> list[bytes]:
    path, trainer = folder / "state", Trainer(_training())
    state = Checkpoint(path, _training())
    for _ in range(2):
        state.on_epoch(trainer.run_epoch(), trainer)
    state.save()
    return [path.read_bytes()]


def _read_checkpoint(content: bytes, folder: Path) -> None:
    """A state is taken for one, from which the training can go on, or the damage is told."""
    file = folder / "a.partial.safetensors"
    file.write_bytes(sealed(content))
    found = Checkpoint(file, _training())
    assert (found.state is None) == (found.damage is not None)
    if found.state is not None:
        Trainer(_training(), state=found.state)
    else:
        assert found.damage
        assert not found.reports


def _curve_seeds(folder: Path) -> list[bytes]:
    facts = {"columns": ["file", "time", "arousal"], "distance": 1.0, "novelty": None, "warnings": ["short"]}
    columns = {str(k): np.arange(3.0) for k in range(3)}
    return [packed(columns, facts), packed({"0": np.arange(3.0)}, facts | {"columns": ["time"]})]


def _read_curves(content: bytes, folder: Path) -> None:
    from lstmcore.experiments.prediction.curves import CurveStore

    store = object.__new__(CurveStore)
    store.folder = folder
    (folder / "digest.safetensors").write_bytes(sealed(content))
    found = store.load("digest")
    if found is not None:
        assert all(isinstance(one, str) for one in found.warnings)
        assert len(found.table)


def _store_seeds(folder: Path) -> list[bytes]:
    from lstmcore.features.store import _pack

    names = ("sensory_dissonance", "roughness_vassilakis", "tempo", "event_density")
    return [_pack(np.arange(8.0).reshape(2, 4), names), _zipped({"values.npy": b"", "names.npy": b""})]


def _zipped(files: dict[str, bytes]) -> bytes:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue() + bytes(32)


def _read_store(content: bytes, folder: Path) -> None:
    from lstmcore.features.store import FeatureKey, FeatureStore

    store, key = FeatureStore(folder), FeatureKey("0" * 64, "music", "1")
    file = store.path_of(key)
    file.parent.mkdir()
    file.write_bytes(sealed(content))
    found = store.load(key)
    if found is not None:
        assert found.to_numpy().dtype == np.float64
        assert len(found.columns) == 5


_WORDS = (
    b"[",
    b"{",
    b"null",
    b"1e999",
    b"NaN",
    b'"F16"',
    b'"BF16"',
    b'"data_offsets"',
    b"__metadata__",
    b"[0,0]",
)

TARGETS = [
    Target(
        "model-json",
        _json_seeds,
        _read_json,
        tuple(one.encode() for one in _ODD if len(one) < 30),
        more=_failed_in_use,
    ),
    Target("model-fields", _field_seeds, _read_fields),
    Target("model-arrays", _array_seeds, _read_arrays, _WORDS),
    Target("job-results", _result_seeds, _read_result, _WORDS),
    Target("checkpoints", _checkpoint_seeds, _read_checkpoint, (*_WORDS, b'"epoch": ', b"-1", b"1e300")),
    Target("kept-curves", _curve_seeds, _read_curves, (*_WORDS, b"columns", b"warnings")),
    Target(
        "feature-store",
        _store_seeds,
        _read_store,
        (b"PK\x03\x04", b"PK\x01\x02", b"'descr'", b"|O", b"1" * 9),
    ),
]
