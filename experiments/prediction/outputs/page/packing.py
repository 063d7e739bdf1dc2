"""Curves and facts as few characters of a page."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

POINTS = ((500, 240), (5000, 120))
"""Up to so many songs, each has so many points."""
_FEWEST_POINTS = 60
_DIGITS = 4
_STEPS = 255


def points_for(songs: int) -> int:
    """Return how many points a curve has at most where there are so many songs."""
    return next((n for most, n in POINTS if songs <= most), _FEWEST_POINTS)


def packed(curves: Sequence[NDArray[np.float64]], points: int) -> tuple[list[float | None], str]:
    """Write curves of one length as bytes, each a mean of a part, and what bytes 0 and 255 stand for."""
    ends: list[float | None] = []
    content = b""
    for curve in curves:
        frames = len(curve)
        edges = np.linspace(0, frames, min(points, frames) + 1).astype(int)
        means = np.add.reduceat(curve, edges[:-1]) / np.diff(edges)
        low, high = float(means.min()), float(means.max())
        ends += [short(low), short(high)]
        content += _quantised(means, low, high)
    return ends, base64.b64encode(content).decode()


def _quantised(values: NDArray[np.float64], low: float, high: float) -> bytes:
    return np.rint((values - low) * (_STEPS / ((high - low) or 1.0))).astype(np.uint8).tobytes()


def short(value: float) -> float | None:
    """Few digits: there are many songs."""
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None


def in_script(content: Any) -> bytes:
    """JSON that can stand inside a script element."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").encode()
