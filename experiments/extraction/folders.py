"""Which files of a folder are songs."""

from __future__ import annotations

import os
from pathlib import Path

from lstmcore.features.formats import SOUND_SUFFIXES, is_companion


def sound_files(folder: Path) -> list[str]:
    """List the files of a folder that look like sound, whether or not it can be decoded.

    Parameters
    ----------
    folder
        Searched with all that is below it, behind links, too.

    Returns
    -------
    list
        Paths, sorted: files whose names end like those of sound (`lstmcore.features.formats`), but not what
        a Mac writes beside them (``._song.mp3``).  A folder that can't be read stands for what may be
        in it, so that it is named where its files would be.
    """
    found: list[str] = []
    seen: set[str] = set()
    for here, folders, names in os.walk(
        folder, onerror=lambda e: found.append(str(e.filename)), followlinks=True
    ):
        true = os.path.realpath(here)
        if true in seen:  # a link to a folder above, or a second one to the same
            folders.clear()
            continue
        seen.add(true)
        folders.sort()  # which of two ways to a folder comes first names its songs
        for name in names:
            path = os.path.join(here, name)  # noqa: PTH118
            if name.lower().endswith(SOUND_SUFFIXES) and not is_companion(path):
                found.append(path)
    return sorted(found)
