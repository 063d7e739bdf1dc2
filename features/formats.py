"""Which files hold sound, which of them can be read, and what the others are.

Files are known by how they begin; their names only tell which files of a folder to look at.
"""

from __future__ import annotations

import os
from pathlib import Path

READABLE_SUFFIXES = (
    *(".mp3", ".mp2", ".mp1", ".mpga"),
    *(".ogg", ".oga", ".opus", ".flac"),
    *(".wav", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".caf", ".au", ".snd"),
)
"""Ends of the names of files that can be decoded."""

SOUND_SUFFIXES = (
    *READABLE_SUFFIXES,
    *(".m4a", ".m4b", ".aac", ".wma", ".webm", ".weba", ".mka", ".spx", ".ra", ".amr", ".ac3", ".dts"),
    *(".alac", ".wv", ".ape", ".tta", ".tak", ".mpc", ".dsf", ".dff"),
)
"""Ends of the names of files that hold sound, whether or not it can be decoded."""

_APPLE_DOUBLE = b"\x00\x05\x16\x07"
_OTHERS = {
    b"\x1aE\xdf\xa3": "Matroska or WebM",
    b"0&\xb2u\x8ef\xcf\x11": "Windows Media (WMA)",
    b"wvpk": "WavPack",
    b"MAC ": "Monkey's Audio",
    b"MPCK": "Musepack",
    b"MP+": "Musepack",
    b"TTA1": "True Audio",
    b"tBaK": "TAK",
    b"DSD ": "DSD",
    b"FRM8": "DSD",
    b"#!AMR": "AMR",
    b".RMF": "RealMedia",
    b".ra\xfd": "RealAudio",
    b"\x0bw": "AC-3",
    b"MThd": "MIDI (notes, not sound)",
    b"NIST_1A": "NIST Sphere",
    b"Creative Voice File": "a Creative voice file",
    _APPLE_DOUBLE: "notes of a Mac's about another file (AppleDouble)",
}


def unread_format(begin: bytes) -> str | None:
    """Name a format that can't be decoded.

    Parameters
    ----------
    begin
        The first bytes of a file, 32 or more.

    Returns
    -------
    str or None
        What it is; None if that isn't known.
    """
    if begin[4:8] == b"ftyp":
        return "MPEG-4 (M4A: AAC or ALAC)"
    if begin[:1] == b"\xff" and len(begin) > 1 and begin[1] & 0xF6 == 0xF0:
        return "AAC"
    return next((name for magic, name in _OTHERS.items() if begin.startswith(magic)), None)


def is_companion(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is one that a Mac writes beside another on foreign disks: ``._song.mp3``.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    bool
        Whether its name begins with ``._`` and either the other file is there, or what it
        holds is an AppleDouble header.
    """
    file = Path(path)
    if not file.name.startswith("._"):
        return False
    if file.with_name(file.name[2:]).exists():
        return True
    try:
        with file.open("rb") as content:
            return content.read(4) == _APPLE_DOUBLE
    except OSError:
        return False
