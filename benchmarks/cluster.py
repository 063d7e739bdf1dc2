"""What jobs cost on a Dask cluster, and what two workers bring, on this machine.

    python -m benchmarks.cluster

Bytes are compared with those of a run without Dask before anything is said of time.  Overhead: many jobs of
an epoch each, through one worker and on one thread of the command.  Speed-up: longer jobs, on one worker and
on two.  Workers are processes of this machine, of one thread each, and have been started when time begins.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from benchmarks.measuring import RESULTS
from lstmcore.experiments.config import Execution, load_experiment
from lstmcore.experiments.config.execution import Cluster
from lstmcore.experiments.files import write_json
from lstmcore.experiments.report.stages import Stage
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.run.stopwatch import Stopwatch
from lstmcore.experiments.terminal.environment import environment
from lstmcore.experiments.terminal.progress import Quiet

_TRAINED = "networks"
_COMMON = ["pretraining.strategy=none", "training.patience=100000"]
SHORT = [*_COMMON, "training.max_epochs=1", "ensemble.trials=30"]
LONG = [*_COMMON, "training.max_epochs=150", "ensemble.trials=4", "network.hidden=[64, 32]"]
WHERE = {"threads": (1, None), "1 worker": (1, 1), "2 workers": (1, 2)}


def measured(settings: list[str], dask_workers: int | None, folder: Path) -> tuple[Stage, dict[str, bytes]]:
    """Run quickstart; return the stage of the networks, and what came out."""
    execution = Execution()
    if dask_workers is not None:
        execution = Execution(engine="dask", cluster=Cluster(kind="local", workers=dask_workers))
    watch = Stopwatch(Quiet(), 1)
    run_experiment(load_experiment("quickstart", settings), Session(folder, 1, watch, execution=execution))
    [stage] = [s for s in watch.stages(folder / "none") if s.name.startswith(_TRAINED)]
    files = [folder / "predictions.csv", folder / "metrics.json", *sorted((folder / "model").iterdir())]
    return stage, {str(file.relative_to(folder)): file.read_bytes() for file in files}


def compare(settings: list[str], rounds: int) -> dict[str, Any]:
    """Time the networks of an experiment by one thread, one worker and two, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in WHERE}
    expected: dict[str, bytes] | None = None
    jobs = 0
    for number in range(rounds + 1):  # the first warms up
        for name, (_, workers) in WHERE.items():
            with tempfile.TemporaryDirectory() as folder:
                stage, found = measured(settings, workers, Path(folder) / "run")
            expected = expected or found
            if found != expected:
                raise SystemExit(f"{name}: other bytes than by one thread")
            jobs = stage.pieces
            if number:
                seconds[name].append(stage.seconds)
    return {"settings": settings, "jobs": jobs, "seconds": seconds}


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    console = Console()
    load = psutil.getloadavg()[0]
    found = {"short": compare(SHORT, rounds), "long": compare(LONG, rounds)}
    for title, about in found.items():
        console.print(f"{title}: {about['jobs']} jobs, seconds of the stage, round by round")
        for name, values in about["seconds"].items():
            console.print(f"  {name:10} {values}")
    write_json(RESULTS / "cluster.json", {"machine": environment(), "load_before": load, **found})


if __name__ == "__main__":
    main()
