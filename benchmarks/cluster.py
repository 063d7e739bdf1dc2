"""What jobs, songs and networks cost on a Dask cluster and in a shared folder, and what two workers bring.

    python -m benchmarks.cluster jobs          # small jobs, and jobs that leave a network of the paper's size
    python -m benchmarks.cluster sending       # songs sent to workers
    python -m benchmarks.cluster networks      # an experiment: networks of the paper's size on random songs
    python -m benchmarks.cluster features      # FS2 of songs, and tiny songs for what each costs

One call measures each way once, in turn, and adds a round to ``benchmarks/results/cluster.json``.  What comes
out is compared with what one thread of the command gives before a round counts.  Workers are processes of
this machine, of one thread each; they are there, and warm, when time begins.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from rich.console import Console

from benchmarks import cluster, memory
from benchmarks.measuring import RESULTS, machine
from benchmarks.songs import make_song
from lstmcore.experiments.config import Execution, load_experiment
from lstmcore.experiments.config.execution import Cluster
from lstmcore.experiments.datasets.procedural.plan import ProceduralPlan
from lstmcore.experiments.files import write_json
from lstmcore.experiments.jobs.cluster.connection import Place, new_cluster
from lstmcore.experiments.jobs.executor import Executor
from lstmcore.experiments.jobs.job import Computation, JobFolder, Result
from lstmcore.experiments.jobs.parcels import Bulky
from lstmcore.experiments.jobs.runner import JobRunner
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.run.engines import open_engine
from lstmcore.experiments.run.stopwatch import Stopwatch
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.features import extract_features
from lstmcore.features.settings import DEFAULT

Seconds = dict[str, float]

WAYS = {
    "one thread": Execution(),
    "folder": Execution(engine="folder"),
    "one worker": Execution(engine="dask", cluster=Cluster(kind="local", workers=1)),
    "two workers": Execution(engine="dask", cluster=Cluster(kind="local", workers=2)),
}
SMALL, NETWORK = 100, 600_000  # weights: next to nothing, and those of 260 inputs with 200 + 150 + 25 units
SMALL_JOBS, NETWORK_JOBS = 500, 60
SENT_BYTES = 115_000_000  # DEAM's training songs in single precision, as docs/performance.md has them
SONGS, TRIALS = 70, 2
EXPERIMENT = ["training.max_epochs=12", "training.patience=12", "pretraining.strategy=none"]
FS2_SONGS, FS2_SECONDS, TINY_SONGS, TINY_SECONDS = 6, 30, 100, 1.5


def leave(number: int, weights: int) -> Result:
    """Compute next to nothing: a result of so many weights."""
    return Result({"weights": np.full(weights, number, np.float32)}, {"number": number})


@dataclass(frozen=True)
class Block(Bulky):
    """Stands for the songs of an experiment."""

    values: np.ndarray[Any, np.dtype[np.float32]]

    @property
    def digest(self) -> str:
        """Name of what it holds."""
        return f"block-{self.values[0]:.0f}"


def look(block: Block) -> Result:
    """Leave a number of what was sent."""
    return Result({"last": block.values[-1:]}, {})


@contextmanager
def opened(way: Execution) -> Iterator[Callable[[str, list[Computation]], float]]:
    """Open an executor with a folder; what it gives has jobs done, warm, and returns the seconds."""
    with tempfile.TemporaryDirectory() as name, open_engine(way, 1, Path(name), Quiet()) as engine:
        runner = JobRunner(JobFolder(Path(name)), engine, Quiet(), threading.Event())

        def done(stage: str, jobs: list[Computation]) -> float:
            begun = time.perf_counter()
            results = runner.compute(stage, jobs)
            taken = time.perf_counter() - begun
            for number, result in enumerate(results):
                expected = jobs[number].compute()
                for tensor, values in expected.tensors.items():
                    if not np.array_equal(result.tensors[tensor], values):
                        raise SystemExit(f"{jobs[number].title}: another {tensor} than computed here")
            return taken

        done("warm", [_job("warm", number, SMALL) for number in range(8)])
        yield done


def _job(stage: str, number: int, weights: int) -> Computation:
    return Computation(f"job {number}", f"{stage}-{number:016x}", partial(cluster.leave, number, weights))


def jobs() -> dict[str, Seconds]:
    """Time jobs that take no time by themselves; seconds a job."""
    found: dict[str, Seconds] = {"small jobs": {}, "jobs that leave a network": {}}
    for name, way in WAYS.items():
        with opened(way) as done:
            small = [_job("small", number, SMALL) for number in range(SMALL_JOBS)]
            found["small jobs"][name] = done("small", small) / SMALL_JOBS
            large = [_job("large", number, NETWORK) for number in range(NETWORK_JOBS)]
            found["jobs that leave a network"][name] = done("large", large) / NETWORK_JOBS
    return found


def sending() -> dict[str, Seconds]:
    """Time a job that needs what is sent to all workers first; seconds for all of it."""
    found: Seconds = {}
    for name in ("one worker", "two workers"):
        with opened(WAYS[name]) as done:
            block = Block(np.arange(1, SENT_BYTES // 4 + 1, dtype=np.float32))
            job = Computation("block", "block-0000000000000000", partial(cluster.look, block))
            found[name] = done("sending", [job])
    return {f"{SENT_BYTES / 1e6:.0f} MB of songs sent": found}


def networks() -> dict[str, Seconds]:
    """Time the networks of an experiment; seconds of the stage, which on a cluster sends the songs, too."""
    found: Seconds = {}
    first: dict[str, bytes] | None = None
    with tempfile.TemporaryDirectory() as name, ExitStack() as clusters:
        root = Path(name, "data")
        root.mkdir()
        memory.make_collection(root, SONGS)
        text = memory.EXPERIMENT.replace("ROOT", str(root)).replace("STOPPING", "rotating")
        text = text.replace("HIDDEN", "[200, 150, 25]").replace("TRIALS", str(TRIALS))
        (file := Path(name, "networks.toml")).write_text(text)
        for way in ("one thread", "two threads", "folder", "one worker", "two workers"):
            execution, workers = WAYS.get(way, Execution()), 2 if way == "two threads" else 1
            if execution.cluster is not None:
                address = clusters.enter_context(_started(execution.cluster.workers))
                execution = Execution(scheduler=address)
            if way == "one thread" or execution.scheduler:  # else kernels are here, compiled, by then
                warm = load_experiment(file, [*EXPERIMENT, "training.max_epochs=1", "ensemble.trials=1"])
                run_experiment(warm, Session(Path(name, f"warm {way}"), 1, execution=execution))
            watch = Stopwatch(Quiet(), workers)
            out = Path(name, way)
            run_experiment(
                load_experiment(file, EXPERIMENT), Session(out, workers, watch, execution=execution)
            )
            [stage] = [one for one in watch.stages(out / "none") if one.name.startswith("networks")]
            files = [out / "predictions.csv", out / "metrics.json", *sorted((out / "model").iterdir())]
            bytes_of = {str(one.relative_to(out)): one.read_bytes() for one in files}
            first = first or bytes_of
            if bytes_of != first:
                raise SystemExit(f"{way}: other bytes than by one thread")
            found[way] = stage.seconds
            pieces = stage.pieces
            clusters.close()
    return {f"{pieces} networks of 200 + 150 + 25 units": found}


@contextmanager
def _started(workers: int) -> Iterator[str]:
    """Start a scheduler and workers that outlive a command; return the address."""
    place = Place(None, **Cluster(kind="local", workers=workers).model_dump())
    with closing(new_cluster(place)) as started:
        yield started.scheduler_address


def songs() -> dict[str, Seconds]:
    """Time FS2 of songs, and what a song costs whose features take no time; seconds a song."""
    found: dict[str, Seconds] = {"FS2 of a song of 30 s": {}, "music of a song of 1.5 s": {}}
    with tempfile.TemporaryDirectory() as name:
        long, tiny = [Path(name, f"{k}.wav") for k in range(FS2_SONGS)], []
        plan = ProceduralPlan(development=FS2_SONGS, unlabelled=0, test=0, seconds=FS2_SECONDS)
        for number, path in enumerate(long):
            make_song(path, plan, number)
        samples, rate = soundfile.read(long[0], dtype="int16")
        for number in range(TINY_SONGS):
            tiny.append(Path(name, f"tiny{number}.wav"))
            soundfile.write(tiny[-1], samples[number * 1000 :][: int(TINY_SECONDS * rate)], rate)
        expected = {path: extract_features(path, "FS2") for path in long[:2]}
        for way, execution in WAYS.items():
            if execution.engine == "folder":
                continue
            with open_engine(execution, 1, None, Quiet()) as engine:
                _seconds_a_song(engine, tiny[:8], "music")
                _seconds_a_song(engine, long[:2], "FS2", expected)
                found["FS2 of a song of 30 s"][way] = _seconds_a_song(engine, long, "FS2")
                found["music of a song of 1.5 s"][way] = _seconds_a_song(engine, tiny, "music")
    return found


def _seconds_a_song(engine: Executor, paths: list[Path], wanted: str, expected: Any = None) -> float:
    begun = time.perf_counter()
    with engine.extract(
        paths, wanted, None, settings=DEFAULT, workers=1, on_done=lambda one: None
    ) as results:
        tables = {one.path: one.features for one in results}
    taken = (time.perf_counter() - begun) / len(paths)
    for path, table in (expected or {}).items():
        if not table.equals(tables[path]):
            raise SystemExit(f"{path.name}: other features than computed here")
    return taken


PARTS = {"jobs": jobs, "sending": sending, "networks": networks, "features": songs}


def main() -> None:
    """Measure a round, print it and add it to what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    part = parser.parse_args().part
    about = machine(["distributed"])
    found = PARTS[part]()
    file = RESULTS / "cluster.json"
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"rounds": {}}
    kept["machine"] = about
    for what, seconds in found.items():
        kept["rounds"].setdefault(what, []).append(seconds)
        Console(width=120).print(what, {name: float(f"{value:.4g}") for name, value in seconds.items()})
    write_json(file, kept)


if __name__ == "__main__":
    main()
