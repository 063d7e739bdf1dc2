"""What a folder of ratings says of itself, for the page that writes it and whoever learns from it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from lstmcore.experiments.errors import InputError, unreadable
from lstmcore.experiments.files import from_toml, read_plain

SETTINGS = "annotation.toml"
LONGEST_NAME = 40
LONGEST_HOP = 60_000  # milliseconds
NAME = re.compile(r"[^\W_](?:[\w .\-]*[\w.\-])?")
"""Of raters and targets: nothing that a table or a folder would take for something else."""


@dataclass(frozen=True)
class Scheme:
    """What is rated.

    Parameters
    ----------
    targets
        Names, each of them a folder.
    scale
        Lowest and highest value.
    hop
        Milliseconds from one value to the next.
    """

    targets: tuple[str, ...] = ("arousal", "valence")
    scale: tuple[float, float] = (-1.0, 1.0)
    hop: int = 500

    def __post_init__(self) -> None:
        """Refuse what can't be rated."""
        if not self.targets:
            raise InputError("--targets: none is named; expected such as arousal,valence")
        for target in self.targets:
            if NAME.fullmatch(target) is None or len(target) > LONGEST_NAME:
                raise InputError(
                    f"--targets: {target!r} can't be the name of a folder; expected letters, digits, "
                    "spaces, points, - and _"
                )
        if len({target.casefold() for target in self.targets}) < len(self.targets):
            raise InputError(f"--targets: {', '.join(self.targets)} has one twice; expected each once")
        if not 1 <= self.hop <= LONGEST_HOP:
            raise InputError(f"hop_ms is {self.hop}; expected 1 to {LONGEST_HOP} milliseconds")
        low, high = self.scale
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(f"--scale: {low:g} to {high:g}; expected the lowest value, then the highest")


def read_scheme(folder: Path) -> Scheme | None:
    """Return what a folder of ratings says was rated; None if it says nothing.

    Raises
    ------
    InputError
        If the file can't be used.
    """
    path = folder / SETTINGS
    try:
        content = from_toml(read_plain(path).decode())
        low, high = content["scale"]
        return Scheme(tuple(map(str, content["targets"])), (float(low), float(high)), int(content["hop_ms"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: {error}; expected targets, scale and hop_ms as they were written"
        ) from None
