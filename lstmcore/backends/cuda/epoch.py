"""The kernels: a pass through a network, and an epoch of many networks in one launch.

Follow `train_epoch`: each team of blocks takes a network that is left, trains it for an epoch, batch
by batch, looks at its validation and test set, keeps the best weights, and takes the next one.
Shapes: M networks with so many `parameters` each, of which L are trained in a launch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from lstmcore.backends.cuda.batch import Chosen, Noise, arrange, gather
from lstmcore.backends.cuda.compile import device, kernel
from lstmcore.backends.cuda.feedforward import feedforward_backward, feedforward_errors, feedforward_forward
from lstmcore.backends.cuda.layout import RECURRENT, TRAINING, VALIDATION
from lstmcore.backends.cuda.lstm import lstm_backward, lstm_forward
from lstmcore.backends.cuda.memory import flat
from lstmcore.backends.cuda.objectives import CCC_POOLED, Compared, Rows, batch_error, pooled_concordance
from lstmcore.backends.cuda.team import Gradient, Memory, Team, barrier, thread_of, threads_of
from lstmcore.update import momentum_step

Array = Any

REAL: Any = np.float32  # given its meaning by the precision compiled for
THREADS: Any = 256


class Parameters(NamedTuple):
    """The vectors of one network; the kernel gets those of all [M, parameters]."""

    weights: Array  # [parameters]
    velocity: Array
    gradient: Array
    best: Array  # out: the best weights
    weights_before: Array  # out: weights and velocity before the epoch
    velocity_before: Array


@device
def numbers_of(
    memory: Any,  # Memory, of arrays
) -> Any:
    """Return a memory whose numbers are reached without a check."""
    return Memory(flat(memory.work), flat(memory.ints), flat(memory.errors))


@device
def network_forward(
    plan: Any,  # of PLAN
    layers: Array,  # of LAYER [layers]
    steps: Any,
    weights: Any,  # parameters
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """Compute all layers from the network's inputs on."""
    frames = memory.ints[plan.offsets + steps]
    for number in range(layers.shape[0]):
        layer = layers[number]
        if layer.kind == RECURRENT:
            for direction in range(layer.outputs // layer.units):
                lstm_forward(plan, layer, direction, steps, weights, memory, team)
        else:
            feedforward_forward(layer, frames, weights, memory, team)
        barrier(team)


@device
def network_backward(
    plan: Any,  # of PLAN
    layers: Array,  # of LAYER [layers]
    steps: Any,
    weights: Any,  # parameters
    gradient: Any,  # Gradient
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """Take the errors of the outputs back through all layers."""
    frames = memory.ints[plan.offsets + steps]
    for number in range(layers.shape[0] - 1, -1, -1):
        layer = layers[number]
        if layer.kind == RECURRENT:
            for direction in range(layer.outputs // layer.units):
                lstm_backward(plan, layer, direction, steps, weights, gradient, memory, team)
        else:
            feedforward_errors(layer, frames, memory, team)
            barrier(team)
            feedforward_backward(layer, frames, weights, gradient, memory, team)
        barrier(team)


@device
def update(
    layers: Array,  # of LAYER [layers]
    learning_rates: Array,  # [layers]
    momentum: Any,
    parameters: Any,  # Parameters
    team: Any,  # Team
) -> None:
    """Update a network, each layer with its own learning rate."""
    weights, velocity = flat(parameters.weights), flat(parameters.velocity)
    gradient = flat(parameters.gradient)
    start = 0
    for number in range(layers.shape[0]):
        end, rate = layers[number].end, REAL(learning_rates[number])
        for k in range(start + thread_of(team), end, threads_of(team)):
            weights[k], velocity[k] = momentum_step(weights[k], velocity[k], gradient[k], rate, momentum)
        start = end


@device
def run_set(
    plan: Any,  # of PLAN
    layers: Array,  # of LAYER [layers]
    data: Any,  # Data
    member: Any,  # of MEMBER
    which: Any,  # TRAINING, VALIDATION or TEST
    learning_rates: Array,  # [layers]
    parameters: Any,  # Parameters
    memory: Any,  # Memory
    statistics: Any,  # of STATISTICS: the set's error and frames in wrong classes are added to
    team: Any,  # Team
) -> None:
    """Go over a set, batch by batch; train if it's the training set."""
    ints, work, outputs, learn = memory.ints, memory.work, plan.outputs, which == TRAINING
    weights, found = flat(parameters.weights), flat(parameters.gradient)
    first, count, order = member.first[which], member.sequences[which], member.order[which]
    parallel = member.parallel if learn else member.evaluated
    stochastic, bound, momentum = member.stochastic != 0, REAL(member.bound), REAL(member.momentum)
    output, origin, frames_before = layers[layers.shape[0] - 1], data.starts[first], 0
    y0, whole, signals = output.y, plan.whole, output.error if learn else -1
    noise = Noise(REAL(member.sigma) if learn else REAL(0), member.key[0], member.key[1], origin)
    targets = flat(data.targets)
    compared = Compared(work, y0, signals, outputs, targets, plan.targets)
    pooled = plan.objective == CCC_POOLED and not learn
    for group in range(0, count, parallel):
        chosen = Chosen(first, order + group, min(parallel, count - group))
        steps = arrange(plan, data, chosen, ints, team)
        barrier(team)
        frames = ints[plan.offsets + steps]
        gather(plan, data, chosen, frames, noise, memory, team)
        barrier(team)
        network_forward(plan, layers, steps, weights, memory, team)
        if pooled:
            for n in range(thread_of(team), frames, threads_of(team)):
                row = ints[plan.row + n] - origin
                for j in range(outputs):
                    work[whole + row * outputs + j] = work[y0 + n * outputs + j]
            frames_before += frames
            barrier(team)
        else:
            error, wrong = batch_error(plan, compared, steps, chosen.count, memory, team)
            if thread_of(team) == 0:
                statistics.error[which] += error
                statistics.wrong[which] += wrong
        if learn:
            gradient = Gradient(found, group > 0 and not stochastic, bound)
            network_backward(plan, layers, steps, weights, gradient, memory, team)
            if stochastic or group + parallel >= count:
                update(layers, learning_rates, momentum, parameters, team)
                barrier(team)
    if pooled and team.rank == 0:
        compared = Compared(work, whole, -1, outputs, targets, plan.targets)
        error = pooled_concordance(compared, frames_before, count, Rows(ints, -1, origin))
        if cuda.threadIdx.x == 0:
            statistics.error[which] += error


@device
def begin_epoch(
    parameters: Any,  # Parameters
    statistics: Any,  # of STATISTICS
    team: Any,  # Team
) -> None:
    """Copy the weights aside; nothing has been found yet."""
    for k in range(thread_of(team), parameters.weights.shape[0], threads_of(team)):
        parameters.weights_before[k] = parameters.weights[k]
        parameters.velocity_before[k] = parameters.velocity[k]
    if thread_of(team) == 0:
        for which in range(3):
            statistics.error[which] = 0.0
            statistics.wrong[which] = 0.0
        statistics.finite, statistics.new_best = 1, 0
    barrier(team)


@device
def note_divergence(
    weights: Array,  # [parameters]
    statistics: Any,  # of STATISTICS
    team: Any,  # Team
) -> Any:
    """Return whether all weights and the training error are finite."""
    for k in range(thread_of(team), weights.shape[0], threads_of(team)):
        if weights[k] - weights[k] != REAL(0):  # NaN, or infinity
            statistics.finite = 0
    barrier(team)
    error = statistics.error[TRAINING]
    return statistics.finite == 1 and error - error == 0.0


@device
def keep_best(
    member: Any,  # of MEMBER
    parameters: Any,  # Parameters
    statistics: Any,  # of STATISTICS
    team: Any,  # Team
) -> None:
    """Keep the weights if they are the best so far."""
    if thread_of(team) == 0:
        note_best(member, statistics)
    barrier(team)
    if statistics.new_best == 1:
        for k in range(thread_of(team), parameters.weights.shape[0], threads_of(team)):
            parameters.best[k] = parameters.weights[k]


@device
def note_best(
    member: Any,  # of MEMBER
    statistics: Any,  # of STATISTICS
) -> None:
    """Say whether the weights are the best so far, and how long ago those were."""
    statistics.epoch += 1
    watched, validated = member.watched != 0, member.sequences[VALIDATION] > 0
    error = statistics.error[VALIDATION]
    if not watched or (validated and error < statistics.best_error):
        statistics.new_best, statistics.without_better = 1, 0
        statistics.best_epoch = statistics.epoch
        if watched:
            statistics.best_error = error
    elif validated:
        statistics.without_better += member.every


@kernel
def train_epoch(
    plans: Array,  # of PLAN [teams]
    layers: Array,  # of LAYER [teams, layers]
    data: Any,  # Data
    members: Array,  # of MEMBER: those that are to be trained [L]
    learning_rates: Array,  # float64 [M, layers]
    parameters: Any,  # Parameters [M, parameters]
    memory: Any,  # Memory
    statistics: Array,  # of STATISTICS, in and out [M]
    sync: Array,  # 0, int64 [teams + 1, ≥ 2]; the last row's first number: how many networks have been taken
    blocks: Any,  # of a team
) -> None:
    """Train networks for an epoch."""
    number = cuda.blockIdx.x // blocks
    team = Team(cuda.blockIdx.x % blocks, blocks, sync[number])
    plan, mine = plans[number], layers[number]
    memory = numbers_of(memory)
    queue = sync[sync.shape[0] - 1]
    while True:
        if thread_of(team) == 0:
            team.sync[1] = cuda.atomic.add(queue, 0, 1)
        barrier(team)
        turn = team.sync[1]
        if turn >= members.shape[0]:
            break
        member = members[turn]
        k = member.network
        network = Parameters(
            parameters.weights[k],
            parameters.velocity[k],
            parameters.gradient[k],
            parameters.best[k],
            parameters.weights_before[k],
            parameters.velocity_before[k],
        )
        found = statistics[k]
        begin_epoch(network, found, team)
        fine = True
        for which in range(3):
            if fine and member.sequences[which] > 0:
                run_set(plan, mine, data, member, which, learning_rates[k], network, memory, found, team)
            if which == TRAINING:
                fine = note_divergence(network.weights, found, team)
        if fine:
            keep_best(member, network, found, team)


@kernel
def forward_pass(
    plans: Array,  # of PLAN [1]
    layers: Array,  # of LAYER [1, layers]
    weights: Array,  # [parameters]
    memory: Any,  # Memory, with the network's inputs
    steps: Any,
    sync: Array,  # int64 [1]: as the last launch left it
    blocks: Any,
) -> None:
    """Compute the outputs of a batch; one team."""
    team = Team(cuda.blockIdx.x, blocks, sync)
    network_forward(plans[0], layers[0], steps, flat(weights), numbers_of(memory), team)


@kernel
def backward_pass(
    plans: Array,  # of PLAN [1]
    layers: Array,  # of LAYER [1, layers]
    weights: Array,  # [parameters]
    gradient: Array,  # out [parameters]
    memory: Any,  # Memory, with the output layer's errors
    steps: Any,
    bound: Any,  # limit of the deltas
    sync: Array,  # int64 [1]: as the last launch left it
    blocks: Any,
) -> None:
    """Compute the gradient of a batch; one team."""
    team = Team(cuda.blockIdx.x, blocks, sync)
    found = Gradient(flat(gradient), False, bound)
    network_backward(plans[0], layers[0], steps, flat(weights), found, numbers_of(memory), team)


@kernel
def momentum_update(
    weights: Array,  # [parameters]
    velocity: Array,  # [parameters]
    gradient: Array,  # [parameters]
    learning_rate: Any,
    momentum: Any,
) -> None:
    """One step of gradient descent with momentum."""
    for k in range(cuda.blockIdx.x * THREADS + cuda.threadIdx.x, weights.shape[0], cuda.gridDim.x * THREADS):
        weights[k], velocity[k] = momentum_step(weights[k], velocity[k], gradient[k], learning_rate, momentum)
