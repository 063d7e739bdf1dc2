"""Random numbers: streams spawned from one root seed by purpose, never shared.

A stream depends on what it is for and on nothing else, so results don't depend on the
number of workers or on which job finishes first, and training that goes on at epoch 7
draws what an uninterrupted run would have drawn at epoch 7.
"""

from __future__ import annotations

import numpy as np

from lstmcore.checks import shown, whole
from lstmcore.errors import EngineError

Seed = np.random.SeedSequence | int

# The numbers are part of the results: never reuse or renumber one.
PURPOSES = {"weights": 0, "order": 1, "noise": 2, "weight_noise": 3}


def seed_of(seed: Seed) -> np.random.SeedSequence:
    """Return a seed; a whole number stands for the seed sequence made from it."""
    return (
        seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(whole("seed", seed, 0))
    )


def generator_of(source: np.random.Generator | Seed) -> np.random.Generator:
    """Return a generator, or that which begins at a seed."""
    if isinstance(source, np.random.Generator):
        return source
    if isinstance(source, np.random.SeedSequence | int | np.integer):
        return np.random.default_rng(seed_of(source))
    raise EngineError(f"generator is {shown(source)}; expected np.random.default_rng(1), say, or a seed")


def child(seed: Seed, purpose: str, *path: int) -> np.random.SeedSequence:
    """Return the seed for one purpose of one job; the parameters are those of `stream`."""
    if purpose not in PURPOSES:
        raise EngineError(f"unknown purpose {purpose!r}; expected one of {', '.join(PURPOSES)}")
    seed = seed_of(seed)
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, PURPOSES[purpose], *path))


def stream(seed: Seed, purpose: str, *path: int) -> np.random.Generator:
    """Return the generator for one purpose of one job.

    Parameters
    ----------
    seed
        The job's seed, or the whole number that it is made from.
    purpose
        One of `PURPOSES`.
    path
        Where within the purpose, such as the epoch.

    Returns
    -------
    Generator
        The same one each time it is asked for.

    Examples
    --------
    >>> from lstmcore import stream
    >>> stream(2015, "weights", 3).normal() == stream(2015, "weights", 3).normal()
    True
    """
    return np.random.default_rng(child(seed, purpose, *path))
