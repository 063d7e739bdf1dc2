"""JSON as CURRENNT 0.2 writes it: four blanks per level, one number per line; it is read strictly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lstmcore.experiments.currennt.formats.reading import file_size
from lstmcore.experiments.currennt.numerics.numerals import number, numbers
from lstmcore.experiments.errors import InputError

# The key of an autosave whose text holds names of files.
OPTIONS = "configuration"
# A file larger than this is no network: it would have a hundred million weights.
LARGEST = 2**32
_LONGEST_WHOLE = 100  # digits; states of generators of random numbers have up to 39
_NO_NUMBER = re.compile(r"\s*[-+]?(nan|inf|1\.#)", re.IGNORECASE)
_INDENT = "    "


def from_json(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Parameters
    ----------
    path
        The file, in UTF-8; the options in an autosave may hold names of files, which may be any bytes.

    Returns
    -------
    dict
        ``-0`` is a float, as is a whole number of more than 100 digits. Bytes that are no UTF-8 are as in
        names of files that Python gives (``surrogateescape``).

    Raises
    ------
    InputError
        If the file is missing, empty, too large or not JSON, if a key appears twice in an object, if a
        number is not finite (``nan``), or it is nested too deeply.
    """
    try:
        size = file_size(path)
        if size > LARGEST:
            raise InputError(f"{path}: {size} bytes; expected {LARGEST} at most")
        text, odd = _decoded(path.read_bytes())
        no_text = InputError(f"{path}: byte {odd} is not UTF-8; expected a text file (JSON)")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    try:
        content = json.loads(
            text, object_pairs_hook=_without_doubles, parse_int=_whole, parse_constant=_no_constant
        )
    except json.JSONDecodeError as error:
        if odd is not None:
            raise no_text from error
        raise InputError(f"{path}, line {error.lineno}, column {error.colno}: {_explained(error)}") from error
    except RecursionError as error:
        raise InputError(f"{path}: lists or objects are nested too deeply") from error
    except _Defect as error:
        raise InputError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: found {shown(content)}; expected a JSON object {{…}}")
    options = content.get(OPTIONS)
    if odd is not None and not _encodable(content | {OPTIONS: None}):
        raise no_text
    if "\\u" in text and not (
        _encodable(content | {OPTIONS: None}) and _encodable(options, "surrogateescape")
    ):
        raise InputError(
            f"{path}: half a surrogate pair (\\ud800 … \\udfff) in a text; expected both or none"
        )
    return content


def json_text(content: dict[str, Any]) -> str:
    """Return an object as text.

    Parameters
    ----------
    content
        Of dicts, lists, one-dimensional float arrays, str, bool, int, float and None. Floats are written
        by :func:`number`; those that are not finite become ``null``, as JSON has no others.

    Returns
    -------
    str
        Without a newline at the end, as the original.
    """
    return "".join(_pieces(content, "\n"))


def shown(value: Any) -> str:
    """Return a value as it is named in a message: short."""
    kinds: dict[type, str] = {dict: "an object {…}", list: "a list […]", type(None): "null"}
    if type(value) in kinds:
        return kinds[type(value)]
    text = json.dumps(value) if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


class _Defect(Exception):
    """Found while the JSON is read, where its file is not known."""


def _decoded(data: bytes) -> tuple[str, int | None]:
    """Return the text and the place of its first byte that is no UTF-8, if there is one."""
    try:
        return data.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        return data.decode("utf-8-sig", "surrogateescape"), error.start


def _encodable(content: Any, errors: str = "strict") -> bool:
    try:
        json.dumps(content, ensure_ascii=False).encode(errors=errors)
    except UnicodeEncodeError:
        return False
    return True


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise _Defect(f"key {double!r} appears twice in one object")
    return found


def _whole(text: str) -> int | float:
    return float(text) if text == "-0" or len(text) > _LONGEST_WHOLE else int(text)


def _no_constant(text: str) -> float:
    raise _Defect(f"found {text}; expected a finite number (JSON has no others; had the training diverged?)")


def _explained(error: json.JSONDecodeError) -> str:
    # Parsing stops behind the "1" of "1.#INF" and before "nan".
    rest = error.doc[max(0, error.pos - 2) : error.pos + 20]
    for start in (rest, rest[1:], rest[2:]):
        if _NO_NUMBER.match(start):
            found = start.strip().split()[0].rstrip(",]}")
            return f"found {found}; expected a finite number (had the training diverged?)"
    return f"not JSON: {error.msg}"


def _pieces(value: Any, newline: str) -> Iterator[str]:
    if isinstance(value, np.ndarray):
        finite = np.isfinite(value)
        texts = numbers(value)
        if not finite.all():
            texts = [text if good else "null" for text, good in zip(texts, finite.tolist(), strict=True)]
        inner = newline + _INDENT
        yield f"[{inner}{(',' + inner).join(texts)}{newline}]" if texts else "[]"
    elif isinstance(value, dict):
        items = ((f"{_string(key)}: ", item) for key, item in value.items())
        yield from _nested("{}", items, newline)
    elif isinstance(value, list):
        yield from _nested("[]", (("", item) for item in value), newline)
    elif isinstance(value, float | np.floating):
        yield number(value) if np.isfinite(value) else "null"
    else:
        yield json.dumps(value, ensure_ascii=False)


def _nested(brackets: str, items: Iterator[tuple[str, Any]], newline: str) -> Iterator[str]:
    inner = newline + _INDENT
    before = brackets[0] + inner
    for key, item in items:
        yield before + key
        yield from _pieces(item, inner)
        before = "," + inner
    yield brackets if before[0] == brackets[0] else newline + brackets[1]


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
