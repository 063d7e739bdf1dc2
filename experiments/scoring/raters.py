"""Raters beside each other: how well they agree, and whose answers and which songs to look at twice.

============== =================================================================================
alpha          Cronbach's α of a song's raters over its frames, mean over songs: do they move alike?
krippendorff   Krippendorff's α for interval data over all frames: do they give the same values?
one_to_others  r of one rater with the mean of the others of the song, mean over songs
============== =================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.datasets.agreement import cronbach_alpha
from lstmcore.experiments.datasets.annotations import Raters
from lstmcore.experiments.datasets.song import SongId, song_order
from lstmcore.experiments.files import whole_in
from lstmcore.experiments.scoring.metrics import pearson
from lstmcore.experiments.scoring.statistics import (
    FEWEST_SONGS,
    LEVEL,
    RESAMPLES,
    percentile_interval,
    resamples,
)
from lstmcore.experiments.seeds import seed_for

Array = NDArray[np.float64]
Answers = Mapping[str, Mapping[SongId, Raters]]
"""What raters said, by target, then by song."""

FEWEST_RATERS = 3
"""Of fewer nobody can tell who of them is the one to look at."""
INVERTED = -0.2  # r with the others, over all frames of a rater's songs
_INVERTED_OF_FEW = -0.5
_FEW = 5  # songs
LATE = 2.0  # seconds behind the others
_BETTER = 0.1  # by so much r must rise where a rater is moved
_LONGEST_LAG = 10.0  # seconds
_FEWEST_FRAMES = 20  # that overlap when one of two curves is moved
_STILL = 0.01  # of all raters' range: who moves no more has answered nothing
_FAR = 3.0  # deviations from the raters' median distance
_FAR_OF_RANGE = 0.15  # of all raters' range, at least


@dataclass(frozen=True)
class TargetRow:
    """How well raters agree on a target.

    ``named``: whether raters are known by name.  ``undefined``: songs without an α, left out of ``alpha``.
    Limits are those of 95 % bootstrap intervals over songs; None where songs are too few.
    """

    target: str
    songs: int
    raters: float
    named: bool
    alpha: float | None
    alpha_low: float | None
    alpha_high: float | None
    undefined: int
    krippendorff: float | None
    krippendorff_low: float | None
    krippendorff_high: float | None
    one_to_others: float | None
    one_to_others_low: float | None
    one_to_others_high: float | None


@dataclass(frozen=True)
class RaterRow:
    """A rater, or, where nobody is known by name, one row of a song's file.

    ``r``: with the mean of the others over all frames; ``lag``: seconds by which the rater's curve must be
    moved to earlier times to fit the others' best; ``offset``: mean of rater less others; ``distance``:
    root mean square from the median of the others; ``still``: songs in which the rater never moved.
    """

    target: str
    rater: str
    songs: int
    frames: int
    r: float | None
    lag: float | None
    offset: float | None
    distance: float | None
    still: int
    why: list[str]


@dataclass(frozen=True)
class SongRow:
    """A song's raters: how many, their Cronbach's α, and the mean r of one with the others."""

    target: str
    song: SongId
    raters: int
    frames: int
    alpha: float | None
    one_to_others: float | None


@dataclass(frozen=True)
class Agreeing:
    """All that is known of raters, by target, by rater and by song."""

    targets: list[TargetRow]
    raters: list[RaterRow]
    songs: list[SongRow]

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self) | {"resamples": RESAMPLES, "level": LEVEL}


@dataclass(frozen=True)
class _Answer:
    """One rater's curve of one song, and mean and median of the others where both are there.

    The median is what a single rater who is far from all doesn't move.
    """

    song: SongId
    rater: str
    own: Array
    others: Array
    middle: Array
    still: bool
    hop: float


def measure_raters(answers: Answers) -> Agreeing:
    """Measure how well raters agree.

    Parameters
    ----------
    answers
        By target and song.

    Returns
    -------
    Agreeing
        Targets in the given order, songs and raters in theirs.
    """
    found = Agreeing([], [], [])
    for number, (target, songs) in enumerate(answers.items()):
        ordered = {song: songs[song] for song in sorted(songs, key=song_order)}
        named = all(raters.names for raters in ordered.values())
        parts = _answers_of(ordered, named)
        rows = [_song_row(target, song, raters, parts) for song, raters in ordered.items()]
        found.songs.extend(rows)
        generator = np.random.default_rng(seed_for(1, "raters", number))
        found.targets.append(_target_row(target, ordered, rows, named, generator))
        found.raters.extend(_rater_rows(target, parts))
    return found


def krippendorff_alpha(songs: Sequence[Array]) -> float | None:
    """Krippendorff's α for interval data, of all frames of some songs.

    1 − D_o / D_e: the mean squared difference of two answers on one frame over that of any two answers
    (K. Krippendorff, Content Analysis, 4th ed. 2019, ch. 12). Frames with one answer don't count.

    Parameters
    ----------
    songs
        Shape (raters, frames) each, NaN where a rater didn't answer.

    Returns
    -------
    float or None
        1 if raters give the same values, 0 if as by chance; None, undefined, if all answers are the same.
    """
    sums = np.array([_krippendorff_sums(song) for song in songs]).sum(0)
    value = float(_krippendorff(sums[None])[0])
    return value if np.isfinite(value) else None


def _krippendorff_sums(answers: Array) -> Array:
    """Answers, their sum, the sum of their squares, and the squared differences within frames."""
    there = ~np.isnan(answers)
    count = there.sum(0)
    kept = count > 1
    values = np.where(there, answers, 0)[:, kept]
    m, sums, squares = count[kept], values.sum(0), (values**2).sum(0)
    within = ((2 * m * squares - 2 * sums**2) / (m - 1)).sum() if kept.any() else 0.0
    return np.array([m.sum(), sums.sum(), squares.sum(), within], np.float64)


def _krippendorff(sums: Array) -> Array:
    n, total, squares, within = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = (2 * n * squares - 2 * total**2) / (n * (n - 1))
        value: Array = np.where(expected > 1e-12, 1 - within / n / expected, np.nan)
    return value


def _answers_of(songs: Mapping[SongId, Raters], named: bool) -> list[_Answer]:
    known = [raters.answers[~np.isnan(raters.answers)] for raters in songs.values()]
    everything = np.concatenate([*known, np.empty(0)])
    span = float(np.ptp(everything)) if everything.size else 0.0
    found = []
    for song, raters in songs.items():
        there = ~np.isnan(raters.answers)
        count, sums = there.sum(0), np.where(there, raters.answers, 0).sum(0)
        steps = np.diff(raters.stamps)
        hop = float(np.median(steps)) / 1000 if len(steps) else 0.0
        for k, own in enumerate(raters.answers):
            both = there[k] & (count > 1)
            others = (sums[both] - own[both]) / (count[both] - 1)
            middle = np.nanmedian(np.delete(raters.answers[:, both], k, axis=0), axis=0)
            said = own[there[k]]
            still = len(said) > 1 and float(np.ptp(said)) <= _STILL * span
            who = raters.names[k] if named else f"{song}, row {k + 1}"
            found.append(_Answer(song, who, own[both], others, middle, still, hop))
    return found


def _song_row(target: str, song: SongId, raters: Raters, parts: Sequence[_Answer]) -> SongRow:
    own = [pearson(one.own, one.others) for one in parts if one.song == song and len(one.own)]
    mean = float(np.mean([r or 0.0 for r in own])) if own else None
    count, frames = raters.answers.shape
    return SongRow(target, song, count, frames, cronbach_alpha(raters.answers), mean)


def _target_row(
    target: str,
    songs: Mapping[SongId, Raters],
    rows: Sequence[SongRow],
    named: bool,
    generator: np.random.Generator,
) -> TargetRow:
    alphas = np.array([row.alpha for row in rows if row.alpha is not None])
    ones = np.array([row.one_to_others for row in rows if row.one_to_others is not None])
    sums = np.array([_krippendorff_sums(raters.answers) for raters in songs.values()])
    whole = krippendorff_alpha([raters.answers for raters in songs.values()])
    drawn = _krippendorff(resamples(len(sums), RESAMPLES, generator) @ sums)
    across = percentile_interval(drawn, LEVEL) if len(sums) >= FEWEST_SONGS else None
    people = {name for raters in songs.values() for name in raters.names}
    alpha, alpha_low, alpha_high = _mean_and_limits(alphas, generator)
    one, one_low, one_high = _mean_and_limits(ones, generator)
    return TargetRow(
        target=target,
        songs=len(rows),
        raters=len(people) if named else float(np.mean([row.raters for row in rows])),
        named=named,
        alpha=alpha,
        alpha_low=alpha_low,
        alpha_high=alpha_high,
        undefined=sum(row.alpha is None for row in rows),
        krippendorff=whole,
        krippendorff_low=None if across is None else across[0],
        krippendorff_high=None if across is None else across[1],
        one_to_others=one,
        one_to_others_low=one_low,
        one_to_others_high=one_high,
    )


def _mean_and_limits(
    values: Array, generator: np.random.Generator
) -> tuple[float | None, float | None, float | None]:
    if not len(values):
        return None, None, None
    drawn = resamples(len(values), RESAMPLES, generator) @ values / len(values)
    low, high = percentile_interval(drawn, LEVEL) or (None, None)
    if len(values) < FEWEST_SONGS:
        low = high = None
    return float(values.mean()), low, high


def _rater_rows(target: str, parts: Sequence[_Answer]) -> list[RaterRow]:
    by_rater: dict[str, list[_Answer]] = {}
    for one in parts:
        by_rater.setdefault(one.rater, []).append(one)
    company: dict[SongId, int] = {}
    for one in parts:
        company[one.song] = company.get(one.song, 0) + 1
    distances = {name: _distance(own) for name, own in by_rater.items()}
    known = np.array([d for d in distances.values() if d is not None])
    middle = float(np.median(known)) if len(known) else 0.0
    span = float(np.ptp(np.concatenate([one.own for one in parts]))) if len(known) else 0.0
    spread = 1.4826 * float(np.median(np.abs(known - middle))) if len(known) else 0.0
    limit = max(middle + _FAR * spread, _FAR_OF_RANGE * span)
    rows = []
    for name in sorted(
        by_rater, key=lambda name: song_order(name if (number := whole_in(name)) is None else number)
    ):
        own = by_rater[name]
        enough = any(company[one.song] >= FEWEST_RATERS for one in own)
        values, others = np.concatenate([one.own for one in own]), np.concatenate([o.others for o in own])
        r = pearson(values, others) if len(values) else None
        lag, moved = _lag(own)
        distance, still = distances[name], sum(one.still for one in own)
        why = []
        if 2 * still > len(own):
            why.append("never moves" if still == len(own) else f"never moves in {still} of {len(own)} songs")
        moves = enough and 2 * still <= len(own)
        if moves and r is not None and r < (INVERTED if len(own) >= _FEW else _INVERTED_OF_FEW):
            why.append("against the others: upside down?")
        elif moves and lag is not None and LATE <= lag < _LONGEST_LAG - LATE / 2 and moved > _BETTER:
            why.append(f"{lag:g} s behind the others")
        if enough and len(known) > FEWEST_RATERS and distance is not None and distance > limit:
            why.append("far from the others")
        offset = float((values - others).mean()) if len(values) else None
        rows.append(RaterRow(target, name, len(own), len(values), r, lag, offset, distance, still, why))
    return rows


def _number_or_name(name: str) -> tuple[int, str]:
    number = whole_in(name)
    return song_order(name if number is None else number)


def _distance(own: Sequence[_Answer]) -> float | None:
    differences = np.concatenate([one.own - one.middle for one in own])
    return float(np.sqrt(np.mean(differences**2))) if len(differences) else None


def _lag(own: Sequence[_Answer]) -> tuple[float | None, float]:
    """Return by how many seconds a rater is behind the others, and how much r within songs rises by it.

    The lag at which the mean over songs of the correlation within each is highest.
    """
    usable = [one for one in own if not one.still and len(one.own) >= 2 * _FEWEST_FRAMES and one.hop > 0]
    if not usable:
        return None, 0.0
    hop = usable[0].hop
    most = int(_LONGEST_LAG / hop)
    means = {}
    for lag in range(-most, most + 1):
        found = []
        for one in usable:
            late, early = one.own[max(lag, 0) :], one.others[max(-lag, 0) :]
            frames = min(len(late), len(early))
            if frames >= _FEWEST_FRAMES:
                found.append(pearson(late[:frames], early[:frames]) or 0.0)
        if len(found) == len(usable):
            means[lag] = float(np.mean(found))
    best = max(means, key=lambda lag: (means[lag], -abs(lag)))
    return best * hop, means[best] - means[0]
