"""Keys of a configuration, with dots between sections: read, changed, and which ones may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lstmcore.experiments.config.explanations import explain, keys_at, nearest_key
from lstmcore.experiments.config.variations import SECTIONS
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import whole_in

Whole = TypeVar("Whole", bound=BaseModel)


def with_values(experiment: Whole, values: dict[str, Any], unset: Sequence[str] = ()) -> Whole:
    """Return an experiment with some values changed.

    Parameters
    ----------
    experiment
        It is left as it is; search, ablations and ``reuse`` don't go along.
    values
        By key, with dots between sections and before a place in a list: ``network.hidden.0``.
    unset
        Keys or sections that get their defaults.

    Raises
    ------
    InputError
        If the configuration refuses a key or value.
    """
    raw = experiment.model_dump(exclude_none=True)
    for key in unset:
        _change(raw, key, None)
    for key, value in values.items():
        _change(raw, key, value)
    try:
        return type(experiment).model_validate(raw)
    except ValidationError as error:
        raise InputError(explain(error, type(experiment))) from None


def value_of(experiment: BaseModel, key: str) -> Any:
    """Return the value of a key as `with_values` takes it."""
    place: Any = experiment.model_dump()
    for part in key.split("."):
        place = place[int(part)] if isinstance(place, list) else place[part]
    return place


def _change(raw: dict[str, Any], key: str, value: Any) -> None:
    """Put a value where its key says; None takes it away."""
    *sections, last = key.split(".")
    place: Any = raw
    for n, part in enumerate(sections):
        place = place[_index(place, key, part)] if isinstance(place, list) else place.setdefault(part, {})
        if not isinstance(place, dict | list):
            raise InputError(f"unknown key {key!r}: {'.'.join(sections[: n + 1])} has no keys below it")
    if isinstance(place, list):
        place[_index(place, key, last)] = value
    elif value is None:
        place.pop(last, None)
    else:
        place[last] = value


def _index(values: list[Any], key: str, part: str) -> int:
    place = whole_in(part)
    if place is None or place >= len(values):
        raise InputError(f"unknown key {key!r}: the list has the places 0 to {len(values) - 1}")
    return place


def check_key(whole: type[BaseModel], place: str, key: str, allowed: tuple[str, ...], what: str) -> None:
    """Raise ValueError unless a key is one of the allowed, or below an allowed section.

    Parameters
    ----------
    whole
        The whole configuration.
    place
        Where the key is named.
    key, allowed
        With dots between sections.
    what
        What is to be done to it: ``searched``.
    """
    parts = key.split(".")
    known: list[str] = []
    for n, part in enumerate(parts):
        known = keys_at(whole, tuple(parts[:n]))
        if n < 2 and part not in known:
            raise ValueError(f"{place}: unknown key {key!r}{nearest_key(whole, part, known)}")
    if key not in SECTIONS and any(key == one or key.startswith(f"{one}.") for one in allowed):
        return
    raise ValueError(
        f"{place}: {key!r} can't be {what}; expected a key of {', '.join(SECTIONS)}"
        + "".join(f", {one}" for one in allowed if "." in one)
    )
