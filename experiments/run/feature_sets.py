"""The feature sets of an experiment side by side, and the named runs on them.

Each feature set has data, networks and chosen ensembles of its own, and the networks of a set
serve all runs on it.  An experiment without ``[[runs]]`` has one side.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from lstmcore.experiments.jobs.job import Result
from lstmcore.experiments.report.results import ensemble_facts
from lstmcore.experiments.scoring.baselines import WITHOUT_FEATURES
from lstmcore.experiments.scoring.ensemble import Choice
from lstmcore.experiments.scoring.systems import ALL_NETWORKS, Predictions, choose_ensembles, predict_all
from lstmcore.experiments.training.stages import Trained
from lstmcore.experiments.training.trial import GROUPS, TrialData

_SETS = ("cross_validation", *GROUPS[1:])


@dataclass(frozen=True)
class FeatureSetResult(Trained):
    """One feature set of an experiment, trained.

    Parameters
    ----------
    choices
        System to ensemble.
    own
        What models of one's own say.
    """

    choices: dict[str, Choice]
    own: list[Predictions] = field(default_factory=list)

    @property
    def features(self) -> str:
        """Name of the feature set."""
        return self.data.experiment.data.feature_set


def choose_systems(data: TrialData, networks: list[Result]) -> dict[str, Choice]:
    """Choose the ensembles of one side; a run that puts others together has the networks of them all."""
    choices = choose_ensembles(data, networks)
    for run in data.experiment.runs:
        if run.together and run.together[0] in choices:
            members = [member for name in run.together for member in choices[name].members]
            choices[run.name] = Choice(list(dict.fromkeys(members)), " + ".join(run.together), None)
    return choices


def predict_sides(sides: list[FeatureSetResult]) -> list[Predictions]:
    """Apply every system to every set, by set and then by system.

    With several feature sets, whatever depends on them and is no run has the set's name behind its own:
    ``lstm_all FS1``, ``linear_regression FS2``.
    """
    found: list[Predictions] = []
    for side in sides:
        of_side = [*predict_all(side.data, side.networks, side.choices), *side.own]
        for one in sorted(of_side, key=lambda p: _SETS.index(p.group)):
            if len(sides) == 1 or one.system in side.choices:
                found.append(one)
            elif one.system not in WITHOUT_FEATURES:
                found.append(replace(one, system=f"{one.system} {side.features}"))
            elif side is sides[0]:
                found.append(one)
    if len(sides) == 1:
        return found
    runs = [run.name for run in sides[0].data.experiment.runs]

    def place(one: Predictions) -> tuple[int, int]:
        system = runs.index(one.system) if one.system in runs else len(runs)
        return _SETS.index(one.group), -1 if one.system.startswith(ALL_NETWORKS) else system

    return sorted(found, key=place)


def facts_of(sides: list[FeatureSetResult]) -> dict[str, Any]:
    """Content of ``ensemble.json``, of all sides together."""
    parts = [ensemble_facts(s.choices, s.networks, s.data.dataset, s.data.split) for s in sides]
    ensembles = {name: facts for part in parts for name, facts in part["ensembles"].items()}
    runs = sides[0].data.experiment.runs
    subtasks = {run.name: {"subtask": run.subtask} for run in runs if run.subtask is not None}
    order = [run.name for run in runs] or list(ensembles)
    return parts[0] | {
        "ensembles": {name: ensembles[name] | subtasks.get(name, {}) for name in order},
        "notes": notes_of(sides),
    }


def notes_of(sides: list[FeatureSetResult]) -> list[str]:
    """Return the notes of all sides, each once, and what models of one's own are."""
    systems = [system.note for system in sides[0].data.experiment.systems]
    return list(dict.fromkeys([*(note for side in sides for note in side.data.dataset.notes), *systems]))
