"""The lag of raters: what they say at a time answers music that they heard a little before.

With ``data.annotation_delay``, the features beside an annotation at time s are those of s less the delay.
Songs keep the times of their annotations, so that scores with different delays are of the same frames
(S. Mariooryad, C. Busso, "Correcting time-continuous emotional labels by modeling the reaction lag of
evaluators", IEEE Transactions on Affective Computing 6, 2015).
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.errors import InputError

_ROUNDING_SECONDS = 0.001  # of time stamps in whole milliseconds


def delay_frames(seconds: float, hop_seconds: float | None) -> int:
    """Return a delay as a number of frames.

    Raises
    ------
    InputError
        If it isn't a multiple of the distance of frames, or that isn't known.
    """
    if not seconds:
        return 0
    if hop_seconds is None:
        raise InputError(
            f"data.annotation_delay is {seconds:g}, and no song has two annotated frames to say how far "
            "apart frames are; expected 0"
        )
    frames = round(seconds / hop_seconds)
    if not frames or abs(seconds - frames * hop_seconds) > _ROUNDING_SECONDS:
        near = max(1, frames) * hop_seconds
        raise InputError(
            f"data.annotation_delay is {seconds:g}, and frames are {hop_seconds:g} s apart; expected a "
            f"multiple of that, such as {near:g}"
        )
    return frames


def delayed(
    stamps: list[int], rows: NDArray[np.float64], frames: int, hop_ms: float | None
) -> NDArray[np.float64]:
    """Give each time stamp of a song the features of some frames before.

    Parameters
    ----------
    stamps
        Milliseconds, rising.
    rows
        Features at these times, shape (stamps, features).
    frames, hop_ms
        The delay: so many frames, so many milliseconds apart.

    Returns
    -------
    ndarray
        Likewise: the last frame that is at least so much earlier, and the first where there is none.
    """
    if not frames or hop_ms is None:
        return rows
    latest = [stamp - frames * hop_ms + 1000 * _ROUNDING_SECONDS for stamp in stamps]
    return rows[[max(0, bisect_right(stamps, stamp) - 1) for stamp in latest]]
