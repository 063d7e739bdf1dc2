"""The command: climb all ladders, print a table each, write ``benchmarks/results/ladder.json``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from rich.console import Console
from threadpoolctl import threadpool_limits

from benchmarks.ladder.frames import frames_ladder
from benchmarks.ladder.gates import backward_ladder, forward_ladder
from benchmarks.ladder.products import products_ladder
from benchmarks.ladder.rungs import Ladder, table
from benchmarks.ladder.update import update_ladder
from benchmarks.measuring import RESULTS, machine
from lstmcore import LSTM, Architecture, Linear
from lstmcore.experiments.files import write_json

PAPER = Architecture(260, (LSTM(200), LSTM(150), LSTM(25), Linear(2)))


def _step() -> Ladder:
    from benchmarks.ladder.step import step_ladder  # PyTorch: only where it is asked for

    return step_ladder(10, 60)


LADDERS: dict[str, list[Callable[[], Ladder]]] = {
    "products": [
        lambda: products_ladder(10, 200, 800),
        lambda: products_ladder(10, 800, 200),
        lambda: products_ladder(1, 200, 800),
        lambda: products_ladder(1, 800, 200),
    ],
    "gates": [lambda: forward_ladder(60, 200), lambda: backward_ladder(60, 200)],
    "update": [lambda: update_ladder(PAPER.parameter_count)],
    "frames": [lambda: frames_ladder(600, 800, 260)],
    "step": [_step],
}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ladder", description="Kernels step by step.")
    parser.add_argument("--only", nargs="+", choices=LADDERS, help="these kernels; nothing is written then")
    parser.add_argument("--rounds", type=int, default=9, help="how often each version has its turn")
    arguments = parser.parse_args()
    console = Console(width=None if os.isatty(1) else 140)
    climbed = []
    with threadpool_limits(1, user_api="blas"):
        for name in arguments.only or LADDERS:
            for new_ladder in LADDERS[name]:
                ladder = new_ladder()
                rows = ladder.climb(arguments.rounds)
                console.print(table(ladder.title, rows), "")
                climbed.append({"kernel": name, "title": ladder.title, "rows": rows})
    if arguments.only is None:
        write_json(RESULTS / "ladder.json", {"machine": machine(["torch"]), "ladders": climbed})


if __name__ == "__main__":
    main()
