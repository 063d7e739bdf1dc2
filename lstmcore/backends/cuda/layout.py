"""Where everything lies in the GPU's memory: records for networks of one shape, which host and kernels read.

`PLAN` says where a batch's numbers begin in the memory of a team (`Memory`), `LAYER` where those of a layer
do and where its parameters lie in the network's vector.  `MEMBER` is what one network of an ensemble is told
for an epoch, `STATISTICS` what comes back.  N packed frames, n sequences, T steps, P inputs, E units of a
direction, L outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.backends.cuda.gemm import in_fours, padded
from lstmcore.errors import EngineError
from lstmcore.layers import BLSTM, LSTM, Layer
from lstmcore.network import Architecture

_INT, _REAL = np.int64, np.float64


def _record(*fields: tuple[Any, ...]) -> np.dtype[Any]:
    """Make a record that the GPU reads a number at a time: its fields are aligned."""
    # A simulated kernel would take such a field for the attribute of NumPy's.
    hidden = [name for name, *_ in fields if hasattr(np.void, name)]
    assert not hidden, hidden
    return np.dtype(list(fields), align=True)


# Where something begins in the integers, numbers and errors of a team.
_PLAN_INTS = (
    ("batch_sizes", _INT),  # sequences alive at each step, 0 at the end [T+1]
    ("offsets", _INT),  # first packed row of each step, N at the end [T+1]
    ("row", _INT),  # row of all data of each packed row [N]
    ("step", _INT),  # time step of each packed row [N]
    ("slot", _INT),  # which of the batch's sequences each packed row is of [N]
    ("before", _INT),  # row of the states before each packed row, initial states first [N]
    ("reversed", _INT),  # packed row as far from its sequence's end as this one is from the start [N]
)
_PLAN_WORK = (
    ("x", _INT),  # the network's inputs [N, P]
    ("carry", _INT),  # error of the cell states [n, E]
    ("spill", _INT),  # parts of the recurrent matrices that shared memory has no room for
    ("whole", _INT),  # outputs of a whole set [frames, outputs]
)
_PLAN_ERRORS = (
    ("errors", _INT),  # of frames, or of sequences and outputs
    ("wrong", _INT),  # 1 for each frame that is put into the wrong class [N]
)
PLAN = _record(
    *_PLAN_INTS,
    *_PLAN_WORK,
    *_PLAN_ERRORS,
    ("spill_room", _INT),  # of a block
    ("columns", _INT),  # of the data
    ("left", _INT),  # frames of context
    ("right", _INT),
    ("outputs", _INT),
    ("targets", _INT),  # of a frame
    ("objective", _INT),  # its number
)

# Numbers of a record's field that has one for each: directions of time, passes, sets.
FORWARDS, BACKWARDS = range(2)
FORWARD, BACKWARD = range(2)
TRAINING, VALIDATION, TEST = range(3)

_LAYER_INTS = (
    ("rows", _INT, (2,)),  # which of the rows of W, R and b each row of the gates is, by direction [4E]
)
_LAYER_WORK = (
    ("x", _INT),  # inputs [N, P]
    ("y", _INT),  # outputs [N, L]
    ("error", _INT),  # errors of the outputs [N, L]
    ("below", _INT),  # errors of the inputs [N, P]; below 0 if nobody wants them
    ("gates", _INT, (2,)),  # net inputs, then activations, then deltas, by direction [N, 4E]
    ("c", _INT, (2,)),  # cell states, initial state first, by direction [n+N, E]
    ("h", _INT, (2,)),  # block outputs likewise, the rows in fours
)
LAYER = _record(
    *_LAYER_INTS,
    *_LAYER_WORK,
    ("kind", _INT),
    ("outputs", _INT),
    ("inputs", _INT),
    ("units", _INT),  # of a direction
    ("bias", _REAL),
    # where something begins in the network's vector of parameters
    ("w", _INT),  # [4, L, P], or [L, P] of a layer without memory in time
    ("b", _INT),  # [4, L], or [L]
    ("r", _INT),  # [4, L, E]
    ("p", _INT),  # peepholes [3, L]
    ("end", _INT),  # behind the layer's parameters
    # the time loop
    ("own", _INT),  # units of a block
    ("chunk", _INT, (2,)),  # sequences multiplied at once, by pass
    ("resident", _INT, (2,)),  # rows of the block's recurrent matrix in shared memory, by pass
)

RECURRENT, LINEAR, TANH, LOGISTIC, SOFTMAX = range(5)
KINDS = {"lstm": RECURRENT, "blstm": RECURRENT, "linear": LINEAR, "tanh": TANH, "logistic": LOGISTIC}
KINDS["softmax"] = SOFTMAX

MEMBER = _record(
    ("network", _INT),  # its number in the ensemble
    ("parallel", _INT),  # sequences of a batch
    ("stochastic", _INT),  # update after each batch?
    ("evaluated", _INT),  # sequences side by side when a set is evaluated
    ("every", _INT),  # epochs from one validation to the next
    ("watched", _INT),  # is there a validation set?
    ("first", _INT, (3,)),  # where each set's sequences begin in `starts` and `lengths`
    ("sequences", _INT, (3,)),  # of each set; 0: not in this epoch
    ("order", _INT, (3,)),  # where each set's order begins in `orders`
    ("key", _INT, (2,)),  # of the noise in this epoch
    ("sigma", _REAL),  # of the noise
    ("momentum", _REAL),
    ("bound", _REAL),  # limit of the deltas
)

STATISTICS = _record(
    ("error", _REAL, (3,)),  # of each set
    ("wrong", _REAL, (3,)),  # frames of each set put into the wrong class
    ("finite", _INT),  # are all weights?
    ("new_best", _INT),
    # these stay from one epoch to the next
    ("epoch", _INT),
    ("best_epoch", _INT),
    ("without_better", _INT),  # epochs since the best
    ("best_error", _REAL),
)

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
class DataShape:
    """What the sets of a network look like: columns of inputs and targets, context, objective's number."""

    columns: int
    targets: int
    context: tuple[int, int] = (0, 0)
    objective: int = -1


@dataclass(frozen=True)
class Room:
    """A block's shared memory.

    Parameters
    ----------
    pool
        How many numbers fit into it.
    narrow
        Up to so many columns, a product in the time loop leaves a sum for each of its parts there.
    parts, quarters
        How many sums of an element that is, and how many with more columns.
    least
        Numbers that whatever isn't a time loop needs.
    """

    pool: int
    narrow: int
    parts: int
    quarters: int
    least: int


@dataclass(frozen=True)
class Layout:
    """Where everything of a network lies, and how much memory a team needs.

    Parameters
    ----------
    plan, layers
        Records of the first team, `PLAN` [1] and `LAYER` [layers].
    maps
        What stands before a team's integers.
    ints, work, errors
        How many numbers a team needs of each.
    pool
        How many numbers a block needs in shared memory.  What is left of it caches the rest.
    """

    plan: NDArray[np.void]
    layers: NDArray[np.void]
    maps: NDArray[np.int32]
    ints: int
    work: int
    errors: int
    pool: int

    def number(self, name: str) -> int:
        """Return a number of the plan."""
        return int(self.plan[0][name])

    def output(self, name: str) -> int:
        """Return a number of the output layer."""
        return int(self.layers[-1][name])

    def integers(self, teams: int) -> NDArray[np.int32]:
        """Return the teams' integers as they are before a batch comes."""
        return np.tile(np.append(self.maps, np.zeros(self.ints - len(self.maps), np.int32)), teams)

    def of_teams(self, teams: int) -> tuple[NDArray[np.void], NDArray[np.void]]:
        """Return the records of teams whose memory lies one behind the other, [teams] and [teams, layers].

        So no kernel adds where a team's memory begins: inner loops have few registers left.
        """
        plans, layers = np.tile(self.plan, teams), np.tile(self.layers, (teams, 1))
        for records, fields, room in (
            (plans, _PLAN_INTS, self.ints),
            (plans, _PLAN_WORK, self.work),
            (plans, _PLAN_ERRORS, self.errors),
            (layers, _LAYER_INTS, self.ints),
            (layers, _LAYER_WORK, self.work),
        ):
            for name, *_ in fields:
                places = np.moveaxis(records[name], 0, -1)
                places += room * np.arange(teams)
        layers["below"][:, 0] = -1
        return plans, layers


class _Places:
    """Hands out places one after the other."""

    def __init__(self) -> None:
        self.used = 0

    def take(self, size: int) -> int:
        start = self.used
        self.used += -(-size // 4) * 4  # so that four numbers can be read at once
        return start


def make_layout(
    architecture: Architecture, data: DataShape, extent: Extent, blocks: int, room: Room
) -> Layout:
    """Lay out the memory of teams of so many blocks.

    Parameters
    ----------
    architecture, data, extent
        What is to be computed.
    blocks
        Of a team.
    room
        Of a block.

    Raises
    ------
    EngineError
        If a layer is too large for the shared memory.
    """
    ints, work = _Places(), _Places()
    x = work.take(extent.frames * architecture.input_size)
    layers, maps = _place_layers(architecture, extent, x, ints, work)
    pool = max(room.least, extent.sequences)  # at least as many bytes as the sequences' lengths
    for number, record in enumerate(layers):
        if record["kind"] == RECURRENT:
            used = _share_out(record, number, min(extent.sequences, _MOST_AT_ONCE), blocks, room)
            pool = max(pool, used)
    plan = np.zeros(1, PLAN)
    found = plan[0]
    found["x"] = x
    for name in ("batch_sizes", "offsets"):
        found[name] = ints.take(extent.steps + 1)
    for name in ("row", "step", "slot", "before", "reversed"):
        found[name] = ints.take(extent.frames)
    found["carry"] = work.take(extent.sequences * int(layers["units"].max(initial=0)))
    found["spill_room"] = (layers["units"] * (4 * layers["own"] + 28)).max()  # 4 E [own], padded
    found["spill"] = work.take(blocks * int(found["spill_room"]))
    found["whole"] = work.take(extent.whole * architecture.output_size)
    found["columns"], found["targets"], found["objective"] = data.columns, data.targets, data.objective
    found["left"], found["right"] = data.context
    found["outputs"] = architecture.output_size
    most = max(extent.frames, extent.sequences * architecture.output_size)
    found["errors"], found["wrong"] = 0, most
    return Layout(plan, layers, maps, ints.used, work.used, 2 * most, min(pool, room.pool))


def _place_layers(
    architecture: Architecture, extent: Extent, x: int, ints: _Places, work: _Places
) -> tuple[NDArray[np.void], NDArray[np.int32]]:
    """Give the layers' values and maps their places."""
    records = np.zeros(len(architecture.layers), LAYER)
    maps = [np.empty(0, np.int32)]
    below = -1
    for record, layer, inputs in zip(records, architecture.layers, architecture.input_sizes, strict=True):
        if layer.kind not in KINDS:
            raise EngineError(f"the cuda backend has no {layer.kind} layer; expected backend 'cpu'")
        record["kind"], record["bias"] = KINDS[layer.kind], layer.bias
        record["outputs"], record["inputs"] = layer.size, inputs
        record["x"], record["below"] = x, below
        record["y"], record["error"] = (work.take(extent.frames * layer.size) for _ in range(2))
        if isinstance(layer, LSTM | BLSTM):
            maps += _place_directions(record, layer, extent, ints, work)
        below, x = int(record["error"]), int(record["y"])
    for parameter in architecture.parameters:
        record = records[parameter.layer]
        record[parameter.name.lower()] = parameter.offset
        record["end"] = parameter.offset + parameter.size
    return records, np.concatenate(maps)


def _place_directions(
    record: np.void, layer: Layer, extent: Extent, ints: _Places, work: _Places
) -> list[NDArray[np.int32]]:
    """Give each direction of a recurrent layer its places; return the maps of the gates' rows."""
    directions = 2 if isinstance(layer, BLSTM) else 1
    units = layer.size // directions
    record["units"] = units
    gate, unit = np.divmod(np.arange(4 * units), units)
    maps = []
    for direction in range(directions):
        record["rows"][direction] = ints.take(4 * units)
        maps.append((gate * layer.size + direction * units + unit).astype(np.int32))
        record["gates"][direction] = work.take(extent.frames * 4 * units)
        for states, wide in (("c", units), ("h", in_fours(units))):
            record[states][direction] = work.take((extent.sequences + extent.frames) * wide)
    return maps


def _share_out(record: np.void, number: int, sequences: int, blocks: int, room: Room) -> int:
    """Divide a recurrent layer's units among blocks, and a block's shared memory; return what it uses."""
    pool, units = room.pool, int(record["units"])
    own = -(-units // blocks)
    record["own"] = own
    shapes, used = {FORWARD: (units, 4 * own), BACKWARD: (4 * units, own)}, 0
    for which, (inner, columns) in shapes.items():
        sums = (room.parts + 1 if columns <= room.narrow else room.quarters) * columns
        inner = in_fours(inner)
        each = inner * padded(1) + sums
        if each > pool:
            raise EngineError(
                f"layer {number + 1} has {units} units in a direction: a time step of one sequence needs "
                f"{each} numbers in the GPU's shared memory, which holds {pool}"
            )
        chunk = sequences
        while chunk > 1 and inner * padded(chunk) + chunk * sums > pool // 2:
            chunk -= 1
        taken = inner * padded(chunk) + chunk * sums
        resident = min(units if which == FORWARD else 4 * units, (pool - taken) // padded(columns))
        record["chunk"][which], record["resident"][which] = chunk, resident
        used = max(used, resident * padded(columns) + taken)
    return used
