"""``report.html``: the run on one page that opens anywhere, all songs included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, Template

from lstmcore.experiments.config import Experiment
from lstmcore.experiments.datasets import Dataset, SongId
from lstmcore.experiments.errors import listed
from lstmcore.experiments.files import write_text
from lstmcore.experiments.prediction.novelty import distances_of
from lstmcore.experiments.prediction.outputs.page.packing import in_script
from lstmcore.experiments.report.answer import Answer, headline, reasons
from lstmcore.experiments.report.outlines import Outline
from lstmcore.experiments.report.paper_table import PAPER, TEST_ALPHA, PaperRow, cells_of, title_of
from lstmcore.experiments.report.settings import changed_settings
from lstmcore.experiments.report.song_data import dependences, shown_of, song_data
from lstmcore.experiments.report.stages import Stage, slow_sheet
from lstmcore.experiments.report.table import (
    HEADINGS,
    ScoreTable,
    ceiling_note,
    mixed_note,
    score_tables,
)
from lstmcore.experiments.report.training_data import (
    ensemble_grids,
    learning_data,
    slow_sentence,
)
from lstmcore.experiments.scoring.annotation_quality import TITLES, AnnotationQuality
from lstmcore.experiments.scoring.metrics import METRICS, Score
from lstmcore.experiments.scoring.systems import Predictions
from lstmcore.experiments.training.folds import Split

SUBTASKS = {1: "features", 2: "regression on given features", 3: "both free"}
_HERE = "lstmcore.experiments.report"
_PAGES = "lstmcore.experiments.prediction.outputs.page"


@dataclass(frozen=True)
class Findings:
    """What came out of a run, and what is told of it.

    Parameters
    ----------
    experiment
        The configuration.
    dataset, split
        The songs and their folds.
    predictions, scores, history
        What came out.
    facts
        Content of ``ensemble.json``.
    quality
        How good the annotations are.
    paper
        Rows of the paper's table; empty if it isn't wanted.
    answer
        What came out, in short.
    outlines
        Of the sound of songs, as far as there is some.
    stages
        What took how long.
    """

    experiment: Experiment
    dataset: Dataset
    split: Split
    predictions: list[Predictions]
    scores: list[Score]
    history: pd.DataFrame
    facts: dict[str, Any]
    quality: AnnotationQuality
    paper: list[PaperRow]
    answer: Answer
    outlines: Mapping[SongId, Outline]
    stages: Sequence[Stage]


@cache
def _template() -> Template:
    """Return the page, compiled once: of a small run that is a quarter of the time."""
    loader = PackageLoader(_HERE, ".")
    return Environment(loader=loader, autoescape=True, trim_blocks=True).get_template("report.html.j2")


def write_report(path: Path, run: Findings) -> None:
    """Write the report of a run as one HTML file."""
    experiment, answer, facts = run.experiment, run.answer, run.facts
    targets = experiment.data.target_names
    distances = distances_of(run.split, run.dataset.official_test)
    shown = shown_of(run.predictions, answer, [*facts["ensembles"]])
    songs = song_data(shown, run.predictions, answer, run.dataset, distances, run.outlines)
    learning = learning_data(run.history)
    networks = {p.system for p in run.predictions if p.spread is not None}
    first, *others = _ordered(score_tables(run.scores, METRICS, networks), answer)
    page = _template().render(
        experiment=experiment,
        config=experiment.to_toml(),
        facts=facts,
        targets=targets,
        told=listed(targets),
        lead=_lead(run),
        answer=answer,
        sentences=answer.sentences(),
        trust=[(f.trust, headline(f), reasons(f, answer.whole)) for f in answer.findings],
        pair=" with ".join(targets) if len(targets) == 2 else "",
        names=targets if len(targets) == 2 else ("the first", "the second"),
        metrics=[HEADINGS[m] for m in METRICS],
        first=first,
        tables=others,
        undefined=any(s.undefined for s in run.scores),
        mixed=mixed_note(run.scores),
        ceiling=ceiling_note(run.scores),
        dependences=dependences(songs),
        quality=run.quality,
        titles=TITLES,
        alpha_of_paper=TEST_ALPHA if run.paper else {},
        paper=_paper(run.paper),
        source=PAPER,
        subtasks=_subtasks(experiment),
        grids=ensemble_grids(facts, run.history),
        slow=slow_sheet(run.stages),
        slowest=slow_sentence(run.history),
        settings=changed_settings(experiment),
        models=["model", *(f"model_{name}" for name in experiment.feature_sets[1:])],
        data=in_script(songs | {"learning": learning}).decode(),
        script="\n".join(_text(_PAGES, "drawing.js") + _text(_HERE, "charts.js", "report.js")),
    )
    write_text(path, page)


def _text(package: str, *names: str) -> list[str]:
    return [resources.files(package).joinpath(name).read_text(encoding="utf-8") for name in names]


def _ordered(tables: list[ScoreTable], answer: Answer) -> list[ScoreTable]:
    """Put the table of the answer first."""
    return sorted(tables, key=lambda table: table.group != answer.group)


def _lead(run: Findings) -> str:
    """Say what was run on what."""
    experiment, dataset = run.experiment, run.dataset
    folds, trials = len(run.split.cross_validation), experiment.ensemble.trials
    cell = {"lstm": "LSTM"}.get(experiment.network.cell, experiment.network.cell)
    layers = "-".join(map(str, experiment.network.hidden))
    both = "bidirectional " if experiment.network.bidirectional else ""
    features = listed([str(name) for name in experiment.feature_sets])
    songs = len(dataset.development) + len(dataset.official_test)
    test = f", {len(dataset.official_test)} of them the official test set" if dataset.official_test else ""
    before = ""
    if experiment.pretraining.enabled and dataset.unlabelled:
        before = f", pre-trained on {len(dataset.unlabelled)} songs without annotations"
    more = f" and {sum(len(d.development) for d in dataset.also)} of other data sets" if dataset.also else ""
    version, targets = metadata.version("lstmcore"), listed(experiment.data.target_names)
    return (
        f"{targets[0].upper()}{targets[1:]} of music on {songs} annotated songs{test}{more}: "
        f"{both}{cell} networks ({layers} cells) on {features} features "
        f"({len(dataset.feature_names)} columns), "
        f"{folds} folds × {trials} {'trials' if trials > 1 else 'trial'}{before}. "
        f"Seed {experiment.seed}, lstmcore {version}."
    )


def _paper(rows: list[PaperRow]) -> list[dict[str, Any]]:
    return [
        {
            "title": title_of(rows, part),
            "rows": [(HEADINGS[r.metric], r.row, cells_of(r)) for r in rows if r.part == part],
        }
        for part in dict.fromkeys(row.part for row in rows)
    ]


def _subtasks(experiment: Experiment) -> str:
    """Return which systems answer which of the challenge's subtasks; the first compares feature sets."""
    several = len(experiment.feature_sets) > 1
    regression = f"linear_regression {experiment.data.feature_set}" if several else "linear_regression"
    answers: dict[int, list[str]] = {1: [regression], 2: [], 3: []}
    for run in experiment.runs:
        if run.subtask is not None:
            answers[run.subtask].append(run.name)
    return "; ".join(f"{n} ({SUBTASKS[n]}): {', '.join(names)}" for n, names in answers.items() if names)
