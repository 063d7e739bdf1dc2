"""Where everything lies in the GPU's memory: one table of numbers for networks of one shape.

The kernels read it by the names below.  Header: offsets in a team's part of `ints`, then in its part of
`work`, then sizes.  Each layer has `LAYER` numbers more: its kind and sizes, where its parameters
lie in the network's vector, where its values lie in the team's part of `work`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmcore.backends.cuda.gemm import PARTS
from lstmcore.errors import EngineError
from lstmcore.layers import BLSTM, LSTM, Layer
from lstmcore.network import Architecture

# --- header: a team's integers, for n sequences, T steps and N frames -------------------
(
    COUNTS,  # sequences alive at each step, 0 at the end [T+1]
    OFFSETS,  # first packed row of each step, N at the end [T+1]
    ROW,  # row of all data of each packed row [N]
    STEP,  # time step of each packed row [N]
    SLOT,  # which of the batch's sequences each packed row is of [N]
    BEFORE,  # row of the states before each packed row, initial states first [N]
    TURNED,  # packed row as far from its sequence's end as this one is from the start [N]
    CARRY,  # a team's numbers: error of the cell states [n, E]
    SPILL,  # parts of the recurrent matrices that shared memory has no room for
    SPILL_SIZE,  # of a block
    WHOLE,  # outputs of a whole set [frames, outputs]
    X0,  # the network's inputs [N, P]
    LAYERS,  # sizes and choices
    COLUMNS,  # of the data
    TARGETS,  # of a frame
    OUTPUTS,
    OBJECTIVE,  # its number
    LEFT,  # frames of context
    RIGHT,
    AREAS,  # where the teams' integers begin
    AREA,  # size of a team's
    WORK,  # size of a team's numbers
    ERRORS,  # size of a team's errors
    PARAMETERS,
    HEADER,
) = range(25)

# --- a layer's numbers; the last four have one for each direction of time -----------------
(
    KIND,
    SIZE,  # outputs
    INPUTS,
    UNITS,  # of a direction
    W,  # pieces of the parameters
    B,
    R,
    PEEPHOLES,
    END,  # of the layer's parameters
    X,  # inputs [N, P]
    Y,  # outputs [N, L]
    ERROR,  # errors of the outputs [N, L]
    BELOW,  # errors of the inputs, below 0 if nobody wants them
    OWN,  # units of a block
    FORWARD_CHUNK,  # sequences multiplied at once in the time loop
    FORWARD_RESIDENT,  # rows of the block's recurrent matrix in shared memory
    BACKWARD_CHUNK,
    BACKWARD_RESIDENT,
) = range(18)
ROWS = 18  # map of the gates' rows to those of W, R and b [4E]
GATES = 20  # activations, then deltas [N, 4E]
STATES_C = 22  # [n+N, E]
STATES_H = 24
LAYER = 26

RECURRENT, LINEAR, TANH, LOGISTIC, SOFTMAX = range(5)
KINDS = {"lstm": RECURRENT, "blstm": RECURRENT, "linear": LINEAR, "tanh": TANH, "logistic": LOGISTIC}
KINDS["softmax"] = SOFTMAX

# --- what is known of a member, int64: sets, order, key of the noise ----------------------
(
    PARALLEL,  # sequences of a batch
    STOCHASTIC,
    EVALUATED,  # sequences side by side when a set is evaluated
    EVERY,  # epochs from one validation to the next
    TRAINING,  # where the set's sequences begin in starts and lengths
    TRAINING_COUNT,
    TRAINING_ORDER,  # where the order begins in orders
    VALIDATION,
    VALIDATION_COUNT,  # 0: not in this epoch
    VALIDATION_ORDER,
    TEST,
    TEST_COUNT,
    TEST_ORDER,
    WATCHED,  # is there a validation set?
    KEY_0,  # of the noise in this epoch
    KEY_1,
    MEMBER,
) = range(17)

# --- and in float64; the rate of each layer comes behind ----------------------------------
SIGMA, MOMENTUM, BOUND, RATES = range(4)

# --- what an epoch comes to, float64 ------------------------------------------------------
(
    TRAINING_ERROR,
    TRAINING_WRONG,
    VALIDATION_ERROR,
    VALIDATION_WRONG,
    TEST_ERROR,
    TEST_WRONG,
    FINITE,  # are all weights?
    NEW_BEST,
    BEST_ERROR,  # these stay from one epoch to the next
    WITHOUT_BETTER,
    EPOCH,
    BEST_EPOCH,
    BOOK,
) = range(13)

LANES = 4  # given its meaning by the device: neighbours that read neighbouring numbers

_MOST_AT_ONCE = 16  # sequences multiplied at once in the time loop


@dataclass(frozen=True)
class Extent:
    """The largest batch and set that are to be computed.

    Parameters
    ----------
    frames, sequences, steps
        Of a batch.
    whole
        Frames of a set whose outputs are kept; 0 for none.
    """

    frames: int
    sequences: int
    steps: int
    whole: int = 0


@dataclass(frozen=True)
class Data:
    """What the sets of a network look like: columns of inputs and targets, context, objective's number."""

    columns: int
    targets: int
    context: tuple[int, int] = (0, 0)
    objective: int = -1


@dataclass(frozen=True)
class Plan:
    """The table, what stands before the teams' integers, and how much memory a team needs."""

    table: NDArray[np.int64]
    maps: NDArray[np.int32]

    def number(self, name: int) -> int:
        """Return a number of the header."""
        return int(self.table[name])


class _Room:
    """Hands out places one after the other."""

    def __init__(self) -> None:
        self.used = 0

    def take(self, size: int) -> int:
        start = self.used
        self.used += size
        return start


def make_plan(architecture: Architecture, data: Data, extent: Extent, blocks: int, pool: int) -> Plan:
    """Lay out the memory of teams of so many blocks.

    Parameters
    ----------
    architecture, data, extent
        What is to be computed.
    blocks
        Of a team.
    pool
        How many numbers fit into a block's shared memory.

    Raises
    ------
    EngineError
        If a layer is too large for the shared memory.
    """
    layers, sizes = architecture.layers, architecture.input_sizes
    table = np.full(HEADER + LAYER * len(layers), -1, np.int64)
    ints, work = _Room(), _Room()
    for name, size in (
        *((name, extent.steps + 1) for name in (COUNTS, OFFSETS)),
        *((name, extent.frames) for name in (ROW, STEP, SLOT, BEFORE, TURNED)),
    ):
        table[name] = ints.take(size)
    table[X0] = work.take(extent.frames * architecture.input_size)
    rows: list[NDArray[np.int32]] = []
    below, x = -1, int(table[X0])
    for number, (layer, inputs) in enumerate(zip(layers, sizes, strict=True)):
        part = table[HEADER + LAYER * number :][:LAYER]
        part[[SIZE, INPUTS, X, BELOW]] = layer.size, inputs, x, below
        _place_layer(part, layer, extent, rows, work)
        _place_parameters(part, architecture, number)
        if part[KIND] == RECURRENT:
            _share_out(part, number, min(extent.sequences, _MOST_AT_ONCE), blocks, pool)
        below, x = int(part[ERROR]), int(part[Y])
    parts = table[HEADER:].reshape(-1, LAYER)
    table[CARRY] = work.take(extent.sequences * int(parts[:, UNITS].max(initial=0)))
    own = parts[:, OWN].max(initial=0)
    table[SPILL_SIZE] = 0 if own < 0 else (parts[:, UNITS] * (4 * parts[:, OWN] + 4)).max()
    table[SPILL] = work.take(blocks * int(table[SPILL_SIZE]))
    table[WHOLE] = work.take(extent.whole * architecture.output_size)
    maps = np.concatenate([np.empty(0, np.int32), *rows])
    table[[LAYERS, COLUMNS, TARGETS]] = len(layers), data.columns, data.targets
    table[[OUTPUTS, OBJECTIVE, LEFT, RIGHT]] = architecture.output_size, data.objective, *data.context
    table[[AREAS, AREA, WORK]] = len(maps), ints.used, work.used
    table[ERRORS] = max(extent.frames, extent.sequences * architecture.output_size)
    table[PARAMETERS] = architecture.parameters
    return Plan(table, maps)


def _place_layer(
    part: NDArray[np.int64], layer: Layer, extent: Extent, rows: list[NDArray[np.int32]], work: _Room
) -> None:
    """Give a layer's values their places."""
    if layer.kind not in KINDS:
        raise EngineError(f"the cuda backend has no {layer.kind} layer")
    part[KIND] = KINDS[layer.kind]
    part[[Y, ERROR]] = work.take(extent.frames * layer.size), work.take(extent.frames * layer.size)
    if part[KIND] != RECURRENT:
        return
    assert isinstance(layer, LSTM | BLSTM)
    directions = 2 if isinstance(layer, BLSTM) else 1
    units = layer.size // directions
    part[UNITS] = units
    gate, unit = np.divmod(np.arange(4 * units), units)
    for direction in range(directions):
        part[ROWS + direction] = sum(len(one) for one in rows)
        rows.append((gate * layer.size + direction * units + unit).astype(np.int32))
        part[GATES + direction] = work.take(extent.frames * 4 * units)
        for states in (STATES_C, STATES_H):
            part[states + direction] = work.take((extent.sequences + extent.frames) * units)


def _place_parameters(part: NDArray[np.int64], architecture: Architecture, number: int) -> None:
    """Note where a layer's pieces lie in the vector of parameters."""
    for piece in architecture.pieces:
        if piece.layer == number:
            part[{"W": W, "b": B, "R": R, "p": PEEPHOLES}[piece.name]] = piece.offset
            part[END] = piece.offset + piece.size


def _share_out(part: NDArray[np.int64], number: int, sequences: int, blocks: int, pool: int) -> None:
    """Divide a recurrent layer's units among blocks, and a block's shared memory."""
    units = int(part[UNITS])
    own = -(-units // blocks)
    part[OWN] = own
    shapes = {FORWARD_CHUNK: (units, 4 * own), BACKWARD_CHUNK: (4 * units, own)}
    for chunk, (inner, columns) in shapes.items():
        each = inner + PARTS * columns
        if each > pool:
            raise EngineError(
                f"layer {number + 1} has {units} units in a direction: a time step of one sequence needs "
                f"{each} numbers in the GPU's shared memory, which holds {pool}"
            )
        part[chunk] = max(1, min(sequences, pool // 2 // each))
        part[chunk + 1] = min(inner, (pool - int(part[chunk]) * each) // (columns | 1))
