"""Training and inference by what else one would take: PyTorch, PyTorch compiled, JAX, Keras.

    python -m benchmarks.peers [--sequences 1 10 40] [--frames 60] [--threads 1 2] [--add]

The paper's network in single precision: a step of training (forward, backward, update of all weights), and
all outputs of a network that doesn't change.  Gradients and outputs are compared with ours first.  Each
candidate has a process of its own; they take turns.  All but ours are told to keep their memory, which is
faster.  JAX takes as many threads as its process has cores, and Keras computes by JAX.  What isn't there, or
doesn't compile, is left out with a line: they come by ``uv run --with torch --with jax --with keras``, and
``torch.compile`` needs a C++ compiler.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.measuring import Timing, alternate, publish, with_earlier
from benchmarks.own_process import OwnProcess
from benchmarks.torch_network import TorchNetwork
from benchmarks.train import KEEPING, RATE, our_step, paper_network, songs, torch_step
from lstmcore import PackedNetwork, predict

TITLE = """The paper's network: microseconds a frame, and how many times as fast ours is
training: a step with its update; inference: ours is a PackedNetwork; compiled: by torch.compile"""
TRAINING, INFERENCE = "training", "inference"
MOST = {TRAINING: 2e-5, INFERENCE: 2e-6}  # difference: of a gradient by its largest number, of an output
Array = NDArray[np.floating]


def ours_alone(what: str, count: int, frames: int, threads: int) -> Callable[[], Any]:
    """Return our training's step, or a call that computes all outputs."""
    network, data = paper_network(), songs(count, frames)
    if what == TRAINING:
        return our_step("cpu", network, data, threads)[0]
    packed = PackedNetwork(network, threads)
    return lambda: packed.predict(data, parallel_sequences=count)


def torch_alone(what: str, count: int, frames: int, threads: int, compiled: bool) -> Callable[[], Any]:
    """Return the same of PyTorch, compiled or not."""
    model, data = TorchNetwork(paper_network()), songs(count, frames)
    called: Any = torch.compile(model) if compiled else model
    if what == TRAINING:
        return torch_step(called, data, threads)
    return torch_forward(called, data.inputs, count, threads)


def torch_forward(model: Any, inputs: Array, count: int, threads: int) -> Callable[[], Any]:
    """Return a call that computes all outputs, [T, n, O]."""
    x = torch.from_numpy(side_by_side(inputs, count))

    def forward() -> Any:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            return model(x)

    return forward


def jax_alone(what: str, count: int, frames: int, threads: int) -> Callable[[], Any]:
    """Return the same of JAX; the process keeps so many cores."""
    _keep_cores(threads)
    from benchmarks.jax_network import JaxTraining, jax_outputs

    network, data = paper_network(), songs(count, frames)
    x, targets = side_by_side(data.inputs, count), side_by_side(data.targets, count)
    return JaxTraining(network, x, targets, RATE).step if what == TRAINING else jax_outputs(network, x)


def keras_alone(what: str, count: int, frames: int, threads: int) -> Callable[[], Any]:
    """Return the same of Keras; the process keeps so many cores."""
    _keep_cores(threads)
    from benchmarks.keras_network import keras_outputs, keras_step

    network, (x, targets) = paper_network(), _song_by_song(count, frames)
    return keras_step(network, x, targets, RATE) if what == TRAINING else keras_outputs(network, x)


def _keep_cores(threads: int) -> None:
    """Leave the process so many cores, before JAX is imported, which settles its threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _song_by_song(count: int, frames: int) -> tuple[Array, Array]:
    """Return inputs and targets [n, T, …], as Keras has them."""
    data = songs(count, frames)
    return data.inputs.reshape(count, frames, -1), data.targets.reshape(count, frames, -1)


def side_by_side(rows: Array, count: int) -> Array:
    """Bring the rows of some songs, one after the other, into the shape [T, n, …]."""
    return np.ascontiguousarray(rows.reshape(count, -1, rows.shape[1]).swapaxes(0, 1))


def torch_found(count: int, frames: int, compiled: bool) -> tuple[Array, Array]:
    """Return PyTorch's gradient in our order, and its outputs."""
    network, data = paper_network(), songs(count, frames)
    model = TorchNetwork(network)
    called: Any = torch.compile(model) if compiled else model
    outputs = torch_forward(called, data.inputs, count, 1)().numpy()
    torch_step(called, data, 1)()
    return model.flat(network, gradient=True), outputs


def jax_found(count: int, frames: int) -> tuple[Array, Array]:
    """Return JAX's gradient in our order, and its outputs."""
    from benchmarks.jax_network import JaxTraining, jax_outputs

    network, data = paper_network(), songs(count, frames)
    x, targets = side_by_side(data.inputs, count), side_by_side(data.targets, count)
    return JaxTraining(network, x, targets, RATE).gradient(), jax_outputs(network, x)()


def keras_found(count: int, frames: int) -> tuple[Array, Array]:
    """Return Keras's gradient in our order, and its outputs."""
    from benchmarks.keras_network import keras_gradient, keras_outputs

    network, (x, targets) = paper_network(), _song_by_song(count, frames)
    return keras_gradient(network, x, targets), keras_outputs(network, x)().swapaxes(0, 1)


# What makes a candidate of a process, and what computes what is compared.
PEERS: dict[str, tuple[Callable[..., Callable[[], Any]], Callable[[int, int], tuple[Array, Array]]]] = {
    "torch": (torch_alone, lambda count, frames: torch_found(count, frames, False)),
    "compiled": (torch_alone, lambda count, frames: torch_found(count, frames, True)),
    "jax": (jax_alone, jax_found),
    "keras": (keras_alone, keras_found),
}


def check(count: int, frames: int, peers: list[str]) -> dict[str, float]:
    """Compare the others' gradients and outputs with ours; return the largest difference of each kind."""
    network, data = paper_network(), songs(count, frames)
    step, gradient = our_step("cpu", network.copy(), data)
    step()
    outputs = side_by_side(predict(network, data), count)
    largest = dict.fromkeys(MOST, 0.0)
    for peer in peers:
        found, their_outputs = PEERS[peer][1](count, frames)
        ours = gradient.copy()
        if peer != "jax":  # the others have no peepholes
            for pieces in network.architecture.views(ours)[:-1]:
                pieces["p"][:] = 0
        away = {
            TRAINING: float(np.abs(ours - found).max() / np.abs(ours).max()),
            INFERENCE: float(np.abs(outputs - their_outputs).max()),
        }
        for what, most in MOST.items():
            if away[what] > most:
                raise SystemExit(f"{peer}, {what}, {count} x {frames}: differs by {away[what]:.1e}")
            largest[what] = max(largest[what], away[what])
    return largest


def one_case(
    what: str, count: int, frames: int, threads: int, peers: list[str], rounds: int
) -> dict[str, Timing]:
    """Time all candidates in turn."""
    size = what, count, frames, threads
    with ExitStack() as processes:

        def alone(make: Callable[..., Any], *arguments: Any, **variables: str) -> OwnProcess:
            return processes.enter_context(OwnProcess(make, *arguments, variables=variables))

        candidates = {"ours": alone(ours_alone, *size)}
        for peer in peers:
            compiled = (peer == "compiled",) if PEERS[peer][0] is torch_alone else ()
            candidates[peer] = alone(PEERS[peer][0], *size, *compiled, **KEEPING)
        return alternate(candidates, rounds, pause=0.1)


def there() -> list[str]:
    """Return the peers that can be had here; tell of the others."""
    peers = ["torch"]
    try:
        torch_found(1, 2, compiled=True)
        peers.append("compiled")
    except torch._dynamo.exc.TorchDynamoException as error:
        print(f"torch.compile is left out: {str(error).strip().splitlines()[0]}", flush=True)
    for peer, name in (("jax", "JAX"), ("keras", "Keras")):  # which computes by JAX
        if importlib.util.find_spec("jax") and importlib.util.find_spec(peer):
            peers.append(peer)
        else:
            print(f"{name} is left out: it isn't installed", flush=True)
    return peers


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Speed beside PyTorch, compiled or not, JAX and Keras.")
    parser.add_argument("--sequences", type=int, nargs="+", default=[1, 10, 40])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--add", action="store_true", help="keep the rows of other cases that were measured")
    arguments = parser.parse_args()
    peers, frames = there(), arguments.frames
    rows: list[dict[str, Any]] = []
    with threadpool_limits(1, user_api="blas"):
        for count in arguments.sequences:
            differences = check(count, frames, peers)
            for what in MOST:
                for threads in arguments.threads:
                    taken = one_case(what, count, frames, threads, peers, arguments.rounds)
                    rows.append(_row(what, count, frames, threads, taken) | {"differs": differences[what]})
                    print(f"{what}, {count} songs, {threads} threads", flush=True)
    if arguments.add:
        rows = [dict(row) for row in with_earlier("peers", rows, ("what", "songs", "frames", "threads"))]
        rows.sort(key=lambda row: (row["what"] != TRAINING, row["songs"], row["frames"], row["threads"]))
    publish("peers", TITLE, rows, ["torch", "jax", "jaxlib", "keras"])


def _row(what: str, count: int, frames: int, threads: int, taken: dict[str, Timing]) -> dict[str, Any]:
    row: dict[str, Any] = {"what": what, "songs": count, "frames": frames, "threads": threads}
    row |= {f"{name} us": timing.median / (count * frames) * 1e6 for name, timing in taken.items()}
    for peer in PEERS:
        row.setdefault(f"{peer} us", None)
        row[f"x {peer}"] = taken["ours"].ratio(taken[peer]) if peer in taken else None
    return row


if __name__ == "__main__":
    main()
