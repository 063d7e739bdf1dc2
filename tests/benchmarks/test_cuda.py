"""The CUDA benchmark's candidates and sums, without a GPU, where PyTorch is installed."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks import cuda, cuda_candidates  # noqa: E402
from benchmarks.cuda_candidates import OurCpu, Ours, check_cpu, check_torch, torch_epoch  # noqa: E402
from benchmarks.cuda_cost import Cost, Rates, cost  # noqa: E402
from benchmarks.measuring import Timing, alternate  # noqa: E402
from benchmarks.torch_ensemble import PLAIN, TorchTraining, Work  # noqa: E402
from benchmarks.train import paper_network, songs  # noqa: E402
from lstmcore import SGD  # noqa: E402
from lstmcore.backends.cpu.backend import CpuBackend  # noqa: E402

WORK = Work(songs(4, 3), 2, SGD(1e-5, 0.9))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys):
    with pytest.raises(SystemExit, match="the benchmark needs a GPU"):
        cuda.need_gpu()


def test_all_candidates_train_and_are_timed():
    networks = [paper_network(seed=k) for k in range(2)]
    stacked = TorchTraining(networks, WORK, "cpu", stacked=True)
    alone = TorchTraining(networks[:1], WORK, "cpu", stacked=False)
    assert check_torch(stacked, networks, WORK) < 1e-5
    assert check_torch(alone, networks[:1], WORK) < 1e-5
    candidates = {
        "ours": Ours(networks, WORK, backend="cpu"),
        "our cpu": OurCpu(networks, WORK, 2),
        "stacked": torch_epoch(stacked, WORK),
        "cudnn": torch_epoch(alone, WORK),
    }
    timings = alternate(candidates, rounds=2, least_seconds=0)
    assert all(timing.median > 0 for timing in timings.values())


def test_a_difference_ends_it(monkeypatch):
    assert check_cpu("float32", "cpu") == 0
    honest = CpuBackend.update

    class Wrong(CpuBackend):
        def update(self, weights, deltas, gradient, sgd):
            honest(self, weights, deltas, 1.01 * gradient, sgd)

    with pytest.raises(SystemExit, match=r"differ by .* after 10 epochs in float32"):
        check_cpu("float32", Wrong())
    networks = [paper_network()]
    training = TorchTraining(networks, WORK, "cpu", stacked=True)
    with torch.no_grad():
        training.model.pieces[-1].add_(1.0)
    with pytest.raises(SystemExit, match="PyTorch's weights differ"):
        check_torch(training, networks, WORK)


def test_costs_grow_as_they_should_and_the_larger_share_bounds():
    one = cost(1, 1, 60)
    assert cost(3, 2, 60).operations == pytest.approx(6 * one.operations)
    assert cost(3, 2, 60).bytes == pytest.approx(6 * one.bytes)
    parameters = paper_network().architecture.parameter_count
    assert cost(1, 1, 0) == Cost(0, 4 * 6 * parameters)
    rates = Rates(operations=100.0, bytes=10.0)
    assert rates.bound(Cost(80, 1), 1.0) == "operations"
    assert rates.bound(Cost(80, 9), 1.0) == "bytes"
    assert rates.bound(Cost(20, 1), 1.0) == "time loop"


def test_a_row_says_how_many_times_faster():
    timings = {"ours": Timing((1e-3, 2e-3, 1e-3)), "x": Timing((4e-3, 8e-3, 4e-3))}
    row = cuda._against(timings, "x", 3.0, Cost(1e6, 1e6), Rates(1e9, 1e10))
    assert (row["times"], row["ours ms"], row["bound by"]) == (pytest.approx(4.0), 1.0, "operations")
    assert np.isclose(row["sgemm"], 1.0)
    assert cuda_candidates.LIMITS["float64"] == 1e-10


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within PyTorch
def test_every_row_of_the_table_is_made(monkeypatch):
    plain = {name: (way[0], False, PLAIN) for name, way in cuda_candidates.ways().items()}
    for name, value in {
        "DEVICE": "cpu",
        "NETWORKS": 2,
        "TOGETHER": 2,
        "UPDATES": 2,
        "ALONE": (1, 2),
        "STEP_FRAMES": (1, 40),
        "ways": lambda: plain,
    }.items():
        monkeypatch.setattr(cuda, name, value)
    rates = Rates(1e12, 1e11)
    rows = [
        *cuda.ensemble_rows(3, 2, rates, 2),
        *cuda.one_network_rows(3, 2, rates),
        cuda.step_row(3, rates),
    ]
    assert [row["peer"] for row in rows] == [*cuda.TARGETS, *2 * ["cudnn", "cudnn graph"], "target"]
    assert len({tuple(row) for row in rows}) == 1
    assert all(row["ours ms"] > 0 and row["peer ms"] > 0 for row in rows)
