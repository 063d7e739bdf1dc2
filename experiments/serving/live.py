"""A run while it works: which trainings have ended, which go on, and their errors so far.

All of it is read from the run's folder; the run knows nothing of who looks.
"""

from __future__ import annotations

import math
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lstmcore.experiments.config import Experiment, load_experiment
from lstmcore.experiments.errors import InputError, shown
from lstmcore.experiments.files import from_json
from lstmcore.experiments.jobs.alone import is_held
from lstmcore.experiments.prediction.shipped import is_model
from lstmcore.experiments.run.folder import LOCK
from lstmcore.experiments.serving.app import Part
from lstmcore.features.errors import printable

_JOB = re.compile(r"(?P<whole>(?P<name>.+)-[0-9a-f]{16})(?P<partial>\.partial)?\.safetensors")
_NETWORK = re.compile(r"network-fold(?P<fold>\d+)-trial(?P<trial>\d+)(-(?P<target>.+))?")
_MOST_HEADER = 64 << 20
_OF_EPOCH = ("epoch", "training_error_per_frame", "validation_error_per_frame")
_POINTS = 120  # of a training's curve


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run, finished or not."""
    return (folder / "config.toml").is_file()


@dataclass(frozen=True)
class _Read:
    """What a file of a job says, as of its size and time."""

    stamp: tuple[int, int]
    facts: dict[str, Any]


class Watch:
    """A run's folder, read again and again.

    Parameters
    ----------
    folder
        Of the run.

    Raises
    ------
    InputError
        If its configuration can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._experiment: Experiment = load_experiment(folder / "config.toml")
        self._read: dict[str, _Read] = {}

    def state(self) -> dict[str, Any]:
        """Return what the page shows."""
        experiment = self._experiment
        jobs = self._jobs()
        networks = [job for job in jobs if job["fold"] is not None]
        others = [job for job in jobs if job["fold"] is None]
        finished = (self.folder / "metrics.json").is_file() and is_model(self.folder)
        at_work = is_held(self.folder / LOCK)
        return {
            "name": printable(self.folder),
            "experiment": experiment.name,
            "state": "working" if at_work else "finished" if finished else "stopped",
            "folds": [k for k in range(experiment.folds.count) if k != experiment.folds.team_test],
            "trials": experiment.ensemble.trials,
            "sets": len(experiment.feature_sets),
            "networks": networks,
            "others": others,
        }

    def _jobs(self) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        place = self.folder / "jobs"
        # A result counts, not the state that was written before it: partial ones are met first.
        files = sorted(place.glob("*.safetensors"), key=lambda file: ".partial." not in file.name)
        for file in files if place.is_dir() else ():
            match = _JOB.fullmatch(file.name)
            facts = None if match is None else self._facts(file)
            if match is None or facts is None:
                continue
            found[match["whole"]] = _job(match["name"], match["partial"] is None, facts)
        return sorted(found.values(), key=lambda job: (job["fold"] or 0, job["trial"] or 0, job["name"]))

    def _facts(self, file: Path) -> dict[str, Any] | None:
        """Read the head of a file, if it has changed; the weights behind it are of no use here."""
        try:
            known = file.stat()
            if not stat.S_ISREG(known.st_mode):
                return None
            stamp = (known.st_size, known.st_mtime_ns)
            before = self._read.get(file.name)
            if before is not None and before.stamp == stamp:
                return before.facts
            with file.open("rb") as content:
                size = int.from_bytes(content.read(8), "little")
                header = from_json(content.read(min(size, _MOST_HEADER)))
            facts = _summary(from_json(header["__metadata__"]["facts"]))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None  # it is being replaced, or damaged; the run itself says so
        self._read[file.name] = _Read(stamp, facts)
        return facts


def _summary(facts: dict[str, Any]) -> dict[str, Any]:
    """Keep of a job's facts what is shown: errors, thinned out, and where the best one is."""
    if "diverged" in facts:
        return {"diverged": shown(facts["diverged"]), "epochs": 0, "curve": []}
    history = facts.get("history") or facts.get("reports") or []
    step = max(1, -(-len(history) // _POINTS))
    places = [*range(0, len(history), step)]
    if history and places[-1] != len(history) - 1:
        places.append(len(history) - 1)
    rows = [history[k] for k in places]
    return {
        "epochs": len(history),
        "best_epoch": _number(history[-1]["best_epoch"]) if history else None,
        "curve": [[_number(row.get(key)) for key in _OF_EPOCH] for row in rows],
    }


def _number(value: Any) -> float | None:
    """Return a number that JSON can hold, or nothing."""
    return value if type(value) in (int, float) and math.isfinite(value) else None


def _job(name: str, ended: bool, facts: dict[str, Any]) -> dict[str, Any]:
    network = _NETWORK.fullmatch(name)
    place: dict[str, int | str | None] = {"fold": None, "trial": None, "target": None}
    if network is not None:
        place = {"fold": int(network["fold"]), "trial": int(network["trial"]), "target": network["target"]}
    state = "diverged" if "diverged" in facts else "done" if ended else "working"
    return {"name": printable(name), "state": state} | place | facts


def live_part(folders: Sequence[Path]) -> Part:
    """Return the page of runs.

    Raises
    ------
    InputError
        If one's configuration can't be read.
    """
    watches = [Watch(folder) for folder in folders]

    def states() -> list[dict[str, Any]]:
        return [watch.state() for watch in watches]

    async def runs(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(states))

    return Part("/runs", "Runs", "runs.html", [Route("/api/runs", runs)])


def read_runs(given: Sequence[Path]) -> list[Path]:
    """Return those of the given folders that are runs.

    Raises
    ------
    InputError
        If one is a folder and neither a run nor a model.
    """
    for one in given:
        if one.is_dir() and not is_run(one) and not is_model(one):
            raise InputError(
                f"{printable(one)}: neither config.toml nor model.json is there; "
                "expected the folder of a run or of a model"
            )
    return [one for one in given if is_run(one)]
