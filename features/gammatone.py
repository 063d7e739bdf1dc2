"""The ear's filters, and the envelope that comes out of all of them together.

Sources: Slaney, "An efficient implementation of the Patterson-Holdsworth auditory filter
bank", Apple TR 35, 1993; Lartillot's MIRtoolbox 1.6.1 for the conventions (mirfilterbank,
mirenvelope).  The code is our own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmcore.features import filter_lanes, kernels
from lstmcore.features.errors import raise_if_stopped
from lstmcore.features.frames import Samples, mono

CHANNELS = 10
LOWEST_HZ = 50.0

_EAR_Q = 9.26449
_LEAST_BANDWIDTH_HZ = 24.7
_TIME_CONSTANT = 0.02  # seconds, of the envelope's low-pass
_STEP = 16  # samples of the signal to one of the envelope
_BLOCK = 1 << 14  # samples, a multiple of _STEP: a block stays near the processor


class Envelope(NamedTuple):
    """How a signal's energy rises and falls.

    Attributes
    ----------
    values
        Shape (n,): between -1 and 1, the largest magnitude is 1; all 0 in silence.
    rate
        Values a second, Hz: a sixteenth of the signal's.
    """

    values: NDArray[np.float64]
    rate: float


class _Bank(NamedTuple):
    """Coefficients of all channels; of each four sections with common poles."""

    gains: NDArray[np.float64]  # (channels, 4)
    taps: NDArray[np.float64]  # (channels, 4)
    poles: NDArray[np.float64]  # (channels, 2)


def centre_frequencies(rate: float, channels: int = CHANNELS) -> NDArray[np.float64]:
    """Return where the channels of the filterbank lie.

    Parameters
    ----------
    rate
        Samples a second, Hz; more than 100.
    channels
        How many, at least 1.

    Returns
    -------
    NDArray
        Shape (channels,): Hz, rising from 50, evenly spaced by the ear's bandwidths.

    Raises
    ------
    ValueError
        If the rate is too low or there is no channel.

    Notes
    -----
    Source: Slaney 1993, ERBSpace.
    """
    if rate <= 2 * LOWEST_HZ or channels < 1:
        raise ValueError(f"{channels} channels at {rate} Hz; at least 1 above {2 * LOWEST_HZ} Hz is expected")
    shift = _EAR_Q * _LEAST_BANDWIDTH_HZ
    highest = np.log(rate / 2 + shift)
    steps = np.arange(channels, 0, -1) * (np.log(LOWEST_HZ + shift) - highest) / channels
    return np.asarray(np.exp(steps) * (rate / 2 + shift) - shift)


def gammatone_filterbank(samples: NDArray[Any], rate: float, channels: int = CHANNELS) -> NDArray[np.float64]:
    """Split a signal into the channels of a gammatone filterbank.

    Parameters
    ----------
    samples
        Shape (n,) or (n, channels of audio), these are averaged; int16 or floating point.
    rate
        Samples a second, Hz; more than 100.
    channels
        How many, at least 1.

    Returns
    -------
    NDArray
        Shape (channels, n), from low to high; each has gain 1 at its centre.

    Raises
    ------
    ValueError
        If the rate is too low or there is no channel.

    Notes
    -----
    Filters of the eighth order, four sections each, from zero state.  Source: Slaney 1993.
    """
    bank = _bank(rate, channels)
    signal, out = mono(samples), np.empty((channels, len(samples)))
    for row, coefficients in zip(out, zip(*bank, strict=True), strict=True):
        kernels.gammatone(signal, *coefficients, np.zeros(8), row)
    return out


def _bank(rate: float, channels: int) -> _Bank:
    centres = centre_frequencies(rate, channels)
    bandwidths = 1.019 * 2 * np.pi * (centres / _EAR_Q + _LEAST_BANDWIDTH_HZ)
    shrink, turn = np.exp(-bandwidths / rate), 2 * np.pi * centres / rate
    roots = np.array([1.0, -1.0, 0.0, 0.0]) * np.sqrt(3 + 2**1.5)
    roots += np.array([0.0, 0.0, 1.0, -1.0]) * np.sqrt(3 - 2**1.5)
    sides = np.cos(turn)[:, None] + np.sin(turn)[:, None] * roots
    gains = np.full((channels, 4), 1 / rate)
    taps = -shrink[:, None] / rate * sides
    # The response at the centre, where the poles' own factors nearly vanish: kept as factors.
    back = np.exp(-1j * turn)
    below = ((1 - shrink) * (1 - shrink * back**2)) ** 4
    response = np.abs(np.prod(gains + taps * back[:, None], axis=1) / below)
    gains[:, 0] /= response
    taps[:, 0] /= response
    return _Bank(gains, taps, np.stack([-2 * shrink * np.cos(turn), shrink**2], axis=1))


def differentiated_envelope(
    samples: Samples, rate: float, channels: int = CHANNELS, *, stop: threading.Event | None = None
) -> Envelope:
    """Compute the steps of the energy in all channels of a gammatone filterbank together.

    In each channel: rectified, smoothed by a low-pass with a time constant of 20 ms backwards
    and then forwards in time, every 16th sample, the differences of these; then the sum.

    Parameters
    ----------
    samples
        Shape (n,) or (n, channels of audio), these are averaged; int16 or floating point.
    rate
        Samples a second, Hz; more than 100.
    channels
        Of the filterbank.
    stop
        Set it, from any thread, to end early.

    Returns
    -------
    Envelope
        Shorter by one than the sixteenth part of the signal (rounded up).

    Raises
    ------
    ValueError
        If there are fewer than 17 samples, the rate is too low or there is no channel.
    ExtractionStopped
        If `stop` was set.

    Notes
    -----
    Everything after the rectification is linear and the same for all channels, so their sum
    is smoothed, not each; and only every 16th sample of it is ever computed.  Memory: two
    such curves, an eighth of one channel in double precision, besides a few blocks.

    Source: Lartillot's MIRtoolbox 1.6.1, mironsets as mirtempo calls it.
    """
    if len(samples) <= _STEP:
        raise ValueError(f"{len(samples)} samples; more than {_STEP} are expected")
    smooth = _smoothed(samples, rate, _bank(rate, channels), stop)
    steps = np.subtract(smooth[1:], smooth[:-1], out=smooth[:-1])
    largest = max(float(steps.max()), -float(steps.min()))
    if largest > 0:
        steps /= largest
    return Envelope(steps, rate / _STEP)


def _smoothed(
    samples: Samples, rate: float, bank: _Bank, stop: threading.Event | None
) -> NDArray[np.float64]:
    """Every 16th sample of the rectified channels' sum, after both passes of the low-pass.

    With u the input and a the low-pass's coefficient, the backward pass at sample 16 k is
    P_k + a^16 times that at 16 (k + 1), where P_k sums (1 - a) a^j u_(16 k + j) over j < 16;
    the samples between follow in the same way from u and the next 16th, so the forward pass
    needs of each stretch of 16 only P_k, another weighted sum Q_k, and the backward values.
    """
    a = float(np.exp(-1 / (_TIME_CONSTANT * rate)))
    place = np.arange(_STEP)
    early = (1 - a) * a**place
    reach = np.tril(np.ones((_STEP, _STEP)))[:, 1:] * a ** (_STEP + place[:, None] - 2.0 * place[1:])
    late = (1 - a) ** 2 * reach.sum(axis=1)
    # One array each from first to last: a song of hours takes no more than these two.
    backward, inside = np.empty((2, -(-len(samples) // _STEP)))
    at = 0
    for block in _rectified(samples, bank):
        raise_if_stopped(stop)
        np.matmul(block, early, out=backward[at : at + len(block)])
        np.matmul(block, late, out=inside[at : at + len(block)])
        at += len(block)
    kernels.decay(backward, a**_STEP, True)
    first = (1 - a) * backward[0]
    backward *= (1 - a) * np.sum(a ** (2.0 * (_STEP - place[1:])), initial=1.0)
    forward = backward
    # Before the first sample there is nothing to carry: only the sample itself enters.
    forward[0] = first
    forward[1:] += inside[:-1]
    kernels.decay(forward, a**_STEP, False)
    return forward


def _rectified(samples: Samples, bank: _Bank) -> Iterator[NDArray[np.float64]]:
    """Blocks of the rectified channels' sum in stretches of 16, shape (stretches, 16) each."""
    coefficients = filter_lanes.in_lanes(np.hstack(bank))
    states = np.zeros((len(coefficients), 8, filter_lanes.LANES))
    sums = np.empty((_BLOCK, filter_lanes.LANES))
    for at in range(0, len(samples), _BLOCK):
        signal = mono(samples[at : at + _BLOCK])
        total = np.zeros(-(-len(signal) // _STEP) * _STEP)
        filter_lanes.rectified_sum(signal, coefficients, states, sums, total)
        yield total.reshape(-1, _STEP)
