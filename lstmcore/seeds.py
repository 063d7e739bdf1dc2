"""Random numbers: streams spawned from one root seed by purpose, never shared.

A stream depends on what it is for and on nothing else, so results don't depend on the
number of workers or on which job finishes first, and training that goes on at epoch 7
draws what an uninterrupted run would have drawn at epoch 7.
"""

from __future__ import annotations

import numpy as np

# The numbers are part of the results: never reuse or renumber one.
PURPOSES = {"weights": 0, "order": 1, "noise": 2, "weight_noise": 3}


def child(seed: np.random.SeedSequence, purpose: str, *path: int) -> np.random.SeedSequence:
    """Return the seed for one purpose of one job; the parameters are those of `stream`."""
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, PURPOSES[purpose], *path))


def stream(seed: np.random.SeedSequence, purpose: str, *path: int) -> np.random.Generator:
    """Return the generator for one purpose of one job.

    Parameters
    ----------
    seed
        The job's seed.
    purpose
        One of `PURPOSES`.
    path
        Where within the purpose, such as the epoch.

    Returns
    -------
    Generator
        The same one each time it is asked for.
    """
    return np.random.default_rng(child(seed, purpose, *path))
