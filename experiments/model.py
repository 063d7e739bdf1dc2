"""A trained ensemble on disk: all that predicting needs, and nothing of the data.

``model.json`` says what the networks are and what they want; ``networks.safetensors``
holds, stacked over networks, ``weights``, ``input_mean``, ``input_scale``,
``target_mean`` and ``target_scale``; and ``quantiles`` where features are ranked first
(`NormalScores`).  With single targets, the networks of a system are first those of arousal, then as
many of valence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.config import HOP_SECONDS, Experiment
from experiments.datasets import TARGETS, Dataset
from experiments.datasets.normal_scores import NormalScores
from experiments.ensemble import Choice
from experiments.errors import InputError
from experiments.files import write_json
from experiments.jobs import Result, Tensors, load_result, save_result
from experiments.smoothing import smoothed
from experiments.trial import architecture_of, join_targets, networks_a_member
from lstmcore import Architecture, Backend, Network, Standardiser, get_backend, predict
from lstmcore.backends import Workspace
from lstmcore.layers import LAYERS

FORMAT = 1
_PLACE = ("fold", "trial", "target")
_STACKED = ("weights", "input_mean", "input_scale", "target_mean", "target_scale")
QUANTILES = "quantiles"
_DESCRIBED = ("layers", "feature_set", "feature_names", "networks", "systems")


def save_model(
    folder: Path, experiment: Experiment, dataset: Dataset, choices: dict[str, Choice], networks: list[Result]
) -> None:
    """Write the networks of all chosen ensembles.

    Parameters
    ----------
    folder
        Where to; it is made.
    experiment, dataset
        Say what the networks are and what their inputs mean.
    choices, networks
        The ensembles, and the results of all network jobs.
    """
    firsts = range(0, len(networks), len(networks) // networks_a_member(experiment))  # of each target
    members = {name: [f + k for f in firsts for k in choice.members] for name, choice in choices.items()}
    used = sorted({k for network_numbers in members.values() for k in network_numbers})
    tensors = {name: np.stack([networks[k].tensors[name] for k in used]) for name in _STACKED}
    if dataset.normal_scores is not None:
        tensors[QUANTILES] = dataset.normal_scores.quantiles
    description = {
        "experiment": experiment.name,
        "layers": layers_as_json(architecture_of(experiment, len(dataset.feature_names))),
        "gate_order": "z i f o",
        "feature_set": dataset.feature_set,
        "feature_names": dataset.feature_names,
        "targets": list(TARGETS),
        "target_range": [-1, 1],
        "hop_seconds": HOP_SECONDS,
        "smoothing_seconds": experiment.predictions.smoothing,
        "lead_in_seconds": experiment.data.lead_in,
        "networks": [{n: v for n, v in networks[k].facts.items() if n in _PLACE} for k in used],
        "systems": {name: [used.index(k) for k in numbers] for name, numbers in members.items()},
        "notes": dataset.notes,
    }
    write_model(folder, description, tensors)


def write_model(folder: Path, description: dict[str, Any], tensors: Tensors) -> None:
    """Write both files of a model; ``model.json`` comes last."""
    save_result(folder / "networks.safetensors", Result(tensors, {"format": FORMAT}))
    write_json(folder / "model.json", {"format": FORMAT} | description)


def layers_as_json(architecture: Architecture) -> list[dict[str, Any]]:
    """Describe layers for ``model.json``."""
    layers = [{"kind": layer.kind, "size": layer.size, "bias": layer.bias} for layer in architecture.layers]
    rates = [layer.learning_rate for layer in architecture.layers]
    own = [{} if rate is None else {"learning_rate": rate} for rate in rates]
    return [layer | rate for layer, rate in zip(layers, own, strict=True)]


@dataclass(frozen=True)
class Model:
    """A trained ensemble.

    Parameters
    ----------
    description
        Content of ``model.json``.
    tensors
        Content of ``networks.safetensors``.
    """

    description: dict[str, Any]
    tensors: Tensors

    @property
    def architecture(self) -> Architecture:
        """Layers of the networks."""
        described = self.description["layers"]
        layers = [LAYERS[d["kind"]](d["size"], d["bias"], d.get("learning_rate")) for d in described]
        return Architecture(len(self.description["feature_names"]), tuple(layers))

    def predict(
        self, features: NDArray[np.floating], system: str | None = None, backend: Backend | str = "cpu"
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict arousal and valence of one song, smoothed if the experiment wanted that.

        Networks that were trained with a lead-in hear the first frame for so long before the song.

        Parameters
        ----------
        features
            Columns as in ``feature_names``, as they are computed, shape (frames, features).
        system
            Which ensemble; the first if None.
        backend
            What computes the networks; the reference takes them in double precision.

        Returns
        -------
        mean, spread
            Over the networks, in the annotation's scale, shape (frames, targets).
        """
        description = self.description
        networks = description["systems"][system or next(iter(description["systems"]))]
        if QUANTILES in self.tensors:
            features = NormalScores(self.tensors[QUANTILES]).apply(np.asarray(features, np.float64))
        # A model converted from CURRENNT has neither lead-in nor smoothing, nor a hop.
        lead_in = description.get("lead_in_seconds")
        before = int(lead_in / description["hop_seconds"]) if lead_in else 0
        features = np.concatenate([np.repeat(features[:1], before, 0), features])
        engine = get_backend(backend) if isinstance(backend, str) else backend
        members = [self._network(number, engine) for number in networks]
        workspace = engine.workspace(members[0])
        outputs = np.stack(
            [
                self._one(number, network, features, engine, workspace)
                for number, network in zip(networks, members, strict=True)
            ]
        )
        kinds = {place.get("target") for place in description["networks"]}
        curves = join_targets(outputs[:, before:], len(kinds))
        if seconds := description.get("smoothing_seconds"):
            curves = smoothed(curves, seconds, description["hop_seconds"])
        return curves.mean(0), curves.std(0)

    def _network(self, number: int, engine: Backend) -> Network:
        weights = self.tensors["weights"][number]
        return Network(self.architecture, weights.astype(float) if engine.name == "reference" else weights)

    def _one(
        self,
        number: int,
        network: Network,
        features: NDArray[np.floating],
        engine: Backend,
        workspace: Workspace,
    ) -> NDArray[np.float64]:
        part = {name: self.tensors[name][number] for name in _STACKED}
        x = Standardiser(part["input_mean"], part["input_scale"]).apply(features)
        return Standardiser(part["target_mean"], part["target_scale"]).invert(
            predict(network, x, backend=engine, workspace=workspace)
        )


def load_model(folder: Path) -> Model:
    """Read a model.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another format, or lacks something.
    """
    try:
        description = json.loads((folder / "model.json").read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / 'model.json'}: no readable model: {error}") from None
    result = load_result(folder / "networks.safetensors")
    if result is None:
        raise InputError(f"{folder / 'networks.safetensors'}: missing or damaged")
    found = description.get("format") if isinstance(description, dict) else None
    if found != FORMAT:
        raise InputError(f"{folder}: model format {found}; expected {FORMAT}")
    missing = {*_DESCRIBED} - {*description} | {*_STACKED} - {*result.tensors}
    if missing:
        raise InputError(f"{folder}: no {', '.join(sorted(missing))}: damaged, or of another version")
    return Model(description, result.tensors)
