"""Sensory dissonance and roughness: how much the tones of a moment beat against each other.

Both sum, over all pairs of tones, a curve of dissonance over their distance (Plomp and
Levelt's, in the form of Sethares) times a weight made of their amplitudes.

Sources: Sethares, "Local consonance and the relationship between timbre and scale", JASA
94, 1993; Vassilakis, "Perceptual and physical properties of amplitude fluctuation and
their musical significance", 2001; conventions of Lartillot's MIRtoolbox 1.6.1 (mirroughness).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmcore.features import pairs
from lstmcore.features.settings import SetharesWeight, VassilakisWeight
from lstmcore.features.spectrum import SpectralPeaks

_SETHARES = {"product": pairs.PRODUCT, "min": pairs.SMALLER}
_VASSILAKIS = {"2015": pairs.VASSILAKIS_2015, "published": pairs.VASSILAKIS}


def dissonance_curve(first_hz: ArrayLike, second_hz: ArrayLike) -> NDArray[np.float64]:
    """Dissonance of two pure tones of equal amplitude 1.

    With d the distance and f the lower frequency, exp(-3.51 s d) - exp(-5.75 s d), where
    s = .24 / (.0207 f + 18.96): 0 at unison, .18 at about a quarter of the critical band.

    Parameters
    ----------
    first_hz, second_hz
        Frequencies in Hz, shapes that broadcast.

    Returns
    -------
    NDArray
        Without unit, of the broadcast shape.

    Notes
    -----
    Source: Sethares 1993, without his later factor 5.
    """
    first, second = np.asarray(first_hz, np.float64), np.asarray(second_hz, np.float64)
    apart = 0.24 / (0.0207 * np.minimum(first, second) + 18.96) * np.abs(first - second)
    return np.asarray(np.exp(-3.51 * apart) - np.exp(-5.75 * apart))


def vassilakis_weight(
    first: ArrayLike, second: ArrayLike, formula: VassilakisWeight = "2015"
) -> NDArray[np.float64]:
    """Weight of a pair of tones in Vassilakis' roughness.

    .5 (u v)^.1 (2 w / (u + v))^3.11 for amplitudes u and v.

    Parameters
    ----------
    first, second
        Amplitudes above 0, shapes that broadcast.
    formula
        "published": w is the smaller amplitude, so that roughness falls with their
        difference.  "2015": w is the larger, as MIRtoolbox computed it from 2009 to 2017.

    Returns
    -------
    NDArray
        Of the broadcast shape.

    Raises
    ------
    ValueError
        If there is no such formula.

    Notes
    -----
    Source: Vassilakis 2001, equation 6.23.
    """
    _code(_VASSILAKIS, formula)
    u, v = np.asarray(first, np.float64), np.asarray(second, np.float64)
    chosen = np.maximum(u, v) if formula == "2015" else np.minimum(u, v)
    return np.asarray(0.5 * (u * v) ** 0.1 * (2 * chosen / (u + v)) ** 3.11)


def sethares_dissonance(peaks: SpectralPeaks, weight: SetharesWeight = "product") -> NDArray[np.float64]:
    """Sensory dissonance of each frame.

    Parameters
    ----------
    peaks
        From `lstmcore.features.spectrum.spectral_peaks`.
    weight
        Of a pair: the "product" of the magnitudes, or the smaller one, "min".

    Returns
    -------
    NDArray
        Shape (frames,), at least 0; 0 where there are fewer than two peaks, so in silence.
        It grows with the squared amplitude ("product") and with the frame's length: compare
        only values of one sample rate and frame length.

    Raises
    ------
    ValueError
        If there is no such weight.

    Notes
    -----
    Source: Sethares 1993; MIRtoolbox 1.6.1, mirroughness, 'Sethares' and its option 'Min'.
    """
    return _sums(peaks, _code(_SETHARES, weight))


def vassilakis_roughness(peaks: SpectralPeaks, formula: VassilakisWeight = "2015") -> NDArray[np.float64]:
    """Roughness of each frame after Vassilakis.

    Parameters
    ----------
    peaks
        From `lstmcore.features.spectrum.spectral_peaks`.
    formula
        "2015": as MIRtoolbox computed it then.  "published": as in Vassilakis' thesis.
        `vassilakis_weight` explains the difference.

    Returns
    -------
    NDArray
        Shape (frames,), at least 0; 0 where there are fewer than two peaks.  It grows with the
        amplitude to the .2.

    Raises
    ------
    ValueError
        If there is no such formula.

    Notes
    -----
    Source: Vassilakis 2001; MIRtoolbox 1.6.1, mirroughness, 'Vassilakis'.
    """
    return _sums(peaks, _code(_VASSILAKIS, formula))


def _code(codes: dict[str, int], name: str) -> int:
    if name not in codes:
        raise ValueError(f"unknown weight {name!r}; expected one of: {', '.join(codes)}")
    return codes[name]


def _sums(peaks: SpectralPeaks, weight: int) -> NDArray[np.float64]:
    sums = np.empty(len(peaks.counts))
    powers = peaks.magnitudes**0.1
    terms = np.empty(int(peaks.counts.max()))
    pairs.dissonance_sums(
        peaks.frequencies, peaks.magnitudes, powers, peaks.counts, weight, _depth_series(), terms, sums
    )
    return sums


@cache
def _depth_series() -> NDArray[np.float64]:
    """(2 / (1 + r))^3.11 for r from 0 to 1, to 1e-13: in powers of 2 r - 1, the highest first."""
    fit = np.polynomial.Chebyshev.interpolate(lambda t: (4 / (3 + t)) ** 3.11, 20)
    return np.ascontiguousarray(np.polynomial.chebyshev.cheb2poly(fit.coef)[::-1])
