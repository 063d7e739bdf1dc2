"""The feature sets: which numbers, under which names, in which order.  One table, `FEATURE_SETS`.

FS1 is the set the DEAM data set came with: 65 low-level descriptors and their 65 time
derivatives, each summarised over a 1 s window by standard deviation and mean, 260
numbers in all.  The names follow a rule, so they are built, not listed.

FS2 is FS1 and four descriptors of what is heard as music, in the order of the paper.

FS3 is FS2 and tonality: beyond the paper.
"""

from __future__ import annotations

from difflib import get_close_matches

from lstmcore.features.grid import TIME_COLUMN

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

FEATURE_SETS: dict[str, tuple[str, ...]] = {
    "FS1": _fs1(),
    "FS2": (*_fs1(), *MUSIC),
    "FS3": (*_fs1(), *MUSIC, *TONALITY),
}
"""Names of the features of each set, in column order, without the time column.

Each set begins with the one before."""


def feature_names(feature_set: str) -> tuple[str, ...]:
    """Names of the features of a set, in order, without the time column.

    Parameters
    ----------
    feature_set
        "FS1", "FS2" or "FS3".

    Returns
    -------
    tuple of str
        260 names for FS1, 264 for FS2, 292 for FS3.

    Raises
    ------
    ValueError
        If there is no such set; the message names those there are.
    """
    try:
        return FEATURE_SETS[feature_set]
    except KeyError:
        near = get_close_matches(feature_set.upper(), FEATURE_SETS, n=1, cutoff=0.3)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        known = ", ".join(FEATURE_SETS)
        raise ValueError(f"unknown feature set {feature_set!r}{hint}; expected one of: {known}") from None


def columns(feature_set: str) -> tuple[str, ...]:
    """Columns of a table of features: the time column ``frameTime`` (seconds), then the names.

    Parameters
    ----------
    feature_set
        "FS1", "FS2" or "FS3".

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
