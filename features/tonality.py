"""What is heard of key and harmony: major or minor, how clearly, how many notes, how fast they change.

Beyond the paper, whose features know nothing of it.  Numbers are of a window's chroma
(`lstmcore.features.pitch_classes`); none of them depends on which of the twelve keys it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.pitch_classes import CLASSES, PitchProfile, chroma, tunings

Array = NDArray[np.float64]

# How often each note of a key is played, from the tonic on: Albrecht and Shanahan count four centuries.
_MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
_FLATNESS = 0.05  # deviation of a chroma from a flat one that hardly makes a key: noise has some .02
_BLOCK_FRAMES = 1024
# Circles of fifths, of minor and of major thirds: radians a semitone, and radius.
_CIRCLES = ((7 * np.pi / 6, 1.0), (3 * np.pi / 2, 1.0), (2 * np.pi / 3, 0.5))


def key_correlations(classes: Array) -> Array:
    """Correlate chroma with the profiles of the 24 keys.

    Parameters
    ----------
    classes
        Shape (..., 12), from C; sums of 1, or 0 where nothing sounds.

    Returns
    -------
    ndarray
        Shape (..., 24): C major to B major, C minor to B minor; -1 to 1, 0 where nothing sounds.

    Notes
    -----
    With d the chroma less its mean and q a profile less its mean: d · q / (|q| √(|d|² + .05²)).
    That is Pearson's correlation, but for the .05, which keep the flat chroma of noise from having a key.

    Source: C. L. Krumhansl, "Cognitive Foundations of Musical Pitch", Oxford University Press 1990,
    chapter 4; the profiles: J. Albrecht and D. Shanahan, "The use of large corpora to train a new type of
    key-finding algorithm", Music Perception 31, 2013.
    """
    deviation = classes - classes.mean(-1, keepdims=True)
    size = np.sqrt((deviation**2).sum(-1, keepdims=True) + _FLATNESS**2)
    return np.asarray(deviation @ _key_profiles().T / size, np.float64)


def _key_profiles() -> Array:
    """Profiles of the 24 keys, shape (24, 12), each with mean 0 and length 1."""
    rows = [np.roll(profile, tonic) for profile in (_MAJOR, _MINOR) for tonic in range(CLASSES)]
    profiles = np.array(rows) - np.mean(rows, axis=1, keepdims=True)
    return np.asarray(profiles / np.linalg.norm(profiles, axis=1, keepdims=True), np.float64)


def key_mode(correlations: Array) -> Array:
    """Major or minor: the best major key's correlation less the best minor key's.

    Parameters
    ----------
    correlations
        From `key_correlations`, shape (..., 24).

    Returns
    -------
    ndarray
        Shape (...): above 0 in major, below in minor.

    Notes
    -----
    Source: O. Lartillot, P. Toiviainen and T. Eerola's MIRtoolbox, mirmode's "Best".
    """
    return np.asarray(
        correlations[..., :CLASSES].max(-1) - correlations[..., CLASSES:].max(-1), dtype=np.float64
    )


def key_clarity(correlations: Array) -> Array:
    """How clear the key is: the best key's correlation.

    Parameters
    ----------
    correlations
        From `key_correlations`, shape (..., 24).

    Returns
    -------
    ndarray
        Shape (...): 0 to 1.

    Notes
    -----
    Source: MIRtoolbox, mirkey; Krumhansl 1990, chapter 4.
    """
    return np.asarray(correlations.max(-1), np.float64)


def chroma_entropy(classes: Array) -> Array:
    """How evenly the pitch classes are used.

    Parameters
    ----------
    classes
        Shape (..., 12); sums of 1, or 0 where nothing sounds.

    Returns
    -------
    ndarray
        Shape (...): 0 for a single class and where nothing sounds, 1 for all alike.

    Notes
    -----
    Source: C. E. Shannon, Bell System Technical Journal 27, 1948: -Σ c log c, here divided by log 12.
    """
    logarithms = np.log(classes, out=np.zeros_like(classes), where=classes > 0)
    return np.asarray(-(classes * logarithms).sum(-1) / np.log(CLASSES), np.float64) + 0.0


def tonal_centroid(classes: Array) -> Array:
    """Where chroma lies on the circles of fifths, minor thirds and major thirds.

    Parameters
    ----------
    classes
        Shape (..., 12).

    Returns
    -------
    ndarray
        Shape (..., 6): sine and cosine of each circle, whose radii are 1, 1 and .5.

    Notes
    -----
    Source: C. Harte, M. Sandler and M. Gasser, "Detecting harmonic change in musical audio", ACM
    Workshop on Audio and Music Computing Multimedia, 2006.
    """
    places = np.arange(CLASSES)
    rows = [radius * wave(angle * places) for angle, radius in _CIRCLES for wave in (np.sin, np.cos)]
    return np.asarray(classes @ np.array(rows).T, np.float64)


def scale_degrees(classes: Array, correlations: Array) -> Array:
    """Turn chroma so that they begin with the tonic of the best key.

    Parameters
    ----------
    classes
        Shape (..., 12), from C.
    correlations
        From `key_correlations` of these, shape (..., 24).

    Returns
    -------
    ndarray
        Shape (..., 12): shares of tonic, minor second, major second … major seventh.
    """
    tonic = correlations.argmax(-1)[..., None] % CLASSES
    return np.take_along_axis(classes, (np.arange(CLASSES) + tonic) % CLASSES, -1)


def harmonic_change(profile: PitchProfile) -> Array:
    """Hear how far the harmony moves: the tonal centroid's step from the frame before.

    Parameters
    ----------
    profile
        From `lstmcore.features.pitch_profile`.

    Returns
    -------
    ndarray
        Shape (frames,): 0 where nothing sounds in one of the frames.

    Notes
    -----
    Both frames are taken in the later one's tuning, so that a tuning that is heard better and better
    doesn't look like harmony.

    Source: Harte, Sandler and Gasser 2006.
    """
    weights, tuning = profile.weights, tunings(profile)
    steps = np.zeros(len(weights))
    for at in range(1, len(weights), _BLOCK_FRAMES):
        end = min(at + _BLOCK_FRAMES, len(weights))
        before, last = (chroma(weights[at - k : end - k], tuning[at:end]) for k in (1, 0))
        distance = np.linalg.norm(tonal_centroid(last) - tonal_centroid(before), axis=1)
        steps[at:end] = np.where(before.any(1) & last.any(1), distance, 0.0)
    return steps
