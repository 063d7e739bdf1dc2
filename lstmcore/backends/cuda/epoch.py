"""The kernels: a pass through a network, and an epoch of many networks in one launch.

Follow `train_epoch`: each team of blocks takes a network that is left, trains it for an epoch, batch
by batch, looks at its validation and test set, keeps the best weights, and takes the next one.
Shapes: M networks, each with `parameters` numbers in the vectors; the rest as in `cuda_layers`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from lstmcore.backends.cuda.batch import arrange, gather
from lstmcore.backends.cuda.compile import device, kernel
from lstmcore.backends.cuda.gemm import meet
from lstmcore.backends.cuda.layers import (
    feedforward_backward,
    feedforward_errors,
    feedforward_forward,
    lstm_backward,
    lstm_deltas,
    lstm_forward,
)
from lstmcore.backends.cuda.layout import (
    AREA,
    AREAS,
    BEST_EPOCH,
    BEST_ERROR,
    BOOK,
    BOUND,
    END,
    EPOCH,
    ERROR,
    ERRORS,
    EVALUATED,
    EVERY,
    FINITE,
    HEADER,
    KEY_0,
    KEY_1,
    KIND,
    LAYER,
    LAYERS,
    MEMBER,
    MOMENTUM,
    NEW_BEST,
    OBJECTIVE,
    OFFSETS,
    OUTPUTS,
    PARALLEL,
    PARAMETERS,
    RATES,
    RECURRENT,
    ROW,
    SIGMA,
    SIZE,
    STOCHASTIC,
    TARGETS,
    TRAINING,
    TRAINING_ERROR,
    UNITS,
    VALIDATION_COUNT,
    VALIDATION_ERROR,
    WATCHED,
    WHOLE,
    WITHOUT_BETTER,
    WORK,
    Y,
)
from lstmcore.backends.cuda.objectives import CCC, CCC_POOLED, add_up, batch_error, pooled_concordance
from lstmcore.update import momentum_step

Array = Any

REAL: Any = np.float32  # given its meaning by the precision compiled for
THREADS: Any = 256


@device
def network_forward(
    table: Array,
    biases: Array,
    ints: Array,
    area: Any,
    weights: Array,
    w0: Any,
    work: Array,
    base: Any,
    steps: Any,
    sync: Array,
    meeting: Any,
    rank: Any,
    blocks: Any,
) -> None:
    """Compute all layers from the inputs at X0 on."""
    frames = ints[area + table[OFFSETS] + steps]
    for number in range(table[LAYERS]):
        at, bias = HEADER + LAYER * number, biases[number]
        if table[at + KIND] == RECURRENT:
            for direction in range(table[at + SIZE] // table[at + UNITS]):
                lstm_forward(
                    table,
                    at,
                    direction,
                    ints,
                    area,
                    weights,
                    w0,
                    bias,
                    work,
                    base,
                    steps,
                    sync,
                    meeting,
                    rank,
                    blocks,
                )
        else:
            feedforward_forward(
                table, at, ints, weights, w0, bias, work, base, frames, sync, meeting, rank, blocks
            )
        meet(sync, meeting, blocks)


@device
def network_backward(
    table: Array,
    biases: Array,
    ints: Array,
    area: Any,
    weights: Array,
    w0: Any,
    gradient: Array,
    add: Any,
    bound: Any,
    work: Array,
    base: Any,
    steps: Any,
    sync: Array,
    meeting: Any,
    rank: Any,
    blocks: Any,
) -> None:
    """Take the errors of the outputs back through all layers."""
    frames, layers = ints[area + table[OFFSETS] + steps], table[LAYERS]
    for turn in range(layers):
        number = layers - 1 - turn
        at, bias = HEADER + LAYER * number, biases[number]
        if table[at + KIND] == RECURRENT:
            for direction in range(table[at + SIZE] // table[at + UNITS]):
                lstm_deltas(
                    table,
                    at,
                    direction,
                    ints,
                    area,
                    weights,
                    w0,
                    bound,
                    work,
                    base,
                    steps,
                    sync,
                    meeting,
                    rank,
                    blocks,
                )
                lstm_backward(
                    table,
                    at,
                    direction,
                    ints,
                    area,
                    weights,
                    w0,
                    gradient,
                    add,
                    bias,
                    work,
                    base,
                    frames,
                    rank,
                    blocks,
                )
        else:
            feedforward_errors(table, at, work, base, frames, rank, blocks)
            meet(sync, meeting, blocks)
            feedforward_backward(
                table, at, ints, weights, w0, gradient, add, bias, work, base, frames, rank, blocks
            )
        meet(sync, meeting, blocks)


@device
def move(weights: Array, deltas: Array, gradient: Array, k: Any, rate: Any, momentum: Any) -> None:
    """One step of gradient descent with momentum for one parameter."""
    weights[k], deltas[k] = momentum_step(weights[k], deltas[k], gradient[k], rate, momentum)


@device
def update(
    table: Array,
    weights: Array,
    deltas: Array,
    gradient: Array,
    w0: Any,
    rates: Array,
    rates0: Any,
    rank: Any,
    blocks: Any,
) -> None:
    """Update a network, each layer with its own rate."""
    start, momentum = 0, REAL(rates[rates0 + MOMENTUM])
    for number in range(table[LAYERS]):
        end, rate = table[HEADER + LAYER * number + END], REAL(rates[rates0 + RATES + number])
        for k in range(start + rank * THREADS + cuda.threadIdx.x, end, blocks * THREADS):
            move(weights, deltas, gradient, w0 + k, rate, momentum)
        start = end


@device
def note_error(
    table: Array,
    ints: Array,
    area: Any,
    steps: Any,
    sequences: Any,
    work: Array,
    y0: Any,
    targets: Array,
    e0: Any,
    errors: Array,
    errors0: Any,
    book: Array,
    entry: Any,
    sync: Array,
    meeting: Any,
    rank: Any,
    blocks: Any,
) -> None:
    """Add a batch's error to an entry of the book and its frames in wrong classes to the next."""
    objective, size = table[OBJECTIVE], table[ERRORS]
    batch_error(
        table,
        objective,
        ints,
        area,
        steps,
        work,
        y0,
        targets,
        e0,
        errors,
        errors0,
        size,
        rank,
        blocks,
    )
    frames = ints[area + table[OFFSETS] + steps]  # before other blocks go on to the next batch
    meet(sync, meeting, blocks)
    if rank == 0:
        entries, wrong = frames, frames
        if objective == CCC:
            entries, wrong = sequences * table[OUTPUTS], 0
        elif objective == CCC_POOLED:
            entries, wrong = 1, 0
        error = add_up(errors, errors0, entries)
        misplaced = add_up(errors, errors0 + size, wrong)
        if cuda.threadIdx.x == 0:
            book[entry] += error
            book[entry + 1] += misplaced


@device
def run_set(
    table: Array,
    biases: Array,
    ints: Array,
    area: Any,
    inputs: Array,
    targets: Array,
    starts: Array,
    lengths: Array,
    first: Any,  # where the set's sequences begin in starts and lengths
    count: Any,
    orders: Array,
    order: Any,  # where the set's order begins
    parallel: Any,
    learn: Any,  # train, or look only?
    members: Array,
    member: Any,
    rates: Array,
    rates0: Any,
    weights: Array,
    deltas: Array,
    gradient: Array,
    w0: Any,
    work: Array,
    base: Any,
    errors: Array,
    errors0: Any,
    book: Array,
    entry: Any,
    sync: Array,
    meeting: Any,
    rank: Any,
    blocks: Any,
) -> None:
    """Go over a set, batch by batch, and add its error to an entry of the book."""
    outputs, whole, thread = table[OUTPUTS], base + table[WHOLE], cuda.threadIdx.x
    output = HEADER + LAYER * (table[LAYERS] - 1)
    y0, e0 = base + table[output + Y], base + table[output + ERROR]
    stochastic, bound = members[member + STOCHASTIC] != 0, REAL(rates[rates0 + BOUND])
    sigma = REAL(rates[rates0 + SIGMA]) if learn else REAL(0)
    signals = e0 if learn else -1
    origin, frames_before = starts[first], 0
    pooled = table[OBJECTIVE] == CCC_POOLED and not learn
    for group in range(0, count, parallel):
        some = min(parallel, count - group)
        steps = arrange(table, ints, area, starts, lengths, first, orders, order + group, some, rank, blocks)
        meet(sync, meeting, blocks)
        frames = ints[area + table[OFFSETS] + steps]
        gather(
            table,
            ints,
            area,
            frames,
            inputs,
            lengths,
            first,
            origin,
            orders,
            order + group,
            sigma,
            members[member + KEY_0],
            members[member + KEY_1],
            work,
            base,
            rank,
            blocks,
        )
        meet(sync, meeting, blocks)
        network_forward(
            table, biases, ints, area, weights, w0, work, base, steps, sync, meeting, rank, blocks
        )
        if pooled:
            for n in range(rank * THREADS + thread, frames, blocks * THREADS):
                row = ints[area + table[ROW] + n] - origin
                for j in range(outputs):
                    work[whole + row * outputs + j] = work[y0 + n * outputs + j]
            frames_before += frames
            meet(sync, meeting, blocks)
        else:
            note_error(
                table,
                ints,
                area,
                steps,
                some,
                work,
                y0,
                targets,
                signals,
                errors,
                errors0,
                book,
                entry,
                sync,
                meeting,
                rank,
                blocks,
            )
        if learn:
            add = group > 0 and not stochastic
            network_backward(
                table,
                biases,
                ints,
                area,
                weights,
                w0,
                gradient,
                add,
                bound,
                work,
                base,
                steps,
                sync,
                meeting,
                rank,
                blocks,
            )
            if stochastic or group + parallel >= count:
                update(table, weights, deltas, gradient, w0, rates, rates0, rank, blocks)
                meet(sync, meeting, blocks)
    if pooled and rank == 0:
        error = pooled_concordance(
            outputs, frames_before, count, ints, -1, origin, work, whole, targets, table[TARGETS], -1
        )
        if thread == 0:
            book[entry] += error


@kernel
def train_epoch(
    table: Array,
    biases: Array,  # of the layers
    ints: Array,  # maps, then the teams' areas
    inputs: Array,  # of all sets [rows, columns], flat
    targets: Array,  # [rows, targets], flat
    starts: Array,  # first row of each sequence of all sets
    lengths: Array,  # and its frames
    orders: Array,  # of the sequences in their sets, in each batch by falling length
    members: Array,  # [M, MEMBER], flat
    rates: Array,  # [M, RATES + layers], flat
    live: Array,  # members that are to be trained
    weights: Array,  # [M, parameters], flat
    deltas: Array,
    gradient: Array,
    best: Array,  # out: the best weights
    weights_before: Array,  # out: weights and deltas before the epoch
    deltas_before: Array,
    work: Array,  # [teams, WORK], flat
    errors: Array,  # [teams, 2, ERRORS], flat, float64
    book: Array,  # in and out [M, BOOK], flat, float64
    sync: Array,  # a line of LINE numbers for each team, the first of them 0; then the queue, 0
    line: Any,
    teams: Any,
    blocks: Any,  # of a team
) -> None:
    """Train networks for an epoch."""
    team, rank, thread = cuda.blockIdx.x // blocks, cuda.blockIdx.x % blocks, cuda.threadIdx.x
    area = table[AREAS] + team * table[AREA]
    base, meeting = team * table[WORK], team * line
    errors0 = team * 2 * table[ERRORS]
    parameters, layers = table[PARAMETERS], table[LAYERS]
    here, all_threads = rank * THREADS + thread, blocks * THREADS
    while True:
        if rank == 0 and thread == 0:
            sync[meeting + 2] = cuda.atomic.add(sync, teams * line, 1)
        meet(sync, meeting, blocks)
        turn = sync[meeting + 2]
        if turn >= live.shape[0]:
            break
        number = live[turn]
        member, rates0, page = number * MEMBER, number * (RATES + layers), number * BOOK
        w0 = number * parameters
        for k in range(w0 + here, w0 + parameters, all_threads):
            weights_before[k] = weights[k]
            deltas_before[k] = deltas[k]
        if rank == 0 and thread == 0:
            for entry in range(FINITE):
                book[page + entry] = 0.0
            book[page + FINITE], book[page + NEW_BEST] = 1.0, 0.0
        meet(sync, meeting, blocks)
        fine = True
        for which in range(3):  # training, validation and test set
            at = member + TRAINING + 3 * which
            learn = which == 0
            parallel = members[member + PARALLEL] if learn else members[member + EVALUATED]
            if fine and members[at + 1] > 0:
                run_set(
                    table,
                    biases,
                    ints,
                    area,
                    inputs,
                    targets,
                    starts,
                    lengths,
                    members[at],
                    members[at + 1],
                    orders,
                    members[at + 2],
                    parallel,
                    learn,
                    members,
                    member,
                    rates,
                    rates0,
                    weights,
                    deltas,
                    gradient,
                    w0,
                    work,
                    base,
                    errors,
                    errors0,
                    book,
                    page + 2 * which,
                    sync,
                    meeting,
                    rank,
                    blocks,
                )
            if which == 0:
                for k in range(w0 + here, w0 + parameters, all_threads):
                    if weights[k] - weights[k] != REAL(0):  # NaN, or infinity
                        book[page + FINITE] = 0.0
                meet(sync, meeting, blocks)
                error = book[page + TRAINING_ERROR]
                fine = book[page + FINITE] == 1.0 and error - error == 0.0
        if fine:
            if rank == 0 and thread == 0:
                keep_book(members, member, book, page)
            meet(sync, meeting, blocks)
            if book[page + NEW_BEST] == 1.0:
                for k in range(w0 + here, w0 + parameters, all_threads):
                    best[k] = weights[k]


@device
def keep_book(members: Array, member: Any, book: Array, page: Any) -> None:
    """Say whether the weights are the best so far, and how long ago those were."""
    book[page + EPOCH] += 1.0
    watched, validated = members[member + WATCHED] != 0, members[member + VALIDATION_COUNT] > 0
    if not watched or (validated and book[page + VALIDATION_ERROR] < book[page + BEST_ERROR]):
        book[page + NEW_BEST] = 1.0
        book[page + WITHOUT_BETTER] = 0.0
        book[page + BEST_EPOCH] = book[page + EPOCH]
        if watched:
            book[page + BEST_ERROR] = book[page + VALIDATION_ERROR]
    elif validated:
        book[page + WITHOUT_BETTER] += float(members[member + EVERY])


@kernel
def forward_pass(
    table: Array,
    biases: Array,
    ints: Array,
    weights: Array,
    work: Array,
    steps: Any,
    sync: Array,
    blocks: Any,
) -> None:
    """Compute the outputs of a batch whose inputs are in `work`; one team."""
    network_forward(
        table, biases, ints, table[AREAS], weights, 0, work, 0, steps, sync, 0, cuda.blockIdx.x, blocks
    )


@kernel
def backward_pass(
    table: Array,
    biases: Array,
    ints: Array,
    weights: Array,
    gradient: Array,
    work: Array,
    steps: Any,
    bound: Any,
    sync: Array,
    blocks: Any,
) -> None:
    """Compute the gradient from the output layer's errors in `work`; one team."""
    network_backward(
        table,
        biases,
        ints,
        table[AREAS],
        weights,
        0,
        gradient,
        False,
        bound,
        work,
        0,
        steps,
        sync,
        0,
        cuda.blockIdx.x,
        blocks,
    )


@kernel
def momentum_update(weights: Array, deltas: Array, gradient: Array, rate: Any, momentum: Any) -> None:
    """Δ ← μ Δ − η g, w ← w + Δ."""
    for k in range(cuda.blockIdx.x * THREADS + cuda.threadIdx.x, weights.shape[0], cuda.gridDim.x * THREADS):
        move(weights, deltas, gradient, k, rate, momentum)
