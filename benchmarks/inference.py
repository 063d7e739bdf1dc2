"""Speed of a trained network: whole songs, and a frame at a time, beside PyTorch and ONNX Runtime.

    python -m benchmarks.inference [--tables songs frames streams]

The paper's network in single precision.  Outputs are compared first.  What is told as so many times ours is
by a `PackedNetwork`, since the others keep a trained network, too; `predict`, which packs at each call, has
columns of its own.  Timed is the processor time of the one thread that computes, so that what else the
machine does counts as little as it can; only two threads are timed by the clock, ours beside PyTorch's and
ONNX Runtime's, each in a process of its own, for threads of the others go on looking for work when a call has
ended.  Everyone gets its frames and keeps its outputs in the form it likes best.  The yardstick of
a frame is reading as many weights by our own product, in the same run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measuring import alternate, publish
from benchmarks.onnx_network import bound, no_states, onnx_session
from benchmarks.own_process import OwnProcess
from benchmarks.peers import INFERENCE, ours_alone, side_by_side, torch_alone
from benchmarks.torch_network import TorchNetwork
from benchmarks.train import INPUTS, OUTPUTS, paper_network, songs
from lstmcore import Network, SequenceSet, StreamingNetwork, predict
from lstmcore.backends.cpu.gemm import add_product, panel_width

TOLERANCE = 2e-6
TABLES = "songs", "frames", "streams"
Array = NDArray[np.floating]
Step = Callable[[int], Any]  # takes the number of a frame, returns its outputs


def whole_songs(count: int, frames: int, rounds: int) -> dict[str, Any]:
    """Check, then time all frames of some songs; return a row of the table."""
    network, data = paper_network(), songs(count, frames)

    def ours() -> Array:
        return predict(network, data, parallel_sequences=count)

    candidates = {
        "ours": ours,
        "packed": ours_alone(INFERENCE, count, frames, 1),
        "torch1": torch_alone(INFERENCE, count, frames, 1, compiled=False),
        "onnx": onnx_alone(count, frames, 1),
    }
    expected = side_by_side(ours(), count)
    different = max(
        _difference(f"{name}, {count} x {frames}", np.asarray(candidates[name]()), expected)
        for name in ("torch1", "onnx")
    )
    for threads in (1, 2):
        if not np.array_equal(ours_alone(INFERENCE, count, frames, threads)(), ours()):
            raise SystemExit(f"packed, {count} x {frames}, {threads} threads: the outputs have other bits")
    with ExitStack() as processes:
        together = {
            "ours": OwnProcess(ours_alone, INFERENCE, count, frames, 2),
            "torch": OwnProcess(torch_alone, INFERENCE, count, frames, 2, False),
            "onnx": OwnProcess(onnx_alone, count, frames, 2),
        }
        for process in together.values():
            processes.enter_context(process)
        clock = alternate(together, rounds, pause=0.1)
    taken = in_turn({name: _ignoring(call) for name, call in candidates.items()}, 1, rounds)
    seconds = {name: np.array(turns).ravel() for name, turns in taken.items()}
    micro = {name: float(np.median(found)) / (count * frames) * 1e6 for name, found in seconds.items()}
    faster = {name: float(np.median(found / seconds["packed"])) for name, found in seconds.items()}
    return {
        "songs": count,
        "frames": frames,
        "ours us/frame": micro["ours"],
        "ours, packed before": micro["packed"],
        "torch 1 thread": micro["torch1"],
        "onnx 1 thread": micro["onnx"],
        "x torch 1 thread": faster["torch1"],
        "x onnx": faster["onnx"],
        "packed each time, x onnx": float(np.median(seconds["onnx"] / seconds["ours"])),
        "ours, 2 threads, clock": clock["ours"].median / (count * frames) * 1e6,
        "x torch, 2 threads each": clock["ours"].ratio(clock["torch"]),
        "x onnx, 2 threads each": clock["ours"].ratio(clock["onnx"]),
        "outputs differ": different,
    }


def onnx_alone(count: int, frames: int, threads: int) -> Callable[[], Any]:
    """Return a call of ONNX Runtime that computes all outputs, [T, n, O]."""
    network, data = paper_network(), songs(count, frames)
    session = onnx_session(network, threads)
    feed = {"x": side_by_side(data.inputs, count), **no_states(network, count)}
    return lambda: session.run(["y"], feed)[0]


def _ignoring(call: Callable[[], Any]) -> Step:
    return lambda t: call()


def _difference(name: str, found: Array, expected: Array) -> float:
    difference = float(np.abs(found - expected).max())
    if difference > TOLERANCE:
        raise SystemExit(f"{name}: outputs differ by {difference:.1e}")
    return difference


class TorchCells(torch.nn.Module):
    """The layers as ``torch.nn.LSTMCell``: less to do in a call than ``torch.nn.LSTM``.

    Parameters
    ----------
    model
        Its weights are shared.
    """

    def __init__(self, model: TorchNetwork) -> None:
        super().__init__()
        self.cells = torch.nn.ModuleList()
        for lstm in model.hidden:
            cell = torch.nn.LSTMCell(lstm.input_size, lstm.hidden_size)
            cell.weight_ih, cell.weight_hh = lstm.weight_ih_l0, lstm.weight_hh_l0
            cell.bias_ih, cell.bias_hh = lstm.bias_ih_l0, lstm.bias_hh_l0
            self.cells.append(cell)
        self.output = model.output

    def forward(self, x: torch.Tensor, states: list[tuple[torch.Tensor, torch.Tensor]]) -> Any:
        """Compute a frame's outputs [1, O] and the new states from its inputs [1, P] and the old ones."""
        new: list[tuple[torch.Tensor, torch.Tensor]] = []
        for k, cell in enumerate(self.cells):
            state = cell(x, states[k])
            new.append(state)
            x = state[0]
        return self.output(x), new


def _torch_step(call: Callable[..., Any], frames: list[torch.Tensor], states: Any) -> Step:
    def step(t: int) -> Any:
        nonlocal states
        with torch.inference_mode():
            y, states = call(frames[t], states)
        return y

    return step


def torch_steps(network: Network, x: Array, compiled: bool) -> dict[str, Step]:
    """Return PyTorch's ways to compute a frame."""
    model = TorchNetwork(network).eval()
    cells = TorchCells(model).eval()
    frames = list(torch.from_numpy(x)[:, None])

    def layers(frame: torch.Tensor, states: Any) -> Any:
        y, new = frame[None], []
        for lstm, state in zip(model.hidden, states, strict=True):
            y, state = lstm(y, state)
            new.append(state)
        return model.output(y)[0], new

    def zeros(*shape: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        sizes = [lstm.hidden_size for lstm in model.hidden]
        return [(torch.zeros(*shape, size), torch.zeros(*shape, size)) for size in sizes]

    script = torch.jit.freeze(torch.jit.script(cells))
    steps = {
        "torch nn.LSTM": _torch_step(layers, frames, zeros(1, 1)),
        "torch nn.LSTMCell": _torch_step(cells, frames, zeros(1)),
        "torch nn.LSTMCell, jit.script": _torch_step(script, frames, zeros(1)),
    }
    if compiled:
        steps["torch nn.LSTMCell, compile"] = _torch_step(torch.compile(cells), frames, zeros(1))
    return steps


def onnx_steps(network: Network, x: Array) -> dict[str, Step]:
    """Return ONNX Runtime's ways to compute a frame, one thread."""
    session = onnx_session(network, 1)
    frames = x[:, None, None]
    names = [node.name for node in session.get_outputs()]
    states = no_states(network, 1)

    def run(t: int) -> Any:
        nonlocal states
        y, *new = session.run(names, {"x": frames[t], **states})
        states = dict(zip((name[:-1] for name in names[1:]), new, strict=True))
        return y

    frame, y = frames[0].copy(), np.empty((1, 1, OUTPUTS), x.dtype)
    here, there = no_states(network, 1), no_states(network, 1)
    bindings = [
        bound(session, {"x": frame, "y": y, **a, **{f"{name}_": array for name, array in b.items()}})
        for a, b in ((here, there), (there, here))
    ]

    def run_bound(t: int) -> Any:
        frame[:] = frames[t]
        session.run_with_iobinding(bindings[0])
        bindings.reverse()
        return y

    return {"onnx run": run, "onnx io_binding": run_bound}


def reading(network: Network) -> Step:
    """Return one product with a panel matrix as large as all weights: reading at full speed."""
    steps, width = INPUTS, panel_width(network.dtype, 1)
    count = round(network.architecture.parameter_count / (steps * width))
    # Written to once: untouched memory is the same page of zeros again and again.
    memory = np.ones(count * steps * width + width, network.dtype)
    start = -(memory.ctypes.data // memory.itemsize) % 16  # a line of the cache
    panels = memory[start : start + count * steps * width].reshape(count, steps, width)
    a, out = np.ones((1, steps), network.dtype), np.zeros((1, count * width), network.dtype)
    return lambda t: add_product(a, panels, out, 0)


def in_turn(steps: dict[str, Step], frames: int, rounds: int) -> dict[str, list[list[float]]]:
    """Time all frames of all candidates in turn: seconds by name, round and frame but the first tenth."""
    taken: dict[str, list[list[float]]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            seconds = []
            for t in range(frames):
                started = time.thread_time()
                step(t)
                seconds.append(time.thread_time() - started)
            taken[name].append(seconds[frames // 10 :])  # the first ones fetch the weights back
    return taken


def a_frame_at_a_time(frames: int, rounds: int, compiled: bool) -> Iterator[dict[str, Any]]:
    """Check, then time the candidates; yield a row of the table for each."""
    network, data = paper_network(), songs(1, frames)
    expected = predict(network, data)
    stream = StreamingNetwork(network)
    out = np.empty(OUTPUTS, network.dtype)
    steps: dict[str, Step] = {
        "ours": lambda t: stream.step(data.inputs[t]),
        "ours, out=": lambda t: stream.step(data.inputs[t], out),
        **onnx_steps(network, data.inputs),
        **torch_steps(network, data.inputs, compiled),
    }
    torch.set_num_threads(1)
    differences: dict[str, float] = {}
    for name, step in steps.items():
        stream.reset()
        found = np.array([np.asarray(step(t)).ravel().tolist() for t in range(frames)])
        differences[name] = _difference(name, found, expected)
    taken = in_turn({**steps, "reading the weights": reading(network)}, frames, rounds)
    ours = [statistics.median(turn) for turn in taken["ours"]]
    for name, turns in taken.items():
        together = np.array(turns).ravel() * 1e6
        ratios = [statistics.median(turn) / mine for turn, mine in zip(turns, ours, strict=True)]
        yield {
            "a frame at a time": name,
            "median us": float(np.median(together)),
            "1 % us": float(np.quantile(together, 0.01)),
            "99 % us": float(np.quantile(together, 0.99)),
            "x ours": statistics.median(ratios),
            "outputs differ": differences.get(name),
        }


def many_streams(counts: list[int], frames: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Time several streams in one step; yield a row of the table for each number."""
    network = paper_network()
    steps: dict[str, Step] = {}
    for count in counts:
        data = songs(count, frames)
        x = side_by_side(data.inputs, count)
        steps[str(count)] = _our_step(StreamingNetwork(network, count), x, data, network)
    taken = in_turn(steps, frames, rounds)
    for name, turns in taken.items():
        together = np.array(turns).ravel() * 1e6
        yield {
            "streams side by side": name,
            "median us": float(np.median(together)),
            "us a stream": float(np.median(together)) / int(name),
        }


def _our_step(stream: StreamingNetwork, x: Array, data: SequenceSet, network: Network) -> Step:
    found = np.array([stream.step(frame) for frame in x]).swapaxes(0, 1).reshape(-1, OUTPUTS)
    _difference(f"{len(data)} streams", found, predict(network, data))
    return lambda t: stream.step(x[t])


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Speed of a trained network, beside others.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--frames", type=int, default=300, help="of the song that comes frame by frame")
    parser.add_argument(
        "--no-compile", action="store_true", help="leave out torch.compile: it takes a minute"
    )
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES, help="what is measured")
    arguments = parser.parse_args()
    packages, rounds, frames = ["torch", "onnxruntime", "onnx"], arguments.rounds, arguments.frames
    if "songs" in arguments.tables:
        rows = [whole_songs(*case, rounds) for case in ((1, 60), (1, 600), (10, 60), (40, 60), (430, 60))]
        publish("inference_songs", "Whole songs through the paper's network", rows, packages)
    if "frames" in arguments.tables:
        rows = list(a_frame_at_a_time(frames, rounds, not arguments.no_compile))
        publish("inference_frames", "The paper's network, a frame at a time, processor time", rows, packages)
    if "streams" in arguments.tables:
        rows = list(many_streams([1, 2, 4, 8, 16, 64], frames // 3, rounds))
        publish("inference_streams", "Streams side by side, processor time", rows)


if __name__ == "__main__":
    main()
