"""Outputs of a forward pass in CURRENNT 0.2's three file formats.

Unlike the original's, numbers in CSV are exact (as many digits as read back the same, see :func:`number`),
no file overwrites another one, and none is written outside the folder that was named.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.currennt.numerics.numerals import number, numbers
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import check_writable, write_text, write_whole

__all__ = ["check_place", "number", "write_csv_folder", "write_htk_folder", "write_single_csv"]

Outputs = NDArray[np.float32] | NDArray[np.float64]

_HTK_WIDEST = (2**15 - 1) // 4  # outputs: the header has 16 bits for the bytes of a frame
_UNITS = 1e4  # of 100 ns in a millisecond


def check_place(path: Path, file_format: str, tags: Sequence[str]) -> None:
    """See, before outputs are computed, whether they can be written.

    Parameters
    ----------
    path
        The file or folder.
    file_format
        ``single_csv``, ``csv`` or ``htk``.
    tags
        Name of each sequence.

    Raises
    ------
    InputError
        If a tag can't stand in the file, or is no name of a file inside the folder.
    OSError
        If the file can't be written.
    """
    if file_format == "single_csv":
        _check_lines(path, tags)
        check_writable(path)
        return
    for tag in tags:
        _inside(path, tag)
    check_writable(path / f"x.{file_format}")


def write_single_csv(path: Path, tags: Sequence[str], outputs: Sequence[Outputs]) -> None:
    """Write all sequences into one file, a line each: ``tag;v(t0,o0);v(t0,o1);…;v(t1,o0);…``.

    Parameters
    ----------
    path
        The file.
    tags
        Name of each sequence.
    outputs
        (frames, outputs) of each sequence.

    Raises
    ------
    InputError
        If tags and outputs are not as many, outputs have no frames × outputs, or a tag has a line break.
    OSError
        If the file can't be written.
    """
    _check(path, tags, outputs)
    _check_lines(path, tags)
    write_text(
        path, "".join(";".join([tag, *numbers(y)]) + "\n" for tag, y in zip(tags, outputs, strict=True))
    )


def write_csv_folder(folder: Path, tags: Sequence[str], outputs: Sequence[Outputs]) -> list[Path]:
    """Write a file for each sequence, with a line for each frame: ``v(t,o0);v(t,o1);…``.

    The name is the tag with ``.csv`` in place of its extension, as the original has it: ``song.1`` becomes
    ``song.csv``. Where that would be the name of several sequences, each of them keeps its whole tag
    (``song.1.csv``, ``song.2.csv``); a name that is still not unique, as of a tag that
    appears several times, is numbered from its second time on (``song.csv``, ``song_2.csv``).

    Parameters
    ----------
    folder
        Where to; folders in tags (``a/b``, ``/a/b``) are made below it.
    tags, outputs
        As in :func:`write_single_csv`.

    Returns
    -------
    list of Path
        The file of each sequence.

    Raises
    ------
    InputError
        If tags and outputs don't fit together, or a tag is no name of a file inside the folder.
    OSError
        If a file can't be written.
    """
    _check(folder, tags, outputs)
    paths = _paths(folder, tags, ".csv", _without_extension)
    for path, values in zip(paths, outputs, strict=True):
        texts, width = numbers(values), values.shape[1]
        lines = (";".join(texts[k : k + width]) for k in range(0, len(texts), width))
        write_text(path, "".join(line + "\n" for line in lines))
    return paths


def write_htk_folder(
    folder: Path,
    tags: Sequence[str],
    outputs: Sequence[Outputs],
    feature_period_ms: float = 10.0,
    kind: int = 9,
) -> list[Path]:
    """Write an HTK file for each sequence: ``<tag>.htk``, big-endian, 12 bytes of header and float32 values.

    Parameters
    ----------
    folder, tags, outputs
        As in :func:`write_csv_folder`; a tag keeps its extension.
    feature_period_ms
        Time from frame to frame in milliseconds.
    kind
        HTK's parameter kind; 9 is "user-defined".

    Returns
    -------
    list of Path
        The file of each sequence.

    Raises
    ------
    InputError
        As :func:`write_csv_folder`, and if the header can't hold the period, the kind or the number of
        outputs.
    OSError
        If a file can't be written.
    """
    _check(folder, tags, outputs)
    if not 0 <= feature_period_ms * _UNITS <= 2**31 - 1:
        raise InputError(
            f"{folder}: a feature period of {feature_period_ms:g} ms; HTK can hold 0 to 214748 ms"
        )
    if not -(2**15) <= kind < 2**15:
        raise InputError(f"{folder}: an output kind of {kind}; HTK can hold -32768 to 32767")
    paths = _paths(folder, tags, ".htk", str)
    for path, values in zip(paths, outputs, strict=True):
        frames, width = values.shape
        if width > _HTK_WIDEST:
            raise InputError(f"{path}: {width} outputs; HTK can hold {_HTK_WIDEST} at most")
        period = round(feature_period_ms * _UNITS)
        header = np.array([frames, period], ">i4").tobytes() + np.array([4 * width, kind], ">i2").tobytes()
        with np.errstate(over="ignore"):  # a float64 beyond float32 is infinite there
            write_whole(path, header + values.astype(">f4").tobytes())
    return paths


def _check(place: Path, tags: Sequence[str], outputs: Sequence[Outputs]) -> None:
    if len(tags) != len(outputs):
        raise InputError(f"{place}: {len(tags)} tags and {len(outputs)} outputs; expected as many")
    for tag, values in zip(tags, outputs, strict=True):
        if values.ndim != 2 or not values.shape[1]:
            raise InputError(f"{place}: outputs of {tag!r} are {values.shape}; expected frames × outputs")
        if tag.encode(errors="replace").decode() != tag:
            raise InputError(f"{place}: the tag {tag!r} has a character that can't be written")


def _check_lines(path: Path, tags: Sequence[str]) -> None:
    for tag in tags:
        if set(tag) & {"\n", "\r"}:
            raise InputError(f"{path}: the tag {tag!r} has a line break; a sequence is one line of the file")


def _without_extension(tag: str) -> str:
    folder, slash, name = tag.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] if "." in name else name)


def _paths(folder: Path, tags: Sequence[str], suffix: str, short: Callable[[str], str]) -> list[Path]:
    """Give each sequence a file of its own."""
    # "a//b", "./a/b" and "/a/b" are the file that "a/b" is.
    whole = [_inside(folder, tag) for tag in tags]
    shortened = [short(tag) for tag in whole]
    sharing = Counter(dict.fromkeys(zip(shortened, whole, strict=True), 1))
    users = Counter(name for name, _ in sharing)
    names = [s if users[s] == 1 else w for s, w in zip(shortened, whole, strict=True)]
    return [folder / (name + suffix) for name in _numbered(names)]


def _numbered(names: list[str]) -> list[str]:
    """Append numbers to names that repeat, past names that others have."""
    taken, given = set(names), set[str]()
    result = []
    for name in names:
        free, k = name, 1
        while free in given or (k > 1 and free in taken):
            k += 1
            free = f"{name}_{k}"
        given.add(free)
        result.append(free)
    return result


def _inside(folder: Path, tag: str) -> str:
    """Return the path that a tag means below the folder; of an absolute one without its root."""
    path = PurePath(tag)
    path = path.relative_to(path.anchor)
    if ".." in path.parts or "\0" in tag or not path.name or tag.endswith(("/", os.sep)):
        raise InputError(f"{folder}: the tag {tag!r} is no name of a file in this folder")
    return path.as_posix()
