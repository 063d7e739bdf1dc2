"""Runs a search: each proposal is trained and scored on the folds of the cross-validation.

Neither the team's test set nor the official test set is looked at.  The networks of a candidate are the
jobs that a run of the same configuration has, so none is computed twice: not within a search,
not when it is run again after Ctrl-C, and not by ``lstmcore-run chosen.toml``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lstmcore.experiments.config import Experiment, in_words, value_of, with_values
from lstmcore.experiments.config.variations import Search
from lstmcore.experiments.datasets.delay import delay_frames
from lstmcore.experiments.errors import Diverged
from lstmcore.experiments.files import write_text
from lstmcore.experiments.jobs.job import Result
from lstmcore.experiments.jobs.runner import JobRunner
from lstmcore.experiments.run.folder import reusable
from lstmcore.experiments.run.session import Datasets, Session, Workplace
from lstmcore.experiments.scoring.ensemble import split_songs
from lstmcore.experiments.scoring.metrics import criterion
from lstmcore.experiments.scoring.systems import member_predictions
from lstmcore.experiments.studies.search.methods import Method, Proposal, method_of
from lstmcore.experiments.studies.search.searched import (
    Searched,
    Tried,
    search_config,
    search_folder,
    section_of,
)
from lstmcore.experiments.training.folds import split_of
from lstmcore.experiments.training.pretraining import check_pretraining, with_left_over, with_note
from lstmcore.experiments.training.smoothing import check_smoothing
from lstmcore.experiments.training.stages import Trained, train_stages
from lstmcore.experiments.training.windows import LENGTHS, check_lengths

_FEATURES = {"data.features", "data.leave_out"}
_DATASETS = 2  # that are kept in memory, of candidates that differ in their features


def run_search(experiment: Experiment, session: Session | None = None) -> Searched:
    """Run a search to its end, or do what is left of it.

    Parameters
    ----------
    experiment
        The configuration, with a section ``search``.
    session
        Where and how; None: in a folder below ``runs``, on all processors, without a word.

    Returns
    -------
    Searched
        What was tried and chosen.

    Raises
    ------
    InputError
        If there is no section ``search``, the configuration doesn't fit the data, or the folder is another
        experiment's.
    EngineError
        If the backend can't be used here.
    Interrupted
        If the session was stopped; what is finished is kept.
    OSError
        If something can't be written.
    """
    from lstmcore.experiments.studies.search.output import write_search, write_table

    method = method_of(section_of(experiment), experiment)
    opened = (session or Session()).opened(
        experiment, search_folder(experiment), search_config(experiment), reusable(experiment)
    )
    with opened as place:
        datasets = place.datasets(keep=_DATASETS)
        dataset = datasets(experiment.alone())
        for candidate in _smoothings(experiment):  # what is wrong is told before hours of training
            check_smoothing(candidate, dataset.hop_seconds)
        for variant in _of_other_lengths(experiment):
            check_lengths(variant, dataset.hop_seconds)
        for featured in _kinds_of_features(experiment):
            datasets(featured)
        for seconds in _delays(experiment):
            delay_frames(seconds, dataset.hop_seconds)
        dataset = with_left_over(experiment, dataset, split_of(dataset, experiment))
        check_pretraining(experiment, dataset)
        dataset = with_note(experiment, dataset)
        bench = _Bench(experiment, datasets, place.job_runner(patient=True))
        tried: list[Tried] = []
        while (proposal := method.propose()) is not None:
            tried.append(bench.evaluate(proposal))
            if _is_news(place, len(tried)):
                write_table(place.folder, experiment, tried, None)
            method.tell(bench.goodness(tried[-1]))
        chosen = _chosen(experiment, method)
        searched = Searched(place.folder, experiment, tried, chosen, dataset.notes)
        with place.writing() as needed:
            if needed:
                _write_chosen(place.folder, experiment, chosen)
                write_search(searched)
        return searched


def _is_news(place: Workplace, tried: int) -> bool:
    """Whether a table of so many candidates has more than those who share the work have written."""
    if place.leases is None:
        return True
    try:
        return (place.folder / "search.csv").read_bytes().count(b"\n") <= tried
    except OSError:
        return True


class _Bench:
    """Tries configurations on the same songs and folds."""

    def __init__(self, experiment: Experiment, datasets: Datasets, runner: JobRunner) -> None:
        self._experiment, self._search = experiment.alone(), section_of(experiment)
        self._datasets, self._runner = datasets, runner

    def evaluate(self, proposal: Proposal) -> Tried:
        """Train what is proposed and score it on its folds."""
        trials = self._search.trials or self._experiment.ensemble.trials
        experiment = with_values(self._experiment, proposal.values | {"ensemble.trials": trials})
        values = _values(experiment, self._search)
        before = self._runner.computed
        which = ", ".join(f"{key} {in_words(value)}" for key, value in self._told(proposal).items())
        dataset = self._datasets(experiment)
        cut = split_of(dataset, experiment)
        folds = cut.cross_validation[: self._search.folds]
        try:
            trained = train_stages(experiment, dataset, cut, self._runner, which=which, folds=folds)
        except Diverged:
            return Tried(proposal.step, values, [])
        best = [result.facts["history"][-1]["best_epoch"] for result in trained.networks]
        return Tried(
            proposal.step,
            values,
            [self._score(trained, fold) for fold in folds],
            len(trained.jobs),
            len(trained.jobs) - (self._runner.computed - before),
            float(np.mean(best)),
            sum(_seconds(result) for result in trained.results),
        )

    def _told(self, proposal: Proposal) -> dict[str, Any]:
        """Return what of a proposal its step changes."""
        steps = self._search.steps if proposal.step is None else [self._search.steps[proposal.step]]
        return {step.name: proposal.values[step.keys[0]] for step in steps}

    def _score(self, trained: Trained, fold: int) -> float:
        songs = trained.data.split.validation(fold)
        networks = [n for n in trained.networks if n.facts["fold"] == fold]
        curves = split_songs(member_predictions(trained.data, networks, "validation", songs).mean(0), songs)
        value = criterion(self._search.criterion, self._search.scope, songs, curves)
        return self._sign * value

    @property
    def _sign(self) -> int:
        return -1 if self._search.criterion == "rmse" else 1

    def goodness(self, tried: Tried) -> float | None:
        """Return the score turned so that more is better."""
        return None if tried.score is None else self._sign * tried.score


def _seconds(result: Result) -> float:
    return float(sum(epoch["seconds"] for epoch in result.facts["history"]))


def _values(experiment: Experiment, search: Search) -> dict[str, Any]:
    return {key: value_of(experiment, key) for step in search.steps for key in step.keys}


def _smoothings(experiment: Experiment) -> list[float]:
    """All widths of the smoothing that may be tried; of a range the least one that smooths."""
    steps = [step for step in section_of(experiment).steps if "predictions.smoothing" in step.keys]
    tried = [float(value) for step in steps for value in step.values or []]
    least = [float(step.range.low) or 1e-3 for step in steps if step.range is not None]
    return [experiment.predictions.smoothing, *tried, *least]


def _of_other_lengths(experiment: Experiment) -> list[Experiment]:
    """All candidates for the lengths of excerpts, sequences and windows, each in the experiment."""
    alone = experiment.alone()
    tried = [
        with_values(alone, {key: value})
        for step in section_of(experiment).steps
        for key in step.keys
        if key in LENGTHS
        for value in (step.values if step.values is not None else step.examples().values())
    ]
    return [alone, *tried]


def _kinds_of_features(experiment: Experiment) -> Iterator[Experiment]:
    """Give the experiment with each choice of features that may be tried."""
    for step in section_of(experiment).steps:
        if _FEATURES & {*step.keys}:
            for value in step.values or []:
                yield with_values(experiment.alone(), dict.fromkeys(step.keys, value))


def _delays(experiment: Experiment) -> list[float]:
    """All delays of the annotations that may be tried."""
    steps = [step for step in section_of(experiment).steps if "data.annotation_delay" in step.keys]
    return [float(value) for step in steps for value in step.values or []]


def _chosen(experiment: Experiment, method: Method) -> dict[str, Any]:
    return _values(with_values(experiment, method.best()), section_of(experiment))


def _write_chosen(folder: Path, experiment: Experiment, chosen: dict[str, Any]) -> None:
    """Write ``chosen.toml``, which finds the search's own networks trained."""
    said = "".join(f"#   {key} = {in_words(value)}\n" for key, value in chosen.items())
    head = f"# Chosen by lstmcore search:\n{said}reuse = ['jobs']\n"
    write_text(folder / "chosen.toml", head + with_values(experiment, chosen).to_toml())
