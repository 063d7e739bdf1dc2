"""The experiment in PyTorch, with care: one process per core, one thread each.

The data lie in memory in the order nn.LSTM wants, time first; batches are taken by index, and the
optimiser updates all weights in a few calls.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

import torch

from benchmarks.torch_experiment_plain import MoodNetwork

if TYPE_CHECKING:
    from benchmarks.experiment_plan import Plan

Data = tuple[torch.Tensor, torch.Tensor]


def one_thread() -> None:
    """Prepare a process."""
    torch.set_num_threads(1)


@cache
def load(plan: Plan) -> Data:
    """Return inputs and targets [T, songs, …], made once in a process."""
    x, y = (torch.from_numpy(a).transpose(0, 1).contiguous() for a in plan.data())
    return x, y


def train_network(plan: Plan, fold: int, data: Data, model: torch.nn.Module) -> list[float]:
    """Train a network; return the validation error per frame after each epoch."""
    training, validation = map(torch.tensor, plan.split(fold))
    x_validation, y_validation = (a[:, validation] for a in data)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(weights, plan.learning_rate, plan.momentum, foreach=True)
    errors: list[float] = []
    best = [w.detach().clone() for w in weights]
    for _ in range(plan.epochs):
        order = training[torch.randperm(len(training))] if plan.shuffle else training
        for chosen in order.split(plan.parallel_sequences):
            x, y = (a.index_select(1, chosen) for a in data)
            if plan.input_noise:
                x.add_(torch.randn_like(x), alpha=plan.input_noise)
            optimiser.zero_grad()
            (0.5 * (model(x) - y).square().sum()).backward()
            optimiser.step()
        with torch.no_grad():
            error = 0.5 * (model(x_validation) - y_validation).square().sum()
            errors.append(float(error) / (len(validation) * plan.frames))
            if errors[-1] == min(errors):
                torch._foreach_copy_(best, weights)
    return errors


def train_one(plan: Plan, fold: int) -> float:
    """Train one network of the experiment; return the processor time, s."""
    started = time.process_time()
    model = MoodNetwork(plan.inputs, plan.hidden, plan.outputs, batch_first=False)
    train_network(plan, fold, load(plan), model)
    return time.process_time() - started
