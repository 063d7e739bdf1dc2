"""Runs ablations: each is the experiment with one thing changed, trained whole and compared with it.

Compared are the networks of each fold on its songs; no test set is looked at.  What a change doesn't touch
are the same jobs, and isn't computed again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstmcore.experiments.config import Experiment, with_values
from lstmcore.experiments.config.variations import Ablation
from lstmcore.experiments.datasets import Dataset
from lstmcore.experiments.errors import Diverged, InputError
from lstmcore.experiments.jobs.runner import JobRunner
from lstmcore.experiments.run.folder import reusable
from lstmcore.experiments.run.session import Datasets, Session
from lstmcore.experiments.scoring.systems import cross_validated_baselines
from lstmcore.experiments.studies.ablation.ablated import Ablated, ablation_config, ablation_folder
from lstmcore.experiments.studies.ablation.compare import (
    Comparison,
    SongScores,
    compare,
    corrected,
    cross_validated,
    scores_of,
)
from lstmcore.experiments.studies.ablation.variants import default_ablations
from lstmcore.experiments.training.balance import with_note_on_balance
from lstmcore.experiments.training.folds import (
    Split,
    cut_anew,
    groups_of,
    split_like,
    split_of,
    with_labelled,
)
from lstmcore.experiments.training.pretraining import check_pretraining, with_left_over, with_note
from lstmcore.experiments.training.smoothing import check_smoothing
from lstmcore.experiments.training.stages import Trained, train_stages
from lstmcore.experiments.training.windows import check_lengths

REGRESSIONS = ("ridge", "ridge_memory")
"""Baselines that networks are compared with."""


@dataclass(frozen=True)
class _Variant:
    """An experiment to train, with its songs; ``ablation`` is None for the experiment as it is."""

    experiment: Experiment
    dataset: Dataset
    split: Split
    ablation: Ablation | None


def run_ablations(experiment: Experiment, session: Session | None = None) -> Ablated:
    """Run all ablations to their end, or do what is left of them.

    Parameters
    ----------
    experiment
        The configuration; its ``ablation`` sections, or a list of our own if there are none.
    session
        Where and how; None: in a folder below ``runs``, on all processors, without a word.

    Returns
    -------
    Ablated
        The comparisons.

    Raises
    ------
    InputError
        If the configuration doesn't fit the data, the folder is another experiment's, or the training of
        the experiment as it is diverges.
    EngineError
        If the backend can't be used here.
    Interrupted
        If the session was stopped; what is finished is kept.
    OSError
        If something can't be written.
    """
    from lstmcore.experiments.studies.ablation.output import write_ablations

    config = ablation_config(experiment)
    opened = (session or Session()).opened(
        experiment, ablation_folder(experiment), config, reusable(experiment)
    )
    with opened as place:
        base, variants, notes = _prepare(experiment, place.datasets())
        findings = _Findings(base, place.job_runner(patient=True))
        for variant in variants:
            findings.add(variant)
        sizes = findings.sizes()
        ablated = Ablated(
            place.folder,
            base.experiment,
            [variant.ablation for variant in variants if variant.ablation],
            [*corrected([*findings.rows, *sizes.get(1, [])]), *corrected(findings.regressions())],
            sizes,
            findings.diverged,
            notes,
        )
        with place.writing() as needed:
            if needed:
                write_ablations(ablated, config)
        return ablated


def _prepare(experiment: Experiment, datasets: Datasets) -> tuple[_Variant, list[_Variant], list[str]]:
    """Load the songs of all variants, so that what is wrong is told before hours of training.

    What of our own list doesn't fit the data is left out with a note.
    """
    alone = experiment.alone()
    dataset = datasets(alone)
    folds = split_of(dataset, alone)
    base = _Variant(alone, dataset, folds, None)
    heard = with_note_on_balance(alone, with_note(alone, with_left_over(alone, dataset, folds)), folds)
    check_pretraining(alone, heard)
    notes, variants = list(heard.notes), []
    for ablation in experiment.ablation or default_ablations(alone, heard):
        try:
            variants.append(_variant(base, ablation, datasets))
        except InputError as error:
            if experiment.ablation:
                raise InputError(f"ablation {ablation.name!r}: {error}") from None
            notes.append(f"Left out, since the data don't allow it: {ablation.name} ({error}).")
    return base, variants, notes


def _variant(base: _Variant, ablation: Ablation, datasets: Datasets) -> _Variant:
    experiment = with_values(base.experiment, ablation.set, ablation.unset)
    dataset = datasets(experiment)
    check_smoothing(experiment.predictions.smoothing, dataset.hop_seconds)
    check_lengths(experiment, dataset.hop_seconds)
    groups = groups_of(dataset, experiment.folds)
    same_groups = experiment.folds.group == base.experiment.folds.group
    folds = (split_like if same_groups else cut_anew)(dataset.development, base.split, groups)
    folds = with_labelled(folds, experiment)
    check_pretraining(experiment, with_left_over(experiment, dataset, folds))
    with_note_on_balance(experiment, dataset, folds)
    return _Variant(experiment, dataset, folds, ablation)


class _Findings:
    """What comes out, ablation by ablation."""

    def __init__(self, base: _Variant, runner: JobRunner) -> None:
        self._base, self._runner = base, runner
        self._trained = self._train(base, "as it is")
        self._scores = cross_validated(self._trained)
        shares = [
            len(base.split.validation(fold)) / len(base.split.training(fold))
            for fold in base.split.cross_validation
        ]
        self._test_share = float(np.mean(shares))
        self.rows: list[Comparison] = []
        self.diverged: dict[str, str] = {}

    def add(self, variant: _Variant) -> None:
        """Train a variant and compare it."""
        assert variant.ablation is not None
        name = variant.ablation.name
        try:
            self.rows += self._compare(name, cross_validated(self._train(variant, name)))
        except Diverged as error:
            self.diverged[name] = str(error)

    def sizes(self) -> dict[int, list[Comparison]]:
        """Compare fewer networks a fold with all of them."""
        trials = self._base.experiment.ensemble.trials
        names = {n: f"{n} of {trials} networks" if n > 1 else "1 network a fold" for n in range(1, trials)}
        return {n: self._compare(name, cross_validated(self._trained, n)) for n, name in names.items()}

    def regressions(self) -> list[Comparison]:
        """Compare ridge regressions on the same songs and folds with the networks."""
        data = self._trained.data
        return [
            row
            for found in cross_validated_baselines(data)
            if found.system in REGRESSIONS
            for row in self._compare(
                f"{found.system} in place of networks",
                scores_of(found, data.split, data.dataset.targets),
            )
        ]

    def _compare(self, name: str, scores: SongScores) -> list[Comparison]:
        return compare(name, self._scores, scores, self._test_share, self._base.experiment.seed)

    def _train(self, variant: _Variant, name: str) -> Trained:
        return train_stages(variant.experiment, variant.dataset, variant.split, self._runner, which=name)
