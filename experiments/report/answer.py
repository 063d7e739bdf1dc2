"""What came out of a run, in two sentences: networks against the best baseline, and what can be trusted.

The first compares, target by target, the best system of networks with the best baseline that knows nothing
of the songs that it predicts, regressions with a memory included.  A difference is told where the bootstrap
interval over songs leaves out 0.  The second says of each target whether its curves go the annotation's way
within a song, whether they tell songs apart, and how that stands beside the raters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lstmcore.experiments.errors import listed
from lstmcore.experiments.scoring.baselines import MIXED
from lstmcore.experiments.scoring.by_song import BySong, Difference, by_song, difference, interval
from lstmcore.experiments.scoring.ceiling import HALVES, ONE
from lstmcore.experiments.scoring.metrics import Score
from lstmcore.experiments.scoring.statistics import FEWEST_SONGS
from lstmcore.experiments.scoring.systems import ALL_NETWORKS, Predictions
from lstmcore.experiments.seeds import seed_for

GUESS, ORACLE = "global_mean", "song_mean_oracle"
WHERE = {
    "official_test": "On the official test set",
    "cross_validation": "In cross-validation",
    "team_test": "On the team's test set",
}
Outcome = Literal["better", "worse", "not told apart", "too few songs", "no baseline"]
Trust = Literal["yes", "with care", "songs only", "course only", "no", "unknown"]


@dataclass(frozen=True)
class Finding:
    """What came out for one target.

    Parameters
    ----------
    target
        Its name.
    baseline
        The best baseline; None: there is none.
    difference
        RMSE of the networks less that of the baseline; None likewise.
    trust
        Whether the networks' predictions can be trusted.
    r, low, high
        r by song, or over songs that were rated as a whole, with its 95 % interval; None for too few songs.
    forward, songs
        Songs within which the prediction goes the annotation's way, of how many; None for songs rated once.
    rmse, guess, oracle
        RMSE of the networks, of the training songs' mean everywhere, and of each song's own mean.
    half, one_rater
        r of half the raters with the other half, and of one with the others.
    """

    target: str
    baseline: str | None
    difference: Difference | None
    trust: Trust
    r: float
    low: float | None
    high: float | None
    forward: int | None
    songs: int
    rmse: float
    guess: float | None
    oracle: float | None
    half: float | None
    one_rater: float | None

    @property
    def outcome(self) -> Outcome:
        """How the networks stand against the best baseline."""
        if self.difference is None:
            return "no baseline"
        if self.difference.low is None:
            return "too few songs"
        if not self.difference.shown:
            return "not told apart"
        return "better" if self.difference.better else "worse"


@dataclass(frozen=True)
class Answer:
    """What came out of a run.

    Parameters
    ----------
    group
        The set that is looked at: the official test set if it is large enough, else cross-validation.
    system, others
        The best system of networks there, and how many it is the best of.
    findings
        Of each target.
    whole
        Whether songs were rated as a whole.
    caveat
        What flatters the networks on that set; empty if nothing does.
    """

    group: str
    system: str
    others: int
    findings: tuple[Finding, ...]
    whole: bool
    caveat: str = ""

    def sentences(self) -> list[str]:
        """Return the answer, a sentence on the comparison and one on trust."""
        return [_compared(self), _trusted(self), *([self.caveat] if self.caveat else [])]


def is_baseline(prediction: Predictions) -> bool:
    """Whether a system is one to be measured against: no networks, no oracle, the folds of the networks."""
    name = prediction.system.partition(" ")[0]
    return prediction.spread is None and name != ORACLE and not name.endswith(MIXED)


def main_set(predictions: Sequence[Predictions]) -> str:
    """Return the set that answers: the official test set if it is large enough, else cross-validation.

    Ensembles are chosen on the team's test set, which is never the answer.
    """
    sizes = {p.group: len(p.songs) for p in predictions}
    if sizes.get("official_test", 0) >= FEWEST_SONGS or "cross_validation" not in sizes:
        return "official_test" if "official_test" in sizes else next(iter(sizes))
    return "cross_validation"


def answer_of(
    predictions: Sequence[Predictions],
    scores: Sequence[Score],
    targets: Sequence[str],
    seed: int,
    stopping: str = "next",
) -> Answer:
    """Say what came out.

    Parameters
    ----------
    predictions
        Of all systems on all sets.
    scores
        All scores, those of raters among them.
    targets
        Names of what is predicted.
    seed
        Of the experiment; resamples are drawn from it.
    stopping
        Which fold early stopping watched, as ``folds.stopping`` says.
    """
    group = main_set(predictions)
    here = [p for p in predictions if p.group == group]
    tables = {p.system: [by_song(p, k) for k in range(len(targets))] for p in here}
    networks = [p.system for p in here if p.spread is not None]
    system = min(networks, key=lambda name: float(np.mean([one.score("rmse") for one in tables[name]])))
    baselines = [p.system for p in here if is_baseline(p)]
    raters = {
        (s.system, s.target): s.mean
        for s in scores
        if s.set == group and s.metric == "r" and s.scope != "pooled"
    }
    findings = []
    for k, target in enumerate(targets):
        generator = np.random.default_rng(seed_for(seed, "the answer", k))
        own = {name: tables[name][k] for name in (system, *baselines, ORACLE) if name in tables}
        half, one = (raters.get((name, target)) for name in (HALVES, ONE))
        findings.append(_finding(target, system, baselines, own, (half, one), generator))
    caveat = ""
    if group == "cross_validation" and stopping == "same":
        caveat = (
            "Early stopping watched the songs that are scored here, which flatters the networks a little "
            "(folds.stopping)."
        )
    return Answer(group, system, len(networks), tuple(findings), tables[system][0].whole, caveat)


def _finding(
    target: str,
    system: str,
    baselines: list[str],
    tables: dict[str, BySong],
    raters: tuple[float | None, float | None],
    generator: np.random.Generator,
) -> Finding:
    own = tables[system]
    baseline = min(baselines, key=lambda name: tables[name].score("rmse"), default=None)
    compared = None if baseline is None else difference("rmse", own, tables[baseline], generator)
    bounds = interval("r", own, generator)
    guess = next((name for name in baselines if name == GUESS), None)
    level = None if guess is None else difference("rmse", own, tables[guess], generator)
    low, high = bounds or (None, None)
    return Finding(
        target,
        baseline,
        compared,
        _trust(low, level, own, raters[1]),
        own.score("r"),
        low,
        high,
        None if own.whole else _forward(own),
        len(own.songs),
        own.score("rmse"),
        None if guess is None else tables[guess].score("rmse"),
        tables[ORACLE].score("rmse") if ORACLE in tables else None,
        *raters,
    )


def _forward(own: BySong) -> int:
    """Return within how many songs the prediction goes the annotation's way."""
    return int((np.nan_to_num(own.column("r")) > 0).sum())


def _trust(low: float | None, level: Difference | None, own: BySong, one_rater: float | None) -> Trust:
    """Judge whether the course within songs is shown to be right, and songs are told apart.

    With care: both are shown, but r is below that of one rater with the others, or the course is right in
    fewer than two songs of three.
    """
    if low is None or (level is not None and level.low is None):
        return "unknown"
    course = low > 0
    songs = level is None or (level.shown and level.better)
    weak = one_rater is not None and own.score("r") < one_rater
    if own.whole:
        return ("with care" if weak else "yes") if course and songs else "no"
    if course and songs:
        return "with care" if weak or 3 * _forward(own) < 2 * len(own.songs) else "yes"
    if course:
        return "course only"
    return "songs only" if songs and level is not None else "no"


_VERBS: dict[Outcome, str] = {
    "better": "better than",
    "worse": "worse than",
    "not told apart": "not told apart from",
}


def _compared(answer: Answer) -> str:
    """Say how the networks stand against the best baseline of each target."""
    songs = answer.findings[0].songs
    where = f"{WHERE.get(answer.group, answer.group)} ({_songs(songs)})"
    named = _system(answer.system)
    if all(f.outcome == "no baseline" for f in answer.findings):
        return f"{where} there is no baseline that {named} could be compared with."
    form = "RMSE" if answer.whole else "RMSE by song"
    if all(f.outcome == "too few songs" for f in answer.findings):
        figures = listed([f"{f.target} {_figures(f, form)}" for f in answer.findings])
        return (
            f"{where} whether {named} is better than the best baseline can't be told, for it takes "
            f"{FEWEST_SONGS} songs at least: {figures}."
        )
    parts = [
        f"{verb} the best baseline in {listed([f'{f.target} ({_figures(f, form)})' for f in found])}"
        for outcome, verb in _VERBS.items()
        if (found := [f for f in answer.findings if f.outcome == outcome])
    ]
    return f"{where} {named} is {'; '.join(parts)}."


def _figures(finding: Finding, form: str) -> str:
    """Write the two scores, and their difference with its interval."""
    d = finding.difference
    assert d is not None
    text = f"{form} {d.one:.3f} against {d.other:.3f} of {finding.baseline}"
    if d.low is None or d.high is None:
        return text
    return f"{text}, difference {signed(d.value)}, 95 % interval {signed(d.low)} to {signed(d.high)}"


def signed(value: float) -> str:
    """Write a difference with its sign, and none before a zero."""
    rounded = round(value, 3) + 0.0
    return f"{rounded:+.3f}".replace("-", "−") if rounded else "0.000"


def _system(name: str) -> str:
    if name.startswith(ALL_NETWORKS):
        return f"the average of all networks ({name})"
    return f"the ensemble {name}" if name.startswith("lstm") else f"“{name}”"


def _songs(count: int) -> str:
    return "one song" if count == 1 else f"{count} songs"


def _trusted(answer: Answer) -> str:
    """Say of each target whether its predictions can be trusted, and why."""
    parts = [trust_of(f, answer.whole) for f in answer.findings]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


_SAID: dict[Trust, str] = {
    "yes": "can be trusted",
    "with care": "can be trusted with care",
    "songs only": "can be trusted to tell songs apart, not to follow one",
    "course only": "can be trusted to follow a song, not to tell songs apart",
    "no": "can't be trusted",
    "unknown": "can't be judged on so few songs",
}


def trust_of(finding: Finding, whole: bool) -> str:
    """Say of one target whether its predictions can be trusted, and why; no full stop."""
    return f"{finding.target} {_SAID[finding.trust]}: {reasons(finding, whole)}"


def headline(finding: Finding) -> str:
    """Say of one target whether its predictions can be trusted, without a reason."""
    return f"{finding.target} {_SAID[finding.trust]}"


def reasons(finding: Finding, whole: bool) -> str:
    """Give the figures behind the judgement."""
    bounds = (
        "" if finding.low is None or finding.high is None else f", {finding.low:.2f} to {finding.high:.2f}"
    )
    raters = ""
    if finding.one_rater is not None:
        raters = f"; a rater with the others: {finding.one_rater:.2f}"
    elif finding.half is not None:
        raters = f"; half the raters with the others: {finding.half:.2f}"
    if whole or finding.forward is None:
        text = f"r over songs is {finding.r:.2f}{bounds}{raters}"
    else:
        way = f"it goes the annotation's way in {finding.forward} of {finding.songs} songs"
        text = f"{way} (r {finding.r:.2f}{bounds}{raters})"
    others = [
        f"{value:.3f} {name}"
        for value, name in (
            (finding.guess, "of one mean for all songs"),
            (finding.oracle, "of each song's own mean"),
        )
        if value is not None
    ]
    return text if not others else f"{text}, RMSE {finding.rmse:.3f} beside {listed(others)}"
