"""Networks in files and in words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmcore import (
    BLSTM,
    LSTM,
    SGD,
    EngineError,
    Linear,
    Network,
    SequenceSet,
    Sets,
    Softmax,
    Tanh,
    Trainer,
    Training,
    TrainingSettings,
    initial_network,
)

LAYERS = [LSTM(3, bias=0.5), BLSTM(4, learning_rate=0.0), Tanh(3), Softmax(2)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["a.npz", "a", "ä b.network"])
def test_a_network_comes_back_to_the_bit(name: str, dtype: type, tmp_path: Path) -> None:
    network = initial_network(5, LAYERS, 1, dtype=dtype)
    for _ in range(2):  # an older file is replaced
        network.save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    again = Network.load(str(tmp_path / name))
    assert again.architecture == network.architecture
    assert again.dtype == dtype
    np.testing.assert_array_equal(again.weights, network.weights)


def test_a_folder_that_is_missing_is_an_oserror_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        initial_network(5, LAYERS, 1).save(tmp_path / "nowhere" / "a.npz")
    assert list(tmp_path.iterdir()) == []


def refused(path: Path) -> str:
    with pytest.raises(EngineError, match=f"^{re.escape(str(path))}: ") as caught:
        Network.load(path)
    return str(caught.value)


def test_what_is_no_network_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    assert "can't be read" in refused(path)
    assert "can't be read" in refused(tmp_path)
    for content in (b"", b"PK\3\4", b"text", b"\x93NUMPY\1\0"):
        path.write_bytes(content)
        assert "damaged, or no network" in refused(path)
    np.savez(path, weights=np.zeros(3))
    assert "damaged, or no network" in refused(path)
    np.save(path.with_suffix(".npy"), np.zeros(3))
    assert "damaged, or no network" in refused(path.with_suffix(".npy"))


def test_every_byte_that_is_lost_or_changed_is_noticed_or_harmless(tmp_path: Path) -> None:
    path, network = tmp_path / "a.npz", initial_network(2, [LSTM(2), Linear(1)], 1)
    network.save(path)
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        for content in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]):
            path.write_bytes(content)
            try:
                found = Network.load(path)
            except EngineError as error:
                assert str(error).startswith(str(path))  # noqa: PT017
            else:
                np.testing.assert_array_equal(found.weights, network.weights)


GOOD = {"format": 1, "input_size": 2, "layers": [{"kind": "linear", "size": 1}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2; expected 1"),
        ({"input_size": 0}, "input size"),
        ({"input_size": 3}, "parameter vector has shape"),
        ({"layers": []}, "at least one layer"),
        ({"layers": [{"kind": "linear", "size": -1}]}, "linear layer: size"),
        ({"layers": [{"kind": "gru", "size": 1}]}, "no network"),
        ({"layers": [{"kind": "linear", "width": 1}]}, "no network"),
        ({"layers": [["linear", 1]]}, "no network"),
        ({"layers": 5}, "no network"),
    ],
)
def test_an_architecture_that_is_none_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path, weights = tmp_path / "a.npz", np.zeros(3, np.float32)
    np.savez(path, weights=weights, architecture=np.array(json.dumps(GOOD)))
    assert Network.load(path).architecture.input_size == 2
    np.savez(path, weights=weights, architecture=np.array(json.dumps(GOOD | changes)))
    assert message in refused(path)


def test_networks_and_trainers_tell_what_they_are() -> None:
    network = initial_network(5, [LSTM(3), Linear(2)], 1)
    assert repr(network) == f"<Network 5 → LSTM(3) → Linear(2); {len(network.weights)} weights, float32>"
    rng = np.random.default_rng(0)
    songs = SequenceSet.from_lists([rng.standard_normal((9, 5))], [rng.standard_normal((9, 2))])
    settings = TrainingSettings(SGD(1e-3), max_epochs=2)
    trainer = Trainer(Training(network, Sets(songs, songs), settings, seed=1))
    assert repr(trainer) == f"<Trainer of {network!r}: epoch 0, backend cpu>"
    trainer.run_epoch()
    best = trainer.progress.best_error
    assert repr(trainer).endswith(f"epoch 1, best error {best:.6g} in epoch 1, backend cpu>")


def test_a_training_and_its_sets_are_told_in_a_line_each():
    songs = SequenceSet.from_lists([np.zeros((6, 2))] * 3, [np.ones((6, 1))] * 3)
    network = initial_network(2, [LSTM(2), Linear(1)], 1)
    settings = TrainingSettings(SGD(1e-3), max_epochs=3)
    assert repr(songs) == "<SequenceSet of 3 sequences, 18 frames: 2 inputs, 1 targets, float32>"
    training = Training(network, Sets(songs, songs), settings, 1)
    assert repr(training) == (
        f"<Training of {network!r}: 3 sequences, sse, watching 3, patience 20, learning rate 0.001, "
        "1 an update, at most 3 epochs>"
    )
