"""Other data sets that networks learn from, too: which keys are theirs, and which are those of ``data``."""

from __future__ import annotations

from typing import Any

SHARED = ("feature_sets", "normal_scores", "window_seconds", "leave_out", "lead_in")
"""Keys of ``data`` that hold for the songs of all data sets: one network hears them all."""

_NONE = {"unlabelled": "none"}
_REFUSED = {
    **dict.fromkeys(SHARED, "which is that of data for all songs"),
    "unlabelled": "and the auto-encoder hears the songs of data alone",
    "unlabelled_folder": "and the auto-encoder hears the songs of data alone",
    "labelled_songs": "and all songs there are learnt from",
    "test_songs": "and nothing is scored on these songs",
    "also": "which data has once for all",
}


def filled_in(values: dict[str, Any]) -> dict[str, Any]:
    """Give the sections in ``also`` what they have in common with ``data``.

    Parameters
    ----------
    values
        The section ``data``, as it was written.

    Raises
    ------
    ValueError
        If one of them has a key that is none of its own.
    """
    also = values.get("also")
    if not isinstance(also, list) or not all(isinstance(one, dict) for one in also):
        return values  # told as any other value of the wrong kind
    return values | {"also": [_filled_in(values, n, one) for n, one in enumerate(also)]}


def _filled_in(values: dict[str, Any], n: int, one: dict[str, Any]) -> dict[str, Any]:
    for key, why in _REFUSED.items():
        if key in one:
            raise ValueError(f"also.{n} has {key}, {why}; expected no {key} there")
    if one.get("source") == "deam" and one.get("root") is None:
        raise ValueError(f"also.{n}.root is missing: the folder of the DEAM data")
    shared = {key: values[key] for key in SHARED if key in values}
    if has_own_features(values, one):
        return one | shared | _NONE
    features = values.get("features", "FS1")
    if one.get("features", features) != features:
        raise ValueError(
            f"also.{n}.features is {one['features']!r}, and features is {features!r}; expected the same, or "
            "no features there"
        )
    return one | shared | _NONE | {"features": features}


def has_own_features(values: dict[str, Any], one: dict[str, Any]) -> bool:
    """Whether one of two data sets has a table's features, so that they are found by their names."""
    return "table" in (values.get("source"), one.get("source"))


def stripped(values: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """Take away what `filled_in` gives, so that a section can be read again with another ``data``."""
    taken = {*_REFUSED} if has_own_features(values, one) else {*_REFUSED, "features"}
    return {key: value for key, value in one.items() if key not in taken}
