"""PyTorch's side of the CUDA benchmark trains what we train, where PyTorch is installed."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks.torch_ensemble import PLAIN, StackedNetworks, TorchTraining, Work, _Layer  # noqa: E402
from benchmarks.torch_network import TorchNetwork, WithoutPeepholes  # noqa: E402
from lstmcore import (  # noqa: E402
    LSTM,
    SGD,
    Linear,
    SequenceSet,
    Sets,
    Training,
    TrainingSettings,
    initial_network,
    train,
)


def new_network(seed: int, dtype: str = "float64"):
    network = initial_network(
        5, [LSTM(4), LSTM(3), Linear(2)], np.random.default_rng(seed), dtype=dtype, low=-0.5, high=0.5
    )
    for pieces in network.parameters[:-1]:
        pieces["p"][:] = 0
    return network


def new_work(songs: int = 6, frames: int = 7) -> Work:
    generator = np.random.default_rng(1)
    inputs = generator.standard_normal((songs * frames, 5))
    targets = generator.uniform(-1, 1, (songs * frames, 2))
    return Work(SequenceSet(inputs, targets, np.full(songs, frames)), 2, SGD(1e-3, 0.9))


def test_the_stacked_layer_has_the_gradient_of_its_forward_pass():
    generator = torch.Generator().manual_seed(1)
    shapes = [(2, 4, 3, 5), (2, 8, 5), (2, 8, 2), (2, 1, 8)]
    arrays = [
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes
    ]
    assert torch.autograd.gradcheck(lambda *a: _Layer.apply(*a, PLAIN), arrays)


def test_the_stacked_networks_compute_what_each_computes():
    networks = [new_network(k) for k in range(3)]
    x = torch.randn(3, 7, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        together = StackedNetworks(networks)(x)
        for k, network in enumerate(networks):
            torch.testing.assert_close(together[k], TorchNetwork(network)(x[k]))


@pytest.mark.parametrize("stacked", [True, False])
def test_both_ways_go_where_ours_goes(stacked):
    work, count = new_work(), 3 if stacked else 1
    networks = [new_network(k) for k in range(count)]
    orders = np.stack([np.random.default_rng(k).permutation(6) for k in range(count)])
    training = TorchTraining(networks, work, "cpu", stacked=stacked)
    for _ in range(2):
        training.epoch(torch.from_numpy(orders))
    found = training.weights(networks[0])
    for k, network in enumerate(networks):
        settings = TrainingSettings(work.sgd, parallel_sequences=2, max_epochs=2)
        of_network = Training(network, Sets(work.data), settings, seed=1, order=lambda _, k=k: orders[k])
        ours = train([of_network], backend=WithoutPeepholes())[0].weights
        assert np.abs(ours - network.weights).max() > 1e-3
        np.testing.assert_allclose(found[k], ours, atol=1e-12)
