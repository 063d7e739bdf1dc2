"""What a caller gets who says nothing: results depend on it, so it changes only where this table does."""

import inspect
import math

import pytest

import lstmcore
from lstmcore import estimators

DEFAULTS = {
    "LSTM": {"bias": 1.0, "learning_rate": None},
    "BLSTM": {"bias": 1.0, "learning_rate": None},
    "Linear": {"bias": 1.0, "learning_rate": None},
    "Tanh": {"bias": 1.0, "learning_rate": None},
    "Logistic": {"bias": 1.0, "learning_rate": None},
    "Softmax": {"bias": 1.0, "learning_rate": None},
    "Convolution": {"bias": 1.0, "learning_rate": None, "stride": (1, 1), "activation": "relu"},
    "SGD": {"learning_rate": 1e-5, "momentum": 0.9},
    "TrainingSettings": {
        "sgd": lstmcore.SGD(),
        "parallel_sequences": 1,
        "stochastic": True,
        "shuffle": True,
        "input_noise": 0.0,
        "max_epochs": None,
        "patience": 20,
        "delta_limit": 1.0,
        "weight_noise": 0.0,
        "validate_every": 1,
        "test_every": 1,
    },
    "Progress": {"epoch": 0, "best_epoch": 0, "best_error": math.inf, "without_better": 0},
    "SequenceSet": {"context": (0, 0), "noisy": None},
    "initial_network": {"low": -0.1, "high": 0.1, "forget_bias": 0.0},
    "new_autoencoder": {"forget_bias": 0.0},
    "Trainer": {"backend": "cpu", "state": None, "threads": None},
    "gradient_check": {"backend": "cpu", "step": 0.002},
    "predict": {"backend": "cpu", "workspace": None, "parallel_sequences": 16, "threads": None},
    "PackedNetwork": {"threads": 1},
    "LSTMRegressor": {
        "hidden_layer_sizes": (32,),
        "bidirectional": False,
        "learning_rate": 0.02,
        "momentum": 0.9,
        "batch_size": 2,
        "input_noise": 0.0,
        "forget_bias": 1.0,
        "max_iter": 200,
        "early_stopping": True,
        "validation_fraction": 0.2,
        "n_iter_no_change": 20,
        "standardise": True,
        "dtype": "float32",
        "backend": "cpu",
        "random_state": None,
    },
    "LSTMEnsemble": {"estimator": None, "n_estimators": 5, "n_jobs": None, "random_state": None},
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults(name):
    offered = getattr(lstmcore, name, None) or getattr(estimators, name)
    found = {
        key: parameter.default
        for key, parameter in inspect.signature(offered).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    if name == "TrainingSettings":
        found["sgd"] = lstmcore.TrainingSettings().sgd
    assert {key: found.get(key) for key in DEFAULTS[name]} == DEFAULTS[name]
