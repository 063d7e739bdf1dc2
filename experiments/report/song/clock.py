"""Time as players show it, on the axes of a song's pictures."""

from __future__ import annotations

from matplotlib.ticker import FuncFormatter, MultipleLocator

_STEPS = (0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)  # seconds
_MOST_TICKS = 9


def locator(seconds: float) -> MultipleLocator:
    """Return where ticks stand on an axis of so many seconds."""
    return MultipleLocator(next((step for step in _STEPS if seconds / step <= _MOST_TICKS), 7200.0))


def formatter() -> FuncFormatter:
    """Return what writes minutes and seconds, and hours where there are some."""
    return FuncFormatter(lambda value, _: _clock(value))


def _clock(seconds: float) -> str:
    whole = int(seconds)
    if seconds != whole:
        return f"{whole // 60}:{seconds % 60:04.1f}"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
