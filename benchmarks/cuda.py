"""CPU against CUDA, and PyTorch with cuDNN, in one run on the GPU's own machine.

    python -m benchmarks.cuda

Needs a GPU, ``lstmcore[cuda]`` and a PyTorch that can use the GPU.  First all are checked: the same
network, data and seed on ``cpu`` and ``cuda`` for ten epochs without noise, and PyTorch's candidates
against ours.  Then an epoch of the paper's network on songs in the device's memory, with noise on the
inputs, in single precision throughout (``--tf32`` lets PyTorch round the factors of its products):

- 50 networks at once, against ``torch.nn.LSTM`` (cuDNN) training them one after the other, of which one is
  timed, as it stands and captured as a CUDA graph; against stacked networks (`benchmarks.torch_ensemble`)
  as a graph, their cells in PyTorch's operations or compiled; against our own CPU backend on all cores;
- one network, against cuDNN with and without a graph;
- one step of the time loop of a layer, from how the time of a validation grows with its length.

Candidates take turns; times are medians of wall time with the device idle before and after, ours between
the ends of the first and the last of several epochs.  The rates of a copy and of a product are measured by
events in the same run.  ``GFLOP`` and ``GB`` are what an epoch must compute and move at least (each array
once by each pass that needs it: `benchmarks.cuda_cost`); an epoch is bound by whichever of both takes the
larger share of its time at those rates, or by the latency of the time loop if that share is below a half.

All that is owed to a GPU in one command, the tests for it included: ``bash benchmarks/gpu_day.sh``.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from threadpoolctl import threadpool_limits

try:
    import torch
except ImportError:
    raise SystemExit("the benchmark needs PyTorch with CUDA: pip install torch") from None

from benchmarks.cuda_candidates import OurCpu, Ours, check_all, torch_epoch, ways
from benchmarks.cuda_cost import Cost, Rates, cost, measured_rates, step_cost
from benchmarks.measuring import Timing, alternate, publish
from benchmarks.torch_ensemble import TorchTraining, Work
from benchmarks.train import UNITS, paper_network, songs
from lstmcore import SGD, EngineError, get_backend
from lstmcore.experiments.machine.gpu import describe_gpu

DEVICE = "cuda"  # our backend's and PyTorch's name
NETWORKS, TOGETHER, UPDATES = 50, 10, 10
ALONE = (1, 10, 40)  # songs side by side of one network
RATE, NOISE = SGD(1e-6, momentum=0.9), 0.3
TARGETS = {"cudnn": 20.0, "cudnn graph": 20.0, "stacked": 4.0, "stacked compiled": 4.0, "our cpu": 15.0}
ONE_TARGET, STEP_TARGET = 1 / 1.5, 5e-6
STEP_FRAMES = (60, 600)
TITLE = """An epoch of the paper's network on a GPU, and how many times faster than a peer
songs: side by side; times: median of the rounds, from, to: quartiles; GFLOP, GB: of an epoch at least;
sgemm, copy: share of the epoch that these would take at the measured rates"""


def ensemble_rows(frames: int, rounds: int, rates: Rates, workers: int) -> list[dict[str, Any]]:
    """Time 50 networks; return one row per peer."""
    networks = [paper_network(seed=k) for k in range(NETWORKS)]
    work = Work(songs(UPDATES * TOGETHER, frames), TOGETHER, RATE, NOISE)
    candidates: dict[str, Any] = {
        "ours": Ours(networks, work, backend=DEVICE),
        "our cpu": OurCpu(networks, work, workers),
    }
    for name, (stacked, graph, cell) in ways().items():
        some = networks if stacked else networks[:1]
        training = TorchTraining(some, work, DEVICE, stacked=stacked, graph=graph, cell=cell)
        candidates[name] = torch_epoch(training, work)
    timings = alternate(candidates, rounds)
    for name in ("cudnn", "cudnn graph"):
        timings[name] = Timing(tuple(NETWORKS * seconds for seconds in timings[name].seconds))
    total = cost(NETWORKS, UPDATES, TOGETHER * frames)
    head = {"what": "ensemble", "networks": NETWORKS, "songs": TOGETHER, "frames": frames}
    return [head | _against(timings, peer, TARGETS[peer], total, rates) for peer in TARGETS]


def one_network_rows(frames: int, rounds: int, rates: Rates) -> list[dict[str, Any]]:
    """Time one network at several numbers of songs side by side; return one row per number and peer."""
    rows = []
    for together in ALONE:
        networks, work = [paper_network()], Work(songs(UPDATES * together, frames), together, RATE, NOISE)
        candidates: dict[str, Any] = {"ours": Ours(networks, work, backend=DEVICE)}
        for name in ("cudnn", "cudnn graph"):
            training = TorchTraining(networks, work, DEVICE, stacked=False, graph=ways()[name][1])
            candidates[name] = torch_epoch(training, work)
        timings = alternate(candidates, rounds)
        head = {"what": "one network", "networks": 1, "songs": together, "frames": frames}
        total = cost(1, UPDATES, together * frames)
        rows += [
            head | _against(timings, peer, ONE_TARGET, total, rates) for peer in ("cudnn", "cudnn graph")
        ]
    return rows


def step_row(rounds: int, rates: Rates) -> dict[str, Any]:
    """Time a step of a layer forward: by how much a longer validation makes an epoch longer."""
    networks = [paper_network(seed=k, units=UNITS[:1]) for k in range(NETWORKS)]
    work = Work(songs(1, 1), 1, RATE)
    watched = {str(frames): Ours(networks, work, songs(TOGETHER, frames), DEVICE) for frames in STEP_FRAMES}
    timings = alternate(watched, rounds)
    short, long = STEP_FRAMES
    pairs = zip(timings[str(short)].seconds, timings[str(long)].seconds, strict=True)
    step = Timing(tuple((b - a) / (long - short) for a, b in pairs))
    head = {"what": "a step, forward", "networks": NETWORKS, "songs": TOGETHER, "frames": 1}
    goal = Timing((STEP_TARGET,) * rounds)
    return head | _against(
        {"ours": step, "target": goal}, "target", 1.0, step_cost(NETWORKS, TOGETHER), rates
    )


def _against(
    timings: dict[str, Timing], peer: str, target: float, total: Cost, rates: Rates
) -> dict[str, Any]:
    ours, theirs = timings["ours"], timings[peer]
    low, high = ours.spread(theirs)
    computing, moving = rates.shares(total, ours.median)
    return {
        "ours ms": ours.median * 1e3,
        "peer": peer,
        "peer ms": theirs.median * 1e3,
        "times": ours.ratio(theirs),
        "from": low,
        "to": high,
        "target": target,
        "GFLOP": total.operations / 1e9,
        "GB": total.bytes / 1e9,
        "sgemm": computing,
        "copy": moving,
        "bound by": rates.bound(total, ours.median),
    }


def need_gpu() -> None:
    """End with a message unless both ours and PyTorch can use a GPU."""
    try:
        get_backend("cuda")
        describe_gpu()
    except (EngineError, RuntimeError) as error:
        raise SystemExit(f"the benchmark needs a GPU: {error}") from None
    if not torch.cuda.is_available():
        raise SystemExit(
            f"the benchmark needs a PyTorch that can use the GPU; this one is {torch.__version__}"
        )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="CPU against CUDA and PyTorch with cuDNN.")
    parser.add_argument("--frames", type=int, nargs="+", default=[60, 600])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tf32", action="store_true", help="let PyTorch round the factors of products")
    parser.add_argument("--check-only", action="store_true", help="compare results, time nothing")
    arguments = parser.parse_args()
    need_gpu()
    workers = len(os.sched_getaffinity(0))
    _let_torch_round(False)
    with threadpool_limits(1, user_api="blas"):
        checks = check_all()
        for name, difference in checks.items():
            print(f"{name}: largest relative difference {difference:.1e}", flush=True)
        if arguments.check_only:
            return
        rates = measured_rates()  # in single precision, as ours
        print(f"copy {rates.bytes / 1e9:.0f} GB/s, sgemm {rates.operations / 1e12:.1f} TFLOP/s", flush=True)
        _let_torch_round(arguments.tf32)
        rows = []
        for frames in arguments.frames:
            rows += ensemble_rows(frames, arguments.rounds, rates, workers)
            rows += one_network_rows(frames, arguments.rounds, rates)
            print(f"{frames} frames: {rows[-1 - 2 * len(ALONE)]['ours ms']:.1f} ms an epoch", flush=True)
        rows.append(step_row(arguments.rounds, rates))
    more = {
        "gpu": describe_gpu(),
        "torch": {"CUDA": torch.version.cuda, "cuDNN": torch.backends.cudnn.version()},
        "tf32 in PyTorch": arguments.tf32,
        "copy GB/s": rates.bytes / 1e9,
        "sgemm TFLOP/s": rates.operations / 1e12,
        "checks": checks,
        "cores used": workers,
    }
    publish("cuda", TITLE, rows, ["torch", "numba-cuda"], more)


def _let_torch_round(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


if __name__ == "__main__":
    main()
