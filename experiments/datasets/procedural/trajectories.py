"""Musical parameters that move over a synthetic song: tempo, loudness, brightness and four more.

Songs differ from each other more than a song differs from itself, as in real collections. Both kinds of
difference come from the same two causes, called energy and cheer here, and from a part that is each
parameter's own; hence the parameters, and later arousal and valence, are moderately correlated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

CONTROL_RATE = 10.0  # values of a curve per second

# How a song moves: spread of its sections and of its slow drift, in units of the spread between songs.
SECTION_SPREAD = 0.34
DRIFT_SPREAD = 0.12
SECTION_SECONDS = (7.0, 16.0)
TRANSITION_SECONDS = 0.8
DRIFT_SECONDS = 3.0

ENERGY_CHEER_CORRELATION = 0.35


@dataclass(frozen=True)
class Dimension:
    """One musical parameter and what is typical of it.

    Attributes
    ----------
    name, unit
        What it is called and measured in; a unit of ``"1"`` means a share between 0 and 1.
    centre, spread
        Typical value, and one standard deviation between songs; the spread of a logarithmic dimension is
        in octaves (factors of two).
    low, high
        Values are kept within these.
    energy, cheer
        How strongly the two common causes act on it (loadings; the rest of the unit variance is its own).
    logarithmic
        Whether steps are ratios (tempo) rather than differences.
    """

    name: str
    unit: str
    centre: float
    spread: float
    low: float
    high: float
    energy: float
    cheer: float
    logarithmic: bool = False

    def to_units(self, deviation: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn deviations in standard deviations (any shape) into the parameter's unit."""
        shift = self.spread * deviation
        values = self.centre * 2.0**shift if self.logarithmic else self.centre + shift
        return np.clip(values, self.low, self.high)

    def to_deviation(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn values in the parameter's unit (any shape) into standard deviations from typical."""
        shift = np.log2(values / self.centre) if self.logarithmic else values - self.centre
        return np.asarray(shift / self.spread, dtype=np.float64)


DIMENSIONS = (
    Dimension("tempo", "beats per minute", 100.0, 0.32, 55.0, 176.0, 0.60, 0.25, logarithmic=True),
    Dimension("loudness", "dB full scale", -20.0, 4.0, -32.0, -11.0, 0.75, 0.00),
    Dimension("brightness", "1", 0.50, 0.20, 0.0, 1.0, 0.55, 0.20),
    Dimension("density", "1", 0.50, 0.20, 0.0, 1.0, 0.60, 0.10),
    Dimension("register", "semitones", 0.0, 4.0, -10.0, 10.0, 0.15, 0.25),
    Dimension("mode", "1", 0.50, 0.24, 0.0, 1.0, 0.00, 0.80),
    Dimension("dissonance", "1", 0.34, 0.18, 0.0, 1.0, 0.25, -0.60),
)


@dataclass(frozen=True)
class Trajectories:
    """The musical parameters of one song as curves at `CONTROL_RATE`.

    Attributes
    ----------
    times : [steps] s
    tempo : [steps] beats per minute
    loudness : [steps] root mean square level in dB relative to full scale
    brightness : [steps] 0 (dull) to 1 (bright)
    density : [steps] 0 (few notes a bar) to 1 (many)
    register : [steps] semitones above or below the usual range
    mode : [steps] 0 (phrygian) over minor and major to 1 (major)
    dissonance : [steps] 0 (plain triads) to 1 (clusters, tritones, detuned)
    """

    times: NDArray[np.float64]
    tempo: NDArray[np.float64]
    loudness: NDArray[np.float64]
    brightness: NDArray[np.float64]
    density: NDArray[np.float64]
    register: NDArray[np.float64]
    mode: NDArray[np.float64]
    dissonance: NDArray[np.float64]

    def curve(self, name: str) -> NDArray[np.float64]:
        """Return the curve called `name`, [steps]."""
        values: NDArray[np.float64] = getattr(self, name)
        return values

    def at(self, name: str, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the curve called `name` at `times` in seconds (any shape), linear in between."""
        return np.interp(times, self.times, self.curve(name))

    def deviations(self) -> NDArray[np.float64]:
        """Return all curves in standard deviations from typical, [steps, dimensions]."""
        return np.stack([d.to_deviation(self.curve(d.name)) for d in DIMENSIONS], axis=1)


def loadings() -> NDArray[np.float64]:
    """Return what energy and cheer do to each dimension, [dimensions, 2]."""
    return np.array([[d.energy, d.cheer] for d in DIMENSIONS], dtype=np.float64)


def covariance() -> NDArray[np.float64]:
    """Return the covariance of the parameters' deviations between songs, [dimensions, dimensions].

    Follows from the loadings (a two-factor model); its diagonal is 1.
    """
    common = _common_covariance()
    return common + np.diag(1.0 - np.diag(common))


def draw_deviations(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Draw `count` sets of parameters from the two-factor model, [count, dimensions], unit variance."""
    causes = rng.standard_normal((count, 2))
    causes[:, 1] *= np.sqrt(1.0 - ENERGY_CHEER_CORRELATION**2)
    causes[:, 1] += ENERGY_CHEER_CORRELATION * causes[:, 0]
    own = np.sqrt(1.0 - np.diag(_common_covariance()))
    individual = own * rng.standard_normal((count, len(DIMENSIONS)))
    return np.asarray(causes @ loadings().T + individual, dtype=np.float64)


def _common_covariance() -> NDArray[np.float64]:
    causes = np.array([[1.0, ENERGY_CHEER_CORRELATION], [ENERGY_CHEER_CORRELATION, 1.0]])
    return np.asarray(loadings() @ causes @ loadings().T, dtype=np.float64)


def draw_trajectories(rng: np.random.Generator, seconds: float) -> Trajectories:
    """Draw the parameter curves of one song.

    Parameters
    ----------
    rng : numpy Generator
    seconds : length of the song in seconds, positive

    Returns
    -------
    Trajectories of ``ceil(seconds * CONTROL_RATE) + 1`` steps from 0 s.
    """
    steps = int(np.ceil(seconds * CONTROL_RATE)) + 1
    song = draw_deviations(rng, 1)
    moves = SECTION_SPREAD * _sections(rng, steps) + DRIFT_SPREAD * _drift(rng, steps)
    deviations = 3.0 * np.tanh((song + moves) / 3.0)  # no song is wildly untypical
    units = [d.to_units(deviations[:, k]) for k, d in enumerate(DIMENSIONS)]
    return Trajectories(np.arange(steps) / CONTROL_RATE, *units)


def _sections(rng: np.random.Generator, steps: int) -> NDArray[np.float64]:
    """Return piecewise constant parameters with soft transitions, [steps, dimensions]."""
    shortest, longest = SECTION_SECONDS
    most = int(steps / (shortest * CONTROL_RATE)) + 2
    ends = np.cumsum(rng.uniform(shortest, longest, most)) * CONTROL_RATE
    levels = draw_deviations(rng, most)
    section = np.searchsorted(ends, np.arange(steps), side="right")
    return _smooth(levels[section], TRANSITION_SECONDS)


def _drift(rng: np.random.Generator, steps: int) -> NDArray[np.float64]:
    """Return smooth noise of about unit variance, [steps, dimensions]."""
    noise = rng.standard_normal((steps, len(DIMENSIONS)))
    # White noise through a Gaussian of width s keeps 1 / (2 sqrt(pi) s) of its variance.
    gain = float(np.sqrt(2.0 * np.sqrt(np.pi) * DRIFT_SECONDS * CONTROL_RATE))
    return gain * _smooth(noise, DRIFT_SECONDS)


def _smooth(values: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    smooth = gaussian_filter1d(values, seconds * CONTROL_RATE, axis=0, mode="nearest")
    return np.asarray(smooth, dtype=np.float64)
