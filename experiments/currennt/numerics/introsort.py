"""The order into which the C++ library of GNU sorts equal things.

CURRENNT sorts its sequences by length with ``std::sort``, which leaves equal lengths in an order
of its own.  That order decides which sequences are computed together, so it is part of the
result.  It follows from the algorithm: D. R. Musser, "Introspective sorting and selection
algorithms", Software: Practice and Experience 27(8), 1997.

Quicksort with the median of three as pivot goes on until pieces are short; one insertion sort
finishes all of them.  A piece that has been cut too often is sorted by heapsort instead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Pieces up to this size are left to the insertion sort.
_SHORT = 16


def sorted_order(lengths: ArrayLike) -> NDArray[np.int64]:
    """Return the order that sorts lengths, ascending, ties as ``std::sort`` leaves them.

    Parameters
    ----------
    lengths
        Shape (sequences,), whole numbers.

    Returns
    -------
    ndarray
        Numbers of the sequences, shortest first, shape (sequences,), int64.
    """
    keys = np.asarray(lengths, np.int64)
    # Length and number travel together; only the length is ever compared.
    items = list(zip(keys.tolist(), range(len(keys)), strict=True))
    _Introsort(items).cut_into_short_pieces()
    order = np.array([sequence for _, sequence in items], np.int64)
    # An insertion sort keeps ties in order, so any stable sort does what it would do.
    return order[np.argsort(keys[order], kind="stable")]


class _Introsort:
    """The part before the insertion sort, in place on (key, value) pairs."""

    def __init__(self, items: list[tuple[int, int]]) -> None:
        self._items = items

    def cut_into_short_pieces(self) -> None:
        """Leave pieces of at most 16, each not above the next."""
        n = len(self._items)
        # The cuts allowed are 2 ⌊log₂ n⌋.
        pieces = [(0, n, 2 * (n.bit_length() - 1))]
        while pieces:
            first, end, cuts_left = pieces.pop()
            while end - first > _SHORT:
                if cuts_left == 0:
                    self._heapsort(first, end)
                    break
                cuts_left -= 1
                cut = self._partition(first, end)
                pieces.append((cut, end, cuts_left))
                end = cut

    def _partition(self, first: int, end: int) -> int:
        """Put the pivot first, then cut the rest; return where the upper part begins."""
        items = self._items
        median = self._median(first + 1, first + (end - first) // 2, end - 1)
        items[first], items[median] = items[median], items[first]
        pivot = items[first][0]
        # The other two of the three stop both scans before they leave the piece.
        up, down = first + 1, end - 1
        while True:
            while items[up][0] < pivot:
                up += 1
            while pivot < items[down][0]:
                down -= 1
            if up >= down:
                return up
            items[up], items[down] = items[down], items[up]
            up += 1
            down -= 1

    def _median(self, a: int, b: int, c: int) -> int:
        """Return which of three places holds the median; ties decide as in the library."""
        x, y, z = (self._items[k][0] for k in (a, b, c))
        if x < y:
            return b if y < z else c if x < z else a
        return a if x < z else c if y < z else b

    def _heapsort(self, first: int, end: int) -> None:
        """Sort a piece by R. W. Floyd's heapsort ("Treesort 3", 1964), largest on top."""
        size = end - first
        for root in range((size - 2) // 2, -1, -1):
            self._sift(first, root, size, self._items[first + root])
        for last in range(size - 1, 0, -1):
            fallen = self._items[first + last]
            self._items[first + last] = self._items[first]
            self._sift(first, 0, last, fallen)

    def _sift(self, first: int, root: int, size: int, item: tuple[int, int]) -> None:
        """Let the hole at the root sink to a leaf by the larger children, then lift the item.

        Sinking first and lifting after needs fewer comparisons than comparing on the way down
        (the item comes from a leaf and mostly returns there); it also moves ties differently.
        """
        items, hole = self._items, root
        while (child := 2 * hole + 2) <= size:
            # Of two equal children the right one rises; the last parent may have a left one only.
            if child == size or items[first + child][0] < items[first + child - 1][0]:
                child -= 1
            items[first + hole] = items[first + child]
            hole = child
        while hole > root:
            parent = (hole - 1) // 2
            if not items[first + parent][0] < item[0]:
                break
            items[first + hole] = items[first + parent]
            hole = parent
        items[first + hole] = item
