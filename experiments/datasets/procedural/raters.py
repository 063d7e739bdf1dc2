"""Synthetic arousal and valence, and synthetic raters who trace them with a lag, a bias and noise.

Which parameter raises or lowers arousal and valence follows the reviews and experiments on music and emotion:
A. Gabrielsson and E. Lindström, "The role of structure in the musical expression of emotions" (Handbook of
Music and Emotion, 2010); E. Schubert, "Modeling perceived emotion with continuous musical features" (Music
Perception 21, 2004); E. Coutinho and A. Cangelosi, "Musical emotions: predicting second-by-second subjective
feelings of emotion from low-level psychoacoustic features and physiological measurements" (Emotion 11, 2011).
They give the directions only. Every number in this file was chosen for this project, so that spread and
agreement resemble a real collection's; none is a finding about listeners.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from lstmcore.experiments.datasets.procedural.trajectories import (
    CONTROL_RATE,
    DIMENSIONS,
    Trajectories,
    covariance,
)

ATTRIBUTES = ("arousal", "valence")

# Weights of the parameters, each in its own standard deviations; scaled to unit variance between songs below.
AROUSAL_WEIGHTS = {
    "tempo": 0.40,
    "loudness": 0.50,
    "brightness": 0.25,
    "density": 0.30,
    "register": 0.10,
    "mode": 0.0,
    "dissonance": 0.15,
}
VALENCE_WEIGHTS = {
    "tempo": 0.30,
    "loudness": 0.05,
    "brightness": 0.15,
    "density": 0.15,
    "register": 0.15,
    "mode": 0.60,
    "dissonance": -0.40,
}

SPREAD = 0.38  # of true arousal and valence between songs, before the ends of the scale press on them

FIRST_ANNOTATION = 15.0  # s; earlier ones are dropped, as in DEAM: raters have to find their place first
FRAME = 0.5  # s from one annotation to the next
STEP = 0.01  # raters' answers are multiples of this

DELAY = (0.4, 1.2)  # s from hearing to moving the hand, lowest and highest
SLUGGISHNESS = (0.8, 2.0)  # s, time constant of the hand
SETTLING = (2.0, 4.5)  # s, time constant of leaving the neutral start
BIAS_SPREAD = 0.20
SCALE_SPREAD = 0.25  # of the logarithm: raters use more or less of the scale
NOISE = (0.05, 0.15)  # standard deviation of a rater's wandering, lowest and highest
NOISE_SECONDS = 2.5  # its time constant
SMOOTHING_SECONDS = 0.3  # a hand does not jitter


@dataclass(frozen=True)
class Ratings:
    """What the raters of one song answered.

    Attributes
    ----------
    times : [frames] s, from FIRST_ANNOTATION in steps of FRAME
    arousal, valence : [raters, frames] in [-1, 1]
    """

    times: NDArray[np.float64]
    arousal: NDArray[np.float64]
    valence: NDArray[np.float64]

    def of(self, attribute: str) -> NDArray[np.float64]:
        """Return the answers on ``"arousal"`` or ``"valence"``, [raters, frames]."""
        values: NDArray[np.float64] = getattr(self, attribute)
        return values

    def average(self, attribute: str) -> NDArray[np.float64]:
        """Return the mean over the raters, [frames]."""
        return np.asarray(self.of(attribute).mean(axis=0), dtype=np.float64)


def true_attribute(song: Trajectories, attribute: str) -> NDArray[np.float64]:
    """Return what a song expresses, before any rater hears it.

    ``tanh(SPREAD * sum(weight * deviation))`` with the weights scaled so that the sum has unit variance
    between songs.

    Parameters
    ----------
    song : the parameter curves
    attribute : ``"arousal"`` or ``"valence"``

    Returns
    -------
    [steps] values in (-1, 1) at `song.times`.
    """
    chosen = {"arousal": AROUSAL_WEIGHTS, "valence": VALENCE_WEIGHTS}[attribute]
    weights = np.array([chosen[d.name] for d in DIMENSIONS])
    weights /= np.sqrt(weights @ covariance() @ weights)
    return np.asarray(np.tanh(SPREAD * (song.deviations() @ weights)), dtype=np.float64)


def annotation_times(seconds: float) -> NDArray[np.float64]:
    """Return the time stamps of a song's annotations: 15.0, 15.5, …, seconds - 0.5."""
    frames = int(np.floor((seconds - FIRST_ANNOTATION) / FRAME + 1e-9))
    return FIRST_ANNOTATION + FRAME * np.arange(max(frames, 0), dtype=np.float64)


def rate(rng: np.random.Generator, song: Trajectories, raters: int, seconds: float) -> Ratings:
    """Let raters listen to a song.

    Parameters
    ----------
    rng : numpy Generator; every song has raters of its own
    song : the parameter curves, at least `seconds` long
    raters : how many listen
    seconds : length of the song that is annotated

    Returns
    -------
    Ratings
    """
    times = annotation_times(seconds)
    frames = np.rint(times * CONTROL_RATE).astype(np.int64)
    answers = {
        attribute: traces(rng, true_attribute(song, attribute), raters)[:, frames] for attribute in ATTRIBUTES
    }
    return Ratings(times, answers["arousal"], answers["valence"])


def traces(rng: np.random.Generator, truth: NDArray[np.float64], raters: int) -> NDArray[np.float64]:
    """Return how raters answer to a true curve from its very beginning.

    A hand starts at rest at 0, hears everything with a delay, follows with a first-order lag, and only
    gradually leaves the middle of the scale.

    Parameters
    ----------
    rng : numpy Generator
    truth : [steps] at CONTROL_RATE
    raters : how many answer

    Returns
    -------
    [raters, steps] multiples of STEP in [-1, 1].
    """
    step = np.arange(len(truth))
    delay = np.rint(rng.uniform(*DELAY, (raters, 1)) * CONTROL_RATE).astype(np.int64)
    heard = truth[np.maximum(step - delay, 0)]
    followed = _low_pass(heard, rng.uniform(*SLUGGISHNESS, raters))
    settled = 1.0 - np.exp(-step / (CONTROL_RATE * rng.uniform(*SETTLING, (raters, 1))))
    scale = np.exp(SCALE_SPREAD * rng.standard_normal((raters, 1)) - 0.5 * SCALE_SPREAD**2)
    bias = BIAS_SPREAD * rng.standard_normal((raters, 1))
    wander = rng.uniform(*NOISE, (raters, 1)) * _wandering(rng, raters, len(truth))
    answers = np.clip(settled * (bias + scale * followed + wander), -1.0, 1.0)
    return np.asarray(np.rint(answers / STEP) / round(1.0 / STEP), dtype=np.float64)


def _low_pass(values: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the response of first-order lags at rest at 0, [raters, steps], `seconds` [raters]."""
    pull = 1.0 - np.exp(-1.0 / (CONTROL_RATE * seconds))
    inward = pull * values.T
    stay = 1.0 - pull
    state = np.zeros(len(values))
    for now in inward:
        state *= stay
        state += now
        now[:] = state
    return np.asarray(inward.T, dtype=np.float64)


def _wandering(rng: np.random.Generator, raters: int, steps: int) -> NDArray[np.float64]:
    """Return smooth noise of about unit variance, [raters, steps]: white noise through a lag.

    A lag that keeps the share k of its state leaves (1 - k) / (1 + k) of the variance of white noise; the
    short smoothing after it hardly lowers it further.
    """
    kept = np.exp(-1.0 / (CONTROL_RATE * NOISE_SECONDS))
    shocks = np.sqrt((1.0 + kept) / (1.0 - kept)) * rng.standard_normal((raters, steps))
    wander = _low_pass(shocks, np.full(raters, NOISE_SECONDS))
    smooth = gaussian_filter1d(wander, SMOOTHING_SECONDS * CONTROL_RATE, axis=1, mode="nearest")
    return np.asarray(smooth, dtype=np.float64)
