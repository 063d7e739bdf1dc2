"""Networks without memory: as large as the LSTM's, and each frame by itself."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from lstmcore import LSTM, Architecture, Linear, Tanh, initial_network
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.prediction.model import load_model
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.training.frame_wise import frame_wise_sizes
from lstmcore.experiments.training.sets import hidden_layers

FEEDFORWARD = "network.cell=feedforward"


def lstm(hidden, inputs, outputs):
    return Architecture(inputs, (*map(LSTM, hidden), Linear(outputs)))


def tanh(hidden, inputs, outputs):
    return Architecture(inputs, (*map(Tanh, hidden), Linear(outputs)))


def test_parameters_are_counted_as_the_network_has_them():
    for architecture in (lstm([4, 3], 5, 2), tanh([4, 3], 5, 2)):
        network = initial_network(5, architecture.layers, np.random.default_rng(0))
        assert architecture.parameter_count == network.weights.size


def test_one_layer_by_hand():
    # 3 LSTM units on 5 inputs, 2 outputs: 4·3·(5 + 1 + 3) + 3·3 + 2·(3 + 1) = 125 parameters;
    # n tanh units: 6 n + 2 (n + 1) = 8 n + 2, which is nearest for n = 15 (122; n = 16: 130).
    assert frame_wise_sizes([3], 5, 2) == [15]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=3), st.integers(1, 300), st.integers(1, 2))
def test_no_other_first_layer_comes_nearer(hidden, inputs, outputs):
    sizes = frame_wise_sizes(hidden, inputs, outputs)
    wanted = lstm(hidden, inputs, outputs).parameter_count

    def distance(first):
        proportional = [max(1, round(size * first / hidden[0])) for size in hidden]
        return abs(tanh(proportional, inputs, outputs).parameter_count - wanted)

    assert len(sizes) == len(hidden)
    others = [n for n in (sizes[0] - 1, sizes[0] + 1) if n > 0]
    assert all(distance(sizes[0]) <= distance(n) for n in others)


@pytest.mark.parametrize("targets", ["joint", "single"])
def test_every_frame_is_predicted_by_itself(tiny, targets):
    """The tiny songs have one row of features, so a network without memory draws flat lines."""
    overrides = [FEEDFORWARD, f"network.targets={targets}"]
    for name, settings in {"flat": overrides, "lstm": overrides[1:]}.items():
        experiment = load_experiment(tiny / "tiny.toml", settings)
        run_experiment(experiment, Session(tiny / name, workers=1))
    tables = {name: pd.read_csv(tiny / name / "predictions.csv") for name in ("flat", "lstm")}
    spread = {
        name: t.query("system == 'lstm_all'").groupby("song_id")["arousal"].agg(np.ptp).max()
        for name, t in tables.items()
    }
    assert spread["flat"] <= 1e-6 < spread["lstm"]
    assert len(list((tiny / "flat" / "jobs").glob("autoencoder-*"))) == 2
    model = load_model(tiny / "flat" / "model")
    assert [layer.kind for layer in model.architecture.layers] == ["tanh", "tanh", "linear"]


def test_both_directions_of_one_frame_are_refused(tiny):
    with pytest.raises(InputError, match=r"network.bidirectional is true with cell = 'feedforward'"):
        load_experiment(
            tiny / "tiny.toml", [FEEDFORWARD, "network.bidirectional=true", "network.hidden=[4, 2]"]
        )


@pytest.mark.parametrize(("targets", "outputs"), [("joint", 2), ("single", 1)])
def test_layers_have_the_size_for_the_outputs_that_a_network_has(tiny, targets, outputs):
    keys = ["network.cell=feedforward", "network.hidden=[40]", f"network.targets={targets}"]
    found = hidden_layers(load_experiment(tiny / "tiny.toml", keys), 5)
    assert [layer.size for layer in found] == list(frame_wise_sizes([40], 5, outputs))
    assert list(frame_wise_sizes([40], 5, 1)) != list(frame_wise_sizes([40], 5, 2))
