"""Trial jobs: one network, trained on the other folds and stopped by its own, or by one of the others.

Inputs and targets are standardised to the training songs of the fold, and those of other data sets that are
learnt from, too, to these: one set of weights above features that are in the same place everywhere.  With
single targets, a trial of a fold is as many jobs: a network for each target, which together make one member
of an ensemble.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore import (
    Architecture,
    EpochReport,
    Linear,
    Network,
    SequenceSet,
    Sets,
    Standardiser,
    Training,
    initial_network,
    predict,
    stream,
)
from lstmcore.experiments.config import Experiment, front_size
from lstmcore.experiments.datasets import Dataset, Song
from lstmcore.experiments.jobs.job import Form, Job, Result, Tensors, name_of
from lstmcore.experiments.jobs.parcels import Common
from lstmcore.experiments.seeds import seed_for
from lstmcore.experiments.training.apart import check_apart
from lstmcore.experiments.training.balance import training_weights
from lstmcore.experiments.training.folds import Split
from lstmcore.experiments.training.front import described_front, front_of, started
from lstmcore.experiments.training.pretraining import Start
from lstmcore.experiments.training.sets import (
    Shared,
    heard_by,
    hidden_layers,
    history_of,
    is_weighted,
    joined,
    objective_of,
    put_together,
    settings_of,
    standardiser_of,
    with_targets,
)
from lstmcore.experiments.training.windows import frames_in

VERSION = 3  # changes when the same inputs would give another result
# The groups of songs that a network is applied to, and the arrays its predictions are in.
GROUPS = ("validation", "team_test", "official_test")


@dataclass(frozen=True)
class _Heard:
    """Standardised features of the songs that networks are trained on, and what standardised them."""

    inputs: Standardiser
    training: SequenceSet


@dataclass(frozen=True, eq=False, kw_only=True)
class FoldSets(Sets):
    """Standardised songs that trials of a fold are trained on, and what standardised them."""

    heard: _Heard
    targets: Standardiser

    @property
    def inputs(self) -> Standardiser:
        """Standardises the features."""
        return self.heard.inputs


@dataclass(frozen=True)
class TrialData(Common):
    """What the jobs of an experiment share.

    Parameters
    ----------
    experiment, dataset, split
        Configuration, songs and folds.
    starts
        What the networks of each trial begin with; empty without pre-training.
    """

    experiment: Experiment
    dataset: Dataset
    split: Split
    starts: list[Start]
    _heard: Shared[_Heard] = field(default_factory=Shared, init=False, repr=False, compare=False)
    _sets: Shared[FoldSets] = field(default_factory=Shared, init=False, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what no job asks for, when this goes to another machine."""
        return self.__dict__ | {"dataset": _for_training(self.dataset)}

    def sets(self, fold: int, trial: int, target: str | None) -> FoldSets:
        """Return what a network is trained on; those that are trained on the same songs share them."""
        key = (fold, self.split.watched_fold(fold, trial), target)
        return self._sets.get(key, lambda: self._make_sets(fold, trial, target))

    def _make_sets(self, fold: int, trial: int, target: str | None) -> FoldSets:
        columns = slice(None) if target is None else slice(k := self.dataset.targets.index(target), k + 1)
        songs = self._in_order(self.split.training(fold, trial))
        watched = self.split.watched(fold, trial)
        self.check_apart(fold, songs, watched)
        left_out = frozenset((fold, self.split.watched_fold(fold, trial)))
        heard = self._heard.get(left_out, lambda: self._make_heard(songs))
        targets = Standardiser.fit(np.concatenate([song.annotation[:, columns] for song in songs]))
        validation = heard_by(watched, heard.inputs, self.experiment.engine.dtype)
        frames = self.sequence_frames
        ones = np.ones(len(watched)) if is_weighted(self.experiment) else None
        trained_on = with_targets(
            heard.training, songs, targets, columns, self._weights(songs, f"fold {fold}")
        )
        return FoldSets(
            joined([put_together(trained_on, frames), *self._beside(columns)]),
            put_together(with_targets(validation, watched, targets, columns, ones), frames),
            heard=heard,
            targets=targets,
        )

    @property
    def sequence_frames(self) -> int | None:
        """Frames that songs are put together to; None: each is a sequence."""
        seconds = self.experiment.training.sequence_seconds
        return frames_in("training.sequence_seconds", seconds, self.dataset.hop_seconds, 2)

    def _in_order(self, songs: list[Song]) -> list[Song]:
        """Return training songs in the order in which they are put together."""
        if self.sequence_frames is None:
            return songs
        drawn = np.random.default_rng(seed_for(self.experiment.seed, "sequences of several songs"))
        return [songs[k] for k in drawn.permutation(len(songs))]

    def _make_heard(self, songs: list[Song]) -> _Heard:
        inputs = standardiser_of(songs)
        return _Heard(inputs, heard_by(songs, inputs, self.experiment.engine.dtype))

    def _beside(self, columns: slice) -> list[SequenceSet]:
        """Return the songs of the other data sets, each standardised by itself."""
        sets = []
        for n, songs in enumerate(map(self._in_order, self.split.beside(self.dataset))):
            heard = heard_by(songs, standardiser_of(songs), self.experiment.engine.dtype)
            targets = Standardiser.fit(np.concatenate([song.annotation[:, columns] for song in songs]))
            one = with_targets(heard, songs, targets, columns, self._weights(songs, f"data.also.{n}"))
            sets.append(put_together(one, self.sequence_frames))
        return sets

    def _weights(self, songs: list[Song], where: str) -> NDArray[np.float64] | None:
        """How much the frames of each training song of a data set count; None: all as much."""
        if not is_weighted(self.experiment):
            return None
        return training_weights(self.experiment, songs, self.dataset.targets, where)

    def groups(self, fold: int) -> dict[str, list[Song]]:
        """Songs that the networks of a fold are applied to, none of which they were trained on."""
        songs = (self.split.validation(fold), self.split.team_test_songs, self.dataset.official_test)
        return dict(zip(GROUPS, songs, strict=True))

    def check_apart(self, fold: int, training: list[Song], watched: list[Song]) -> None:
        """Raise InputError if a fold's networks would learn from songs that stop or score them."""
        sides = {"training": training} | self.groups(fold)
        if self.experiment.folds.stopping == "same":  # then one fold does both
            sides["validation"] = [*sides["validation"], *watched]
        else:
            sides["early stopping"] = watched
        check_apart(f"fold {fold}", sides, self.split.groups)


def _for_training(dataset: Dataset) -> Dataset:
    also = tuple(map(_for_training, dataset.also))
    return replace(dataset, unlabelled=[], agreements={}, metadata={}, audio={}, also=also)


def network_seed(experiment: Experiment, fold: int, trial: int, target: str | None) -> np.random.SeedSequence:
    """Root of all random numbers of one network, which is of one target or, with None, of all."""
    if target is None:
        return seed_for(experiment.seed, "network", fold, trial)
    return seed_for(
        experiment.seed, "network of one target", fold, trial, experiment.data.target_names.index(target)
    )


def architecture_of(experiment: Experiment, inputs: int) -> Architecture:
    """Hidden layers, above a front if there is one, and a linear output for all targets or for one."""
    front = front_of(experiment)
    output = Linear(
        len(experiment.data.target_names) // networks_a_member(experiment), experiment.network.bias
    )
    return Architecture(inputs, (*front, *hidden_layers(experiment, front_size(front, inputs)), output))


def networks_a_member(experiment: Experiment) -> int:
    """How many networks make one member of an ensemble: one, or one for each target."""
    return 1 if experiment.network.targets == "joint" else len(experiment.data.target_names)


def join_targets(predictions: NDArray[np.float64], networks: int) -> NDArray[np.float64]:
    """Put networks of single targets together.

    Parameters
    ----------
    predictions
        Shape (networks, frames, outputs), with single targets all networks of the first target first,
        then those of the next in the same order.
    networks
        How many make one member; of 1, all are left as they are.

    Returns
    -------
    ndarray
        Shape (members, frames, targets).
    """
    return np.concatenate(np.split(predictions, networks), axis=2)


def network_jobs(data: TrialData, folds: Sequence[int] | None = None) -> list[Job]:
    """Make a job for each fold that validates, or some of them, and each trial.

    With single targets, those of the first come first.
    """
    folds = data.split.cross_validation if folds is None else folds
    trials = range(data.experiment.ensemble.trials)
    targets = [None] if data.experiment.network.targets == "joint" else data.dataset.targets
    return [_job(data, fold, trial, target) for target in targets for fold in folds for trial in trials]


def _job(data: TrialData, fold: int, trial: int, target: str | None) -> Job:
    experiment = data.experiment
    training, watched = data.split.training(fold, trial), data.split.watched(fold, trial)
    data.check_apart(fold, training, watched)  # before hours of training
    inputs: dict[str, Any] = {
        "version": VERSION,
        "seed": [experiment.seed, fold, trial],
        "target": target,
        "network": experiment.named_by("network") | described_front(experiment),
        "training": experiment.named_by("training"),
        "engine": [experiment.engine.backend, experiment.engine.dtype],
        "autoencoder": data.starts[trial].name if data.starts else None,
        "trained_on": [song.digest for song in training],
        "applied_to": [[song.digest for song in songs] for songs in data.groups(fold).values()],
    }
    if data.dataset.also:
        beside = data.split.beside(data.dataset)
        inputs["beside"] = [[song.digest for song in songs] for songs in beside]
    if experiment.folds.stopping != "same":
        inputs["watched"] = [song.digest for song in watched]
    of_target = "" if target is None else "-" + re.sub(r"[^\w.]", "_", target, flags=re.ASCII)
    name = name_of(f"network-fold{fold:02}-trial{trial}{of_target}", inputs)
    title = ", ".join([f"fold {fold}", f"trial {trial}", *([] if target is None else [target])])
    of_job = (data, fold, trial, target)
    form = Form(_shapes(data, fold), _place(fold, trial, target))
    return Job(title, name, partial(_training, *of_job), partial(_conclude, *of_job), form=form)


def _place(fold: int, trial: int, target: str | None) -> dict[str, Any]:
    return {"fold": fold, "trial": trial} | ({} if target is None else {"target": target})


def _shapes(data: TrialData, fold: int) -> dict[str, tuple[int, ...]]:
    """Shapes of what `_conclude` returns."""
    whole = architecture_of(data.experiment, len(data.dataset.feature_names))
    inputs, outputs = (whole.input_size,), (whole.output_size,)
    of_groups = {
        group: (sum(song.frames for song in songs), *outputs) for group, songs in data.groups(fold).items()
    }
    return of_groups | {
        "weights": (whole.parameter_count,),
        "input_mean": inputs,
        "input_scale": inputs,
        "target_mean": outputs,
        "target_scale": outputs,
    }


def _start(data: TrialData, trial: int, seed: np.random.SeedSequence, inputs: int) -> Network:
    """Random weights; the first layers as pre-training has left them, if there is any."""
    experiment = data.experiment
    layers = architecture_of(experiment, inputs).layers
    network = initial_network(
        inputs,
        layers,
        stream(seed, "weights"),
        dtype=experiment.engine.dtype,
        forget_bias=experiment.network.forget_bias,
    )
    return data.starts[trial].applied_to(network) if data.starts else started(network)


def _training(data: TrialData, fold: int, trial: int, target: str | None) -> Training:
    experiment, sets = data.experiment, data.sets(fold, trial, target)
    seed = network_seed(experiment, fold, trial, target)
    start = _start(data, trial, seed, sets.training.input_size)
    return Training(start, sets, settings_of(experiment.training), seed, objective_of(experiment))


def _conclude(
    data: TrialData, fold: int, trial: int, target: str | None, network: Network, reports: list[EpochReport]
) -> Result:
    sets = data.sets(fold, trial, target)  # those of the training, which holds them
    tensors: Tensors = {
        "weights": network.weights,
        "input_mean": sets.inputs.mean,
        "input_scale": sets.inputs.scale,
        "target_mean": sets.targets.mean,
        "target_scale": sets.targets.scale,
    }
    for group, members in data.groups(fold).items():
        tensors[group] = _predict(network, members, sets, data.experiment)
    return Result(tensors, _place(fold, trial, target) | {"history": history_of(reports)})


def _predict(
    network: Network, songs: list[Song], sets: FoldSets, experiment: Experiment
) -> NDArray[np.float64]:
    """Predict all frames of some songs in the annotation's scale, shape (frames, outputs)."""
    outputs = network.architecture.output_size
    if not songs:
        return np.empty((0, outputs))
    sequences = heard_by(songs, sets.inputs, experiment.engine.dtype)
    found = sequences.split(predict(network, sequences, backend=experiment.engine.backend))
    wanted = [part[song.frames_before :] for song, part in zip(songs, found, strict=True)]
    return sets.targets.invert(np.concatenate(wanted))
