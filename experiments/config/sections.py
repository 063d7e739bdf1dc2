"""The sections of an experiment's configuration: what a TOML file may say.

An unknown key is an error that names the key, the file and the nearest right key.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import Field, ValidationError, model_validator

from lstmcore.experiments.config.correlation import TargetCorrelation
from lstmcore.experiments.config.data import DEAM_SCALE, DEAM_TARGETS, LONGEST_SECONDS, Data
from lstmcore.experiments.config.execution import Execution
from lstmcore.experiments.config.explanations import NAME, RUN, explain
from lstmcore.experiments.config.features import OwnSet
from lstmcore.experiments.config.front import Front, check_front, check_whole
from lstmcore.experiments.config.keys import check_key, with_values
from lstmcore.experiments.config.pretraining import Descent, Pretraining
from lstmcore.experiments.config.section import Section
from lstmcore.experiments.config.systems import OwnSystem, check_systems
from lstmcore.experiments.config.variations import ABLATED, SEARCHED, Ablation, Search
from lstmcore.experiments.errors import InputError


class Folds(Section):
    """A song's fold is its index modulo ``count``; fold ``team_test`` is kept out, unless that is "none".

    ``group``: a column of the data's metadata, such as the artist; songs that have the same there are in the
    same fold, and folds are then about equal in songs.
    ``stopping``: which fold early stopping watches.  The ``same`` that is scored in cross-validation,
    which flatters, of one song or a few a lot; the ``next``, which isn't trained on then; or ``rotating``,
    each of the others in turn, another in each trial, so that the average of the trials has learnt from all.
    """

    count: int = Field(default=11, ge=2)
    team_test: int | Literal["none"] = 10
    stopping: Literal["same", "next", "rotating"] = "same"
    group: str | None = Field(default=None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _number_or_none(cls, values: Any) -> Any:
        # Said in one sentence; of a union, pydantic would say one for each of its members.
        kept_out = values.get("team_test", 0) if isinstance(values, dict) else 0
        if kept_out != "none" and (type(kept_out) is not int or kept_out < 0):
            raise ValueError(f"team_test is {kept_out!r}; expected a fold's number from 0, or 'none'")
        return values

    @model_validator(mode="after")
    def _in_range(self) -> Folds:
        kept_out = 0 if self.team_test == "none" else 1
        if self.count < 2 + kept_out:
            raise ValueError(
                "count is 2, of which one fold is the team's test set, and the other can't validate what it "
                "trains; expected a count from 3, or team_test = 'none'"
            )
        if self.team_test != "none" and self.team_test >= self.count:
            raise ValueError(
                f"team_test is {self.team_test}; expected a fold from 0 to {self.count - 1}, or 'none'"
            )
        if self.stopping != "same" and self.turns < 3:
            raise ValueError(
                f"stopping is {self.stopping!r} and count {self.count}, which leaves no fold to train on; "
                f"expected a count from {3 + kept_out}"
            )
        return self

    @property
    def turns(self) -> int:
        """How many folds take turns to validate."""
        return self.count if self.team_test == "none" else self.count - 1


class NetworkConfig(Section):
    """Hidden layers, from the input on; the output layer is linear.

    ``cell = "feedforward"`` makes a network without memory: tanh layers in the same proportions
    with as many parameters as the LSTM layers that ``hidden`` names.  ``bidirectional`` gives half of
    each layer's units to each direction of time.  ``targets`` says whether one network predicts all
    targets (``joint``) or one each (``single``).
    ``forget_bias``: added to the forget gates' random biases at the start, so that cells begin by
    remembering, at 3 for about 20 frames and at 0 for one or two; a network without memory has no gates.
    ``front``: convolutions below the hidden layers, where features are sound itself; if left out, those
    that suit it.
    """

    hidden: list[Annotated[int, Field(ge=1, le=100_000)]] = Field(default=[200, 150, 25], min_length=1)
    cell: Literal["lstm", "feedforward"] = "lstm"
    bidirectional: bool = False
    bias: float = 1.0
    forget_bias: float = Field(default=0.0, ge=-100, le=100)
    targets: Literal["joint", "single"] = "joint"
    front: Front | None = None

    @model_validator(mode="after")
    def _halves(self) -> NetworkConfig:
        if self.bidirectional and any(size % 2 for size in self.hidden):
            raise ValueError(
                f"hidden is {self.hidden}; expected even sizes, since bidirectional layers give half of "
                "their units to each direction"
            )
        if self.bidirectional and self.cell == "feedforward":
            raise ValueError("bidirectional is true with cell = 'feedforward', which sees one frame only")
        return self


class Training(TargetCorrelation, Descent):
    """Training of the networks.

    ``objective``: the sum of squared errors; 1 − CCC of each song; or 1 − CCC of all songs
    computed side by side, pooled (see `lstmcore.ccc`).
    ``excerpt_seconds``: networks, and regressions beside them, learn from so many seconds in the middle of
    each song; 0: from all of it.  Songs are scored whole.
    ``sequence_seconds``: songs are put one after the other, in an order drawn once, to sequences of at least
    so many seconds, which networks hear without a break; 0: each song is a sequence.
    """

    objective: Literal["sse", "ccc", "ccc_pooled"] = "sse"
    excerpt_seconds: float = Field(default=0.0, ge=0, le=LONGEST_SECONDS)
    sequence_seconds: float = Field(default=0.0, ge=0, le=LONGEST_SECONDS)

    @model_validator(mode="after")
    def _pools_something(self) -> Training:
        if self.objective == "ccc_pooled" and self.parallel_sequences == 1:
            raise ValueError(
                "objective is ccc_pooled and parallel_sequences 1, so that nothing is pooled; expected "
                "parallel_sequences from 2, or objective = 'ccc'"
            )
        self.check_training(self.objective, self.parallel_sequences)
        return self


class PredictionsConfig(Section):
    """What is done to the networks' predictions before ensembles are chosen and scored.

    ``smoothing`` takes the mean of all predictions of a song at most half of so many seconds
    away; 0 leaves them alone.
    ``window``: a longer song is predicted in overlapping windows of so many seconds, lead-in included, each
    from the start that networks know from training; ``"training"``: as long as the longest sequence they are
    trained on; 0: every song at once.
    """

    smoothing: float = Field(default=0.0, ge=0, le=LONGEST_SECONDS)
    window: float | Literal["training"] = 0.0

    @model_validator(mode="before")
    @classmethod
    def _seconds_or_training(cls, values: Any) -> Any:
        # Said in one sentence; of a union, pydantic would say one for each of its members.
        window = values.get("window", 0) if isinstance(values, dict) else 0
        number = type(window) in (int, float) and 0 <= window <= LONGEST_SECONDS
        if not number and window != "training":
            raise ValueError(
                f"window is {window!r}; expected seconds from 0, every song at once, to {LONGEST_SECONDS:g}, "
                "or 'training'"
            )
        return values


class Ensemble(Section):
    """How many networks a fold, and which of them are averaged."""

    trials: int = Field(default=5, ge=1, le=10_000)
    criteria: list[Literal["rmse", "ccc"]] = Field(default=["rmse", "ccc"], min_length=1)
    choice: Literal["best_k", "greedy"] = "best_k"
    networks: int | None = Field(default=None, ge=1)
    scope: Literal["pooled", "per_song"] = "pooled"


class NamedRun(Section):
    """One of the systems that a team submits: an ensemble, or the networks of several together."""

    # Without an underscore: no run is called like lstm_all or a baseline, of which only ridge has none.
    name: str = Field(pattern=RUN)
    features: str | None = None
    criterion: Literal["rmse", "ccc"] | None = None
    together: list[str] = Field(default=[])
    subtask: Literal[1, 2, 3] | None = None

    @model_validator(mode="after")
    def _chosen_or_put_together(self) -> NamedRun:
        if self.name.partition(" ")[0] == "ridge":
            raise ValueError(f"run {self.name!r} is called like the baseline; expected another name")
        if self.together and (self.features or self.criterion):
            raise ValueError(f"run {self.name!r} has together, and features or criterion; expected either")
        if not self.together and not (self.features and self.criterion):
            raise ValueError(f"run {self.name!r}: expected features and criterion, or together")
        return self


class Engine(Section):
    """What computes the networks.

    ``threads``: how many compute a network together; without it a worker takes those of workers that have
    nothing to do.  No result depends on it: it is neither in ``config.toml`` nor in the names of runs.
    """

    backend: Literal["cpu", "cuda", "reference"] = "cpu"
    precision: Literal["float32", "float64"] | None = None
    threads: int | None = Field(default=None, ge=1, le=1024, exclude=True)

    @model_validator(mode="after")
    def _reference_is_double(self) -> Engine:
        if self.backend == "reference" and self.precision == "float32":
            raise ValueError("precision is float32; the reference backend computes in float64")
        return self

    @model_validator(mode="after")
    def _has_threads(self) -> Engine:
        if self.threads is not None and self.threads > 1 and self.backend != "cpu":
            raise ValueError(
                f"threads is {self.threads}, and the backend {self.backend!r} has none to share a network "
                "among; expected no threads, or backend = 'cpu'"
            )
        return self

    @property
    def dtype(self) -> str:
        """The precision, or the backend's own where none is given."""
        return self.precision or ("float64" if self.backend == "reference" else "float32")


class Experiment(Section):
    """A whole experiment."""

    name: str = Field(pattern=NAME)
    seed: int = Field(default=2015, ge=0)
    data: Data
    folds: Folds = Folds()
    network: NetworkConfig = NetworkConfig()
    training: Training = Training()
    pretraining: Pretraining = Pretraining()
    predictions: PredictionsConfig = PredictionsConfig()
    ensemble: Ensemble = Ensemble()
    engine: Engine = Engine()
    runs: list[NamedRun] = Field(default=[])
    systems: list[OwnSystem] = Field(default=[])
    published: Literal["mediaeval2015"] | None = None
    # These change nothing that a run computes, and so neither its folder nor its config.toml.
    search: Search | None = Field(default=None, exclude=True)
    ablation: list[Ablation] = Field(default=[], exclude=True)
    reuse: list[str] = Field(default=[], exclude=True)
    execution: Execution = Field(default=Execution(), exclude=True)

    @model_validator(mode="after")
    def _runs_fit_together(self) -> Experiment:
        sets: dict[str, str] = {}
        for run in self.runs:
            if run.features is not None:
                _check_features(self.data, run)
            unknown = [name for name in run.together if name not in sets]
            if unknown:
                raise ValueError(f"run {run.name!r} puts together {unknown[0]!r}; expected runs above it")
            used = {run.features or sets[run.together[0]], *(sets[name] for name in run.together)}
            if len(used) > 1:
                raise ValueError(f"run {run.name!r} puts together runs of {' and '.join(sorted(used))}")
            if run.name in sets:
                raise ValueError(f"two runs have the name {run.name!r}")
            sets[run.name] = used.pop()
        if self.runs and self.data.features not in sets.values():
            named = "" if isinstance(self.data.features, str) else "; runs name one of data.feature_sets"
            raise ValueError(f"data.features is {self.data.feature_set} and no run uses it{named}")
        check_systems(self.systems, [run.name for run in self.runs])
        return self

    @model_validator(mode="after")
    def _runs_are_chosen_somewhere(self) -> Experiment:
        if self.runs and self.folds.team_test == "none":
            raise ValueError(
                "folds.team_test is 'none', and the networks of [[runs]] are chosen on the team's test set; "
                "expected the number of a fold, or no runs"
            )
        return self

    @model_validator(mode="after")
    def _published_scores_have_this_scale(self) -> Experiment:
        if self.published is not None and self.data.target_names != DEAM_TARGETS:
            raise ValueError(
                f"published is {self.published!r} and the targets are {', '.join(self.data.target_names)}; "
                f"expected {', '.join(DEAM_TARGETS)}, or no published"
            )
        if self.published is not None and self.data.scale != DEAM_SCALE:
            raise ValueError(
                f"published is {self.published!r} and data.scale {self.data.scale}; expected the scale "
                f"{DEAM_SCALE} of the published errors, or no published"
            )
        return self

    @model_validator(mode="after")
    def _front_fits(self) -> Experiment:
        check_whole(self.data.features, self.data.leave_out)
        computed = [self.on(features).data.computed_set for features in self.feature_sets]
        sound = check_front(self.network.front, computed, self.network.bias)
        if sound is None:
            return self
        if self.data.normal_scores:
            raise ValueError(
                f"data.normal_scores is true and features {sound}, a picture by its columns; expected false"
            )
        if self.engine.backend == "cuda":
            raise ValueError(
                f"engine.backend is 'cuda', which has no convolution, and features {sound}; expected 'cpu'"
            )
        return self

    @model_validator(mode="after")
    def _lead_in_is_weighted(self) -> Experiment:
        if self.data.lead_in and self.training.objective != "sse":
            raise ValueError(
                f"data.lead_in is {self.data.lead_in} and training.objective {self.training.objective!r}; "
                "expected objective = 'sse', the one that can leave frames out"
            )
        return self

    @model_validator(mode="after")
    def _targets_can_be_told_apart(self) -> Experiment:
        targets = self.data.target_names
        self.training.check_experiment(targets, self.network.targets, self.engine.backend)
        return self

    @model_validator(mode="after")
    def _variations_fit(self) -> Experiment:
        if self.search is not None:
            _check_search(self, self.search)
        names = [ablation.name for ablation in self.ablation]
        for n, ablation in enumerate(self.ablation):
            if names.index(ablation.name) < n:
                raise ValueError(f"two ablations have the name {ablation.name!r}")
            for key in (*ablation.set, *ablation.unset):
                check_key(type(self), f"ablation.{n}", key, ABLATED, "changed by an ablation")
            try:
                with_values(self.alone(), ablation.set, ablation.unset)
            except InputError as error:
                raise ValueError(f"ablation.{n} ({ablation.name}): {error}") from None
        return self

    @property
    def feature_sets(self) -> list[str | OwnSet]:
        """Feature sets that networks are trained on, that of ``data.features`` first."""
        others = {r.features for r in self.runs if r.features and r.features != self.data.features}
        return [self.data.features, *sorted(others)]

    def on(self, features: str | OwnSet) -> Experiment:
        """Return the experiment on one of its feature sets."""
        return self.model_copy(update={"data": self.data.model_copy(update={"features": features})})

    def alone(self) -> Experiment:
        """Return the experiment on ``data.features`` alone, without named runs and models of one's own."""
        nothing: dict[str, Any] = {key: [] for key in ("runs", "systems", "ablation", "reuse")}
        return self.model_copy(update=nothing | {"published": None, "search": None})

    @property
    def criteria(self) -> dict[str, str]:
        """System to the criterion its networks are chosen by, of those on ``data.features``."""
        if not self.runs:
            return {f"lstm_{criterion}": criterion for criterion in self.ensemble.criteria}
        return {r.name: r.criterion for r in self.runs if r.criterion and r.features == self.data.features}

    def to_toml(self) -> str:
        """Write what a run depends on, with every default filled in."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    def named_by(self, section: str) -> dict[str, Any]:
        """Values of a section that names are made of: without unused keys that came later."""
        part = getattr(self, section)
        later = [key for one, key in _LATER if one == section]
        fields = type(part).model_fields
        unused = {key for key in later if getattr(part, key) == fields[key].default}
        return dict(part.model_dump(exclude=unused))

    @property
    def fingerprint(self) -> str:
        """Eight characters that change with any setting of a run."""
        values = self.model_dump() | {section: self.named_by(section) for section, _ in _LATER}
        if not self.systems:  # came later, too
            del values["systems"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


# Keys that came when there were runs already: at their default they don't change the name of a run or a job.
_LATER = (
    ("data", "scale"),
    ("data", "feature_sets"),
    ("data", "window_seconds"),
    ("data", "leave_out"),
    ("data", "annotation_delay"),
    ("folds", "group"),
    ("network", "forget_bias"),
    ("data", "test_songs"),
    ("data", "table"),
    ("data", "audio"),
    ("training", "excerpt_seconds"),
    ("training", "sequence_seconds"),
    ("predictions", "window"),
    ("data", "unlabelled_folder"),
    ("data", "labelled_songs"),
    ("pretraining", "strategy"),
    ("pretraining", "next_frames"),
    ("pretraining", "piece_seconds"),
    ("data", "also"),
    ("data", "licence"),
    ("training", "balance"),
    ("training", "decorrelate"),
    ("network", "front"),
)


def _check_features(data: Data, run: NamedRun) -> None:
    """Raise ValueError if the features of a run aren't there, or can't be those of the data."""
    values = data.model_dump(exclude_none=True) | {"features": run.features}
    try:
        Data.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"run {run.name!r}: {explain(error, Data)}") from None


def _check_search(experiment: Experiment, search: Search) -> None:
    """Raise ValueError for a key that can't be searched, or a value that the configuration refuses."""
    most = experiment.folds.turns
    if search.folds is not None and search.folds > most:
        raise ValueError(
            f"search.folds is {search.folds}; expected at most {most}, the folds that take turns to validate"
        )
    for n, step in enumerate(search.steps):
        for key in step.keys:
            check_key(Experiment, f"search.steps.{n}.key", key, SEARCHED, "searched")
        if step.range is not None and "data.annotation_delay" in step.keys:
            raise ValueError(
                f"search.steps.{n} has a range for data.annotation_delay, which is a multiple of the distance"
                " of frames; expected values"
            )
        for place, value in step.examples().items():
            try:
                with_values(experiment.alone(), dict.fromkeys(step.keys, value))
            except InputError as error:
                raise ValueError(f"search.steps.{n}.{place}: {error}") from None
