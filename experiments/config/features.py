"""Which features networks get: a set by its name, or one of one's own, of sets and of columns by pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from lstmcore.experiments.config.explanations import explain
from lstmcore.experiments.config.section import Section
from lstmcore.experiments.errors import did_you_mean
from lstmcore.features.sets import ALL, FEATURE_SETS, feature_names, is_feature_set, set_with
from lstmcore.features.sound_names import LOG_MEL, WAVEFORM, sound_of

MEANS, TABLE = "song_means", "table"
ALONE = (MEANS, TABLE)
"""Sets that nothing can be put together with: they aren't computed frame by frame from audio."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*")


class OwnSet(Section):
    """A set of features of one's own: all that some sets have, or some of their columns.

    ``sets``: names of sets; if left out, all that there is: FS3, or what the table has.  ``columns``: names
    of features, or patterns of names with ``*``; if left out, all.  Only what is chosen is computed.
    """

    sets: list[str] | None = Field(default=None, min_length=1)
    columns: list[str] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _chooses_something(self) -> OwnSet:
        if self.sets is None and self.columns is None:
            raise ValueError("sets is missing, and so is columns; expected one of them, or both")
        for key, names in {"sets": self.sets or [], "columns": self.columns or []}.items():
            for n, name in enumerate(names):
                if name in names[:n]:
                    raise ValueError(f"{key} has {name!r} twice; expected each once")
        return self

    @model_validator(mode="after")
    def _knows_its_sets(self) -> OwnSet:
        sets = self.sets or []
        for name in sets:
            if name not in ALONE and not is_feature_set(name):
                raise ValueError(f"sets has {name!r}; expected some of {known_sets()}{_near(name)}")
        alone = [name for name in sets if name in ALONE]
        if alone and len(sets) > 1:
            raise ValueError(f"sets has {alone[0]!r} beside others; expected it alone")
        return self

    @model_serializer(mode="plain")
    def _what_is_said(self) -> dict[str, list[str]]:
        """Leave out what isn't there, as the file does."""
        said = {"sets": self.sets, "columns": self.columns}
        return {key: names for key, names in said.items() if names is not None}

    @property
    def words(self) -> str:
        """What it is, as tables and pages have it: ``FS1+tonality``, ``FS3 (tonality_*, tempo)``."""
        columns = ", ".join(self.columns or [])
        return f"{'+'.join(self.sets)}{columns and f' ({columns})'}" if self.sets else columns


def _own_set(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    try:
        return OwnSet.model_validate(value)
    except ValidationError as error:  # said once; of a union, pydantic would say it for each of its members
        raise ValueError(explain(error, OwnSet)) from None


def _name_or_own_set(value: Any) -> Any:
    if not isinstance(value, str | dict | OwnSet):
        expected = "a name in quotes, or {sets = [...], columns = [...]}"
        raise PydanticCustomError("features", f"Input should be {expected}")
    return _own_set(value)


FeatureChoice = Annotated[str | OwnSet, BeforeValidator(_name_or_own_set)]
"""Name of a set, or a set of one's own."""
OwnSets = dict[str, Annotated[OwnSet, BeforeValidator(_own_set)]]
"""Sets of one's own by name."""


class Features(Section):
    """What the ``data`` section says of features.

    ``features``: name of a set, or a set of one's own in its place.  ``feature_sets``: sets of one's own by
    name.  ``leave_out``: names of features that networks don't get, or patterns of names, with ``*``.
    """

    source: str
    features: FeatureChoice = "FS1"
    feature_sets: OwnSets | None = None
    leave_out: list[str] = Field(default=[])

    @property
    def feature_set(self) -> str:
        """Name of the features, as tables and pages have it."""
        return self.features if isinstance(self.features, str) else self.features.words

    @property
    def computed_set(self) -> str:
        """Name of the smallest set that has all features that are wanted: what is computed or read."""
        known = self._known
        return known if known in ALONE else set_with(self.chosen_of(()))

    def chosen_of(self, names: Sequence[str]) -> list[str]:
        """Return which features networks get, in their order.

        Parameters
        ----------
        names
            All that the data have, where only these can tell: of ``song_means`` and tables.

        Raises
        ------
        ValueError
            If a pattern means none of them, or nothing is left; key and pattern are named.
        """
        known = self._known
        own = defined(self.features, self.feature_sets or {})
        return chosen_names(names if known in ALONE else feature_names(known), known, own, self.leave_out)

    @property
    def _known(self) -> str:
        """Name of what columns are chosen of."""
        sets = defined(self.features, self.feature_sets or {}).sets
        return "+".join(sets or [TABLE if self.source == TABLE else ALL])

    @model_validator(mode="after")
    def _are_there(self) -> Features:
        check_names(self.feature_sets or {})
        known, found = self._known, f"features is {self.feature_set!r}, and source is {self.source!r}"
        if known == TABLE and self.source != TABLE:
            raise ValueError(f"{found}; expected {known_sets()}")
        if self.source == TABLE and known != TABLE:
            raise ValueError(f"{found}; expected no features, which table.features names, or columns of them")
        if self.source == "audio" and known == MEANS:
            raise ValueError(f"{found}; expected {known_sets(FEATURE_SETS)}")
        if known not in ALONE:
            self.chosen_of(())  # what is wrong with a pattern is told before anything is read
        return self


def known_sets(names: Iterable[str] = (*FEATURE_SETS, LOG_MEL, WAVEFORM, MEANS)) -> str:
    """Name sets that need no definition."""
    *first, last = names
    return f"{', '.join(first)} or {last}"


def _near(name: str, others: Sequence[str] = ()) -> str:
    known = {one.lower(): one for one in (*FEATURE_SETS, LOG_MEL, WAVEFORM, *ALONE, *others)}
    near = get_close_matches(name.lower(), known, 1, 0.5)
    return f"; did you mean {known[near[0]]!r}?" if near else ""


def defined(choice: str | OwnSet, own: OwnSets, key: str = "features") -> OwnSet:
    """Return what a name stands for, or what stands in its place.

    Parameters
    ----------
    choice
        Name of a set, of several with ``+`` between them, or of one of one's own; or such a set.
    own
        Sets of one's own.
    key
        Where it was said.

    Raises
    ------
    ValueError
        If there is no such set.
    """
    if isinstance(choice, OwnSet):
        return choice
    if choice in own:
        return own[choice]
    if choice in ALONE or is_feature_set(choice):
        return OwnSet(sets=[choice])
    try:
        sound_of(choice)
    except ValueError as error:  # a spectrogram that there can't be
        raise ValueError(f"{key}: {error}") from None
    named = f", or one of feature_sets: {', '.join(own)}" if own else ""
    raise ValueError(f"{key} is {choice!r}; expected {known_sets()}{named}{_near(choice, [*own])}")


def check_names(own: OwnSets) -> None:
    """Raise ValueError if a name of a set of one's own is that of another set, or can't be a file's."""
    for name in own:
        if name in ALONE or is_feature_set(name):
            raise ValueError(f"feature_sets has {name!r}, which is there already; expected another name")
        if not _NAME.fullmatch(name) or name != name.strip():
            raise ValueError(
                f"feature_sets has {name!r}; expected a name of letters, digits, spaces, dots and dashes"
            )


def chosen_names(names: Sequence[str], what: str, own: OwnSet, leave_out: Sequence[str]) -> list[str]:
    """Choose columns, in their own order.

    Parameters
    ----------
    names
        All that there are.
    what
        Name of these.
    own
        Which of them; all where it doesn't say.
    leave_out
        Names and patterns of those that are then taken away.

    Raises
    ------
    ValueError
        If a pattern means none of them, or nothing is left; key and pattern are named.
    """
    wanted = list(names) if own.columns is None else _meant(names, what, own.columns, "features.columns")
    left_out = {*_meant(wanted, what, leave_out, "leave_out")}
    kept = [name for name in wanted if name not in left_out]
    if not kept:
        raise ValueError(f"leave_out leaves out all {len(wanted)} features")
    return kept


def _meant(names: Sequence[str], what: str, patterns: Sequence[str], key: str) -> list[str]:
    """Return the names that some names or patterns mean."""
    found: set[str] = set()
    for pattern in patterns:
        here = {name for name in names if is_meant(name, pattern)}
        if not here:
            elsewhere = {name for name in FEATURE_SETS[ALL] if is_meant(name, pattern)}
            hint = (
                f"; {set_with(elsewhere)} has such"
                if elsewhere
                else did_you_mean(pattern.replace("*", ""), list(names))
            )
            raise ValueError(
                f"{key}: no feature {pattern!r}; expected names, or patterns with *, of the {len(names)} of "
                f"{what}{hint}"
            )
        found |= here
    return [name for name in names if name in found]


def is_meant(name: str, pattern: str) -> bool:
    """Whether a name of a feature or column is what a pattern means: itself, or with ``*`` for any letters.

    Brackets are letters of names, such as ``audSpec_Rfilt_sma[0]_amean``; others may stand for some letters.
    """
    literal = pattern.replace("[", "[[]")
    return name == pattern or fnmatchcase(name, literal) or fnmatchcase(name, pattern)


def in_words(value: Any) -> str:
    """Write a value of a configuration's as a person would."""
    if isinstance(value, dict) and value.keys() <= OwnSet.model_fields.keys():
        return OwnSet.model_validate(value).words
    return f"{value:.4g}" if isinstance(value, float) else str(value)
