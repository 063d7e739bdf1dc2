"""A team: the blocks that compute one network, what they work in, how they wait for each other."""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import cuda

from lstmcore.backends.cuda.compile import device
from lstmcore.backends.cuda.memory import arrive, arrived

Array = Any

THREADS: Any = 256  # of a block; given its meaning by the device


class Team(NamedTuple):
    """The blocks that compute one network, as one of them sees them."""

    rank: Any  # which of them this block is
    blocks: Any  # how many they are
    sync: Array  # int64: how many have come to the barrier, the network at hand [≥ 2]


class Memory(NamedTuple):
    """What the teams work in; a team's records (`layout.py`) say where each of its things begins."""

    work: Any  # numbers in the precision of the network
    ints: Any  # int32
    errors: Any  # float64


class Gradient(NamedTuple):
    """Where the gradient of a batch goes, and how."""

    values: Any  # out, parameters
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

    ``sync[0]`` counts who has ever come: as long as that is below what it is when the last has, wait.  As
    in grid synchronisation of CUDA's cooperative groups, one thread of each block counts and waits: its
    release and acquire and the block's own barriers order the others' accesses too.
    """
    cuda.syncthreads()
    if team.blocks > 1:
        if cuda.threadIdx.x == 0:
            before = arrive(team.sync)
            last = before - before % team.blocks + team.blocks
            while arrived(team.sync) < last:
                pass
        cuda.syncthreads()
