"""Networks applied again, in windows, to songs longer than these.

A job keeps predictions of whole songs, whatever the window: networks aren't trained again for another one.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lstmcore import Backend, Network, Standardiser, get_backend
from lstmcore.experiments.config import Experiment
from lstmcore.experiments.datasets import Dataset, Song
from lstmcore.experiments.errors import Interrupted
from lstmcore.experiments.jobs.job import Result
from lstmcore.experiments.jobs.runner import JobRunner
from lstmcore.experiments.training.folds import Split
from lstmcore.experiments.training.sets import heard_by
from lstmcore.experiments.training.trial import TrialData, architecture_of
from lstmcore.experiments.training.windows import Windows, frames_in, lead_in_frames

_MUCH_LONGER = 2  # times as long as all that was learnt from


def windows_of(data: TrialData) -> Windows | None:
    """Return how longer songs are cut, as ``predictions.window`` says; None: none is."""
    experiment, hop = data.experiment, data.dataset.hop_seconds
    window, before = experiment.predictions.window, lead_in_frames(experiment, hop)
    if window == "training":
        if hop is None:  # no song has two frames
            return None
        learnt = max(song.frames_before + song.frames for song in data.split.others(None))
        return Windows(max(learnt, data.sequence_frames or 0), before)
    frames = frames_in("predictions.window", window, hop, before + 2)
    return None if frames is None else Windows(frames, before)


def window_seconds(data: TrialData) -> float | None:
    """Length of a window; None: songs are predicted whole."""
    windows, hop = windows_of(data), data.dataset.hop_seconds
    return None if windows is None or hop is None else windows.frames * hop


def with_note_on_lengths(experiment: Experiment, dataset: Dataset, split: Split) -> Dataset:
    """Return the data set, with a note if scored songs are much longer than what networks learn from."""
    hop = dataset.hop_seconds
    if hop is None or experiment.predictions.window or experiment.training.sequence_seconds:
        return dataset
    learnt = max(song.frames for song in split.others(None))
    scored = max(song.frames for song in [*dataset.development, *dataset.official_test])
    if scored <= _MUCH_LONGER * learnt:
        return dataset
    note = (
        f"Songs of up to {scored * hop:g} s are predicted at once by networks that learn from at most "
        f"{learnt * hop:g} s of a song, and whose predictions may leave their level in the rest; "
        "predictions.window = 'training' predicts them in windows."
    )
    return replace(dataset, notes=[*dataset.notes, note])


def in_windows(data: TrialData, networks: list[Result], runner: JobRunner, behind: str = "") -> list[Result]:
    """Have networks predict long songs in windows.

    Parameters
    ----------
    data
        Songs and folds; says how long a window is.
    networks
        Results of the network jobs.
    runner
        Spreads the work, and is told of it.
    behind
        Put behind the name of the stage.

    Returns
    -------
    list of Result
        The same with these predictions in place of those of whole songs; as they are if no song is long.

    Raises
    ------
    Interrupted
        If the run was stopped.
    """
    windows = windows_of(data)
    if windows is None or not any(_is_long(song, windows) for song in _songs(data, networks)):
        return networks
    runner.progress.stage(f"long songs in windows{behind}", len(networks))
    engine = get_backend(data.experiment.engine.backend)
    groups = [networks] if engine.trains_together else [[network] for network in networks]  # on one device
    tasks = [partial(_predict_again, data, windows, engine, group, runner) for group in groups]
    return [result for results in runner.executor.run(tasks, runner.stop) for result in results]


def _is_long(song: Song, windows: Windows) -> bool:
    return song.frames_before + song.frames > windows.frames


def _songs(data: TrialData, networks: list[Result]) -> list[Song]:
    """All songs that networks are applied to, some more than once."""
    folds = dict.fromkeys(network.facts["fold"] for network in networks)
    return [song for fold in folds for songs in data.groups(fold).values() for song in songs]


def _predict_again(
    data: TrialData, windows: Windows, engine: Backend, networks: list[Result], runner: JobRunner
) -> list[Result]:
    results = []
    for result in networks:
        if runner.stop.is_set():
            raise Interrupted
        tensors = copy(result.tensors)  # of which weights are read when they are asked for
        of_song = _curves(data, windows, engine, result)
        for group, songs in data.groups(result.facts["fold"]).items():
            ends = np.cumsum([song.frames for song in songs])[:-1]
            whole = np.split(tensors[group], ends) if songs else []
            curves = [
                of_song(song) if _is_long(song, windows) else curve
                for song, curve in zip(songs, whole, strict=True)
            ]
            tensors[group] = np.concatenate(curves) if curves else tensors[group]
        results.append(Result(tensors, result.facts))
        runner.progress.advance()
    return results


def _curves(
    data: TrialData, windows: Windows, engine: Backend, result: Result
) -> Callable[[Song], NDArray[np.float64]]:
    """Return what predicts a song by one network, in the annotation's scale."""
    part = {
        name: result.tensors[name] for name in ("input_mean", "input_scale", "target_mean", "target_scale")
    }
    inputs = Standardiser(part["input_mean"], part["input_scale"])
    targets = Standardiser(part["target_mean"], part["target_scale"])
    network = Network(architecture_of(data.experiment, len(inputs.mean)), result.tensors["weights"])
    workspace = engine.workspace(network)

    def of_song(song: Song) -> NDArray[np.float64]:
        rows = heard_by([song], inputs, data.experiment.engine.dtype).inputs
        outputs = windows.predict(network, rows, engine, workspace)
        return targets.invert(outputs[song.frames_before :])

    return of_song
