"""The random numbers of CURRENNT 0.2: the 32-bit integers of the Mersenne Twister MT19937.

M. Matsumoto, T. Nishimura: "Mersenne Twister: a 623-dimensionally equidistributed uniform
pseudo-random number generator", ACM TOMACS 8(1), 1998.  NumPy's legacy generator yields the
very stream; only its integers are taken here, since what is made of them is the original's.
"""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

LARGEST = 2**32 - 1
_BLOCK = 1024


def system_seed() -> int:
    """Return a seed from the system, from 1 to 2³² − 1: what ``random_seed 0`` asks for."""
    return 1 + secrets.randbelow(LARGEST)


class MersenneTwister:
    """The unsigned 32-bit integers of MT19937, drawn when they are needed.

    Parameters
    ----------
    seed
        From 0 to 2³² − 1.  Zero is a seed like any other here; see `system_seed`.
    """

    def __init__(self, seed: int) -> None:
        # Drop-in compatibility is the one place where the stream is not ours to choose.
        self._source = np.random.RandomState(seed)
        self._block = np.empty(0, np.uint32)
        self._used = 0

    def draw(self, count: int) -> NDArray[np.uint32]:
        """Return the next integers of the stream.

        Parameters
        ----------
        count
            How many.

        Returns
        -------
        ndarray
            Shape (count,), uint32.
        """
        kept = self._block[self._used : self._used + count]
        self._used += len(kept)
        missing = count - len(kept)
        return np.concatenate([kept, self._fresh(missing)]) if missing else kept.copy()

    def below(self, limit: int) -> int:
        """Draw a whole number from 0 to ``limit`` − 1, each as likely.

        The 32-bit range is cut into `limit` buckets of one width; an integer beyond the last
        bucket is drawn again.  For ``limit`` 1 nothing is drawn.

        Parameters
        ----------
        limit
            From 1 to 2³² − 1.

        Returns
        -------
        int
            The number of the bucket.
        """
        if limit == 1:
            return 0
        width, rest = divmod(LARGEST, limit)
        if rest == limit - 1:
            width += 1
        while True:
            bucket = self._next() // width
            if bucket < limit:
                return bucket

    def _next(self) -> int:
        if self._used == len(self._block):
            self._block, self._used = self._fresh(_BLOCK), 0
        value = self._block[self._used]
        self._used += 1
        return int(value)

    def _fresh(self, count: int) -> NDArray[np.uint32]:
        return np.frombuffer(self._source.bytes(4 * count), "<u4").astype(np.uint32, copy=False)
