"""A whole training step of the paper's network: forward, backward and update of a group of songs."""

from __future__ import annotations

import numpy as np

from benchmarks.ladder.rungs import Ladder, Rung, Yardstick
from benchmarks.torch_network import TorchNetwork
from benchmarks.train import check, operations, our_step, paper_network, product_rate, songs, torch_step

_TOLERANCE = 2e-5  # of the gradient, relative to its largest element


def step_ladder(count: int, frames: int) -> Ladder:
    """Check and make the summary: a step with so many songs of so many frames.

    Raises
    ------
    SystemExit
        If the gradients of the three differ.
    """
    reference, expected = our_step("reference", paper_network(np.float64), songs(count, frames, np.float64))
    ours, found = our_step("cpu", paper_network(), songs(count, frames))
    reference()
    ours()
    differences = {
        "the reference": float(np.abs(found - expected).max() / np.abs(expected).max()),
        "PyTorch": check(count, frames),
    }
    for name, difference in differences.items():
        if not difference <= _TOLERANCE:
            raise SystemExit(f"a training step: our gradient differs from that of {name} by {difference:.1e}")
    theirs = torch_step(TorchNetwork(paper_network()), songs(count, frames), 1)
    sgemm = Yardstick("share of sgemm", product_rate(), 2.0 * 1024**3 / operations())
    rungs = (
        Rung("reference backend", "NumPy in float64, a song and a step at a time: it says what is right",
             reference),
        Rung("cpu backend", "all of the ladders above, and peepholes", ours),
        Rung("PyTorch, one thread", "oneDNN's LSTM, a call for all steps of a layer; it has no peepholes",
             theirs, beside=True),
    )  # fmt: skip
    title = f"A training step of the paper's network, {count} songs of {frames} frames"
    return Ladder(title, "us/frame", float(count * frames), (), {}, 0.0, rungs, sgemm)
