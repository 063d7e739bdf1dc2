"""The feature sets: which numbers, under which names, in which order.

A set is made of parts (`PARTS`), each of which is computed and stored by itself; `FEATURE_SETS` are those
with a name, and names with ``+`` between them name what they have together: ``FS1+tonality``.

FS1 is the set the DEAM data set came with: 65 low-level descriptors and their 65 time
derivatives, each summarised over a 1 s window by standard deviation and mean, 260
numbers in all.  The names follow a rule, so they are built, not listed.

FS2 is FS1 and four descriptors of what is heard as music, in the order of the paper.

FS3 is FS2 and tonality: beyond the paper.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from lstmcore.features.grid import TIME_COLUMN
from lstmcore.features.sound_names import sound_names, sound_of, sound_with

# The 65 descriptors in their order: (name, indices), no indices for a single number.
_ROLL_OFF = ("25.0", "50.0", "75.0", "90.0")
_SHAPE = ("Flux", "Centroid", "Entropy", "Variance", "Skewness", "Kurtosis", "Slope")
_SPECTRAL = (
    "fband250-650",
    "fband1000-4000",
    *(f"spectralRollOff{share}" for share in _ROLL_OFF),
    *(f"spectral{shape}" for shape in _SHAPE),
    "psySharpness",
    "spectralHarmonicity",
)
_DESCRIPTORS: tuple[tuple[str, range | None], ...] = (
    *((voice, None) for voice in ("F0final", "voicingFinalUnclipped")),
    *((voice, None) for voice in ("jitterLocal", "jitterDDP", "shimmerLocal", "logHNR")),
    *((f"{loudness}_lengthL1norm", None) for loudness in ("audspec", "audspecRasta")),
    *((energy, None) for energy in ("pcm_RMSenergy", "pcm_zcr")),
    ("audSpec_Rfilt", range(26)),
    *((f"pcm_fftMag_{spectral}", None) for spectral in _SPECTRAL),
    ("pcm_fftMag_mfcc", range(1, 15)),
)
_SMOOTHED_AND_DELTA = ("_sma", "_sma_de")
_SUMMARIES = ("_stddev", "_amean")


def _fs1() -> tuple[str, ...]:
    contours = [
        f"{name}{step}" if indices is None else f"{name}{step}[{index}]"
        for step in _SMOOTHED_AND_DELTA
        for name, indices in _DESCRIPTORS
        for index in (indices or (0,))
    ]
    return tuple(contour + summary for contour in contours for summary in _SUMMARIES)


MUSIC = ("sensory_dissonance", "roughness_vassilakis", "tempo", "event_density")
"""What FS2 adds to FS1."""

TONALITY_SECONDS = (1, 3, 10, 30)
"""Lengths of the windows of tonality, each of which ends where a row's window ends."""

DEGREE_SECONDS = 10
"""Length of the window of the scale degrees: one of the above."""

_DEGREES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")

TONALITY = (
    *(
        f"tonality_{measure}_{seconds}s"
        for seconds in TONALITY_SECONDS
        for measure in ("mode", "clarity", "entropy", "change")
    ),
    *(f"tonality_degree_{degree}_{DEGREE_SECONDS}s" for degree in _DEGREES),
)
"""What FS3 adds to FS2."""

PARTS: dict[str, tuple[str, ...]] = {"FS1": _fs1(), "music": MUSIC, "tonality": TONALITY}
"""What sets are made of: names of the features of each part.  In all sets parts are in this order."""

_NAMED: dict[str, tuple[str, ...]] = {
    "FS1": ("FS1",),
    "FS2": ("FS1", "music"),
    "FS3": ("FS1", "music", "tonality"),
    "music": ("music",),
    "tonality": ("tonality",),
}

FEATURE_SETS: dict[str, tuple[str, ...]] = {
    name: tuple(feature for part in parts for feature in PARTS[part]) for name, parts in _NAMED.items()
}
"""Names of the features of each set that has a name, in column order, without the time column."""

ALL = "FS3"
"""The set of all features."""


def parts_of(feature_set: str) -> tuple[str, ...]:
    """Parts of a set, in the order of their columns.

    Parameters
    ----------
    feature_set
        "FS1", "FS2", "FS3", "music", "tonality", or several of these with ``+`` between them.

    Raises
    ------
    ValueError
        If there is no such set; the message names those there are.
    """
    sound = sound_of(feature_set)
    if sound is not None:  # a part by itself: a block has no other columns
        return (sound if sound == "waveform" else sound.name,)
    found: set[str] = set()
    for name in feature_set.split("+"):
        if name not in _NAMED:
            near = get_close_matches(name.lower(), {known.lower() for known in _NAMED}, n=1, cutoff=0.3)
            hint = next((f" (did you mean {known!r}?)" for known in _NAMED if [known.lower()] == near), "")
            raise ValueError(
                f"unknown feature set {name!r}{hint}; expected one of: {', '.join(_NAMED)}, or several "
                "with + between them"
            )
        found |= {*_NAMED[name]}
    return tuple(part for part in PARTS if part in found)


def is_feature_set(name: str) -> bool:
    """Whether a name is one of a set whose features can be computed from audio."""
    return all(one in _NAMED for one in name.split("+")) or is_sound(name)


def is_sound(name: str) -> bool:
    """Whether a set is sound itself, ``waveform`` or a ``log-mel`` spectrogram, for networks with a front."""
    try:
        return sound_of(name) is not None
    except ValueError:
        return False


def set_of(parts: Iterable[str]) -> str:
    """Name the set of some parts, at least one, in any order: by its own name, or by those of its parts."""
    given = {*parts}
    sound = next(filter(is_sound, given), None)
    if sound is not None:
        return sound
    wanted = tuple(part for part in PARTS if part in given)
    return next((name for name, of in _NAMED.items() if of == wanted), "+".join(wanted))


def set_with(features: Iterable[str]) -> str:
    """Name the smallest set that has some features, at least one; nothing else needs to be computed."""
    names = list(features)
    sound = sound_with(names[-1])
    if sound is not None and is_sound(sound):
        return sound
    wanted = {*names}
    return set_of(part for part, names in PARTS.items() if wanted & {*names})


def feature_names(feature_set: str) -> tuple[str, ...]:
    """Names of the features of a set, in order, without the time column.

    Parameters
    ----------
    feature_set
        "FS1", "FS2", "FS3", "music" (what FS2 adds to FS1), "tonality" (what FS3 adds to FS2), or several
        with ``+`` between them; "waveform", "log-mel" or "log-mel-64x10ms": sound itself.

    Returns
    -------
    tuple of str
        260 names for FS1, 264 for FS2, 292 for FS3.

    Raises
    ------
    ValueError
        If there is no such set; the message names those there are.
    """
    parts = parts_of(feature_set)
    if parts[0] not in PARTS:
        return sound_names(parts[0])
    return tuple(name for part in parts for name in PARTS[part])


def columns(feature_set: str) -> tuple[str, ...]:
    """Columns of a table of features: the time column ``frameTime`` (seconds), then the names.

    Parameters
    ----------
    feature_set
        As in `feature_names`.

    Returns
    -------
    tuple of str
        261 names for FS1, as in the header of DEAM's feature files; 265 for FS2, 293 for FS3.

    Raises
    ------
    ValueError
        If there is no such set.
    """
    return (TIME_COLUMN, *feature_names(feature_set))
