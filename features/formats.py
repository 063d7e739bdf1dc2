"""Which files hold sound, which of them can be read, and what the others are.

Files are known by how they begin; their names only tell which files of a folder to look at.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

SNDFILE_SUFFIXES = (
    *(".mp3", ".mp2", ".mp1", ".mpga"),
    *(".ogg", ".oga", ".ogv", ".opus", ".flac"),
    *(".wav", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".caf", ".au", ".snd"),
)
"""Ends of the names of files that libsndfile decodes."""

MEDIA_SUFFIXES = (
    *(".m4a", ".m4b", ".m4r", ".alac", ".aac", ".wma", ".webm", ".weba", ".mka"),
    *(".ac3", ".eac3", ".dts", ".amr", ".ra", ".wv", ".ape", ".tta", ".tak", ".mpc", ".dsf", ".dff"),
    *(".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".avi", ".wmv", ".asf"),
    *(".mpg", ".mpeg", ".vob", ".flv", ".mts", ".m2ts"),  # not .ts, as files of TypeScript are called
)
"""Ends of the names of files that FFmpeg decodes: other sound, and videos, which have some."""

SOUND_SUFFIXES = (*SNDFILE_SUFFIXES, *MEDIA_SUFFIXES, ".spx")
"""Ends of the names of files that hold sound, whether or not it can be decoded."""

FORMAT_BYTES = 512
"""Of a file's beginning: enough to know its format."""

_APPLE_DOUBLE = b"\x00\x05\x16\x07"
_TS_PACKETS = (slice(0, 377, 188), slice(4, 389, 192))  # where each begins: in broadcasts, in camcorders
_LATEST_AC3 = 10  # versions above it are E-AC-3's


class Foreign(NamedTuple):
    """A format that libsndfile doesn't know.

    Parameters
    ----------
    name
        For people.
    demuxer
        FFmpeg's name of what takes it apart; None if it can't be read at all.
    """

    name: str
    demuxer: str | None = None


_MPEG4 = Foreign("MPEG-4 (M4A, MP4: AAC or ALAC)", "mov")
_AAC = Foreign("AAC", "aac")
_MPEG_TS = Foreign("an MPEG transport stream", "mpegts")
_OTHERS = {
    b"\x1aE\xdf\xa3": Foreign("Matroska or WebM", "matroska"),
    b"0&\xb2u\x8ef\xcf\x11": Foreign("Windows Media (WMA)", "asf"),
    b"\x00\x00\x01\xba": Foreign("an MPEG video", "mpeg"),
    b"FLV\x01": Foreign("Flash video", "flv"),
    b"wvpk": Foreign("WavPack", "wv"),
    b"MAC ": Foreign("Monkey's Audio", "ape"),
    b"MPCK": Foreign("Musepack", "mpc8"),
    b"MP+": Foreign("Musepack", "mpc"),
    b"TTA1": Foreign("True Audio", "tta"),
    b"tBaK": Foreign("TAK", "tak"),
    b"DSD ": Foreign("DSD", "dsf"),
    b"FRM8": Foreign("DSD", "iff"),
    b"#!AMR": Foreign("AMR", "amr"),
    b".RMF": Foreign("RealMedia", "rm"),
    b".ra\xfd": Foreign("RealAudio", "rm"),
    b"\x7f\xfe\x80\x01": Foreign("DTS", "dts"),
    b"MThd": Foreign("MIDI (notes, not sound)"),
    b"NIST_1A": Foreign("NIST Sphere", "nistsphere"),
    b"Creative Voice File": Foreign("a Creative voice file", "voc"),
    b"#EXTM3U": Foreign("a list of files (M3U)"),
    _APPLE_DOUBLE: Foreign("notes of a Mac's about another file (AppleDouble)"),
}
_MPEG4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide")  # QuickTime's older files begin with any of them


def foreign_format(begin: bytes) -> Foreign | None:
    """Name a format that libsndfile doesn't know.

    Parameters
    ----------
    begin
        The first `FORMAT_BYTES` of a file, or all of a shorter one.

    Returns
    -------
    Foreign or None
        What it is; None if that isn't known.
    """
    if begin[4:8] in _MPEG4_BOXES:
        return _MPEG4
    if begin[:1] == b"\xff" and len(begin) > 1 and begin[1] & 0xF6 == 0xF0:
        return _AAC
    if begin[:2] == b"\x0bw" and len(begin) > 5:
        version = begin[5] >> 3
        return Foreign("E-AC-3", "eac3") if version > _LATEST_AC3 else Foreign("AC-3", "ac3")
    if begin[:4] == b"RIFF" and begin[8:12] == b"AVI ":
        return Foreign("an AVI video", "avi")
    if any(begin[places] == b"GGG" for places in _TS_PACKETS):
        return _MPEG_TS
    return next((found for magic, found in _OTHERS.items() if begin.startswith(magic)), None)


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
