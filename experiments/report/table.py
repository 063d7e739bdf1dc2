"""The table of scores, as a person reads it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console

from lstmcore.experiments.scoring.baselines import MIXED, MIXED_EXPLAINED, REGRESSIONS, WITHOUT_FEATURES
from lstmcore.experiments.scoring.ceiling import CEILING, EXPLAINED
from lstmcore.experiments.scoring.metrics import METRICS, SCOPES, Score
from lstmcore.experiments.terminal.sheet import Sheet

Kind = Literal["networks", "baseline", "oracle", "raters", "mixed"]
ORACLE = "song_mean_oracle"
_ORDER: tuple[Kind, ...] = ("networks", "baseline", "mixed", "oracle", "raters")
_USABLE = ("networks", "baseline")
_ORACLES = (ORACLE, "mean_oracle")
_GUESSES = (*WITHOUT_FEATURES, "model_mean")
MORE = "all tables: the same command with --tables all"
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


@dataclass(frozen=True)
class ScoreTable:
    """The scores of one set in one form, system by system.

    Parameters
    ----------
    group, scope
        Which set, and which form of scores.
    title
        For people.
    rows
        Of each system: what it is, its name, and its cells, target by target and metric by metric; each a
        text and whether it is the best of the systems that could be used.
    """

    group: str
    scope: str
    title: str
    rows: list[tuple[Kind, str, list[tuple[str, bool]]]]


def kind_of(system: str, networks: Collection[str] | None = None) -> Kind:
    """Tell what a system is by its name, and by the names of those of networks if these are known."""
    name = system.partition(" ")[0]
    if name in CEILING:
        return "raters"
    if name in _ORACLES:
        return "oracle"
    if name.endswith(MIXED):
        return "mixed"
    if networks is not None:
        return "networks" if system in networks else "baseline"
    return "baseline" if name in (*REGRESSIONS, *_GUESSES) else "networks"


def score_tables(
    scores: list[Score], metrics: Sequence[str] = METRICS, networks: Collection[str] | None = None
) -> list[ScoreTable]:
    """Make the tables of each set that has songs: one for each form of scores."""
    by_key, targets = keyed(scores), list(dict.fromkeys(s.target for s in scores))
    tables = []
    for group, title in SETS.items():
        systems = systems_of(scores, group)
        found = {s.scope for s in scores if s.set == group}
        songs = next((s.songs for s in scores if s.set == group), 0)
        for scope in (scope for scope in SCOPES if scope in found):
            rows: list[tuple[Kind, str, list[tuple[str, bool]]]] = []
            best = {
                (t, m): _best(
                    by_key, [s for s in systems if kind_of(s, networks) in _USABLE], (group, scope, t, m)
                )
                for t in targets
                for m in metrics
            }
            for system in systems:
                cells = [
                    (cell(by_key, group, system, scope, t, m), system in best[t, m])
                    for t in targets
                    for m in metrics
                ]
                rows.append((kind_of(system, networks), system, cells))
            rows.sort(key=lambda row: _ORDER.index(row[0]))
            count = "one song" if songs == 1 else f"{songs} songs"
            tables.append(ScoreTable(group, scope, f"{title}: {count}, {FORMS[scope]}", rows))
    return tables


def _best(by_key: dict[tuple[str, ...], Score], systems: list[str], of: tuple[str, ...]) -> set[str]:
    """Return the systems of the best score; none where all are the same."""
    group, scope, target, metric = of
    values = {
        s: found.mean for s in systems if (found := by_key.get((group, s, scope, target, metric))) is not None
    }
    if len({round(v, 3) for v in values.values()}) < 2:
        return set()
    best = (min if metric == "rmse" else max)(values.values())
    return {s for s, value in values.items() if round(value, 3) == round(best, 3)}


def score_sheets(scores: list[Score]) -> list[Sheet]:
    """Make two tables of each set that has songs: by song and pooled."""
    targets = list(dict.fromkeys(s.target for s in scores))
    columns = ["system", *(f"{target}\n{HEADINGS[metric]}" for target in targets for metric in METRICS)]
    return [
        Sheet(
            table.title,
            columns,
            [(False, [system, *(text for text, _ in cells)]) for _, system, cells in table.rows],
            together=len(METRICS),
        )
        for table in score_tables(scores)
    ]


def compact_sheet(scores: list[Score], group: str, networks: Collection[str] | None = None) -> Sheet:
    """Make the one table that says most: a set by song, in metrics that fit a terminal of 80 columns.

    Of one target all metrics, of two RMSE and r, of more the RMSE.
    """
    targets = list(dict.fromkeys(s.target for s in scores))
    metrics = {1: ("rmse", "r", "ccc"), 2: ("rmse", "r")}.get(len(targets), ("rmse",))
    table = next(
        t for t in score_tables(scores, metrics, networks) if t.group == group and t.scope != "pooled"
    )
    columns = ["", *(f"{target}\n{HEADINGS[metric]}" for target in targets for metric in metrics)]
    rows = [
        (kind == "networks", [system, *(text for text, _ in cells)])
        for kind, system, cells in table.rows
        if kind != "mixed"
    ]
    return Sheet(table.title, columns, rows, together=len(metrics), lines=False)


def print_compact(
    scores: list[Score], group: str, console: Console, networks: Collection[str] | None = None
) -> None:
    """Print the one table, and what its asterisk means."""
    compact_sheet(scores, group, networks).print(console)
    here = [s for s in scores if s.set == group and s.scope != "pooled"]
    if any(s.undefined for s in here):
        console.print("* r of a constant curve is undefined and counted as 0", style="dim", highlight=False)
