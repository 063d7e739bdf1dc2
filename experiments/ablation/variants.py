"""What is changed: the variants that an experiment names, or those that suit it."""

from __future__ import annotations

from typing import Any

from experiments.config import Experiment
from experiments.datasets import TARGETS
from experiments.variations import Ablation
from lstmcore import LSTM, Architecture, Linear, Tanh


def variants_of(experiment: Experiment, inputs: int) -> list[Ablation]:
    """Return the variants that an experiment's ``[[ablation]]`` sections name, else the usual ones.

    Parameters
    ----------
    experiment
        The configuration.
    inputs
        Number of features a frame.
    """
    return experiment.ablation or usual_variants(experiment, inputs)


def usual_variants(experiment: Experiment, inputs: int) -> list[Ablation]:
    """Take away what the experiment has, one thing at a time, and put the other choice in its place."""
    network, hidden = experiment.network, experiment.network.hidden
    found: list[tuple[str, dict[str, Any]]] = []
    if experiment.pretraining.enabled and experiment.data.unlabelled != "none":
        found.append(("no auto-encoder", {"pretraining.enabled": False}))
        if experiment.pretraining.input_noise:
            found.append(("auto-encoder without noise", {"pretraining.input_noise": 0.0}))
    if experiment.training.input_noise:
        found.append(("training without noise", {"training.input_noise": 0.0}))
    for depth in range(1, len(hidden)):
        layers = "1 hidden layer" if depth == 1 else f"{depth} hidden layers"
        found.append((layers, {"network.hidden": hidden[:depth]}))
    if experiment.data.features == "FS2":
        found.append(("FS1", {"data.features": "FS1"}))
    other = "single" if network.targets == "joint" else "joint"
    found.append((f"{other} targets", {"network.targets": other}))
    if network.cell == "lstm" and not network.bidirectional:
        sizes = frame_wise_sizes(hidden, inputs)
        found.append(("no memory", {"network.cell": "tanh", "network.hidden": sizes}))
    if experiment.data.quality is not None:
        found.append(("no selection of songs", {}))
    taken = {"no selection of songs": ["data.quality"]}
    return [Ablation(name=name, set=settings, unset=taken.get(name, [])) for name, settings in found]


def frame_wise_sizes(hidden: list[int], inputs: int) -> list[int]:
    """Return sizes of feed-forward layers with about as many parameters as LSTM layers have.

    All layers grow by the same factor, that whose number of parameters is nearest.
    """
    outputs = Linear(len(TARGETS))
    wanted = Architecture(inputs, (*(LSTM(units) for units in hidden), outputs)).parameters

    def scaled(factor: float) -> list[int]:
        return [max(1, round(factor * units)) for units in hidden]

    def distance(sizes: list[int]) -> int:
        return abs(Architecture(inputs, (*(Tanh(units) for units in sizes), outputs)).parameters - wanted)

    # A layer of LSTM units has at least four times, and rarely more than some dozen times, the parameters.
    return min((scaled(1 + k / 100) for k in range(2000)), key=distance)
