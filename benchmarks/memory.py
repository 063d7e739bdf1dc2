"""How much memory a whole experiment holds at DEAM's full size, and whether it grows with each network.

    python -m benchmarks.memory [--songs 1802] [--trials 5]

Random songs of 60 frames and 264 features, as files in DEAM's layout, go through all that ``lstmcore-run``
does with two workers: read, an auto-encoder a trial, 10 folds × trials of networks for two epochs each,
ensemble, scores, report.  Each run has a process of its own.  "Held" is what was resident when so many
networks were done, "most" the high-water mark of a stage (Linux only).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

FRAMES, FEATURES, TESTS = 60, 264, 58
RUNS: list[tuple[str, list[int]]] = [("same", [16, 8]), ("rotating", [16, 8]), ("rotating", [200, 150, 25])]
EXPERIMENT = """
name = "memory"
data = { source = "deam", root = "ROOT", features = "FS2", unlabelled = "all" }
folds = { stopping = "STOPPING" }
network = { hidden = HIDDEN }
training = { max_epochs = 2, learning_rate = 1e-7, parallel_sequences = 10 }
pretraining = { max_epochs = 1, learning_rate = 1e-8, parallel_sequences = 10 }
ensemble = { trials = TRIALS }
"""
STAGES = {"read": "data", "auto": "auto-encoders", "networks": "networks", "ensemble": "scores"}


def make_collection(root: Path, songs: int) -> None:
    """Write random songs in DEAM's layout, the last of them test songs."""
    from lstmcore.experiments.datasets.deam_layout import AVERAGED
    from lstmcore.features import feature_names

    generator = np.random.default_rng(1)
    texts = np.array([f"{v:.5f}" for v in generator.standard_normal(5000)])
    stamps = [15 + k / 2 for k in range(FRAMES)]
    numbers = [*range(1, songs - TESTS + 1), *range(2001, 2001 + TESTS)]
    head = ";".join(["frameTime", *feature_names("FS2")])
    (root / "features").mkdir()
    for song in numbers:
        cells = texts[generator.integers(0, len(texts), (FRAMES, FEATURES))]
        lines = [f"{stamp};{';'.join(row)}" for stamp, row in zip(stamps, cells, strict=True)]
        (root / "features" / f"{song}.csv").write_text("\n".join([head, *lines, ""]))
    (root / AVERAGED).mkdir(parents=True)
    head = ",".join(["song_id", *(f"sample_{1000 * stamp:.0f}ms" for stamp in stamps)])
    for target in ("arousal", "valence"):
        curves = generator.uniform(-1, 1, (len(numbers), FRAMES))
        lines = [f"{n},{','.join(f'{v:.4f}' for v in row)}" for n, row in zip(numbers, curves, strict=True)]
        (root / AVERAGED / f"{target}.csv").write_text("\n".join([head, *lines, ""]))


def resident(name: str) -> float:
    """Return a line of this process's status, MB: ``VmRSS`` now, ``VmHWM`` the most."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024 / 1e6


def run(root: str, folder: str, stopping: str, hidden: list[int], trials: int) -> None:
    """Run the experiment in this process and print what it held, as JSON."""
    from lstmcore.experiments.config import load_experiment
    from lstmcore.experiments.run import Session, run_experiment
    from lstmcore.experiments.terminal.progress import Quiet

    class Listener(Quiet):
        """Notes the memory at each stage's end and after each network."""

        def __init__(self) -> None:
            self.most: dict[str, float] = {}
            self.held: list[float] = []
            self._stage = "read"

        def stage(self, name: str, total: int, unit: str = "") -> None:
            self.most[self._stage] = resident("VmHWM")
            self._stage = next((key for key in STAGES if name.startswith(key)), "read")
            Path("/proc/self/clear_refs").write_text("5")  # the mark begins anew

        def advance(self, text: str = "", *, fresh: bool = True) -> None:
            if self._stage == "networks":
                self.held.append(resident("VmRSS"))

    text = EXPERIMENT.replace("ROOT", root).replace("STOPPING", stopping)
    text = text.replace("HIDDEN", str(hidden)).replace("TRIALS", str(trials))
    (file := Path(folder) / "memory.toml").write_text(text)
    listener = Listener()
    config = load_experiment(file, [])
    run_experiment(config, Session(Path(folder) / "out", workers=2, progress=listener))
    listener.stage("end", 0)
    print(json.dumps({"most": listener.most, "held": listener.held}))


def measured(root: Path, stopping: str, hidden: list[int], trials: int) -> dict[str, Any]:
    """Run one case in a fresh process; return its row."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = json.dumps([str(root), folder, stopping, hidden, trials])
        code = "import json, sys; from benchmarks import memory; memory.run(*json.loads(sys.argv[1]))"
        command = [sys.executable, "-c", code, arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    held, most = found["held"], found["most"]
    return {
        "stopping": stopping,
        "units": " + ".join(map(str, hidden)),
        "networks": len(held),
        **{f"MB held after {n}": held[n - 1] for n in (5, 10, 20, 30, 40, 50) if n <= len(held)},
        **{f"MB most, {title}": most[key] for key, title in STAGES.items()},
    }


def main() -> None:
    """Run the benchmark."""
    from benchmarks.measuring import publish

    parser = argparse.ArgumentParser(description="Memory of an experiment at DEAM's full size.")
    parser.add_argument("--songs", type=int, default=1802)
    parser.add_argument("--trials", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_collection(Path(folder), arguments.songs)
        rows = [measured(Path(folder), *case, arguments.trials) for case in RUNS]
    megabytes = arguments.songs * FRAMES * FEATURES * 8 / 1e6
    title = f"An experiment on {arguments.songs} songs: {megabytes:.0f} MB of features in double precision"
    publish("memory", title, rows)


if __name__ == "__main__":
    main()
