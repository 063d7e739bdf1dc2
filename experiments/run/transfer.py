"""A trained model on the songs of another experiment: scores, and whether it takes one target for another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from lstmcore import get_backend
from lstmcore.experiments.config import TABLE, Data, Experiment
from lstmcore.experiments.datasets import Dataset, Song
from lstmcore.experiments.errors import InputError, did_you_mean
from lstmcore.experiments.files import from_json, from_toml, read_plain, write_csv, write_json
from lstmcore.experiments.jobs.work import use_threads
from lstmcore.experiments.prediction.model import Model, load_model
from lstmcore.experiments.prediction.shipped import find_model
from lstmcore.experiments.run.session import Session
from lstmcore.experiments.scoring.carried_correlation import (
    CarriedRow,
    Misled,
    Pair,
    carried,
    pairs_of,
    verdict,
)
from lstmcore.experiments.scoring.ceiling import ceiling
from lstmcore.experiments.scoring.metrics import Score
from lstmcore.experiments.scoring.statistics import (
    LEVEL,
    bootstrap_correlations,
    difference_interval,
    percentile_interval,
)
from lstmcore.experiments.scoring.systems import Predictions
from lstmcore.experiments.scoring.told_apart import ApartRow, told_apart
from lstmcore.experiments.seeds import seed_for
from lstmcore.features.sets import is_feature_set, set_with

Array = NDArray[np.float64]

SET = "transfer"
TITLE = "these songs"
HOME, OWN, EACH = "model_mean", "mean_oracle", "song_mean_oracle"
BASELINES = (
    f"{HOME}: the mean of the songs that the model learnt from, everywhere; {OWN}: that of these songs, and "
    f"{EACH}: each song's own mean, both known only afterwards."
)
SUFFIXES = (".json", ".csv")
_ROUNDING_SECONDS = 0.001


@dataclass(frozen=True)
class Transfer:
    """What a model is worth on other songs.

    Parameters
    ----------
    model, system
        Name of the model and of its ensemble.
    experiment
        Name of the experiment whose songs these are.
    scores
        Of the ensemble, of baselines without features, and of raters.
    carried
        For each two targets, how they correlate in annotations and predictions, and whether the second's
        error goes with the first; at the model's home (``cross_validation``), where that is known, and here.
    misled
        Whether a correlation of its home misleads it here.
    apart
        Whether it tells targets apart here.
    notes
        What a person should know.
    """

    model: str
    system: str
    experiment: str
    scores: list[Score]
    carried: list[CarriedRow]
    misled: list[Misled]
    apart: list[ApartRow]
    notes: list[str]

    def sentences(self) -> list[str]:
        """Say what is found beside the scores."""
        return [*(row.sentence for row in self.apart), *(one.sentence for one in self.misled)]

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class _Home:
    """Measured in the run that a model comes from: training songs' r, with limits, and cross-validation."""

    correlation: tuple[float, float, float]
    carried: CarriedRow


def score_model(
    model: Path | None, experiment: Experiment, system: str | None = None, session: Session | None = None
) -> Transfer:
    """Apply a trained model to all annotated songs of another experiment, and score it.

    Parameters
    ----------
    model
        Folder of a run or model, or the name of one that comes with lstmcore; that one if None.
    experiment
        Says which songs; their features are computed as the model wants them.
    system
        Which ensemble; the model's first if None.
    session
        Workers, progress and how to stop; its folder isn't used.

    Returns
    -------
    Transfer
        Scores and findings.

    Raises
    ------
    InputError
        If the model can't predict these songs: other features, another distance of frames, no target that
        both have; or something about model or data is wrong.
    Interrupted
        If the session was stopped.
    """
    applied = apply_model(model, experiment, system, session)
    loaded, dataset, predictions = applied.model, applied.dataset, applied.predictions
    known, songs, name = applied.targets, applied.predictions.songs, applied.predictions.system
    own = [loaded.about.target_names.index(target) for target in known]
    home_mean = _in_scale(loaded, dataset, _mean_of_training(loaded, name))[own]
    here = [predictions, *_baselines(songs, home_mean)]
    scores = [score for one in here for score in one.scores(known)]
    rated = [s for s in ceiling(dataset, {SET: songs}, experiment.seed) if s.target in known]
    measured = _Measured(predictions, experiment.seed, _read_home(applied.folder))
    pairs = [measured.of(pair) for pair in pairs_of(known)]
    return Transfer(
        applied.name,
        name,
        experiment.name,
        scores + rated,
        [row for rows, _, _ in pairs for row in rows],
        [one for _, one, _ in pairs],
        [row for _, _, row in pairs],
        [*dataset.notes, *_notes(applied.folder, loaded, dataset, applied.data, known)],
    )


@dataclass(frozen=True)
class Applied:
    """A model and what it says of the songs of an experiment.

    Parameters
    ----------
    name, folder, model
        Of the model: its name, where it lies, what it is.
    data, dataset
        The songs, with the features that it wants.
    targets
        Names of what both have, in the model's order.
    predictions
        The model's, in the scale of the songs' annotations; its songs have these targets alone.
    """

    name: str
    folder: Path
    model: Model
    data: Data
    dataset: Dataset
    targets: list[str]
    predictions: Predictions


def apply_model(
    model: Path | None, experiment: Experiment, system: str | None = None, session: Session | None = None
) -> Applied:
    """Have a trained model predict all annotated songs of another experiment; as for `score_model`."""
    from lstmcore.experiments.datasets import load_dataset
    from lstmcore.experiments.terminal.environment import processors

    session = session or Session()
    found = find_model(model)
    loaded = load_model(found.folder)
    name = system or next(iter(loaded.about.systems))
    loaded.members(name)  # a system that isn't there is told before features are computed
    backend = get_backend(experiment.engine.backend)
    targets = _common_targets(found.name, loaded, experiment)
    data = _as_the_model_wants(loaded, experiment.data)
    workers = session.workers or processors()
    use_threads(backend, experiment.engine.threads or workers)  # songs are predicted one after the other
    dataset = load_dataset(data, workers=workers, progress=session.progress, stop=session.stop)
    columns = _columns(found.name, loaded, dataset)
    _check_hop(found.name, loaded, dataset)
    songs = [*dataset.development, *dataset.official_test]
    session.progress.stage("predicting songs", len(songs))
    curves = []
    for song in songs:
        mean, _ = loaded.predict(song.heard[:, columns], name, backend)
        curves.append(_in_scale(loaded, dataset, mean[song.frames_before :])[:, targets])
        session.progress.advance()
    known = [loaded.about.target_names[k] for k in targets]
    own = [dataset.targets.index(target) for target in known]
    songs = [replace(song, targets=song.annotation[:, own]) for song in songs]
    predictions = Predictions(name, SET, songs, curves)
    return Applied(found.name, found.folder, loaded, data, dataset, known, predictions)


def _common_targets(name: str, model: Model, experiment: Experiment) -> list[int]:
    """Return which of the model's targets the data have."""
    theirs, ours = model.about.target_names, list(experiment.data.target_names)
    common = [k for k, target in enumerate(theirs) if target in ours]
    if not common:
        raise InputError(
            f"{name}: the model predicts {', '.join(theirs)}, and the songs of experiment "
            f"{experiment.name!r} are annotated in {', '.join(ours)}; expected a target that both have"
        )
    return common


def _as_the_model_wants(model: Model, data: Data) -> Data:
    """Return a ``data`` section with the features that a model was trained on, and music before a song.

    Normal scores and delay are the model's own business.
    """
    about = model.about
    before = about.lead_in_seconds + about.annotation_delay_seconds
    changes: dict[str, Any] = {
        "normal_scores": False,
        "annotation_delay": 0.0,
        "lead_in": before,
        "leave_out": [],
        "unlabelled": "none",
        "also": [],
    }
    if data.source in ("deam", "procedural", "audio"):
        wanted = about.feature_set
        changes["features"] = set_with(about.feature_names) if is_feature_set(wanted) else wanted
    else:
        changes["features"] = TABLE
    if about.window_seconds is not None:
        changes["window_seconds"] = about.window_seconds
    raw = data.model_dump(exclude_none=True) | changes
    try:
        return Data.model_validate({key: value for key, value in raw.items() if key in Data.model_fields})
    except ValidationError:
        raise InputError(
            f"the model wants {about.feature_set} features, which data.source = {data.source!r} hasn't; "
            "expected a model of features that can be computed from audio, or data with its features"
        ) from None


def _columns(name: str, model: Model, dataset: Dataset) -> list[int]:
    """Return where the features are that a model wants."""
    place = {feature: k for k, feature in enumerate(dataset.feature_names)}
    missing = [feature for feature in model.about.feature_names if feature not in place]
    if missing:
        hint = did_you_mean(missing[0], dataset.feature_names)
        more = f" ({len(missing)} such features)" if len(missing) > 1 else ""
        raise InputError(
            f"{name}: the model wants a feature {missing[0]!r}{more}, and the {len(place)} of the songs "
            f"({dataset.feature_set}) don't have it{hint}"
        )
    return [place[feature] for feature in model.about.feature_names]


def _check_hop(name: str, model: Model, dataset: Dataset) -> None:
    wanted, found = model.about.hop_seconds, dataset.hop_seconds
    if wanted is not None and found is not None and abs(wanted - found) > _ROUNDING_SECONDS:
        raise InputError(
            f"{name}: the model learnt from frames {wanted:g} s apart, and those of the songs are {found:g} "
            f"s apart; expected annotations every {wanted:g} s"
        )


def _in_scale(model: Model, dataset: Dataset, values: Array) -> Array:
    """Bring predictions from the scale of the model's annotations to that of the songs'."""
    if model.about.target_range is None:
        return values
    (low, high), (first, last) = model.about.target_range, dataset.scale
    if (low, high) == (first, last):
        return values
    return first + (values - low) * (last - first) / (high - low)


def _mean_of_training(model: Model, system: str) -> Array:
    """Mean of the targets of the songs that the networks of a system learnt from, shape (targets,)."""
    numbers = model.members(system)
    share = len(numbers) // model.about.networks_a_member
    means = model.tensors["target_mean"][numbers]
    parts = [means[k : k + share].mean(0) for k in range(0, len(numbers), share)]
    return np.concatenate(parts).astype(np.float64)


def _baselines(songs: list[Song], home: Array) -> list[Predictions]:
    whole = np.concatenate([song.annotation for song in songs]).mean(0)
    flat: dict[str, Callable[[Song], Array]] = {
        HOME: lambda song: home,
        OWN: lambda song: whole,
        EACH: lambda song: song.annotation.mean(0),
    }
    return [
        Predictions(name, SET, songs, [np.tile(value(song), (song.frames, 1)) for song in songs])
        for name, value in flat.items()
    ]


class _Measured:
    """What the predictions say of two targets."""

    def __init__(self, predictions: Predictions, seed: int, home: dict[tuple[str, str], _Home]) -> None:
        self._predictions, self._home = predictions, home
        self._generator = np.random.default_rng(seed_for(seed, "transfer"))

    def of(self, pair: Pair) -> tuple[list[CarriedRow], Misled, ApartRow]:
        """Measure, and compare with the model's home."""
        here = carried(self._predictions, pair, self._generator).row
        songs = [song.annotation[:, pair.columns] for song in self._predictions.songs]
        apart = told_apart(self._predictions, pair, TITLE, self._generator)
        home = self._home.get(pair.names)
        if home is None:
            unknown = (
                f"{TITLE}: whether the model is misled can't be told without the run that it comes from."
            )
            return [here], Misled(SET, None, unknown, *pair.names), apart
        drawn = bootstrap_correlations(songs, self._generator)
        limits = percentile_interval(drawn, LEVEL)
        differ = None
        if limits is not None and here.annotated is not None:
            differ = difference_interval(home.correlation, (here.annotated, *limits))[0] > 0
        both = _limits(here), _limits(home.carried)
        bounds = None if both[0] is None or both[1] is None else difference_interval(both[0], both[1])
        return [home.carried, here], verdict(home.carried, here, bounds, differ, TITLE), apart


def _limits(row: CarriedRow) -> tuple[float, float, float] | None:
    if row.error is None or row.low is None or row.high is None:
        return None
    return row.error, row.low, row.high


def _read_home(folder: Path) -> dict[tuple[str, str], _Home]:
    """Read what the run that a model lies in has measured, by targets; nothing where there is none."""
    file = folder.parent / "annotation_quality.json"
    if folder.name != "model" or not file.is_file():
        return {}
    try:
        quality = from_json(read_plain(file))
        known = {}
        for row in quality["correlation"]:
            pair = row.get("first", "arousal"), row.get("second", "valence")
            if (row["set"], row["over"]) == ("training", "frames") and row["low"] is not None:
                known[pair] = row["r"], row["low"], row["high"]
        rows = TypeAdapter(list[CarriedRow]).validate_python(
            [{"first": "arousal", "second": "valence"} | row for row in quality["carried"]]
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: can't be read as a run's: {error}") from None
    home = {(row.first, row.second): row for row in rows if row.set == "cross_validation"}
    return {pair: _Home(known[pair], row) for pair, row in home.items() if pair in known}


def _notes(folder: Path, model: Model, dataset: Dataset, data: Data, known: list[str]) -> list[str]:
    notes, about = [*model.about.warnings()], model.about
    if about.target_range is not None and tuple(about.target_range) != dataset.scale:
        notes.append(
            "The model's predictions were brought from its scale, {:g} to {:g}, to {:g} to {:g}.".format(
                *about.target_range, *dataset.scale
            )
        )
    left = [t for t in (*about.target_names, *dataset.targets) if t not in known]
    if left:
        notes.append(f"Not scored, for only the model or only the songs have it: {', '.join(left)}.")
    config = folder.parent / "config.toml"
    if folder.name == "model" and config.is_file() and _same_data(config, data):
        notes.append("The model learnt from songs of this folder: these scores are no test of it.")
    return notes


def _same_data(config: Path, data: Data) -> bool:
    try:
        theirs = from_toml(read_plain(config).decode())["data"]
    except (OSError, ValueError, KeyError):
        return False
    return (theirs.get("source"), theirs.get("root")) == (data.source, data.root)


def write_transfer(file: Path, transfer: Transfer) -> None:
    """Write everything as JSON, or the scores as CSV, as the file's suffix says."""
    import pandas as pd

    if file.suffix.lower() == ".json":
        write_json(file, transfer.as_json())
    else:
        write_csv(file, pd.DataFrame([score.as_row() for score in transfer.scores]), 6)
