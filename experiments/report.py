"""``report.html``: the run on one page that opens anywhere, plots included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader

from experiments.config import Experiment
from experiments.datasets import TARGETS
from experiments.files import write_whole
from experiments.plots import learning_curves, song_curves
from experiments.score import METRICS, SCOPES, Score
from experiments.systems import Predictions
from experiments.table import HEADINGS, SETS, cell, keyed, systems_of, undefined_note

SONGS_SHOWN = 4


def write_report(
    path: Path,
    experiment: Experiment,
    predictions: list[Predictions],
    scores: list[Score],
    history: pd.DataFrame,
    facts: dict[str, Any],
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
    """
    template = Environment(loader=PackageLoader("experiments", "."), autoescape=True).get_template(
        "report.html.j2"
    )
    page = template.render(
        experiment=experiment,
        config=experiment.to_toml(),
        facts=facts,
        targets=TARGETS,
        metrics=[HEADINGS[m] for m in METRICS],
        tables=_tables(scores),
        undefined=undefined_note(scores),
        songs=_songs(predictions, experiment),
        curves=_learning(history),
    )
    write_whole(path, page)


def _tables(scores: list[Score]) -> list[dict[str, Any]]:
    by_key = keyed(scores)
    tables = []
    for group, title in SETS.items():
        systems = systems_of(scores, group)
        for scope in SCOPES if systems else ():
            rows = [
                (system, [cell(by_key, group, system, scope, t, m) for t in TARGETS for m in METRICS])
                for system in systems
            ]
            songs = next(s.songs for s in scores if s.set == group)
            form = "by song, mean ± standard deviation" if scope == "per_song" else "all frames pooled"
            tables.append({"title": f"{title}: {songs} songs, {form}", "rows": rows})
    return tables


def _songs(predictions: list[Predictions], experiment: Experiment) -> list[str]:
    """Draw the first songs of the best test set there is, by the first chosen ensemble."""
    system = f"lstm_{experiment.ensemble.criteria[0]}"
    found = {p.group: p for p in predictions if p.system == system}
    shown = found.get("official_test") or found["team_test"]
    return [song_curves(song, shown) for song in shown.songs[:SONGS_SHOWN]]


def _learning(history: pd.DataFrame) -> list[str]:
    first = history["job"].str.startswith("auto-encoder")
    curves = []
    if first.any():
        known = "validation" if history.loc[first, "validation_error_per_frame"].notna().all() else "training"
        title = f"auto-encoders: {known} error"
        curves.append(learning_curves(history[first], f"{known}_error_per_frame", title))
    curves.append(
        learning_curves(history[~first], "validation_error_per_frame", "networks: validation error (●: best)")
    )
    return curves
