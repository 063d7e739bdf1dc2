"""``report.html``: the run on one page that opens anywhere, plots included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader

from lstmcore.experiments.config import Data, Experiment
from lstmcore.experiments.errors import listed
from lstmcore.experiments.files import write_text
from lstmcore.experiments.report.paper_table import PAPER, TEST_ALPHA, PaperRow, cells_of, title_of
from lstmcore.experiments.report.plots import learning_curves, song_curves
from lstmcore.experiments.report.table import HEADINGS, ceiling_note, mixed_note, score_sheets, undefined_note
from lstmcore.experiments.scoring.annotation_quality import TITLES, AnnotationQuality
from lstmcore.experiments.scoring.metrics import METRICS, Score
from lstmcore.experiments.scoring.systems import Predictions
from lstmcore.experiments.training.pretraining import TITLES as PRETRAINING

SONGS_SHOWN = 4
SUBTASKS = {1: "features", 2: "regression on given features", 3: "both free"}


def write_report(
    path: Path,
    experiment: Experiment,
    predictions: list[Predictions],
    scores: list[Score],
    history: pd.DataFrame,
    facts: dict[str, Any],
    quality: AnnotationQuality,
    paper: list[PaperRow],
) -> None:
    """Write the report of a run.

    Parameters
    ----------
    path
        The HTML file.
    experiment
        The configuration.
    predictions, scores, history
        What came out.
    facts
        Content of ``ensemble.json``.
    quality
        How good the annotations are.
    paper
        Rows of the paper's table; empty if it isn't wanted.
    """
    loader = PackageLoader("lstmcore.experiments.report", ".")
    template = Environment(loader=loader, autoescape=True).get_template("report.html.j2")
    targets = experiment.data.target_names
    page = template.render(
        experiment=experiment,
        config=experiment.to_toml(),
        facts=facts,
        targets=targets,
        told=listed(targets),
        pair=" with ".join(targets) if len(targets) == 2 else "",
        names=targets if len(targets) == 2 else ("the first", "the second"),
        metrics=[HEADINGS[m] for m in METRICS],
        tables=score_sheets(scores),
        undefined=undefined_note(scores),
        mixed=mixed_note(scores),
        ceiling=ceiling_note(scores),
        songs=_songs(predictions, next(iter(facts["ensembles"])), experiment.data),
        quality=quality,
        titles=TITLES,
        alpha_of_paper=TEST_ALPHA if paper else {},
        paper=_paper(paper),
        source=PAPER,
        subtasks=_subtasks(experiment),
        curves=_learning(history),
    )
    write_text(path, page)


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


def _songs(predictions: list[Predictions], system: str, data: Data) -> list[str]:
    """Draw the first songs of the best test set there is, by one chosen ensemble."""
    found = {p.group: p for p in predictions if p.system == system}
    shown = found.get("official_test") or found.get("team_test") or found["cross_validation"]
    return [song_curves(song, shown, data.target_names, data.scale) for song in shown.songs[:SONGS_SHOWN]]


def _learning(history: pd.DataFrame) -> list[str]:
    first = history["job"].str.startswith(PRETRAINING)
    curves = []
    if first.any():
        known = "validation" if history.loc[first, "validation_error_per_frame"].notna().all() else "training"
        title = f"pre-training: {known} error"
        curves.append(learning_curves(history[first], f"{known}_error_per_frame", title))
    curves.append(
        learning_curves(history[~first], "validation_error_per_frame", "networks: validation error (●: best)")
    )
    return curves
