"""Changes of files that know lines, fields and words, drawn from a seed; they need nothing installed."""

from __future__ import annotations

import random
import re
import struct

_FIELD = re.compile(rb"[^\s,;:=\"'{}\[\]()<>]+")
_NUMBERS_AS_TEXT = (
    "0 -1 +1 nan inf -inf 1e400 1e308 1e-320 -0.0 1e 0.1.2 1,5 0x10 1_000 2147483648 9223372036854775808 ١٢"
)
_WORDS = 'true null None NA - . .. ../../x /dev/null ~ * %s {0} \' " """ \\ # é 1979-05-27T07:32:00Z <b>'
_VALUES = [
    b"",
    *(word.encode() for word in _NUMBERS_AS_TEXT.split()),
    *(word.encode() for word in _WORDS.split()),
    *("\ufeff".encode(), "\u2028".encode(), "\u202e".encode(), "\x85".encode(), "\U0001f3b5".encode()),
    *(b"\xff", b"\xc3", b"\x00", b"\xed\xa0\x80", b"\x1b[31m", b"\r", b"\n\n", b"\x85", b"\x1a"),
    *(b"9" * 25, b"9" * 400, b"9" * 5000, b"a" * 300, b"x" * 70000),
    *(b"[" * 2000, b"{" * 2000, b'{"a":' * 2000),
]
_NUMBERS = [
    *(0, 1, 2, 3, 5, 7, 10, 11, 12, 127, 128, 255, 256),
    *(2**15, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**63),
]


class Mutator:
    """Makes damaged files of good ones.

    Parameters
    ----------
    words
        What the format is made of.
    others
        Files that pieces are taken from.
    """

    def __init__(self, words: tuple[bytes, ...], others: list[bytes]) -> None:
        self.values = [*_VALUES, *words]
        self.others = others

    def __call__(self, data: bytes, draw: random.Random) -> bytes:
        """Return the bytes with one to four changes."""
        for _ in range(draw.randint(1, 4)):
            data = draw.choice(_CHANGES)(self, data, draw)
        return data

    def flip(self, data: bytes, draw: random.Random) -> bytes:
        """Flip a bit."""
        if not data:
            return data
        k = draw.randrange(len(data))
        return data[:k] + bytes([data[k] ^ 1 << draw.randrange(8)]) + data[k + 1 :]

    def number(self, data: bytes, draw: random.Random) -> bytes:
        """Put a number of 1 to 8 bytes where one may be."""
        size = draw.choice([1, 2, 4, 4, 8])
        word = struct.pack("<Q" if draw.random() < 0.5 else ">Q", draw.choice(_NUMBERS))
        word = word[:size] if draw.random() < 0.5 else word[-size:]
        k = draw.randint(0, len(data)) // size * size
        return data[:k] + word + data[k + size :]

    def put(self, data: bytes, draw: random.Random) -> bytes:
        """Insert a value."""
        k = draw.randint(0, len(data))
        return data[:k] + draw.choice(self.values) + data[k:]

    def field(self, data: bytes, draw: random.Random) -> bytes:
        """Put a value, or another field, in place of a field."""
        found = list(_FIELD.finditer(data[:100_000]))
        if not found:
            return self.put(data, draw)
        old = draw.choice(found)
        new = draw.choice(self.values) if draw.random() < 0.7 else draw.choice(found)[0]
        return data[: old.start()] + new + data[old.end() :]

    def remove(self, data: bytes, draw: random.Random) -> bytes:
        """Take some bytes away."""
        k = draw.randint(0, len(data))
        return data[:k] + data[k + draw.choice([1, 1, 2, 4, 8, 32, 128]) :]

    def cut(self, data: bytes, draw: random.Random) -> bytes:
        """End earlier."""
        return data[: draw.randint(0, len(data))]

    def repeat(self, data: bytes, draw: random.Random) -> bytes:
        """Have a piece several times."""
        k = draw.randint(0, len(data))
        piece = data[k : k + draw.choice([1, 4, 16, 64])]
        return data[:k] + piece * draw.choice([2, 2, 3, 10, 300]) + data[k + len(piece) :]

    def lines(self, data: bytes, draw: random.Random) -> bytes:
        """Take a line away, have it twice, or let two change places."""
        lines = data.split(b"\n")
        j, k = draw.randrange(len(lines)), draw.randrange(len(lines))
        match draw.randrange(3):
            case 0:
                del lines[k]
            case 1:
                lines.insert(j, lines[k])
            case _:
                lines[j], lines[k] = lines[k], lines[j]
        return b"\n".join(lines)

    def splice(self, data: bytes, draw: random.Random) -> bytes:
        """Go on with another file."""
        other = draw.choice(self.others)
        return data[: draw.randint(0, len(data))] + other[draw.randint(0, len(other)) :]


_CHANGES = [
    *(Mutator.flip, Mutator.number, Mutator.put, Mutator.field, Mutator.field, Mutator.field),
    *(Mutator.remove, Mutator.cut, Mutator.repeat, Mutator.lines, Mutator.lines, Mutator.splice),
]
