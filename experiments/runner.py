"""Runs an experiment: data, pre-training, networks, ensemble, scores, report.

Running means doing what is left: jobs whose result is there are not computed again.
"""

from __future__ import annotations

import threading
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from experiments.annotation_quality import annotation_quality, write_quality
from experiments.config import Experiment
from experiments.datasets import Dataset, load_dataset
from experiments.errors import InputError, Interrupted
from experiments.executor import Executor, Threads
from experiments.files import remove_leftovers, write_csv, write_json, write_whole
from experiments.folds import split
from experiments.jobs import Job, JobContext, JobFolder, Result
from experiments.model import save_model
from experiments.paper_table import PaperRow, paper_table, write_paper_table
from experiments.pretraining import autoencoder_jobs
from experiments.progress import Progress, describe
from experiments.results import environment, history_table, predictions_table, write_metrics
from experiments.runs import Side, choose_systems, facts_of, named_after, notes_of, predict_sides
from experiments.score import Score
from experiments.stopwatch import Stopwatch
from experiments.trial import TrialData, network_jobs
from lstmcore import DivergedError, EpochReport


@dataclass(frozen=True)
class Run:
    """A finished run.

    Parameters
    ----------
    folder
        Where everything is.
    scores
        Rows of ``metrics.json``.
    notes
        What a person should know about the data.
    paper_table
        The paper's table with its figures beside ours, if the experiment asks for it.
    """

    folder: Path
    scores: list[Score]
    notes: list[str]
    paper_table: list[PaperRow]


def default_folder(experiment: Experiment) -> Path:
    """Folder of a run that was given none: another configuration, another folder."""
    return Path("runs") / f"{experiment.name}-{experiment.fingerprint}"


def run_experiment(
    experiment: Experiment, folder: Path, *, workers: int, progress: Progress, stop: threading.Event
) -> Run:
    """Run an experiment to its end, or do what is left of it.

    Parameters
    ----------
    experiment
        The configuration.
    folder
        Where results go.
    workers
        Jobs computed side by side; the results don't depend on it.
    progress
        Hears how it goes.
    stop
        Set it, from any thread, to end early.

    Returns
    -------
    Run
        Scores and where the files are.

    Raises
    ------
    InputError
        If the configuration doesn't fit the data, or the folder is another experiment's.
    Interrupted
        If `stop` was set; what is finished is kept.
    OSError
        If something can't be written.
    """
    open_folder(folder, experiment)
    watch = Stopwatch(progress, workers)
    try:
        run = _run(experiment, folder, workers, watch, stop)
    except BaseException:
        with suppress(OSError):  # what went wrong first matters more
            watch.write(folder / "stages.csv")
        raise
    watch.write(folder / "stages.csv")
    return run


def _run(
    experiment: Experiment, folder: Path, workers: int, progress: Progress, stop: threading.Event
) -> Run:
    with threadpool_limits(1):  # one network a core; and results that don't depend on the cores
        one_by_one = [experiment.on(features) for features in experiment.feature_sets]
        datasets = [load_dataset(e.data, workers=workers, progress=progress, stop=stop) for e in one_by_one]
        jobs = Jobs(JobFolder(folder / "jobs"), Threads(workers), progress, stop)
        sides = [train_networks(e, dataset, jobs) for e, dataset in zip(one_by_one, datasets, strict=True)]
        return _conclude(folder, experiment, sides, progress)


def train_networks(experiment: Experiment, dataset: Dataset, jobs: Jobs) -> Side:
    """Train all networks on one feature set and choose among them."""
    folds, features = split(dataset.development, experiment.folds), dataset.feature_set
    first = named_after(experiment, autoencoder_jobs(experiment, dataset.unlabelled), features)
    which = f", {features}" if len(experiment.feature_sets) > 1 else ""
    pretrained = jobs.run(f"auto-encoders{which}", first)
    weights = [(job.name, r.tensors["weights"]) for job, r in zip(first, pretrained, strict=True)]
    data = TrialData(experiment, dataset, folds, weights)
    second = named_after(experiment, network_jobs(data), features)
    networks = jobs.run(f"networks (folds × trials){which}", second)
    choices = choose_systems(data, networks)
    return Side(data, [*first, *second], [*pretrained, *networks], networks, choices)


def _conclude(folder: Path, experiment: Experiment, sides: list[Side], progress: Progress) -> Run:
    """Average, score and write everything that is made from the jobs' results."""
    from experiments.report import write_report  # plots take a second to import: not before they are needed

    progress.stage("ensemble, scores and report", 1)
    main = sides[0].data
    predictions = predict_sides(sides)
    scores = [s for p in predictions for s in p.scores()]
    history = history_table([j for side in sides for j in side.jobs], [r for s in sides for r in s.results])
    facts = facts_of(sides)
    quality = annotation_quality(experiment, main.dataset, main.split)
    paper = paper_table(scores) if experiment.published else []
    write_csv(folder / "history.csv", history, 9)
    write_csv(folder / "predictions.csv", predictions_table(predictions), 6)
    write_json(folder / "ensemble.json", facts)
    write_quality(folder, quality, main.dataset, main.split)
    for side in sides:
        target = folder / ("model" if side is sides[0] else f"model_{side.features}")
        save_model(target, side.data.experiment, side.data.dataset, side.choices, side.networks)
    if paper:
        write_paper_table(folder / "table_1.csv", paper)
    write_metrics(folder / "metrics.json", scores)
    write_report(folder / "report.html", experiment, predictions, scores, history, facts, quality, paper)
    progress.advance()
    return Run(folder, scores, notes_of(sides), paper)


@dataclass(frozen=True)
class Jobs:
    """Runs jobs that aren't done yet and keeps their results."""

    folder: JobFolder
    executor: Executor
    progress: Progress
    stop: threading.Event
    label: str = ""  # behind the names of stages

    def run(self, stage: str, jobs: list[Job]) -> list[Result]:
        """Return the results of all jobs, in order."""
        self.progress.stage(f"{stage}: {self.label}" if self.label else stage, len(jobs))
        results: dict[str, Result] = {}
        for job in jobs:
            result = self.folder.load(job)
            if result is not None:
                results[job.name] = result
                self.progress.advance(f"{job.title}: done before", fresh=False)
        left = [job for job in jobs if job.name not in results]
        computed = self.executor.run([partial(self._compute, job) for job in left], self.stop)
        results |= {job.name: result for job, result in zip(left, computed, strict=True)}
        return [results[job.name] for job in jobs]

    def _compute(self, job: Job) -> Result:
        if self.stop.is_set():
            raise Interrupted

        def on_epoch(report: EpochReport) -> None:
            self.progress.epoch(job.title, report)

        try:
            result = job.compute(JobContext(self.folder.checkpoint(job), on_epoch, self.stop))
        except DivergedError as error:
            raise InputError(f"{job.title}: {error}") from None
        self.folder.save(job, result)
        self.progress.advance(f"{job.title}: {describe(EpochReport(**result.facts['history'][-1]))}")
        return result


def open_folder(folder: Path, experiment: Experiment) -> None:
    """Make the folder the experiment's, or see that it is."""
    file, text = folder / "config.toml", experiment.to_toml()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; expected a folder for the results")
    remove_leftovers(folder)
    if not file.exists():
        if folder.exists() and any(folder.iterdir()):
            raise InputError(
                f"{folder}: holds files but no config.toml; expected a new or empty folder, "
                "or one of this experiment"
            )
        write_whole(file, text)
        write_json(folder / "environment.json", environment())
        return
    try:
        theirs = tomllib.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{file}: can't be read: {error}") from None
    differing = _differences(theirs, tomllib.loads(text))
    if differing:
        raise InputError(
            f"{folder}: is the folder of another experiment; different: {'; '.join(differing[:5])}. "
            "Choose another with --out, or leave --out away"
        )


def _differences(theirs: dict[str, Any], ours: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key in sorted(theirs.keys() | ours.keys()):
        a, b = theirs.get(key), ours.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key} is {a!r} there and {b!r} here")
    return found
