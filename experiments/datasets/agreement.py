"""How well the raters of a song agree, and which songs are good enough to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.config import DEAM_TARGETS, Quality
from lstmcore.experiments.datasets.annotations import Raters, read_raters
from lstmcore.experiments.datasets.deam_layout import PER_RATER, rater_file
from lstmcore.experiments.datasets.song import Agreement, SongId
from lstmcore.experiments.errors import InputError, all_told

Agreements = dict[SongId, dict[str, Agreement]]
"""By song, then by target."""


S = TypeVar("S", bound=SongId)


@dataclass(frozen=True)
class Selection(Generic[S]):
    """What the rule of ``data.quality`` leaves.

    Parameters
    ----------
    kept, dropped
        Songs, in the order of their numbers.
    """

    kept: list[S]
    dropped: list[S]


def cronbach_alpha(answers: NDArray[np.float64]) -> float | None:
    """Cronbach's α of raters who followed the same song.

    Raters are the items of the scale and frames its cases: k / (k − 1) · (1 − Σ s_i² / s²),
    with k raters, s_i² the variance of rater i over the frames, and s² that of the
    sum of all raters (L. J. Cronbach, Psychometrika 16, 1951, eq. 2).

    Parameters
    ----------
    answers
        Shape (raters, frames); frames with a NaN are left out.

    Returns
    -------
    float or None
        At most 1, and below 0 if raters contradict each other; None, undefined, for fewer than
        two raters or complete frames, or if the sum of all raters is constant.
    """
    raters = len(answers)
    complete = answers[:, ~np.isnan(answers).any(0)]
    if raters < 2 or complete.shape[1] < 2:
        return None
    whole = complete.sum(0)
    if np.ptp(whole) <= 1e-9 * max(1.0, float(np.abs(whole).max())):
        return None
    items = complete.var(1, ddof=1).sum()
    return float(raters / (raters - 1) * (1 - items / whole.var(ddof=1)))


def measure_agreement(
    root: Path, songs: list[int], *, needed: bool, notes: list[str] | None = None
) -> Agreements:
    """Measure how well the raters of some songs agree.

    Parameters
    ----------
    root
        A folder in DEAM's layout.
    songs
        Numbers of the songs.
    needed
        Whether a song without a usable file of its raters is an error; else it is left out.
    notes
        Gets a sentence for each song whose files can't be used though nothing needs them.

    Returns
    -------
    dict
        Of each song with files for both targets.

    Raises
    ------
    InputError
        If files are malformed or missing though they are needed; all of them are named.
    """
    if needed and not (root / PER_RATER).is_dir():
        raise InputError(
            f"{root / PER_RATER}: no such folder; data.quality needs the answers of each rater: "
            "expected {arousal,valence}/<song_id>.csv there, or no data.quality"
        )
    found: Agreements = {}
    wrong: list[str] = []
    for song in songs:
        files = {target: root / rater_file(target, song) for target in DEAM_TARGETS}
        missing = [path for path in files.values() if not path.is_file()]
        if missing:
            wrong += [f"{missing[0]}: no such file; data.quality needs it for song {song}"] if needed else []
            continue
        try:
            found[song] = {target: agreement_of(read_raters(path)) for target, path in files.items()}
        except InputError as error:
            wrong.append(str(error))
    if wrong and needed:
        raise all_told(wrong, "songs have no usable answers of their raters")
    if notes is not None:
        notes += [f"The agreement of the raters of a song isn't known: {one}." for one in wrong]
    return found


def agreement_of(raters: Raters) -> Agreement:
    """Return how well the raters of a song agree on a target."""
    return Agreement(len(raters.answers), cronbach_alpha(raters.answers), raters)


def select(songs: list[S], agreements: Agreements, rule: Quality) -> Selection[S]:
    """Keep the songs with enough raters who agree well enough, in all targets.

    Raises
    ------
    InputError
        If no song is left.
    """

    def good(one: Agreement) -> bool:
        return one.raters >= rule.min_raters and one.alpha is not None and one.alpha >= rule.min_alpha

    kept = [song for song in songs if all(good(one) for one in agreements[song].values())]
    if not kept:
        raise InputError(
            f"data.quality: none of {len(songs)} development songs has {rule.min_raters} raters and "
            f"α = {rule.min_alpha:g} in {' and in '.join(agreements[songs[0]])}"
        )
    return Selection(kept, [song for song in songs if song not in set(kept)])
