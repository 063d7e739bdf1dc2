"""The table of scores, as a person reads it."""

from __future__ import annotations

from rich.console import Console

from lstmcore.experiments.scoring.baselines import MIXED, MIXED_EXPLAINED
from lstmcore.experiments.scoring.ceiling import CEILING, EXPLAINED
from lstmcore.experiments.scoring.metrics import METRICS, SCOPES, Score
from lstmcore.experiments.terminal.sheet import Sheet

HEADINGS = {"r": "r", "rmse": "RMSE", "ccc": "CCC"}
SETS = {
    "cross_validation": "cross-validation",
    "team_test": "the team's test set (ensembles were chosen on it)",
    "official_test": "official test set",
    "transfer": "other data than the model's",
}
FORMS = {
    "per_song": "by song, mean ± standard deviation",
    "pooled": "all frames pooled",
    "songs": "one value a song",
}


def systems_of(scores: list[Score], group: str) -> list[str]:
    """Names of the systems scored on a set, in order."""
    return list(dict.fromkeys(s.system for s in scores if s.set == group))


def cell(scores: dict[tuple[str, ...], Score], *key: str) -> str:
    """Write one score: mean ± standard deviation over songs, or the pooled value; “–” if there is none."""
    found = scores.get(key)
    if found is None:
        return "–"
    text = _number(found.mean) if found.std is None else f"{_number(found.mean)} ± {_number(found.std)}"
    return text + ("*" if found.undefined else "")


def _number(value: float) -> str:
    """Write three decimals, and no minus sign before a zero."""
    return f"{round(value, 3) + 0.0:.3f}"


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
    return "* r of a constant curve is undefined and counted as 0" + (f"; songs: {counts}" if counts else "")


def ceiling_note(scores: list[Score]) -> str:
    """Explain the rows of raters; empty if there are none."""
    return EXPLAINED if any(s.system in CEILING for s in scores) else ""


def mixed_note(scores: list[Score]) -> str:
    """Explain the rows of regressions in folds that part groups; empty if there are none."""
    return MIXED_EXPLAINED if any(s.system.partition(" ")[0].endswith(MIXED) for s in scores) else ""


def print_tables(scores: list[Score], console: Console) -> None:
    """Print the scores of each set, by song and pooled; one table per target where the terminal is narrow."""
    for sheet in score_sheets(scores):
        sheet.print(console)
    for note in (undefined_note(scores), mixed_note(scores), ceiling_note(scores)):
        if note:
            console.print(note, markup=False, highlight=False)


def score_sheets(scores: list[Score]) -> list[Sheet]:
    """Make two tables of each set that has songs: by song and pooled."""
    by_key, targets = keyed(scores), list(dict.fromkeys(s.target for s in scores))
    columns = ["system", *(f"{target}\n{HEADINGS[metric]}" for target in targets for metric in METRICS)]
    sheets = []
    for group, title in SETS.items():
        systems = systems_of(scores, group)
        found = {s.scope for s in scores if s.set == group}
        songs = next((s.songs for s in scores if s.set == group), 0)
        for scope in (scope for scope in SCOPES if scope in found):
            rows = [
                (
                    False,
                    [system, *(cell(by_key, group, system, scope, t, m) for t in targets for m in METRICS)],
                )
                for system in systems
            ]
            heading = f"{title}: {songs} songs, {FORMS[scope]}"
            sheets.append(Sheet(heading, columns, rows, together=len(METRICS)))
    return sheets
