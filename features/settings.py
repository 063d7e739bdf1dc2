"""How features are computed where there is a choice."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

from lstmcore.features.grid import HOP_SECONDS, WINDOW_SECONDS

SetharesWeight = Literal["product", "min"]
VassilakisWeight = Literal["2015", "published"]
Spectra = Literal["mean", "window"]

STEP_SECONDS = 0.01
"""Distance of openSMILE's low-level frames, of which windows and hops are made."""

LONGEST_SECONDS = 60.0
LONGEST_SPECTRUM_SECONDS = 2.0
"""Peaks are thousands in longer ones, and all pairs of them are summed over."""

SHORTEST_WINDOW_SECONDS = 0.1

_SHORTEST_SECONDS = {
    "window_seconds": SHORTEST_WINDOW_SECONDS,
    "hop_seconds": STEP_SECONDS,
    "density_seconds": 0.1,
    "tempo_seconds": 1.0,
}
_WORDS = {"sethares": SetharesWeight, "vassilakis": VassilakisWeight, "spectra": Spectra}
_GRID = ("window_seconds", "hop_seconds")


@dataclass(frozen=True)
class FeatureSettings:
    """Choices; the defaults are those of the DEAM data set and of MIRtoolbox in 2015.

    Parameters
    ----------
    window_seconds
        Length of the window that a row describes, .1 to 60 s in steps of .01 s.
    hop_seconds
        Distance of the rows, .01 to 60 s in steps of .01 s.
    sethares
        Weight of two tones in the sensory dissonance: "product" of their magnitudes, or the
        smaller one, "min".
    vassilakis
        Formula of the roughness: "2015", as MIRtoolbox computed it then, or "published".
    spectra
        "mean": dissonance and roughness are means over the frames of .05 s whose centres lie
        in a row's window.  "window": one spectrum of the whole window, which resolves close
        tones but blurs changes, and takes long; for windows up to 2 s.
    density_seconds
        Length of the frames in which events are counted, .1 to 60 s: 1 for a row's window, 3
        for smoother values around its centre.
    tempo_seconds
        Length of the frames in which the tempo is sought, 1 to 60 s; 3 is the shortest in
        which 40 beats per minute can be heard.

    Raises
    ------
    ValueError
        If a value is none of these; the message names it, and what is expected.
    """

    window_seconds: float = WINDOW_SECONDS
    hop_seconds: float = HOP_SECONDS
    sethares: SetharesWeight = "product"
    vassilakis: VassilakisWeight = "2015"
    spectra: Spectra = "mean"
    density_seconds: float = 1.0
    tempo_seconds: float = 3.0

    def __post_init__(self) -> None:
        for name, shortest in _SHORTEST_SECONDS.items():
            value = float(getattr(self, name))
            object.__setattr__(self, name, value)  # 2 and 2.0 are one setting
            if not shortest <= value <= LONGEST_SECONDS:  # NaN is refused too
                expected = f"{shortest:g} to {LONGEST_SECONDS:g} s are expected"
                raise ValueError(f"{name} is {value:g}; {expected}")
        for name in _GRID:
            steps = getattr(self, name) / STEP_SECONDS
            if abs(steps - round(steps)) > 1e-6:
                expected = f"a multiple of {STEP_SECONDS:g} s is expected"
                raise ValueError(f"{name} is {getattr(self, name):g}; {expected}")
        for name, words in _WORDS.items():
            if getattr(self, name) not in get_args(words):
                known = " or ".join(repr(word) for word in get_args(words))
                raise ValueError(f"{name} is {getattr(self, name)!r}; {known} is expected")
        if self.spectra == "window" and self.window_seconds > LONGEST_SPECTRUM_SECONDS:
            expected = f"at most {LONGEST_SPECTRUM_SECONDS:g} s are expected with spectra 'window'"
            raise ValueError(f"window_seconds is {self.window_seconds:g}; {expected}")

    def version(self, feature_set: str) -> str:
        """Return what to add to a version of the code: nothing for the defaults, else a hash.

        Parameters
        ----------
        feature_set
            Choices that don't touch the set don't count.

        Returns
        -------
        str
            "" or "-" and eight hexadecimal digits.
        """
        names = _GRID if feature_set in ("FS1", "tonality") else [field.name for field in fields(self)]
        chosen, default = asdict(self), asdict(DEFAULT)
        other = sorted(f"{name}={chosen[name]}" for name in names if chosen[name] != default[name])
        return "-" + hashlib.sha256("\n".join(other).encode()).hexdigest()[:8] if other else ""


DEFAULT = FeatureSettings()
"""Rows of 1 s every .5 s, as in the DEAM data set."""
