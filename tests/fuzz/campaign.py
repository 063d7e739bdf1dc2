"""Reads damaged files, guided by coverage, and keeps what a reader should not have done with them.

``python -m tests.fuzz.campaign NAME… --count 100000 --seed 1 --record fuzz.jsonl``; without a name all
targets. The record has a line of JSON for each. Inputs come from libFuzzer, by atheris (``uv run --group
fuzz …``), and from `tests.fuzz.mutation`; where atheris isn't installed, from the latter alone.
Each target is read in a process of its own: one that dies is noted with its input, and another goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import mmap
import os
import platform
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from importlib import metadata, util
from pathlib import Path
from typing import Any

from tests.fuzz.mutation import Mutator
from tests.fuzz.target import Target, targets
from tests.fuzz.watching import ROOT, Finding, Watch

MOST_DEATHS = 20
STUCK = 120.0  # seconds without a new input, after which a process that its own alarm doesn't reach is killed
ADDRESS_SPACE = 3 * 2**30  # beyond what a process has when it begins
GUIDED = util.find_spec("atheris") is not None
_PACKAGES = ("atheris", "numpy", "pandas", "pydantic", "scipy", "netCDF4", "pyarrow", "safetensors", "onnx")


class Shared:
    """What a process tells its parent, in memory that both have: how many inputs, and the last one."""

    SIZE = 2**21

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, self.SIZE)

    def begin(self, data: bytes) -> None:
        """Note an input before it is read."""
        self.memory[8:12] = len(data).to_bytes(4, "little")
        self.memory[12 : 12 + len(data)] = data
        self.memory[:8] = (self.count + 1).to_bytes(8, "little")

    @property
    def count(self) -> int:
        """How many inputs were begun."""
        return int.from_bytes(self.memory[:8], "little")

    @property
    def data(self) -> bytes:
        """The last of them."""
        return self.memory[12 : 12 + int.from_bytes(self.memory[8:12], "little")]


class Campaign:
    """Many inputs for one target.

    Parameters
    ----------
    target
        The reader.
    folder
        For corpus, logs and inputs.
    kept
        Folder for inputs with findings.
    count
        How many inputs.
    seed
        Of all random numbers.
    """

    def __init__(self, target: Target, folder: Path, kept: Path, count: int, seed: int) -> None:
        self.target, self.folder, self.kept, self.count, self.seed = target, folder, kept, count, seed
        self.shared = Shared()
        self.corpus = folder / "corpus"
        self.log = folder / "log"
        for one in (self.corpus, kept):
            one.mkdir(parents=True, exist_ok=True)
        (folder / "seeds").mkdir()
        self.seeds = target.seeds(folder / "seeds")
        for k, data in enumerate([*self.seeds, *target.more()]):
            (self.corpus / f"seed{k}").write_bytes(data)
        self.longest = max(4096, 4 * max(map(len, [*self.seeds, *target.more()])))
        self.deaths = 0

    def run(self) -> dict[str, Any]:
        """Read all inputs and return the line of the record."""
        begun = time.monotonic()
        Watch(self.target, self.folder).good(self.seeds)
        while (left := self.count - self.shared.count) > 0 and self.deaths < MOST_DEATHS:
            before = self.shared.count
            died = self._wait(self._fork(left))
            if died:
                self.deaths += 1
                self._note(Finding(f"process ended: {died}", died, self.shared.data))
            elif self.shared.count == before:
                break
        found = [json.loads(line) for line in self._lines()]
        return {
            "target": self.target.name,
            "inputs": self.shared.count,
            "seed": self.seed,
            "guided": GUIDED,
            **self._coverage(),
            "deaths": self.deaths,
            "findings": found,
            "seconds": round(time.monotonic() - begun, 1),
            "python": platform.python_version(),
            "versions": {name: metadata.version(name) for name in _PACKAGES if util.find_spec(name)},
        }

    def _fork(self, left: int) -> int:
        sys.stdout.flush()
        child = os.fork()
        if child:
            return child
        try:
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESS_SPACE, used + ADDRESS_SPACE))
            self._read(left)
        finally:
            os._exit(1)

    def _wait(self, child: int) -> str:
        """Return how a process died, or nothing where it came to its end."""
        last, since = -1, time.monotonic()
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return "" if code == 0 else signal.Signals(-code).name if code < 0 else f"exit code {code}"
            if self.shared.count != last:
                last, since = self.shared.count, time.monotonic()
            elif time.monotonic() - since > STUCK:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return "hangs outside Python"
            time.sleep(0.5)

    def _read(self, left: int) -> None:
        """Read inputs in this process, and end it."""
        watch = Watch(self.target, self.folder, noise=True)
        known = {json.loads(line)["key"] for line in self._lines()}
        mutator = Mutator(self.target.words, self.seeds)
        seed = self.seed + 1000 * self.deaths

        def one(data: bytes) -> None:
            self.shared.begin(data)
            finding = watch.look(data)
            if finding and finding.key not in known:
                known.add(finding.key)
                self._note(finding)

        if not GUIDED:
            draw = random.Random(seed)
            for _ in range(left):
                one(mutator(draw.choice(self.seeds), draw)[: self.longest])
            os._exit(0)

        import atheris

        def mutate(data: bytes, longest: int, number: int) -> bytes:
            draw = random.Random(number)
            if draw.random() < 0.5:
                return bytes(atheris.Mutate(data, longest))
            return mutator(data, draw)[:longest]

        words = self.folder / "words"
        escaped = ["".join(f"\\x{byte:02x}" for byte in word) for word in self.target.words if word]
        words.write_text("".join(f'"{word}"\n' for word in escaped))
        line = [
            *(
                "fuzz",
                f"-runs={left}",
                f"-seed={seed % 2**31 or 1}",
                f"-max_len={self.longest}",
                *([f"-dict={words}"] if escaped else []),
            ),
            *("-timeout=0", "-rss_limit_mb=0", "-malloc_limit_mb=0", "-print_final_stats=1", "-verbosity=1"),
            *(f"-artifact_prefix={self.folder}/", str(self.corpus)),
        ]
        atheris.Setup(line, one, custom_mutator=mutate)
        atheris.Fuzz()
        os._exit(0)

    def _lines(self) -> list[str]:
        path = self.folder / "findings.jsonl"
        return path.read_text().splitlines() if path.is_file() else []

    def _note(self, finding: Finding) -> None:
        name = f"{self.target.name}-{hashlib.sha256(finding.key.encode()).hexdigest()[:8]}"
        (self.kept / name).write_bytes(finding.data)
        line = {"key": finding.key, "told": finding.told[-1500:], "input": name, "bytes": len(finding.data)}
        with (self.folder / "findings.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _coverage(self) -> dict[str, Any]:
        """Return the edges of the house's code that good files reach and that all inputs reached."""
        said = self.log.read_text(errors="replace") if self.log.is_file() else ""
        good = re.findall(r"INITED cov: (\d+)", said)
        reached = [int(n) for n in re.findall(r"\bcov: (\d+)", said)]
        return {"edges_of_good_files": int(good[0]) if good else None, "edges": max(reached, default=None)}


def smaller(target: Target, finding: Path, folder: Path, key: str, most: int = 400) -> None:
    """Take away of an input, in halves, quarters and so on, what its finding doesn't need."""
    watch = Watch(target, folder)
    data, tries = finding.read_bytes(), 0
    step = max(1, len(data) // 2)
    while tries < most:
        k, before = 0, len(data)
        while k < len(data) and tries < most:
            tries += 1
            without = data[:k] + data[k + step :]
            seen = watch.look(without)
            if seen and seen.key == key:
                data = without
            else:
                k += step
        if step == 1 and len(data) == before:
            break
        step = max(1, step // 2)
    finding.write_bytes(data)


def _instrument() -> None:
    """Have readers that are imported from now on tell their edges; what Numba may compile can't."""
    import atheris

    compiled = []
    for path in (ROOT / "lstmcore").rglob("*.py"):  # the engine alone: links aren't followed
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        compiled.append(name.removesuffix(".__init__"))
    for top in ("features", "experiments"):
        for path in (ROOT / top).rglob("*.py"):
            if re.search(r"numba|lstmcore\.jit", path.read_text()):
                name = ".".join(("lstmcore", *path.relative_to(ROOT).with_suffix("").parts))
                compiled.append(name.removesuffix(".__init__"))
    context = atheris.instrument_imports(
        include=["lstmcore.experiments", "lstmcore.features"], exclude=compiled, enable_loader_override=False
    )
    context.__enter__()  # for as long as the process lives


def main() -> None:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", type=Path, default=Path("fuzz.jsonl"))
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "fuzz-findings")
    said = parser.parse_args()
    if GUIDED:
        _instrument()
    else:
        print("atheris isn't installed (uv sync --group fuzz): inputs aren't guided by coverage")
    known = targets()
    if wrong := [name for name in said.names if name not in known]:
        parser.error(f"no target {wrong[0]!r}; there are {', '.join(known)}")
    sys.dont_write_bytecode = True
    for name in said.names or known:
        place = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
        folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-", dir=place))
        try:
            line = Campaign(known[name], folder, said.kept, said.count, said.seed).run()
            for finding in line["findings"]:
                child = os.fork()
                if not child:
                    try:
                        if not finding["key"].startswith(("process ended", "memory", "hang", "noise")):
                            smaller(known[name], said.kept / finding["input"], folder, finding["key"])
                    finally:
                        os._exit(0)
                os.waitpid(child, 0)
                finding["bytes"] = (said.kept / finding["input"]).stat().st_size
            with said.record.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(
                f"{name}: {line['inputs']} inputs, {line['edges']} edges, {line['seconds']} s, findings:",
                flush=True,
            )
            for finding in line["findings"]:
                print(f"  {finding['key']}  ({finding['input']}, {finding['bytes']} bytes)", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
