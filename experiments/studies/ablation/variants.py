"""Which ablations are made where the experiment names none."""

from __future__ import annotations

from collections.abc import Iterator

from lstmcore.experiments.config import Experiment, Quality
from lstmcore.experiments.config.variations import Ablation
from lstmcore.experiments.datasets import Dataset

_LEAD_IN = 15.0  # DEAM's annotations begin there


def default_ablations(experiment: Experiment, dataset: Dataset) -> list[Ablation]:
    """List what can be changed in an experiment: its parts, one at a time, as far as it has them."""
    parts = (_pretraining(experiment, dataset), _networks(experiment), _data(experiment, dataset))
    return [ablation for part in parts for ablation in part]


def _pretraining(experiment: Experiment, dataset: Dataset) -> Iterator[Ablation]:
    if not dataset.unlabelled:
        return
    config = experiment.pretraining
    if config.chosen == "none":
        first = {} if config.strategy == "first_layer" else {"pretraining.strategy": "first_layer"}
        yield Ablation(name="auto-encoder", set={"pretraining.enabled": True, **first})
        return
    what = "auto-encoder" if config.chosen == "first_layer" else "pre-training"
    yield Ablation(name=f"no {what}", set={"pretraining.enabled": False})
    if config.chosen != "first_layer":
        name = "first layer pre-trained alone"
        yield Ablation(name=name, set={"pretraining.strategy": "first_layer"})
    if config.input_noise:
        yield Ablation(name=f"{what} without noise", set={"pretraining.input_noise": 0.0})


def _networks(experiment: Experiment) -> Iterator[Ablation]:
    network = experiment.network
    if experiment.training.input_noise:
        yield Ablation(name="no noise in training", set={"training.input_noise": 0.0})
    for depth in range(1, len(network.hidden)):
        layers = "1 hidden layer" if depth == 1 else f"{depth} hidden layers"
        yield Ablation(name=layers, set={"network.hidden": network.hidden[:depth]})
    targets = len(experiment.data.target_names)
    if network.targets == "joint" and targets > 1:
        yield Ablation(name="a network for each target", set={"network.targets": "single"})
    elif targets > 1:
        name = f"one network for {'both' if targets == 2 else 'all'} targets"
        yield Ablation(name=name, set={"network.targets": "joint"})
    if network.cell == "lstm":
        changes = {"network.cell": "feedforward", "network.bidirectional": False}
        yield Ablation(name="frame-wise network of equal size", set=changes)
    else:
        yield Ablation(name="LSTM network of equal size", set={"network.cell": "lstm"})


def _data(experiment: Experiment, dataset: Dataset) -> Iterator[Ablation]:
    data = experiment.data
    if data.normal_scores:
        yield Ablation(name="features as they are, not their ranks", set={"data.normal_scores": False})
    if data.lead_in:
        yield Ablation(name="nothing before the first annotation", set={"data.lead_in": 0.0})
    elif experiment.training.objective == "sse" and all(s.times[0] > 0 for s in dataset.development):
        name = f"{_LEAD_IN:g} s of music before the first annotation"
        yield Ablation(name=name, set={"data.lead_in": _LEAD_IN})
    if data.features == "FS3":
        yield Ablation(name="FS2, not FS3", set={"data.features": "FS2"})
    elif data.features == "FS2":
        yield Ablation(name="FS1, not FS2", set={"data.features": "FS1"})
    elif data.features == "FS1" and data.source in ("procedural", "audio"):
        yield Ablation(name="FS2, not FS1", set={"data.features": "FS2"})
    if data.quality is not None:
        yield Ablation(name="all songs, whatever their α", unset=["data.quality"])
    elif all(song.song_id in dataset.agreements for song in dataset.development):
        rule = Quality()
        keys = {f"data.quality.{key}": value for key, value in rule.model_dump().items()}
        yield Ablation(name=f"songs with {rule.min_raters} raters and α ≥ {rule.min_alpha}", set=keys)
