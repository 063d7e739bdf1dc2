"""What the columns and files of other people's data are called."""

from __future__ import annotations

import re
from typing import NamedTuple

SONG = (
    *("song", "songid", "musicid", "trackid", "track", "clipid", "clip", "pieceid", "piece", "excerptid"),
    *("excerpt", "stimulusid", "stimulus", "recordingid", "recording", "audioid", "audio", "audiofile"),
    *("filename", "file", "filepath", "fileid", "path", "songname", "trackname", "videoid", "name", "title"),
    "id",
)
"""Columns that say which song a row is of, the likeliest first."""

TIME = ("time", "times", "timestamp", "frametime", "seconds", "second", "secs", "sec", "t", "onset")
"""Columns that say when, the likeliest first; a unit may be behind them."""

RATER = (
    *("rater", "raterid", "annotator", "annotatorid", "worker", "workerid", "participant", "participantid"),
    *("subject", "subjectid", "user", "userid", "listener", "listenerid", "respondent", "judge", "coder"),
)
"""Columns that name who rated."""

GROUP = (
    *("artist", "artistname", "artistid", "artists", "performer", "band", "singer", "composer", "composerid"),
    *("series", "game", "album", "albumname", "albumid"),
)
"""Columns of songs that share what they are made of, the likeliest first."""

NUMBERING = ("", "index", "idx", "row", "rowid", "frame", "frameid", "segment", "segmentid", "unnamed0", "n")
"""Columns that count, and say nothing of music."""

DESCRIBING = ("year", "duration", "length", "start", "end", "plays", "count", "age", "startsec", "endsec")
"""Words of columns that are neither ratings nor features, though they are numbers."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


EMOTIONS = _set(
    "arousal valence dominance activation pleasantness pleasure tension tense joy joyful happiness "
    "happy sadness sad anger angry fear fearful tenderness tender calmness calm relaxation relaxed "
    "relaxing excitement excited nostalgia nostalgic wonder transcendence peacefulness peaceful "
    "amazement solemnity melancholy melancholic emotion mood liking likability trustworthiness "
    "disgust surprise serenity"
)
_MEANS = _set("mean avg average averaged cont dynamic static sample rating ratings score value")
SPREADS = _set("std sd stdev stddev deviation var variance se sem spread ci min max count num confidence")
_RATER_TAGS = _set("r rater annotator a p participant s subject w worker listener l")


class Target(NamedTuple):
    """A column of ratings: the target's name, whether it is a spread, and, of one rater's, what all share."""

    name: str
    is_spread: bool
    of_a_rater: str | None


def words_of(name: str) -> list[str]:
    """Part a name into its words in small letters: ``musicId`` is music and id."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_A-Za-z]+", name)]


def place_in(name: str, known: tuple[str, ...]) -> int | None:
    """Return where a column stands in a list of names; None if it isn't there."""
    spelled = "".join(words_of(name))
    return known.index(spelled) if spelled in known else None


def time_place(name: str) -> tuple[int, str | None] | None:
    """Return how likely a column is the time, and the unit that its name says."""
    words = words_of(name)
    unit = None
    if {"ms", "msec", "millis", "milliseconds"} & {*words}:
        unit = "ms"
    elif len(words) > 1 and words[-1] in ("s", "sec", "secs", "seconds"):
        unit = "s"
    place = place_in(name, TIME)
    if place is None and unit is not None:
        rest = "".join(words[:-1])
        place = TIME.index(rest) if rest in TIME else len(TIME) if not rest else None
    return None if place is None else (place, unit)


def target_of(column: str) -> Target | None:
    """Tell what target a column is of; None if its name has no word for an emotion."""
    words = words_of(column)
    if not EMOTIONS & {*words}:
        return None
    left = [word for word in words if word not in _MEANS and word not in SPREADS]
    numbered = len(left) > 1 and left[-1].isdecimal()
    base = [word for word in left if not word.isdecimal() and word not in _RATER_TAGS]
    return Target("_".join(left), bool(SPREADS & {*words}), "_".join(base) if numbered else None)


def emotion_in(*names: str) -> str | None:
    """Return the word for an emotion in the first of some names that has one."""
    for name in names:
        found = [word for word in words_of(name) if word in EMOTIONS - {"emotion", "mood"}]
        if found:
            return found[0]
    return None


def says_spread(name: str) -> bool:
    """Whether a file's name says that it has standard deviations or the like."""
    return bool({"std", "sd", "stdev", "stddev", "deviation", "variance"} & {*words_of(name)})
