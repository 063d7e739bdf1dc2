"""Damaged files: what hypothesis makes of good ones, and bounds on what reading them may take."""

import signal
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hypothesis import strategies as st

from lstmcore.experiments.errors import InputError

T = TypeVar("T")

_WORDS = [0, 1, 2, 5, 6, 7, 10, 11, 12, 50, 51, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1]
SECONDS, BASE_BYTES, BYTES_A_BYTE = 5.0, 2**20, 100


class Content(bytes):
    """Bytes of a file, which are told about by what differs from a good one."""

    changes: tuple = ()

    def __repr__(self):
        return f"<{len(self)} bytes after {self.changes}>"


@st.composite
def damaged(draw, originals: list[bytes], tokens: list[bytes], first: int) -> Content:
    """A good file with one to four changes, half of them within its first bytes."""
    original = draw(st.integers(0, len(originals) - 1))
    data, changes = originals[original], [original]
    for _ in range(draw(st.integers(1, 4))):
        end = min(len(data), first) if draw(st.booleans()) else len(data)
        k = draw(st.integers(0, max(0, end - 1)))
        kind = draw(st.sampled_from(["flip", "word", "token", "insert", "remove", "cut"]))
        match kind:
            case "flip":
                data = data[:k] + bytes([draw(st.integers(0, 255))]) + data[k + 1 :]
            case "word":  # where length fields are
                k -= k % 4
                data = data[:k] + draw(st.sampled_from(_WORDS)).to_bytes(4, "big") + data[k + 4 :]
            case "token":
                token = draw(st.sampled_from(tokens))
                data = data[:k] + token + data[k + draw(st.integers(0, len(token))) :]
            case "insert":
                data = data[:k] + draw(st.binary(min_size=1, max_size=8)) + data[k:]
            case "remove":
                data = data[:k] + data[k + draw(st.integers(1, 64)) :]
            case _:
                data = data[:k]
        changes.append((kind, k, data[k : k + 12]))
    content = Content(data)
    content.changes = tuple(changes)
    return content


def bytes_like(originals: list[bytes], tokens: list[bytes], first: int, magics: list[bytes]):
    """Damaged files, and noise behind the first bytes of a good one."""
    noise = st.builds(bytes.__add__, st.sampled_from(magics), st.binary(max_size=200))
    return st.one_of(damaged(originals, tokens, first), damaged(originals, tokens, first), noise)


def read_in_bounds(read: Callable[[Path], T], path: Path) -> T | None:
    """Read a file; return nothing if it is refused.

    Fail if that takes more than 5 seconds, or more memory than 1 MiB and 100 bytes for each of the file's.
    What is allocated at the moment may be another thread's, of the tests' own: so it must take as much twice.
    """
    most = BASE_BYTES + BYTES_A_BYTE * path.stat().st_size
    for _ in range(2):
        found, peak = _measured(read, path)
        if peak < most:
            return found
    raise AssertionError(f"{peak} bytes for a file of {path.stat().st_size}")


def _measured(read: Callable[[Path], T], path: Path) -> tuple[T | None, int]:
    def late(*_: object) -> None:
        raise AssertionError(f"still running after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    tracemalloc.start()
    try:
        try:
            found = read(path)
        except InputError:
            found = None
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
