"""A trained ensemble on disk: all that predicting needs, and nothing of the data.

``model.json`` says what the networks are and what they want (`Description`); ``networks.safetensors``
holds, stacked over networks, ``weights``, ``input_mean``, ``input_scale``, ``target_mean`` and
``target_scale``; ``quantiles`` where features are ranked first (`NormalScores`); and where the training songs
lie (`Novelty`).  With single targets, the networks of a system are first those of the first target,
then as many of the next.  The second file carries digests of both, and the first one of each array: what was
changed on the disk is refused, by the name of the array.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore import Architecture, Backend, Network, Standardiser, Workspace, get_backend, predict
from lstmcore.experiments.config import MEANS
from lstmcore.experiments.datasets.normal_scores import NormalScores
from lstmcore.experiments.errors import InputError, did_you_mean, unreadable
from lstmcore.experiments.files import from_json, read_plain, write_json
from lstmcore.experiments.jobs.job import Result, Tensors, load_result, save_result
from lstmcore.experiments.prediction.checksums import check_checksums, checksums, damage_of
from lstmcore.experiments.prediction.description import (
    FORMAT,
    QUANTILES,
    STACKED,
    Description,
    check_tensors,
    read_description,
)
from lstmcore.experiments.prediction.novelty import Novelty, novelty_of
from lstmcore.experiments.scoring.ensemble import Choice
from lstmcore.experiments.terminal.environment import version_of
from lstmcore.experiments.training.long_songs import window_seconds
from lstmcore.experiments.training.smoothing import smoothed
from lstmcore.experiments.training.trial import TrialData, architecture_of, join_targets, networks_a_member
from lstmcore.experiments.training.windows import Windows
from lstmcore.features.sound_names import WAVEFORM
from lstmcore.network import described

_ROUNDING_SECONDS = 0.0015  # of two time stamps in whole milliseconds
_PLACE = ("fold", "trial", "target")


def save_model(folder: Path, data: TrialData, choices: dict[str, Choice], networks: list[Result]) -> None:
    """Write the networks of all chosen ensembles.

    Parameters
    ----------
    folder
        Where to; it is made.
    data
        Says what the networks are, what their inputs mean, and what they learnt from.
    choices, networks
        The ensembles, and the results of all network jobs.
    """
    experiment, dataset = data.experiment, data.dataset
    features = experiment.data.computed_set
    firsts = range(0, len(networks), len(networks) // networks_a_member(experiment))  # of each target
    members = {name: [f + k for f in firsts for k in choice.members] for name, choice in choices.items()}
    used = sorted({k for network_numbers in members.values() for k in network_numbers})
    tensors = {name: np.stack([networks[k].tensors[name] for k in used]) for name in STACKED}
    if dataset.normal_scores is not None:
        tensors[QUANTILES] = dataset.normal_scores.quantiles
    # The mean of a waveform over time says nothing of a song.
    novelty = None if dataset.feature_set == WAVEFORM else novelty_of(data.split)
    if novelty is not None:
        tensors |= novelty.as_tensors()
    window = window_seconds(data)
    description = {
        "experiment": experiment.name,
        "version": version_of("lstmcore"),
        "layers": layers_as_json(architecture_of(experiment, len(dataset.feature_names))),
        "gate_order": "z i f o",
        "feature_set": features,
        "feature_names": dataset.feature_names,
        "targets": list(dataset.targets),
        "target_range": list(dataset.scale),
        "hop_seconds": dataset.hop_seconds,
        "smoothing_seconds": experiment.predictions.smoothing,
        "lead_in_seconds": experiment.data.lead_in,
        **({} if window is None else {"prediction_window_seconds": window}),
        **({"window_seconds": experiment.data.window_seconds} if features == MEANS else {}),
        "annotation_delay_seconds": experiment.data.annotation_delay,
        "trained_on": {
            "source": experiment.data.source,
            "synthetic": dataset.synthetic,
            "songs": len(dataset.development) - len(data.split.left_over),
            "unlabelled_songs": len(dataset.unlabelled),
        },
        "networks": [{n: v for n, v in networks[k].facts.items() if n in _PLACE} for k in used],
        "systems": {name: [used.index(k) for k in numbers] for name, numbers in members.items()},
        "notes": dataset.notes,
    }
    write_model(folder, description, tensors)


def write_model(folder: Path, description: dict[str, Any], tensors: Tensors) -> None:
    """Write both files of a model; ``model.json`` comes last."""
    content = {"format": FORMAT} | description | {"checksums": checksums(tensors)}
    facts = {"format": FORMAT, "model.json": _digest(content)}
    save_result(folder / "networks.safetensors", Result(tensors, facts))
    write_json(folder / "model.json", content)


def _digest(content: Any) -> str:
    """Digest of what ``model.json`` says, however it is set."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_pair(folder: Path, facts: Any) -> None:
    """Raise an InputError unless both files of a model were written together; older ones don't say."""
    file = folder / "model.json"
    digest = _digest(from_json(read_plain(file)))
    if isinstance(facts, dict) and facts.get("model.json", digest) != digest:
        raise InputError(
            f"{file}: is not what was written together with networks.safetensors: one of the two was changed "
            "or damaged; expected both as they were. Run the same experiment again to write them anew"
        )


def layers_as_json(architecture: Architecture) -> list[dict[str, Any]]:
    """Describe layers for ``model.json``."""
    layers = [{**described(layer), "size": layer.size} for layer in architecture.layers]
    return [{name: value for name, value in layer.items() if value is not None} for layer in layers]


@dataclass(frozen=True)
class Standing:
    """How a song lies to those that a model learnt from.

    Parameters
    ----------
    distance
        From them; about 1 is usual.  None if the model doesn't know.
    novelty
        Share of them that lie nearer to the others, 0 to 1.
    outside
        Share of the song's values that are outside of all that were ranked, and count as the nearest of them.
    """

    distance: float | None
    novelty: float | None
    outside: float


@dataclass(frozen=True)
class Model:
    """A trained ensemble.

    Parameters
    ----------
    about
        What ``model.json`` says.
    tensors
        Content of ``networks.safetensors``.
    """

    about: Description
    tensors: Tensors

    @property
    def description(self) -> dict[str, Any]:
        """Content of ``model.json``."""
        return self.about.model_dump(exclude_none=True)

    @property
    def architecture(self) -> Architecture:
        """Layers of the networks."""
        return self.about.architecture

    def predict(
        self,
        features: NDArray[np.floating],
        system: str | None = None,
        backend: Backend | str = "cpu",
        *,
        times: NDArray[np.floating] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict the targets of one song, smoothed if the experiment wanted that.

        Networks that were trained with a lead-in get the first frame for as long before the song.  Those that
        were trained with a delay of the annotations say at each time what raters say then, of music so much
        earlier: of the first frame as long as there is none.  A song that is longer than
        networks are made to hear at once is predicted in overlapping windows, if the experiment wanted that.

        Parameters
        ----------
        features
            Columns as in ``feature_names``, as they are computed, shape (frames, features).
        system
            Which ensemble; the first if None.
        backend
            What computes the networks; the reference takes them in double precision.
        times
            Time stamps of the frames in seconds, shape (frames,); None: they are taken to be as far apart
            as those of the training (``about.hop_seconds``).

        Returns
        -------
        mean, spread
            Over the networks, in the annotation's scale, shape (frames, targets).

        Raises
        ------
        InputError
            If there is no such system, the features aren't such a matrix of finite numbers, or they are
            further apart in time than those of the training, or less far.
        EngineError
            If the backend can't be used here.
        """
        about, networks = self.about, self.members(system)
        features = self._scored(self._checked(features))
        self._check_times(len(features), times)
        # A model converted from CURRENNT has neither lead-in, delay nor smoothing, nor a hop.
        hop = about.hop_seconds
        before = 0 if hop is None else int(about.lead_in_seconds / hop + 1e-9)
        late = 0 if hop is None else round(about.annotation_delay_seconds / hop)
        heard = before + len(features)
        features = np.concatenate([np.repeat(features[:1], before + late, 0), features])[:heard]
        engine = get_backend(backend) if isinstance(backend, str) else backend
        with np.errstate(over="ignore", invalid="ignore"):  # what isn't finite in the end is told
            members = [self._network(number, engine) for number in networks]
            workspace = engine.workspace(members[0])
            outputs = np.stack(
                [
                    self._one(number, network, features, engine, workspace)
                    for number, network in zip(networks, members, strict=True)
                ]
            )
            curves = smoothed(
                join_targets(outputs[:, before:], about.networks_a_member), about.smoothing_seconds, hop
            )
            mean, spread = curves.mean(0), curves.std(0)
        if not (np.isfinite(mean) & np.isfinite(spread)).all():
            raise InputError(
                "the model's networks give numbers that aren't finite: their weights or scales are damaged"
            )
        return mean, spread

    def standing(self, features: NDArray[np.floating]) -> Standing:
        """Compare a song with those that the model learnt from.

        Parameters
        ----------
        features
            As for `predict`.
        """
        rows, outside = self._checked(features), 0.0
        if QUANTILES in self.tensors:
            known = self.tensors[QUANTILES]
            outside = float(((rows < known[0]) | (rows > known[-1])).mean())
        novelty = Novelty.of(self.tensors)
        if novelty is None:
            return Standing(None, None, outside)
        distance = float(novelty.distance(self._scored(rows).mean(0)[None])[0])
        if not np.isfinite(distance):
            raise InputError("the model gives a song no finite distance: its novelty arrays are damaged")
        return Standing(distance, novelty.share_nearer(distance), outside)

    def members(self, system: str | None) -> list[int]:
        """Numbers of the networks of a system; of the first if None."""
        systems = self.about.systems
        if system is not None and system not in systems:
            hint = did_you_mean(system, list(systems))
            raise InputError(f"no system {system!r}; expected one of {', '.join(systems)}{hint}")
        return systems[system or next(iter(systems))]

    def _scored(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return NormalScores(self.tensors[QUANTILES]).apply(rows) if QUANTILES in self.tensors else rows

    def _checked(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        names, rows = self.about.feature_names, np.asarray(features, np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(names) or not len(rows):
            raise InputError(
                f"features have shape {rows.shape}; expected (frames, {len(names)}), at least one frame"
            )
        bad = np.argwhere(~np.isfinite(rows))
        if len(bad):
            row, column = bad[0]
            raise InputError(
                f"feature {names[column]!r}, frame {row} (from 0), is {rows[row, column]}; "
                "expected a finite number"
            )
        return rows

    def _check_times(self, frames: int, times: NDArray[np.floating] | None) -> None:
        """Refuse another hop: networks know nothing of time but the frames."""
        hop = self.about.hop_seconds
        if times is None:
            return
        if np.shape(times) != (frames,):
            raise InputError(f"times have shape {np.shape(times)}; expected ({frames},), one of each frame")
        steps = np.diff(np.asarray(times, np.float64))
        wrong = steps[~(np.abs(steps - hop) <= _ROUNDING_SECONDS)] if hop is not None else steps[:0]
        if len(wrong):
            raise InputError(
                f"features are {wrong[0]:g} s apart; expected {hop:g} s, as in the model's training"
            )

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
        part = {name: self.tensors[name][number] for name in STACKED}
        x = Standardiser(part["input_mean"], part["input_scale"]).apply(features)
        if not (np.abs(x) <= np.finfo(network.dtype).max).all():
            raise InputError(
                f"features are too far from those of the training for network {number}: "
                "they, or its input_mean and input_scale, are damaged"
            )
        outputs = (
            predict(network, x, backend=engine, workspace=workspace)
            if self._windows is None
            else self._windows.predict(network, x, engine, workspace)
        )
        return Standardiser(part["target_mean"], part["target_scale"]).invert(outputs)

    @property
    def _windows(self) -> Windows | None:
        """How a long song is cut; None: it isn't."""
        about, hop = self.about, self.about.hop_seconds
        if hop is None or about.prediction_window_seconds is None:
            return None
        frames = round(about.prediction_window_seconds / hop)
        return Windows(frames, int(about.lead_in_seconds / hop + 1e-9))


def load_model(folder: Path) -> Model:
    """Read a model.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another format, or something in it is missing or wrong; the file
        and the key or array are named.
    """
    about = read_description(folder / "model.json")
    file = folder / "networks.safetensors"
    try:
        result = load_result(file, about.most_bytes)
    except OSError as error:
        raise unreadable(file, error) from None
    if result is None:
        raise damage_of(file, about.checksums)
    check_checksums(file, about.checksums, result.tensors)
    tensors = in_single(result.tensors)
    check_tensors(file, about, tensors)
    _check_pair(folder, result.facts)
    return Model(about, tensors)


def in_single(tensors: Tensors) -> Tensors:
    """Return a model's arrays as networks take them: what was stored in half precision in single."""
    return {n: a.astype(np.float32) if a.dtype == np.float16 else a for n, a in tensors.items()}
