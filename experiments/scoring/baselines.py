"""Baselines: what a prediction is worth without a network.

================= ==========================================================================
global_mean       the mean annotation of the training songs, everywhere
song_mean_oracle  each song's own mean: the best flat line, known only afterwards
linear_regression the challenge's multiple linear regression, frame by frame, same features
ridge             the same with a penalty on large weights, chosen among the training songs
ridge_memory      a ridge on the frame, the mean of the last 10 s and that since the start
================= ==========================================================================

Of features that are sound itself there are the first two only: a regression of thousands of values of
a picture, which moves with the music, says nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.datasets import Song
from lstmcore.experiments.scoring.regression import Frames, Part, Regression, memory
from lstmcore.experiments.training.folds import Groups

Predictions = list[NDArray[np.float64]]

REGRESSIONS = ("linear_regression", "ridge", "ridge_memory")
MIXED = "_mixed"
"""Behind the name of a regression in folds that part groups, beside the same in folds that don't."""
MIXED_EXPLAINED = (
    "…_mixed: the same regression on the same songs in folds that part groups. What it scores better there "
    "is what songs of a group tell of each other."
)

WITHOUT_FEATURES = ("global_mean", "song_mean_oracle")
"""The baselines that are the same for any features."""


MEMORY_SECONDS = 10.0


def with_memory(hop_seconds: float | None) -> tuple[Part, Part, Part]:
    """Return what ``ridge_memory`` sees of frames so far apart; None where no song has two."""
    return memory(1 if hop_seconds is None else max(1, round(MEMORY_SECONDS / hop_seconds)))


def predict_baselines(
    training: list[Song],
    songs: list[Song],
    *,
    hop_seconds: float | None = 0.5,
    kept_together: Groups | None = None,
    regressions: bool = True,
) -> dict[str, Predictions]:
    """Predict songs by every baseline.

    Parameters
    ----------
    training
        Annotated songs to learn from.
    songs
        Annotated songs to predict; their annotation is used by the oracle alone.
    hop_seconds
        Between two frames; None where no song has two.
    kept_together
        Group of each training song, of which none is parted when a penalty is chosen.
    regressions
        Whether features are something that a regression can tell something of.

    Returns
    -------
    dict
        Name of the baseline to a prediction for each song, shape (frames, targets).
    """
    fits: dict[str, Regression] = {}
    if regressions:
        frames = Frames(training, kept_together=kept_together)
        fits = {
            "linear_regression": frames.least_squares(),
            "ridge": frames.ridge(),
            "ridge_memory": Frames(training, with_memory(hop_seconds), kept_together).ridge(),
        }
    mean = np.concatenate([song.annotation for song in training]).mean(0)
    own = {"song_mean_oracle": [np.tile(song.annotation.mean(0), (song.frames, 1)) for song in songs]}
    return {
        "global_mean": [np.tile(mean, (song.frames, 1)) for song in songs],
        **({} if any(song.rated_once for song in songs) else own),  # which says nothing of those
        **{name: [fitted.predict(song) for song in songs] for name, fitted in fits.items()},
    }
