"""The table of scores, as a person reads it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from experiments.datasets import TARGETS
from experiments.score import METRICS, Score

SETS = {
    "cross_validation": "cross-validation",
    "team_test": "the team's test set (ensembles were chosen on it)",
    "official_test": "official test set",
}


def systems_of(scores: list[Score], group: str) -> list[str]:
    """Names of the systems scored on a set, in order."""
    return list(dict.fromkeys(s.system for s in scores if s.set == group))


def cell(scores: dict[tuple[str, ...], Score], *key: str) -> str:
    """Write one score: mean ± standard deviation over songs, or the pooled value."""
    found = scores[key]
    text = f"{found.mean:.3f}" if found.std is None else f"{found.mean:.3f} ± {found.std:.3f}"
    return text + ("*" if found.undefined else "")


def keyed(scores: list[Score]) -> dict[tuple[str, ...], Score]:
    """Scores by (set, system, scope, target, metric)."""
    return {(s.set, s.system, s.scope, s.target, s.metric): s for s in scores}


def undefined_note(scores: list[Score]) -> str:
    """Explain the asterisk, with the counts; empty if there is none."""
    worst: dict[tuple[str, str], int] = {}
    for s in scores:
        if s.undefined and s.scope == "per_song":
            worst[s.system, s.set] = max(worst.get((s.system, s.set), 0), s.undefined)
    if not any(s.undefined for s in scores):
        return ""
    counts = ", ".join(
        f"{system} {n} of {SETS[group].split(' (')[0]}" for (system, group), n in worst.items()
    )
    return f"* r of a constant curve is undefined and counted as 0; songs: {counts}"


def print_tables(scores: list[Score], console: Console) -> None:
    """Print, for each set, the scores by song and pooled."""
    by_key = keyed(scores)
    for group, title in SETS.items():
        systems = systems_of(scores, group)
        if not systems:
            continue
        songs = next(s.songs for s in scores if s.set == group)
        for scope, form in (
            ("per_song", "by song, mean ± standard deviation"),
            ("pooled", "all frames pooled"),
        ):
            table = Table(title=f"{title}: {songs} songs, {form}", title_justify="left", title_style="bold")
            table.add_column("system", no_wrap=True)
            for target in TARGETS:
                for metric in METRICS:
                    table.add_column(f"{target}\n{metric}", justify="right", no_wrap=True)
            for system in systems:
                cells = [cell(by_key, group, system, scope, t, m) for t in TARGETS for m in METRICS]
                table.add_row(system, *cells)
            console.print(table)
    note = undefined_note(scores)
    if note:
        console.print(note)
