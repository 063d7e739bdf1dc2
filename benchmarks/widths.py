"""How far results lie apart on processors with other vectors.

    python -m benchmarks.widths
    python -m benchmarks.widths --experiment paper.toml --keep FOLDER

One machine plays several: in each process Numba compiles for another processor, and NumPy, OpenBLAS and the
C library (which has variants of exp and the like) leave unused what that one hasn't got.  Each computes an
experiment from nothing, songs and features included, and CURRENNT's golden cases, and each is compared with
what this machine computes as it is.  Only what this processor has can be played, on Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llvmlite.binding
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.measuring import publish
from lstmcore.experiments.jobs.job import load_result

ROOT = Path(__file__).parent.parent
GOLDEN = "tests/lstmcore/test_against_currennt.py"
HERE = "this machine"

_AVX2 = ("avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "popcnt", "sse4.1", "sse4.2", "ssse3")
_AVX512 = (*_AVX2, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")


@dataclass(frozen=True)
class Processor:
    """A processor that this one plays.

    Parameters
    ----------
    llvm, blas
        LLVM's name of it, and OpenBLAS's.
    has
        LLVM's names of what it has.
    numpy
        NumPy's names of what it has; of all versions.
    lacks
        The C library's names of what it hasn't.
    """

    llvm: str
    blas: str
    has: tuple[str, ...]
    numpy: tuple[str, ...]
    lacks: tuple[str, ...]

    def environment(self) -> dict[str, str]:
        """Environment variables that make a process one of this processor's."""
        unused = [name for name in _dispatched() if name not in self.numpy]
        return {
            "NUMBA_CPU_NAME": self.llvm,
            "NUMBA_CPU_FEATURES": ",".join(f"+{name}" for name in self.has),
            "OPENBLAS_CORETYPE": self.blas,
            "NPY_DISABLE_CPU_FEATURES": " ".join(unused),
            "GLIBC_TUNABLES": f"glibc.cpu.hwcaps={','.join(f'-{name}' for name in self.lacks)}",
        }

    def can_be_played(self) -> bool:
        """Whether this processor has all that the other has."""
        here = llvmlite.binding.get_host_cpu_features()
        return all(here.get(name) for name in self.has)


def _dispatched() -> list[str]:
    """Return what NumPy has variants for, of what this processor has."""
    from numpy._core import _multiarray_umath

    known: Any = _multiarray_umath
    return [name for name in known.__cpu_dispatch__ if known.__cpu_features__[name]]


_NUMPY2 = ("X86_V3", "AVX", "F16C", "FMA3", "AVX2")
_LACKS512 = ("AVX512F", "AVX512BW", "AVX512CD", "AVX512DQ", "AVX512VL")
PROCESSORS = {
    "AVX-512": Processor(
        "skylake-avx512", "SkylakeX", _AVX512, (*_NUMPY2, "X86_V4", "AVX512F", "AVX512CD", "AVX512_SKX"), ()
    ),
    "AVX2": Processor("haswell", "Haswell", _AVX2, _NUMPY2, _LACKS512),
    "generic": Processor("generic", "Prescott", (), (), (*_LACKS512, "AVX2", "AVX", "FMA", "FMA4")),
}


@dataclass(frozen=True)
class Outcome:
    """What one processor made of the experiment.

    Parameters
    ----------
    folder
        Has ``run``, the run's folder, and ``cache``, with songs and features.
    golden
        Last line of the test of CURRENNT's golden cases.
    """

    folder: Path
    golden: str

    @property
    def run(self) -> Path:
        """Folder of the run."""
        return self.folder / "run"

    def features(self) -> dict[str, NDArray[Any]]:
        """Return the features of each song, by the name of its file: the digest of its sound."""
        found = {}
        for file in sorted((self.folder / "cache" / "features").rglob("*.npz")):
            with np.load(file, allow_pickle=False) as arrays:
                found[f"{file.parent.name}/{file.name}"] = arrays["values"]
        return found

    def weights(self) -> dict[str, NDArray[Any]]:
        """Return the weights of each auto-encoder and network, by fold and trial."""
        files = sorted((self.run / "jobs").glob("*.safetensors"))
        results = {file.name.rpartition("-")[0]: load_result(file) for file in files}
        return {name: result.tensors["weights"] for name, result in results.items() if result is not None}

    def predictions(self) -> pd.DataFrame:
        """Return the curves of all systems."""
        return pd.read_csv(self.run / "predictions.csv").set_index(["song_id", "time", "system"])

    def scores(self) -> dict[tuple[str, ...], float]:
        """Return the means of all scores."""
        rows = json.loads((self.run / "metrics.json").read_text(encoding="utf-8"))
        names = ("set", "system", "target", "metric", "scope")
        return {tuple(row[name] for name in names): row["mean"] for row in rows}

    def epochs(self) -> dict[str, int]:
        """Return how many epochs each training took."""
        return dict(pd.read_csv(self.run / "history.csv").groupby("job")["epoch"].max())


def computed(folder: Path, environment: dict[str, str], experiment: str, sets: list[str]) -> Outcome:
    """Compute the experiment and the golden cases in processes of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    places = {"LSTMCORE_CACHE": str(folder / "cache"), "NUMBA_CACHE_DIR": str(folder / "kernels")}
    variables = os.environ | environment | places
    line = [sys.executable, "-c", "from lstmcore.experiments.cli import main_run; main_run()", experiment]
    line += [word for one in sets for word in ("--set", one)]
    subprocess.run([*line, "--out", str(folder / "run"), "--quiet"], env=variables, cwd=ROOT, check=True)
    test = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", GOLDEN]
    told = subprocess.run(test, env=variables, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return Outcome(folder, told.strip().splitlines()[-1])


def differences(one: Outcome, here: Outcome) -> Iterator[tuple[str, str]]:
    """Compare two outcomes, from the songs on: what, and how far they lie apart."""
    ours, theirs = here.features(), one.features()
    common = ours.keys() & theirs.keys()
    yield "tables of features of the same sound", f"{len(common)} of {len(ours)}"
    spread = {name: ours[name].std(0) + 1e-12 for name in common}
    far = [float(np.abs((theirs[name] - ours[name]) / spread[name]).max()) for name in sorted(common)]
    yield "features, by the standard deviation in the song", _most(far)
    ours, theirs = here.weights(), one.weights()
    yield "trainings of as many epochs", _same(here.epochs(), one.epochs())
    for kind in ("autoencoder", "network"):
        names = [name for name in ours if name.startswith(kind)]
        far = [float(np.abs(theirs[n] - ours[n]).max() / np.abs(ours[n]).max()) for n in names]
        yield f"weights of each {kind}, by its largest", _most(far)
    table, other = here.predictions(), one.predictions()
    apart = (other - table).abs()
    yield "predictions of networks", _most(apart[_of_networks(apart)].max())
    yield "predictions of other systems", _most(apart[~_of_networks(apart)].max())
    scores, others = here.scores(), one.scores()
    yield "scores", _most(np.abs([others[name] - scores[name] for name in scores]))
    yield "CURRENNT's golden cases", one.golden


def _of_networks(table: pd.DataFrame) -> NDArray[np.bool_]:
    return np.asarray(table.index.get_level_values("system").str.startswith("lstm_"))


def _same(ours: dict[str, int], theirs: dict[str, int]) -> str:
    return f"{sum(theirs.get(name) == count for name, count in ours.items())} of {len(ours)}"


def _most(values: Any) -> str:
    values = np.asarray(values, float)
    return f"{np.nanmax(values):.1e}" if values.size else "-"


def main() -> None:
    """Compute on each processor, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiment", default="quickstart", help="TOML file or name (quickstart)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--keep", type=Path, help="folder to compute in, which is kept")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = chosen.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        outcomes = {HERE: computed(folder / "here", {}, chosen.experiment, chosen.set)}
        for name, processor in PROCESSORS.items():
            if not processor.can_be_played():
                print(f"{name}: this processor can't play it")
                continue
            place = folder / processor.llvm
            outcomes[name] = computed(place, processor.environment(), chosen.experiment, chosen.set)
        here = outcomes.pop(HERE)
        columns = {name: dict(differences(one, here)) for name, one in outcomes.items()}
        rows = [
            {"differs from this machine by at most": what} | {name: of[what] for name, of in columns.items()}
            for what, _ in differences(here, here)
        ]
        rows[-1][f"{HERE} itself"] = here.golden
    publish("widths", f"other vectors, experiment {chosen.experiment}", rows)


if __name__ == "__main__":
    main()
