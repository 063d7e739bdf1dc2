"""A team: the blocks that compute one network, what they work in, how they wait for each other."""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import cuda

from lstmcore.backends.cuda.compile import device

Array = Any

THREADS: Any = 256  # of a block; given its meaning by the device


class Team(NamedTuple):
    """The blocks that compute one network, as one of them sees them."""

    rank: Any  # which of them this block is
    blocks: Any  # how many they are
    sync: Array  # int32: who has come to the barrier, the barrier's number, the network at hand [≥ 3]


class Memory(NamedTuple):
    """What the teams work in; a team's records (`layout.py`) say where each of its things begins."""

    work: Array  # numbers in the precision of the network [work]
    ints: Array  # int32 [ints]
    errors: Array  # float64 [errors]


class Gradient(NamedTuple):
    """Where the gradient of a batch goes, and how."""

    values: Array  # out [parameters]
    add: Any  # to the gradient that is there?
    bound: Any  # limit of the deltas


@device
def thread_of(
    team: Any,  # Team
) -> Any:
    """Return the number of this thread in the team."""
    return team.rank * THREADS + cuda.threadIdx.x


@device
def threads_of(
    team: Any,  # Team
) -> Any:
    """Return how many threads the team has."""
    return team.blocks * THREADS


@device
def barrier(
    team: Any,  # Team
) -> None:
    """Wait until all blocks of the team are here; what they wrote before is seen after.

    ``sync[0]`` counts who came, ``sync[1]`` numbers the barrier's uses.  As in grid synchronisation
    of CUDA's cooperative groups, one thread of each block fences on both sides: its fence and the
    block's own barrier order the others' accesses too.
    """
    cuda.syncthreads()
    if team.blocks > 1:
        if cuda.threadIdx.x == 0:
            cuda.threadfence()
            number = cuda.atomic.add(team.sync, 1, 0)
            if cuda.atomic.add(team.sync, 0, 1) == team.blocks - 1:
                cuda.atomic.add(team.sync, 0, -team.blocks)
                cuda.threadfence()
                cuda.atomic.add(team.sync, 1, 1)
            else:
                while cuda.atomic.add(team.sync, 1, 0) == number:
                    pass
            cuda.threadfence()
        cuda.syncthreads()
