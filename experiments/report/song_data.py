"""All songs of a run for its report: curves as bytes, scores, and what errors may depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.datasets import Dataset, Song, SongId
from lstmcore.experiments.prediction.outputs.page.packing import packed, points_for, short
from lstmcore.experiments.report.answer import Answer
from lstmcore.experiments.report.outlines import Outline
from lstmcore.experiments.scoring.by_song import BySong, by_song
from lstmcore.experiments.scoring.statistics import FEWEST_SONGS
from lstmcore.experiments.scoring.systems import ALL_NETWORKS, Predictions

TITLES = {
    "cross_validation": "cross-validation",
    "team_test": "the team's test set",
    "official_test": "official test set",
}
Array = NDArray[np.float64]


def shown_of(
    predictions: Sequence[Predictions], answer: Answer, ensembles: Sequence[str]
) -> list[Predictions]:
    """Choose whose predictions are shown: of each set one system of networks, that of the answer first."""
    found = []
    for group in dict.fromkeys([answer.group, *(p.group for p in predictions)]):
        networks = [p for p in predictions if p.group == group and p.spread is not None]
        wanted = [answer.system, *ensembles, ALL_NETWORKS]
        if networks:
            found.append(
                min(networks, key=lambda p: wanted.index(p.system) if p.system in wanted else len(wanted))
            )
    return found


def song_data(
    shown: Sequence[Predictions],
    predictions: Sequence[Predictions],
    answer: Answer,
    dataset: Dataset,
    distances: Mapping[SongId, float],
    outlines: Mapping[SongId, Outline],
) -> dict[str, Any]:
    """Write songs as what a page can hold.

    Parameters
    ----------
    shown
        One system for each set, as `shown_of` chooses.
    predictions
        Of all systems, the best baselines among them.
    answer
        Names the best baselines.
    dataset
        Its songs' raters.
    distances, outlines
        By song, as far as they are known.

    Returns
    -------
    dict
        ``songs``, a list for each, and what must be known to read it.
    """
    points = points_for(sum(len(p.songs) for p in shown))
    names = [finding.baseline for finding in answer.findings]
    targets = range(len(dataset.targets))
    rows = []
    for number, one in enumerate(shown):
        baselines = {p.system: p for p in predictions if p.group == one.group}
        beside = [baselines.get(name) if name is not None else None for name in names]
        places = [None if p is None else {song.song_id: n for n, song in enumerate(p.songs)} for p in beside]
        scores = [by_song(one, k) for k in targets]
        for n, song in enumerate(one.songs):
            base = [
                None if p is None or place is None else p.values[place[song.song_id]][:, k]
                for k, (p, place) in enumerate(zip(beside, places, strict=True))
            ]
            spread = None if one.spread is None else one.spread[n]
            rows.append(_row(number, song, (one.values[n], spread), base, scores, n, dataset, points))
            outline = outlines.get(song.song_id)
            distance = distances.get(song.song_id)
            rows[-1] += [
                None if distance is None else short(distance),
                None if outline is None else [outline.seconds, outline.peaks],
            ]
    return {
        "targets": [*dataset.targets],
        "scale": [*dataset.scale],
        "hop": dataset.hop_seconds,
        "sets": [{"title": TITLES.get(p.group, p.group), "system": p.system} for p in shown],
        "baselines": names,
        "whole": answer.whole,
        "songs": rows,
    }


def _row(
    number: int,
    song: Song,
    predicted: tuple[Array, Array | None],
    baselines: Sequence[Array | None],
    scores: Sequence[BySong],
    n: int,
    dataset: Dataset,
    points: int,
) -> list[Any]:
    """Write a song: its set, name, times and, for each target, figures, kinds of curves and these."""
    values, spread = predicted
    of_targets = []
    for k, target in enumerate(dataset.targets):
        curves = {"a": song.annotation[:, k], "p": values[:, k]}
        if spread is not None:
            curves["s"] = spread[:, k]
        raters = raters_spread(dataset, song, target)
        if raters is not None:
            curves["r"] = raters
        base = baselines[k]
        if base is not None:
            curves["b"] = base
        agreement = dataset.agreements.get(song.song_id, {}).get(target)
        alpha = None if agreement is None or agreement.alpha is None else short(agreement.alpha)
        figures = [short(float(value)) for value in scores[k].values[n]]
        of_targets.append([[*figures, alpha], "".join(curves), *packed([*curves.values()], points)])
    times = song.times
    hop = dataset.hop_seconds or 0.0
    length = float(times[-1] - times[0]) + hop
    return [number, str(song.song_id), short(float(times[0])), round(length, 3), of_targets]


def raters_spread(dataset: Dataset, song: Song, target: str) -> Array | None:
    """Return the standard deviation over raters at each frame of a song; None where it isn't known.

    Frames that fewer than two raters answered have that of the frames beside them.
    """
    agreement = dataset.agreements.get(song.song_id, {}).get(target)
    if agreement is None or agreement.answers is None or agreement.raters < 2:
        return None
    raters = agreement.answers
    answered = (~np.isnan(raters.answers)).sum(0)
    if not (answered > 1).any():
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        centred = raters.answers - np.nansum(raters.answers, 0) / answered
        deviations = np.sqrt(np.nansum(centred**2, 0) / (answered - 1))
    if raters.answers.shape[1] == 1 or song.rated_once:
        return np.full(song.frames, float(deviations[answered > 1][0]))
    stamps = np.array(raters.stamps, np.float64) / 1000
    known = answered > 1
    return np.asarray(np.interp(song.times, stamps[known], deviations[known]))


def dependences(data: dict[str, Any]) -> list[str]:
    """Say how the error of songs goes with length, raters' agreement and distance: a sentence each.

    Spearman's rank correlation over the songs of the set of the answer.
    """
    rows = [row for row in data["songs"] if row[0] == 0]
    said = []
    for k, target in enumerate(data["targets"]):
        errors = [row[4][k][0][1] for row in rows]
        parts = []
        for name, values in (
            ("length", [row[3] for row in rows]),
            ("raters' agreement (α)", [row[4][k][0][5] for row in rows]),
            ("distance from the training songs", [row[5] for row in rows]),
        ):
            pairs = [(x, y) for x, y in zip(values, errors, strict=True) if x is not None and y is not None]
            if len(pairs) < FEWEST_SONGS or len({x for x, _ in pairs}) < 2 or len({y for _, y in pairs}) < 2:
                continue
            from scipy import stats  # as long as all else of a small run, which needs none

            found = stats.spearmanr(*zip(*pairs, strict=True))
            parts.append(f"{name} {found.statistic:.2f} (p {_p(float(found.pvalue))})")
        if parts:
            said.append(f"Rank correlation of the error in {target} with {', '.join(parts)}.")
    return said


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}".replace("0.", ".", 1)
