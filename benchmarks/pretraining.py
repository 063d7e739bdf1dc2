"""Strategies of pre-training beside each other, with few labels and with many: one table.

    python -m benchmarks.pretraining EXPERIMENT --out FOLDER [--labelled 20 40 80 all] [--set KEY=VALUE …]

For each number of annotated songs (``data.labelled_songs``) the experiment is run without pre-training, and
the strategies as ablations of it (``lstmcore ablate``): the same songs, folds and scores, so that differences
are paired.  With fewer songs an epoch has fewer updates; ``max_epochs`` and ``patience`` of the networks'
training grow in proportion, so that a network may have as many updates whatever the number of songs.  p is
by Holm's method over all strategies, numbers of songs and targets of the table.

It leaves a folder of ablations for each number, and ``pretraining.csv``.  The same command again does what is
left.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from lstmcore.experiments.config import load_experiment, with_values
from lstmcore.experiments.config.variations import Ablation
from lstmcore.experiments.files import write_csv
from lstmcore.experiments.run import Session
from lstmcore.experiments.studies.ablation import run_ablations
from lstmcore.experiments.studies.ablation.compare import Comparison, corrected
from lstmcore.experiments.terminal.progress import Quiet

STRATEGIES = ("first_layer", "layerwise", "next_frames", "sequence_autoencoder")
ALL = "all"


class Lines(Quiet):
    """Says which stage has begun."""

    def stage(self, name: str, total: int, unit: str = "") -> None:
        """Print the stage."""
        print(f"  {name}: {total}", flush=True)


def compare_strategies(
    file: Path, overrides: list[str], labelled: list[str], strategies: list[str], out: Path, workers: int
) -> pd.DataFrame:
    """Run all and return a row for each comparison.

    Parameters
    ----------
    file, overrides
        The experiment.
    labelled
        Numbers of annotated songs, or ``all``.
    strategies
        What is compared with no pre-training.
    out, workers
        Folder of results, and networks trained side by side.
    """
    whole = load_experiment(file, overrides)
    base = with_values(whole, {"pretraining.strategy": "none", "pretraining.enabled": True})
    ablations = [Ablation(name=s, set={"pretraining.strategy": s}) for s in strategies]
    found: list[tuple[str, Comparison]] = []
    songs = None
    for count in sorted(labelled, key=lambda c: (c != ALL, -int(c) if c != ALL else 0)):  # all first
        values: dict[str, Any] = {}
        if count != ALL:
            assert songs is not None
            share = songs / int(count)
            values = {
                "data.labelled_songs": int(count),
                "training.max_epochs": round(base.training.max_epochs * share),
                "training.patience": round(base.training.patience * share),
            }
        earlier = [str(out / other / "jobs") for other in labelled if (out / other / "jobs").is_dir()]
        print(f"{count} annotated songs", flush=True)
        experiment = with_values(base, values).model_copy(update={"ablation": ablations, "reuse": earlier})
        ablated = run_ablations(experiment, Session(out / count, workers, Lines()))
        found += [(count, row) for row in ablated.rows]
        songs = songs or max(row.songs for row in ablated.rows)
    return _table(found, strategies)


def _table(found: list[tuple[str, Comparison]], strategies: list[str]) -> pd.DataFrame:
    """Correct p over all sizes together; regressions stay by themselves."""
    mine = [(count, row) for count, row in found if row.ablation in strategies]
    rows = [*zip((count for count, _ in mine), corrected([row for _, row in mine]), strict=True)]
    rows += [(count, row) for count, row in found if "in place of" in row.ablation]
    return pd.DataFrame([{"labelled": count, **asdict(row)} for count, row in rows])


def told(table: pd.DataFrame, metric: str) -> str:
    """Return one score as lines of a table."""
    lines = []
    for row in table[table["metric"] == metric].to_dict("records"):
        interval = f"({row['low']:+.4f} to {row['high']:+.4f})" if row["low"] is not None else ""
        p = "" if row["p_holm"] is None else f"{row['p_holm']:.3f}"
        lines.append(
            f"{row['labelled']:>4}  {row['ablation']:<36} {row['target']:<8} {row['base']:.4f} → "
            f"{row['changed']:.4f}  {row['difference']:+.4f} {interval}  p {p}  {row['verdict']}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compare strategies of pre-training.")
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--labelled", nargs="+", default=["20", "40", "80", ALL])
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=STRATEGIES)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    a = parser.parse_args()
    if ALL not in a.labelled:
        parser.error("--labelled: expected 'all' among them: its number of songs says what a share is")
    table = compare_strategies(a.experiment, a.set, a.labelled, a.strategies, a.out, a.workers)
    write_csv(a.out / "pretraining.csv", table, 6)
    for metric in ("rmse", "ccc", "r"):
        print(f"\n{metric}\n{told(table, metric)}")
