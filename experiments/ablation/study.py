"""Trains the experiment and its variants, and compares them in cross-validation.

Nothing here looks at a test set.  Jobs are kept where a run of the experiment keeps its own, so
that neither computes what the other has computed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from experiments.ablation.comparison import (
    MEASURES,
    Difference,
    SongTerms,
    bootstrap_interval,
    corrected_t_test,
    holm,
    measure,
    song_terms,
)
from experiments.ablation.variants import variants_of
from experiments.config import Data, Experiment, with_values
from experiments.datasets import TARGETS, Dataset, load_dataset
from experiments.executor import Threads
from experiments.folds import split
from experiments.job_runner import JobRunner
from experiments.jobs import JobFolder
from experiments.progress import Progress
from experiments.run_folder import open_folder
from experiments.stages import Trained, train_stages
from experiments.systems import Predictions, cross_validated_networks
from experiments.variations import Ablation

BASE = "as it is"
_PURPOSE = 4  # of the random numbers: see annotation_quality


@dataclass(frozen=True)
class SizeScore:
    """A measure of the ensembles of the first networks of each fold."""

    networks: int
    target: str
    measure: str
    score: float


@dataclass(frozen=True)
class Study:
    """What ablations have shown.

    Parameters
    ----------
    differences
        For each variant, target and measure.
    sizes
        For each number of networks, target and measure.
    variants
        What was changed.
    """

    differences: list[Difference]
    sizes: list[SizeScore]
    variants: list[Ablation]


def study_ablations(
    experiment: Experiment,
    folder: Path,
    *,
    workers: int,
    progress: Progress,
    stop: threading.Event,
) -> Study:
    """Run the ablations of an experiment, or do what is left of them.

    Parameters
    ----------
    experiment
        The configuration.
    folder
        Folder of the experiment's run, finished or not, or a new one.
    workers, progress, stop
        As in `experiments.runner.run_experiment`.

    Returns
    -------
    Study
        Differences and ensemble sizes.

    Raises
    ------
    InputError
        If a variant doesn't fit the data, or the folder is another experiment's.
    """
    open_folder(folder, experiment.to_toml())
    base = experiment.alone()
    kept = JobFolder(folder / "jobs", [Path(place) for place in experiment.reuse])
    runner = JobRunner(kept, Threads(workers), progress, stop)
    datasets: dict[Data, Dataset] = {}

    def dataset_of(one: Experiment) -> Dataset:
        if one.data not in datasets:
            datasets[one.data] = load_dataset(one.data, workers=workers, progress=progress, stop=stop)
        return datasets[one.data]

    variants = variants_of(experiment, len(dataset_of(base).feature_names))
    others = [with_values(base, v.set, v.unset) for v in variants]
    sides = []
    with threadpool_limits(1):  # one network a core; and results that don't depend on the cores
        for name, one in zip([BASE, *(v.name for v in variants)], [base, *others], strict=True):
            dataset = dataset_of(one)
            folds = split(dataset.development, one.folds)
            sides.append(train_stages(one, dataset, folds, runner, which=name))
    return Study(list(compare(sides, variants)), list(ensemble_sizes(sides[0])), variants)


def compare(sides: list[Trained], variants: list[Ablation]) -> Iterator[Difference]:
    """Compare each side but the first with the first."""
    predictions = [cross_validated_networks(side.data, side.networks) for side in sides]
    base, seed = sides[0], sides[0].data.experiment.seed
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_PURPOSE,)))
    for name in MEASURES:
        found = [
            _difference(base, side, predictions[0], others, variant.name, target, name, generator)
            for side, others, variant in zip(sides[1:], predictions[1:], variants, strict=True)
            for target in TARGETS
        ]
        tested = [k for k, d in enumerate(found) if d.p is not None]
        adjusted = dict(zip(tested, holm([p for d in found if (p := d.p) is not None]), strict=True))
        yield from (replace(d, p_holm=adjusted.get(k)) for k, d in enumerate(found))


def _difference(
    base: Trained,
    side: Trained,
    before: Predictions,
    after: Predictions,
    variant: str,
    target: str,
    name: str,
    generator: np.random.Generator,
) -> Difference:
    first, second = (song_terms(p.songs, p.values, target) for p in (before, after))
    both = sorted(first.keys() & second.keys())
    one, other = [first[k] for k in both], [second[k] for k in both]
    scores = float(measure(name, one)[0]), float(measure(name, other)[0])
    low, high = bootstrap_interval(name, one, other, generator)
    p = _p_over_folds(base, side, first, second, name)
    return Difference(variant, target, name, *scores, scores[1] - scores[0], low, high, p, None, len(both))


def _p_over_folds(
    base: Trained, side: Trained, first: dict[int, SongTerms], second: dict[int, SongTerms], name: str
) -> float | None:
    """Test over folds, if both have the same."""
    folds = _folds(base)
    if folds != _folds(side):
        return None
    differences = [
        float((measure(name, [second[k] for k in songs]) - measure(name, [first[k] for k in songs]))[0])
        for songs in folds.values()
    ]
    total = sum(map(len, folds.values()))
    ratio = float(np.mean([len(songs) / (total - len(songs)) for songs in folds.values()]))
    return corrected_t_test(differences, ratio)


def _folds(side: Trained) -> dict[int, list[int]]:
    split = side.data.split
    return {fold: [song.song_id for song in split.validation(fold)] for fold in split.cross_validation}


def ensemble_sizes(side: Trained) -> Iterator[SizeScore]:
    """Score the average of the first one, two, … networks of each fold."""
    for count in range(1, side.data.experiment.ensemble.trials + 1):
        taken = [network for network in side.networks if network.facts["trial"] < count]
        predictions = cross_validated_networks(side.data, taken)
        for target in TARGETS:
            terms = list(song_terms(predictions.songs, predictions.values, target).values())
            for name in MEASURES:
                yield SizeScore(count, target, name, float(measure(name, terms)[0]))
