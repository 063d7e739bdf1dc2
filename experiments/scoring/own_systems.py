"""Models of one's own beside the networks: ``[[systems]]``, in the folds and on the frames of the ridges.

Such a model is any object with ``fit(X, y)`` and ``predict(X)``, made by calling what the configuration
names.  That is code to be imported, so an experiment with systems is to be trusted like a program.  What a
model predicts is the result of a job: found done, nothing is fitted, and nothing of the model is kept.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.config import Experiment, OwnSystem
from lstmcore.experiments.datasets import Dataset, Song, song_order
from lstmcore.experiments.errors import InputError, did_you_mean
from lstmcore.experiments.jobs.job import Computation, Form, Result, name_of
from lstmcore.experiments.jobs.runner import JobRunner
from lstmcore.experiments.scoring.baselines import with_memory
from lstmcore.experiments.scoring.regression import design, frame, standardisers
from lstmcore.experiments.scoring.systems import Predictions
from lstmcore.experiments.seeds import seed_for
from lstmcore.experiments.terminal.one_thread import use_scipy
from lstmcore.experiments.training.apart import check_apart
from lstmcore.experiments.training.folds import Split
from lstmcore.installing import install_extra

VERSION = 1  # changes when the same inputs would give another result

Array = NDArray[np.float64]
Groups = dict[str, list[Song]]


def check_systems(experiment: Experiment) -> None:
    """See that the models of an experiment can be made, before anything is computed.

    Raises
    ------
    InputError
        If one can't be imported or made, or has no ``fit`` or ``predict``.
    """
    for system in experiment.systems:
        _made(system, experiment.seed)


def predict_systems(
    experiment: Experiment, dataset: Dataset, split: Split, runner: JobRunner, *, which: str = ""
) -> list[Predictions]:
    """Train each of ``[[systems]]`` in every fold, or find it done, and return what it says of every set.

    Parameters
    ----------
    experiment
        Says which systems there are.
    dataset, split
        The songs and their folds.
    runner
        Does the jobs.
    which
        Says which of several feature sets this is; put behind the name of the stage.

    Returns
    -------
    list of Predictions
        By system, then by set; a set without songs is left out.

    Raises
    ------
    InputError
        If a model fails, or predicts something else than a number for each frame and target.
    """
    if not experiment.systems:
        return []
    tests = {"team_test": split.team_test_songs, "official_test": dataset.official_test}
    turns: list[tuple[int | None, Groups]] = [
        (fold, {"cross_validation": split.validation(fold)}) for fold in split.cross_validation
    ]
    turns += [(None, tests)] if any(tests.values()) else []
    for fold, groups in turns:
        check_apart("models of one's own", {"training": split.others(fold), **groups}, split.groups)
    tasks = [
        _Task(system, experiment.seed, dataset.hop_seconds, split.others(fold), fold, groups)
        for system in experiment.systems
        for fold, groups in turns
    ]
    behind = f", {which}" if which else ""
    results = runner.compute(f"models of one's own{behind}", [task.computation for task in tasks])
    found: dict[tuple[str, str], list[tuple[Song, Array]]] = {}
    for task, result in zip(tasks, results, strict=True):
        parts = np.split(result.tensors["predicted"], np.cumsum([song.frames for song in task.songs])[:-1])
        of_song = {song.song_id: part for song, part in zip(task.songs, parts, strict=True)}
        for group, songs in task.groups.items():
            found.setdefault((task.system.name, group), []).extend((s, of_song[s.song_id]) for s in songs)
    return [_in_order(name, group, pairs) for (name, group), pairs in found.items() if pairs]


def _in_order(system: str, group: str, pairs: list[tuple[Song, Array]]) -> Predictions:
    """Put the folds together, songs in the data set's order."""
    if group == "cross_validation":
        pairs = sorted(pairs, key=lambda pair: song_order(pair[0].song_id))
    return Predictions(system, group, [song for song, _ in pairs], [values for _, values in pairs], own=True)


@dataclass(frozen=True)
class _Task:
    """One system in one turn: trained on all folds but one, or, for the test sets (None), on all."""

    system: OwnSystem
    seed: int
    hop_seconds: float | None
    training: list[Song]
    fold: int | None
    groups: Groups

    @property
    def songs(self) -> list[Song]:
        """Songs to predict."""
        return [song for songs in self.groups.values() for song in songs]

    @property
    def computation(self) -> Computation:
        """The job."""
        turn = "for the test sets" if self.fold is None else f"fold {self.fold}"
        inputs = {
            "version": VERSION,
            "system": self.system.model_dump(exclude={"name"}),
            "code": _code(self.system),
            "seed": self.seed,
            "hop_seconds": self.hop_seconds,
            "training": [song.digest for song in self.training],
            "songs": [song.digest for song in self.songs],
        }
        return Computation(
            f"{self.system.name}, {turn}", name_of("system", inputs), self._result, form=self._form
        )

    @property
    def _form(self) -> Form:
        frames = sum(song.frames for song in self.songs)
        return Form({"predicted": (frames, self.training[0].annotation.shape[1])}, {"fold": self.fold})

    def _result(self) -> Result:
        """Fit, and predict all songs."""
        use_scipy()  # scikit-learn's models do
        songs, system = self.songs, self.system
        parts = with_memory(self.hop_seconds) if system.sees == "memory" else (frame,)
        inputs = standardisers(self.training, parts)
        seen = [[design(song, parts, inputs) for song in some] for some in (self.training, songs)]
        targets = [song.annotation for song in self.training]
        columns: list[Any] = [slice(None)]
        if system.targets == "single":
            columns = list(range(targets[0].shape[1]))
        predicted = [self._column(seen[0], [t[:, c] for t in targets], seen[1]) for c in columns]
        facts = {"system": system.name, "estimator": system.estimator, "fold": self.fold}
        return Result({"predicted": np.column_stack(predicted)}, facts)

    def _column(self, training: list[Array], targets: list[Array], songs: list[Array]) -> Array:
        """Fit a model for one target or for all, and predict it for all frames of the songs."""
        model = _made(self.system, self.seed)
        where = _where(self.system)
        x, y, asked = (
            parts if self.system.sees == "song" else np.concatenate(parts)
            for parts in (training, targets, songs)
        )
        _tried(f"{where}: fit", partial(model.fit, x, y))
        found = _tried(f"{where}: predict", partial(model.predict, asked))
        shape = (sum(map(len, songs)), *targets[0].shape[1:])
        if self.system.sees == "song":
            lengths, found = [len(song) for song in songs], list(found)
            told = [len(np.atleast_1d(one)) for one in found]
            if told != lengths:
                raise InputError(
                    f"{where}: predict gave {len(found)} curves for {len(songs)} songs, or one of another "
                    "length; expected a list with a row for each frame of each song"
                )
            found = np.concatenate(found)
        return _checked(found, shape, where)


def _checked(found: Any, shape: tuple[int, ...], where: str) -> Array:
    """Take predictions of the right shape; a column more of one target is taken off."""
    try:
        values = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{where}: predict gave no numbers; expected an array of shape {shape}") from None
    if values.shape == (*shape, 1):
        values = values[..., 0]
    if values.shape != shape:
        raise InputError(f"{where}: predict gave an array of shape {values.shape}; expected {shape}")
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise InputError(f"{where}: {bad} of {values.size} predictions are not finite numbers")
    return values


def _tried(what: str, call: Callable[[], Any]) -> Any:
    """Do what another's code does; what it says goes on as an error about the configuration."""
    try:
        return call()
    except MemoryError:
        raise
    except Exception as error:
        raise InputError(f"{what}: {_said(error)}") from error


def _where(system: OwnSystem) -> str:
    return f"systems: {system.name!r}, {system.estimator}"


def _said(error: Exception) -> str:
    """First paragraph of what another library says."""
    text = str(error).strip().partition("\n\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _made(system: OwnSystem, seed: int) -> Any:
    """Make a model; one that draws and has no ``random_state`` gets one made from the experiment's seed."""
    maker, where = _maker(system), _where(system)
    try:
        model = maker(**system.parameters)
    except Exception as error:
        raise InputError(f"{where}: can't be made of its parameters: {_said(error)}") from error
    for method in ("fit", "predict"):
        if not callable(getattr(model, method, None)):
            raise InputError(f"{where}: has no {method}; expected an object with fit(X, y) and predict(X)")
    draws = hasattr(model, "get_params") and model.get_params(deep=False).get("random_state", 0) is None
    if draws:
        state = seed_for(seed, "own systems").generate_state(1)[0]
        model.set_params(random_state=int(state) & 0x7FFFFFFF)
    return model


def _maker(system: OwnSystem) -> Callable[..., Any]:
    """Import what makes a model."""
    module, _, name = system.estimator.partition(":")
    where = _where(system)
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        if missing != module and not module.startswith(f"{missing}."):
            raise InputError(f"{where}: {module} can't be imported: {_said(error)}") from error
        how = "PYTHONPATH=FOLDER names the folder of a file of one's own"
        if missing == "sklearn":
            how = f"scikit-learn is installed by: {install_extra('sklearn')}"
        raise InputError(f"{where}: no module {missing!r}; expected one that Python finds. {how}") from None
    except Exception as error:
        raise InputError(f"{where}: {module} can't be imported: {_said(error)}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise InputError(f"{where}: {module} has no {part!r}{did_you_mean(part, dir(found))}")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(
            f"{where}: is a {type(found).__name__}; expected a class, or a function that makes one"
        )
    maker: Callable[..., Any] = found
    return maker


def _code(system: OwnSystem) -> dict[str, str]:
    """Version of the package that a model is of, and a digest of the file that it is written in."""
    maker = _maker(system)
    top = sys.modules.get(system.estimator.partition(":")[0].partition(".")[0])
    code = {"package": str(getattr(top, "__version__", ""))}
    try:
        file = inspect.getsourcefile(maker)
    except TypeError:  # compiled, or a partial function
        return code
    if file is not None and Path(file).is_file():
        code["source"] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return code
