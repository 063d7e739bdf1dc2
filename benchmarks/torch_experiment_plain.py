"""The experiment in PyTorch, written straight down: one network after the other in one process.

Stock parts throughout: nn.LSTM, DataLoader, SGD with momentum, as many threads as PyTorch chooses.
"""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

if TYPE_CHECKING:
    from benchmarks.experiment_plan import Plan


class MoodNetwork(nn.Module):
    """LSTM layers under a linear one.

    Parameters
    ----------
    inputs, hidden, outputs
        Sizes of the layers.
    batch_first
        Whether songs come before time in the inputs and outputs.
    """

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int, batch_first: bool = True) -> None:
        super().__init__()
        sizes = (inputs, *hidden)
        self.hidden = nn.ModuleList(
            nn.LSTM(below, size, batch_first=batch_first) for below, size in zip(sizes, hidden, strict=False)
        )
        self.output = nn.Linear(sizes[-1], outputs)

    def forward(self, x: Any) -> Any:
        """Compute the outputs [n, T, O] from the inputs [n, T, P]."""
        for lstm in self.hidden:
            x, _ = lstm(x)
        return self.output(x)


def train_network(plan: Plan, fold: int, data: TensorDataset, model: nn.Module) -> list[float]:
    """Train a network; return the validation error per frame after each epoch."""
    training, validation = (Subset(data, songs) for songs in plan.split(fold))
    training_batches = DataLoader(training, plan.parallel_sequences, shuffle=plan.shuffle)
    validation_batches = DataLoader(validation, 16)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(weights, plan.learning_rate, plan.momentum)
    loss = nn.MSELoss(reduction="sum")
    errors: list[float] = []
    best = model.state_dict()
    for _ in range(plan.epochs):
        for x, y in training_batches:
            if plan.input_noise:
                x = x + plan.input_noise * torch.randn_like(x)
            optimiser.zero_grad()
            (0.5 * loss(model(x), y)).backward()
            optimiser.step()
        error, frames = 0.0, 0
        with torch.no_grad():
            for x, y in validation_batches:
                error += 0.5 * loss(model(x), y).item()
                frames += y.shape[0] * y.shape[1]
        errors.append(error / frames)
        if errors[-1] == min(errors):
            best = copy.deepcopy(model.state_dict())
    model.load_state_dict(best)
    return errors


def load(plan: Plan) -> TensorDataset:
    """Return all songs."""
    return TensorDataset(*map(torch.from_numpy, plan.data()))


def train_all(plan: Plan) -> float:
    """Train all networks; return the processor time, s."""
    started = time.process_time()
    data = load(plan)
    for _, fold in plan.networks():
        train_network(plan, fold, data, MoodNetwork(plan.inputs, plan.hidden, plan.outputs))
    return time.process_time() - started
