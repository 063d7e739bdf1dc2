"""Which results one of several processes has written for all that share the work in a folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from lstmcore.experiments.files import write_json
from lstmcore.experiments.jobs.leases import Leases, workers_in

FILE = ".written.json"
_OTHERS = {"config.toml", "environment.json", "stages.csv"}  # files that no results are


def is_written(folder: Path, leases: Leases) -> bool:
    """Tell whether the results stand in a folder, whole, for a process that shared the work.

    What was written before the process came doesn't count: versions may have changed.
    """
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return leases.worker in found["workers"] and found["files"] == _digests(folder)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def note_written(folder: Path) -> None:
    """Note that the results are written, for those that share the work now."""
    write_json(folder / FILE, {"workers": workers_in(folder), "files": _digests(folder)})


def _digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file of results, by its path in the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = path.name.startswith(".") or inside.parts[0] == "jobs" or inside.name in _OTHERS
        if not hidden and path.is_file():
            found[inside.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
