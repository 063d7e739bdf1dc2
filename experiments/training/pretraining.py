"""Pre-training: what the networks of a trial learn from unlabelled songs before they see a label.

==================== ====================================================================================
first_layer          the first hidden layer, as a de-noising auto-encoder of frames (the paper's)
layerwise            then each further layer so, on the clean codes of the layers below
next_frames          all hidden layers together: they predict the next frames of the song
sequence_autoencoder all hidden layers together: they read a piece, then write it backwards
==================== ====================================================================================

None depends on the folds: no target is seen, no song of the official test set and, unless
``data.unlabelled`` is "all", none of the annotated development songs.  Inputs are standardised to the
unlabelled training songs, as the paper's are to the training set of each model.
Every ``VALIDATE_EVERY``-th unlabelled song is kept out and watched for early stopping.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore import (
    OBJECTIVES,
    Architecture,
    EpochReport,
    Layer,
    Linear,
    Network,
    SequenceSet,
    Sets,
    Training,
    as_next_frames_set,
    as_reversal_set,
    initial_network,
    new_autoencoder,
    predict,
    stream,
)
from lstmcore.experiments.config import Experiment
from lstmcore.experiments.datasets import Dataset, Song, song_order
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.job import Form, Job, Result, name_of
from lstmcore.experiments.jobs.parcels import Common
from lstmcore.experiments.seeds import seed_for
from lstmcore.experiments.training.folds import Split
from lstmcore.experiments.training.front import front_of
from lstmcore.experiments.training.sets import (
    Shared,
    heard_by,
    hidden_layers,
    history_of,
    settings_of,
    standardiser_of,
)

VALIDATE_EVERY = 10
VERSION = 3  # changes when the same inputs would give another result
TITLES = ("auto-encoder", "next frames", "sequence auto-encoder")
"""How the titles of these jobs begin."""

Run = Callable[[str, list[Job]], list[Result]]
"""Runs the jobs of a stage of this name."""

# Number of each way to learn that has random numbers beside the first layer's: never renumber one.
_FURTHER_LAYER, _NEXT_FRAMES, _SEQUENCES = range(3)
_SILENT = 1e-6  # a layer whose codes vary less says nothing
_SETTINGS_OF_ONE = ("strategy", "next_frames", "piece_seconds")  # not of descent


@dataclass(frozen=True)
class Start:
    """What the networks of a trial begin with.

    Parameters
    ----------
    name
        Of the last job that it comes from, which says all that it depends on.
    layers
        Parameters of the first layers, by name; further layers begin with random weights.
    """

    name: str
    layers: list[dict[str, NDArray[np.floating]]]

    def applied_to(self, network: Network) -> Network:
        """Return a network with these layers in place of its own."""
        started = network.copy()
        for own, learnt in zip(started.parameters, self.layers, strict=False):
            for name, values in learnt.items():
                own[name][:] = values
        return started


def with_left_over(experiment: Experiment, dataset: Dataset, split: Split) -> Dataset:
    """Return the data set with the songs that ``data.labelled_songs`` leaves over unlabelled, and a note."""
    left_over = split.left_over
    if not left_over:
        return dataset
    known = len(split.others(None))
    note = (
        f"Networks and regressions know the annotations of {known} of {known + len(left_over)} songs of the "
        "cross-validation (data.labelled_songs); all are scored."
    )
    dataset = dataset if note in dataset.notes else replace(dataset, notes=[*dataset.notes, note])
    if experiment.data.unlabelled != "others":
        return dataset  # "all" has them already
    songs = [*dataset.unlabelled, *(replace(song, targets=None) for song in left_over)]
    return replace(dataset, unlabelled=sorted(songs, key=lambda song: song_order(song.song_id)))


def with_note(experiment: Experiment, dataset: Dataset) -> Dataset:
    """Return the data set, with a note if there are no songs to learn from without labels."""
    if experiment.pretraining.chosen == "none":
        return dataset
    if front_of(experiment):
        note = "Networks that learn from sound itself begin with random weights: they have no auto-encoder."
        return dataset if note in dataset.notes else replace(dataset, notes=[*dataset.notes, note])
    if dataset.unlabelled:
        return dataset
    why = "data.unlabelled is 'none'" if experiment.data.unlabelled == "none" else "all songs are annotated"
    note = (
        f"There are no songs for the auto-encoder ({why}): the networks begin with random weights. "
        "Expected songs without annotations, data.unlabelled = 'all', or pretraining.enabled = false."
    )
    return dataset if note in dataset.notes else replace(dataset, notes=[*dataset.notes, note])


def check_pretraining(experiment: Experiment, dataset: Dataset) -> None:
    """Raise InputError if networks can't learn as ``pretraining`` says, or songs are too short for it."""
    config, hop_seconds = experiment.pretraining, dataset.hop_seconds
    config.check(experiment.network.cell, experiment.network.bidirectional)
    if not dataset.unlabelled:
        return
    if config.chosen == "next_frames":
        longest = max(song.frames_before + song.frames for song in _parted(dataset.unlabelled)[0])
        if longest <= config.next_frames:
            found = (
                f"pretraining.next_frames is {config.next_frames}, and the longest song to learn from has "
            )
            found += f"{longest} frame{'s' if longest > 1 else ''}; expected "
            raise InputError(
                found + (f"at most {longest - 1}" if longest > 1 else "strategy = 'first_layer' or 'none'")
            )
    if config.chosen == "sequence_autoencoder":
        if hop_seconds is None:
            raise InputError(
                "pretraining.strategy is 'sequence_autoencoder', and no song has two frames; expected "
                "'first_layer' or 'none'"
            )
        if _piece_frames(experiment, hop_seconds) < 2:
            raise InputError(
                f"pretraining.piece_seconds is {config.piece_seconds:g}, which holds no two frames; expected "
                f"at least {2 * hop_seconds:g}: there is a frame every {hop_seconds:g} s"
            )


def pretrain(experiment: Experiment, dataset: Dataset, run: Run) -> list[Start]:
    """Run the jobs of the strategy, or find them done.

    Parameters
    ----------
    experiment
        Its strategy, and the networks that begin with what is learnt.
    dataset
        Its unlabelled songs are learnt from.
    run
        Runs jobs.

    Returns
    -------
    list of Start
        One a trial; none if pre-training is off, there is no song, or networks learn from sound itself.

    Raises
    ------
    InputError
        If the networks or the songs don't allow the strategy.
    """
    if front_of(experiment):
        return []
    check_pretraining(experiment, dataset)
    strategy, songs = experiment.pretraining.chosen, dataset.unlabelled
    if strategy in ("none", "first_layer", "layerwise") or not songs:
        return _layer_by_layer(experiment, songs, run)
    data = _Data(experiment, songs)
    task = _next_frames(data) if strategy == "next_frames" else _sequences(data, dataset.hop_seconds)
    jobs = [_task_job(data, task, trial) for trial in range(experiment.ensemble.trials)]
    starts = []
    for job, result in zip(jobs, run(task.stage, jobs), strict=True):
        network = Network(data.architecture(task.outputs), result.tensors["weights"])
        starts.append(Start(job.name, network.parameters[:-1]))
    return starts


def _piece_frames(experiment: Experiment, hop_seconds: float) -> int:
    return round(experiment.pretraining.piece_seconds / hop_seconds)


@dataclass(frozen=True)
class _Data(Common):
    """What the jobs share."""

    experiment: Experiment
    songs: list[Song]
    _sets: Shared[Sets] = field(default_factory=Shared, init=False, repr=False, compare=False)
    _codes: Shared[_Codes] = field(default_factory=Shared, init=False, repr=False, compare=False)

    @property
    def inputs(self) -> int:
        """Features of a frame."""
        return int(self.songs[0].features.shape[1])

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Hidden layers of the networks that are to begin with what is learnt."""
        return hidden_layers(self.experiment, self.inputs)

    def architecture(self, outputs: int) -> Architecture:
        """All hidden layers and a linear output."""
        return Architecture(self.inputs, (*self.layers, Linear(outputs)))

    def sets(self) -> Sets:
        """Return the frames, their own targets; no validation set if there are too few songs for one."""
        return self._sets.get("all", lambda: _make_sets(self.songs, self.experiment.engine.dtype))

    def changed(self, change: Callable[[SequenceSet], SequenceSet | None]) -> Sets:
        """Return the sets made into others."""

        def make() -> Sets:
            sets = self.sets()
            training = change(sets.training)
            assert training is not None
            return Sets(training, sets.validation and change(sets.validation))

        return self._sets.get("changed", make)

    def codes(self, below: Start) -> _Codes:
        """Return the codes of the layers below the next."""
        return self._codes.get(below.name, lambda: _make_codes(self, below))

    def facts(self, trial: int) -> dict[str, Any]:
        """Return what the names of all jobs depend on, besides the songs and the task."""
        experiment, config = self.experiment, self.experiment.pretraining
        return {
            "version": VERSION,
            "seed": experiment.seed,
            "trial": trial,
            "cell": experiment.network.cell,
            "bidirectional": experiment.network.bidirectional,
            "pretraining": config.model_dump(exclude={*_SETTINGS_OF_ONE}),
            "engine": [experiment.engine.backend, experiment.engine.dtype],
            **self.forget_bias,
        }

    @property
    def forget_bias(self) -> dict[str, float]:
        """The networks' forget bias, if there is one: without it names are those that were before it."""
        bias = self.experiment.network.forget_bias
        return {"forget_bias": bias} if bias else {}


def _parted(songs: list[Song]) -> tuple[list[Song], list[Song]]:
    """Part songs into those that are learnt from and those that are watched, of which there may be none."""
    kept_out = songs[VALIDATE_EVERY - 1 :: VALIDATE_EVERY]
    chosen = {song.song_id for song in kept_out}
    return [song for song in songs if song.song_id not in chosen], kept_out


def _make_sets(songs: list[Song], dtype: str) -> Sets:
    training, kept_out = _parted(songs)
    inputs = standardiser_of(training)
    sets = [heard_by(part, inputs, dtype) for part in (training, kept_out) if part]
    return Sets(*sets)


# --- layer by layer -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False, kw_only=True)
class _Codes(Sets):
    """Outputs of a hidden layer, divided by a number that makes their mean variance 1."""

    scale: float


def autoencoder_jobs(experiment: Experiment, songs: list[Song]) -> list[Job]:
    """Make the jobs of the first layer, one a trial; none if pre-training is off or there is no song."""
    if experiment.pretraining.chosen == "none" or not songs:
        return []
    data, digests = _Data(experiment, songs), [song.digest for song in songs]
    return [_first_layer_job(data, digests, trial) for trial in range(experiment.ensemble.trials)]


def _layer_by_layer(experiment: Experiment, songs: list[Song], run: Run) -> list[Start]:
    jobs = autoencoder_jobs(experiment, songs)
    results = run("auto-encoders", jobs)
    if not jobs:
        return []
    data = _Data(experiment, songs)
    starts = [
        Start(job.name, [_hidden(data.inputs, data.layers[0], result)])
        for job, result in zip(jobs, results, strict=True)
    ]
    if experiment.pretraining.chosen == "first_layer":
        return starts
    for depth in range(1, len(data.layers)):
        jobs = [_further_layer_job(data, depth, trial, below) for trial, below in enumerate(starts)]
        results = run(f"auto-encoders of layer {depth + 1}", jobs)
        inputs, layer = data.layers[depth - 1].size, data.layers[depth]
        starts = [
            Start(job.name, [*below.layers, _hidden(inputs, layer, result)])
            for below, job, result in zip(starts, jobs, results, strict=True)
        ]
    return starts


def _hidden(inputs: int, layer: Layer, result: Result) -> dict[str, NDArray[np.floating]]:
    """Return a trained auto-encoder's hidden layer, made one on codes that aren't scaled."""
    network = Network(_architecture(inputs, layer), result.tensors["weights"])
    hidden = {name: values.copy() for name, values in network.parameters[0].items()}
    if "scale" in result.tensors:
        hidden["W"] /= hidden["W"].dtype.type(result.tensors["scale"][0])
    return hidden


def _first_layer_job(data: _Data, digests: list[str], trial: int) -> Job:
    layer = data.layers[0]
    inputs = data.facts(trial) | {"hidden": layer.size, "bias": layer.bias, "songs": digests}
    name = name_of(f"autoencoder-trial{trial}", inputs)
    seed = seed_for(data.experiment.seed, "auto-encoder", trial)
    return Job(
        f"auto-encoder, trial {trial}",
        name,
        partial(_autoencoder, data, layer, seed, data.sets),
        partial(_conclude, trial),
        form=_form(trial, _architecture(data.inputs, layer)),
    )


def _further_layer_job(data: _Data, depth: int, trial: int, below: Start) -> Job:
    layer = data.layers[depth]
    inputs = data.facts(trial) | {"hidden": layer.size, "bias": layer.bias, "below": below.name}
    name = name_of(f"autoencoder-layer{depth + 1}-trial{trial}", inputs)
    seed = seed_for(data.experiment.seed, "pre-training", _FURTHER_LAYER, trial, depth)
    codes = partial(data.codes, below)
    return Job(
        f"auto-encoder of layer {depth + 1}, trial {trial}",
        name,
        partial(_autoencoder, data, layer, seed, codes),
        partial(_conclude, trial, codes=codes),
        form=_form(trial, _architecture(data.layers[depth - 1].size, layer), {"scale": (1,)}),
    )


def _architecture(inputs: int, layer: Layer) -> Architecture:
    """Return the layers of an auto-encoder."""
    return Architecture(inputs, (layer, Linear(inputs)))


def _form(trial: int, architecture: Architecture, beside: dict[str, tuple[int, ...]] | None = None) -> Form:
    """Say what `_conclude` returns looks like."""
    return Form({"weights": (architecture.parameter_count,), **(beside or {})}, {"trial": trial})


def _autoencoder(
    data: _Data, layer: Layer, seed: np.random.SeedSequence, sets_of: Callable[[], Sets]
) -> Training:
    sets, dtype = sets_of(), data.experiment.engine.dtype
    network = new_autoencoder(
        sets.training.input_size, layer, stream(seed, "weights"), dtype=dtype, **data.forget_bias
    )
    return Training(network, sets, settings_of(data.experiment.pretraining), seed)


def _conclude(
    trial: int,
    network: Network,
    reports: list[EpochReport],
    codes: Callable[[], _Codes] | None = None,
) -> Result:
    # The codes are those of the training, which holds them.
    scale = {} if codes is None else {"scale": np.array([codes().scale])}
    return Result({"weights": network.weights, **scale}, {"trial": trial, "history": history_of(reports)})


def _make_codes(data: _Data, below: Start) -> _Codes:
    """Have the layers below code the clean frames.

    One number scales all units, so that noise has the same meaning in every layer and the next layer's
    weights can take it over exactly; a unit that hardly says anything isn't made louder than the others.
    """
    layers, engine = data.layers[: len(below.layers)], data.experiment.engine
    architecture = Architecture(data.inputs, layers)
    network = below.applied_to(Network(architecture, np.zeros(architecture.parameter_count, engine.dtype)))
    sets = data.sets()
    codes = [
        predict(network, part, backend=engine.backend) for part in (sets.training, sets.validation) if part
    ]
    scale = float(np.sqrt(np.var(codes[0], axis=0, dtype=np.float64).mean()))
    scale = scale if scale > _SILENT else 1.0
    scaled = [np.asarray(rows) / np.dtype(engine.dtype).type(scale) for rows in codes]
    parts = [
        SequenceSet(rows, rows, part.lengths)
        for rows, part in zip(scaled, (sets.training, sets.validation), strict=False)
        if part
    ]
    return _Codes(*parts, scale=scale)


# --- all layers together ------------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """Something that all hidden layers learn together."""

    title: str
    stage: str
    file: str
    number: int
    outputs: int
    objective: str
    inputs: dict[str, Any]
    make: Callable[[SequenceSet], SequenceSet | None]


def _next_frames(data: _Data) -> _Task:
    frames = data.experiment.pretraining.next_frames
    return _Task(
        "next frames",
        "predictors of the next frames",
        "next-frames",
        _NEXT_FRAMES,
        data.inputs * frames,
        "sse",
        {"next_frames": frames},
        partial(_with_next_frames, frames),
    )


def _with_next_frames(frames: int, sequences: SequenceSet) -> SequenceSet | None:
    return as_next_frames_set(sequences, frames) if sequences.lengths.max() > frames else None


def _sequences(data: _Data, hop_seconds: float | None) -> _Task:
    assert hop_seconds is not None  # seen to by check_pretraining
    frames = _piece_frames(data.experiment, hop_seconds)
    return _Task(
        "sequence auto-encoder",
        "sequence auto-encoders",
        "sequence-autoencoder",
        _SEQUENCES,
        data.inputs,
        "weightedsse",
        {"piece_frames": frames},
        partial(_written_backwards, frames),
    )


def _written_backwards(frames: int, sequences: SequenceSet) -> SequenceSet:
    return as_reversal_set(in_pieces(sequences, frames))


def in_pieces(sequences: SequenceSet, frames: int) -> SequenceSet:
    """Cut each sequence into the fewest pieces of at most so many frames, as equal as can be."""
    counts = -(-sequences.lengths // frames)
    lengths = [
        len(part)
        for n, k in zip(sequences.lengths, counts, strict=True)
        for part in np.array_split(range(n), k)
    ]
    return replace(sequences, lengths=np.array(lengths, np.int64))


def _task_job(data: _Data, task: _Task, trial: int) -> Job:
    inputs = data.facts(trial) | {
        "task": task.file,
        "hidden": [layer.size for layer in data.layers],
        "bias": data.experiment.network.bias,
        **task.inputs,
        "songs": [song.digest for song in data.songs],
    }
    name = name_of(f"{task.file}-trial{trial}", inputs)
    training = partial(_task_training, data, task, trial)
    form = _form(trial, data.architecture(task.outputs))
    return Job(f"{task.title}, trial {trial}", name, training, partial(_conclude, trial), form=form)


def _task_training(data: _Data, task: _Task, trial: int) -> Training:
    experiment = data.experiment
    seed = seed_for(experiment.seed, "pre-training", task.number, trial)
    sets, layers = data.changed(task.make), data.architecture(task.outputs).layers
    network = initial_network(
        data.inputs, layers, stream(seed, "weights"), dtype=experiment.engine.dtype, **data.forget_bias
    )
    settings = settings_of(experiment.pretraining)
    return Training(network, sets, settings, seed, OBJECTIVES[task.objective])
