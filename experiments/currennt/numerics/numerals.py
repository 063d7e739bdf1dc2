"""Numbers as text: as few digits as read back exactly, in the style of C's ``%g``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DIGITS = 6  # what %g writes at least: 1234567 stays 1234567, but a million is 1e+06


def number(value: float | np.float32 | np.float64) -> str:
    """Return the shortest text that reads back as the same number.

    It is what ``%.Ng`` gives for the smallest N ≥ 6 that loses nothing. A number that CURRENNT 0.2
    wrote (always with N = 6) is therefore written as it was
    found, unless it is subnormal.

    Parameters
    ----------
    value
        A Python float or a float64 is exact as a double, a float32 as a float32 (fewer digits).

    Returns
    -------
    str
        For instance ``0.0131858``, ``1``, ``-2.5e-07``; ``nan``, ``inf`` and ``-inf`` too.
    """
    return _in_style(str(value))


def numbers(values: NDArray[np.float32] | NDArray[np.float64]) -> list[str]:
    """Return :func:`number` of each value of an array, in the order of its memory."""
    flat = values.ravel()
    if not flat.size:
        return []
    # There are millions of them: Python is faster for doubles, NumPy for single precision.
    if flat.dtype == np.float64:
        texts = list(map(repr, flat.tolist()))
    else:
        texts = b"\n".join(flat.astype("S32").tolist()).decode().split("\n")
    return [_in_style(text) if text.endswith(".0") else text for text in texts]


def _in_style(text: str) -> str:
    """Bring Python's and NumPy's text of a number into %g's style; only whole numbers differ."""
    if not text.endswith(".0"):
        return text
    whole = text[:-2]
    digits = whole.lstrip("-").rstrip("0")
    exponent = len(whole.lstrip("-")) - 1
    if exponent < max(_DIGITS, len(digits)):
        return whole
    sign = "-" if whole.startswith("-") else ""
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{mantissa}e+{exponent:02}"
