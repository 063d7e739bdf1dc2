"""Random numbers of an experiment: what draws them, each from a seed of its own."""

from __future__ import annotations

import numpy as np

# The numbers are part of the results: never reuse or renumber one.
PURPOSES = {
    "auto-encoder": 0,
    "network": 1,  # of both targets
    "network of one target": 2,
    "annotation quality": 3,
    "ablation": 4,
    "raters' ceiling": 5,
    "told apart": 6,
    "transfer": 7,
    "pre-training": 8,  # but for the auto-encoder of the first layer
    "labelled songs": 9,
    "sequences of several songs": 10,
    "own systems": 11,
    "card of a model": 12,
    "raters": 13,
    "order of songs to rate": 14,
    "the answer": 15,  # of a report
}


def seed_for(seed: int, purpose: str, *path: int) -> np.random.SeedSequence:
    """Return the seed of one thing that draws.

    Parameters
    ----------
    seed
        Of the experiment.
    purpose
        One of `PURPOSES`.
    path
        Which of them, such as fold and trial.
    """
    return np.random.SeedSequence(seed, spawn_key=(PURPOSES[purpose], *path))
