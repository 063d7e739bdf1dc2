"""Songs longer than those that networks learnt from: predicted in overlapping windows.

What a network that heard 30 s at a time in training says of the third minute of a song nothing has taught it:
its cells add up what they have heard.  In a window as long as a training sequence each state is one that it
knows.  Windows begin at even distances, the first and the last with the ends of the song, at most
half of what counts of a window apart.  A frame is the weighted mean of what the windows that hold it say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmcore import Backend, Network, Workspace, predict
from lstmcore.experiments.config import Experiment
from lstmcore.experiments.errors import InputError

LENGTHS = ("training.excerpt_seconds", "training.sequence_seconds", "predictions.window")
"""Keys of the configuration that are lengths of what networks hear."""

_SIDE_BY_SIDE = 16  # windows computed together; memory is theirs, however long the song
_SCARCELY = 1e-9  # weight of a frame that counts only where no other window has it


@dataclass(frozen=True)
class Windows:
    """How a longer song is cut.

    Parameters
    ----------
    frames
        Of a window.
    before
        So many first frames of a window don't count where another has them: the lead-in, in which networks
        were free to say anything.
    """

    frames: int
    before: int = 0

    def starts(self, frames: int) -> NDArray[np.int64]:
        """First frame of each window of a song of so many frames."""
        if frames <= self.frames:
            return np.zeros(1, np.int64)
        step = max(1, (self.frames - self.before) // 2)
        count = 1 + math.ceil((frames - self.frames) / step)
        return np.rint(np.linspace(0, frames - self.frames, count)).astype(np.int64)

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each frame of a window counts, shape (frames,)."""
        counted = self.frames - self.before
        rise = np.sin(np.pi * (np.arange(counted) + 0.5) / counted) ** 2
        return np.concatenate([np.full(self.before, _SCARCELY), rise + _SCARCELY])

    def predict(
        self, network: Network, rows: NDArray[np.floating], backend: Backend, workspace: Workspace = None
    ) -> NDArray[np.floating]:
        """Apply a network to one song.

        Parameters
        ----------
        network
            The network.
        rows
            What it hears of the song, shape (frames, inputs).
        backend, workspace
            What computes it, and memory to use again.

        Returns
        -------
        ndarray
            Shape (frames, outputs); of a song that is no longer than a window what `lstmcore.predict` says.
        """
        if len(rows) <= self.frames:
            return predict(network, rows, backend=backend, workspace=workspace)
        starts, weights = self.starts(len(rows)), self.weights[:, None]
        sums = np.zeros((len(rows), network.architecture.output_size))
        total = np.zeros((len(rows), 1))
        for first in range(0, len(starts), _SIDE_BY_SIDE):
            some = starts[first : first + _SIDE_BY_SIDE]
            parts = [rows[start : start + self.frames] for start in some]
            found = predict(
                network, parts, backend=backend, workspace=workspace, parallel_sequences=_SIDE_BY_SIDE
            )
            for start, outputs in zip(some, found, strict=True):
                sums[start : start + self.frames] += weights * outputs
                total[start : start + self.frames] += weights
        return sums / total


def frames_in(key: str, seconds: float, hop_seconds: float | None, least: int) -> int | None:
    """Return a length as a number of frames; None if it is 0.

    Parameters
    ----------
    key
        Of the configuration.
    seconds
        Its value.
    hop_seconds
        Between two frames; None: unknown.
    least
        Frames that are expected.

    Raises
    ------
    InputError
        If it has fewer, or that isn't known.
    """
    if not seconds:
        return None
    if hop_seconds is None:
        raise InputError(
            f"{key} is {seconds:g}, and no song has two annotated frames to say how far apart frames are; "
            "expected 0"
        )
    frames = round(seconds / hop_seconds)
    if frames < least:
        raise InputError(
            f"{key} is {seconds:g}, and frames are {hop_seconds:g} s apart; expected 0 or at least "
            f"{least * hop_seconds:g} s"
        )
    return frames


def lead_in_frames(experiment: Experiment, hop_seconds: float | None) -> int:
    """How many frames a lead-in has."""
    return 0 if hop_seconds is None else int(experiment.data.lead_in / hop_seconds + 1e-9)


def check_lengths(experiment: Experiment, hop_seconds: float | None) -> None:
    """Raise InputError for a length of songs, sequences or windows that these data can't have."""
    config, window = experiment.training, experiment.predictions.window
    frames_in("training.excerpt_seconds", config.excerpt_seconds, hop_seconds, 2)
    frames_in("training.sequence_seconds", config.sequence_seconds, hop_seconds, 2)
    if window != "training":
        least = lead_in_frames(experiment, hop_seconds) + 2
        after = f", after {experiment.data.lead_in:g} s of data.lead_in," if experiment.data.lead_in else ""
        frames_in(f"predictions.window{after}", window, hop_seconds, least)
