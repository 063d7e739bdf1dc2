"""Runs an experiment: data, pre-training, networks, ensemble, scores, report.

Running means doing what is left: jobs whose result is there are not computed again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lstmcore.experiments.config import Experiment
from lstmcore.experiments.datasets import Dataset, SongId
from lstmcore.experiments.files import write_csv, write_json
from lstmcore.experiments.jobs.runner import JobRunner
from lstmcore.experiments.prediction.card import write_card
from lstmcore.experiments.prediction.model import save_model
from lstmcore.experiments.report.answer import Answer, answer_of
from lstmcore.experiments.report.paper_table import PaperRow, paper_table, write_paper_table
from lstmcore.experiments.report.results import history_table, predictions_table, write_metrics
from lstmcore.experiments.run.feature_sets import (
    FeatureSetResult,
    choose_systems,
    facts_of,
    notes_of,
    predict_sides,
)
from lstmcore.experiments.run.folder import default_folder, named_places
from lstmcore.experiments.run.session import Session, Workplace
from lstmcore.experiments.run.stopwatch import Stopwatch
from lstmcore.experiments.scoring.annotation_quality import annotation_quality, write_quality
from lstmcore.experiments.scoring.by_song import SONG_SCORES, song_table
from lstmcore.experiments.scoring.ceiling import ceiling
from lstmcore.experiments.scoring.metrics import Score
from lstmcore.experiments.scoring.own_systems import check_systems, predict_systems
from lstmcore.experiments.scoring.systems import Predictions
from lstmcore.experiments.training.folds import split_of
from lstmcore.experiments.training.stages import of_excerpts, train_stages
from lstmcore.experiments.training.trial import TrialData

if TYPE_CHECKING:
    from lstmcore.experiments.report.outlines import Outline

NOTHING_CHOSEN = (
    "There is no team's test set to choose networks on (folds.team_test = 'none'): none are chosen, and the "
    "model averages all of them (lstm_all)."
)


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
    answer
        What came out, in short; its ``sentences()`` say it.
    networks
        Names of the systems that are networks.
    """

    folder: Path
    scores: list[Score]
    notes: list[str]
    paper_table: list[PaperRow]
    answer: Answer
    networks: frozenset[str]


def run_experiment(experiment: Experiment, session: Session | None = None) -> Run:
    """Run an experiment to its end, or do what is left of it.

    Parameters
    ----------
    experiment
        The configuration.
    session
        Where and how; None: in a folder below ``runs``, on all processors, without a word.

    Returns
    -------
    Run
        Scores and where the files are.

    Raises
    ------
    InputError
        If the configuration doesn't fit the data, or the folder is another experiment's.
    EngineError
        If the backend can't be used here.
    Interrupted
        If the session was stopped; what is finished is kept.
    OSError
        If something can't be written.

    Examples
    --------
    >>> from lstmcore.experiments import load_experiment, run_experiment
    >>> run = run_experiment(load_experiment("quickstart"))  # doctest: +SKIP
    """
    others = named_places(experiment)  # what is wrong with them is told before anything is written
    check_systems(experiment)
    opened = (session or Session()).opened(
        experiment, default_folder(experiment), experiment.to_toml(), others
    )
    with opened as place:
        watch = Stopwatch(place.progress, place.workers)
        try:
            run = _run(experiment, replace(place, progress=watch), watch)
        except BaseException:
            with suppress(OSError):  # what went wrong first matters more
                watch.write(place.folder / "stages.csv")
            raise
        with place.turn("stages"):
            watch.write(place.folder / "stages.csv")
        return run


def _run(experiment: Experiment, place: Workplace, watch: Stopwatch) -> Run:
    one_by_one = [experiment.on(features) for features in experiment.feature_sets]
    datasets = [place.load(e) for e in one_by_one]
    jobs = place.job_runner()
    sides = [_train(e, dataset, jobs) for e, dataset in zip(one_by_one, datasets, strict=True)]
    return _conclude(place, experiment, sides, watch)


def _train(experiment: Experiment, dataset: Dataset, jobs: JobRunner) -> FeatureSetResult:
    """Train all networks on one feature set and choose among them."""
    which = dataset.feature_set if len(experiment.feature_sets) > 1 else ""
    if experiment.folds.team_test == "none":
        dataset = replace(dataset, notes=[*dataset.notes, NOTHING_CHOSEN])
    split = of_excerpts(experiment, dataset, split_of(dataset, experiment))
    own = predict_systems(experiment, dataset, split, jobs, which=which)  # mistakes are told before networks
    trained = train_stages(experiment, dataset, split, jobs, which=which)
    choices = choose_systems(trained.data, trained.networks)
    return FeatureSetResult(**vars(trained), choices=choices, own=own)


def _conclude(
    place: Workplace, experiment: Experiment, sides: list[FeatureSetResult], watch: Stopwatch
) -> Run:
    """Average, score and write all that is made from the jobs' results, unless another process has."""
    with place.writing() as needed:
        main = sides[0].data
        sounds = _outlines(place, main) if needed else {}
        place.progress.stage("ensemble, scores and report", 1)
        targets = main.dataset.targets
        predictions = predict_sides(sides)
        scores = [s for p in predictions for s in p.scores(targets)]
        scores += ceiling(main.dataset, {p.group: p.songs for p in predictions}, experiment.seed)
        paper = paper_table(scores) if experiment.published else []
        answer = answer_of(predictions, scores, targets, experiment.seed, experiment.folds.stopping)
        networks = frozenset(p.system for p in predictions if p.spread is not None)
        run = Run(place.folder, scores, notes_of(sides), paper, answer, networks)
        if needed:
            _write(run, experiment, sides, predictions, sounds, watch)
        place.progress.advance()
        return run


def _outlines(place: Workplace, main: TrialData) -> dict[SongId, Outline]:
    from lstmcore.experiments.report.outlines import outlines

    scored = {song.song_id for song in (*main.dataset.development, *main.dataset.official_test)}
    audio = {song: file for song, file in main.dataset.audio.items() if song in scored}
    return outlines(place.folder, audio, place.workers, place.progress, place.stop)


def _write(
    run: Run,
    experiment: Experiment,
    sides: list[FeatureSetResult],
    predictions: list[Predictions],
    sounds: dict[SongId, Outline],
    watch: Stopwatch,
) -> None:
    from lstmcore.experiments.report.report import Findings, write_report

    folder, main = run.folder, sides[0].data
    targets = main.dataset.targets
    history = history_table([j for side in sides for j in side.jobs], [r for s in sides for r in s.results])
    facts = facts_of(sides)
    quality = annotation_quality(experiment, main.dataset, main.split, predictions)
    write_csv(folder / "history.csv", history, 9)
    write_csv(folder / "predictions.csv", predictions_table(predictions, targets), 6)
    write_csv(folder / SONG_SCORES, song_table(predictions, targets), 6)
    write_json(folder / "ensemble.json", facts)
    write_quality(folder, quality, main.dataset, main.split)
    for side in sides:
        target = folder / ("model" if side is sides[0] else f"model_{side.features}")
        save_model(target, side.data, side.choices, side.networks)
        write_card(target, side.data, list(side.choices), predictions)
    if run.paper_table:
        write_paper_table(folder / "table_1.csv", run.paper_table)
    write_metrics(folder / "metrics.json", run.scores)
    stages = watch.stages(folder / "stages.csv")
    found = Findings(
        experiment,
        main.dataset,
        main.split,
        predictions,
        run.scores,
        history,
        facts,
        quality,
        run.paper_table,
        run.answer,
        sounds,
        stages,
    )
    write_report(folder / "report.html", found)
