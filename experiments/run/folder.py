"""The folder of a run: whose it is, and where it lies by default."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lstmcore.experiments.config import Experiment
from lstmcore.experiments.errors import InputError, unreadable
from lstmcore.experiments.files import (
    from_json,
    from_toml,
    is_leftover,
    remove_leftovers,
    write_json,
    write_text,
)
from lstmcore.experiments.jobs.alone import alone, is_lock
from lstmcore.experiments.terminal.environment import environment
from lstmcore.experiments.terminal.progress import Progress

LOCK = ".lock"
_CONFIG = "config_sha256"  # in environment.json: tells whose folder it is though config.toml is damaged

# What a run leaves that ended before anything was computed.
_OF_A_START = {"config.toml", "environment.json", "stages.csv"}


def default_folder(experiment: Experiment) -> Path:
    """Folder of a run that was given none: another configuration, another folder."""
    return Path("runs") / f"{experiment.name}-{experiment.fingerprint}"


def reusable(experiment: Experiment) -> list[Path]:
    """Folders of other runs' jobs: those that are named, and that of the experiment itself."""
    return [*named_places(experiment), default_folder(experiment) / "jobs"]


def named_places(experiment: Experiment) -> list[Path]:
    """Folders of other runs' jobs that ``reuse`` names: by the run's folder, or by that of its jobs.

    Raises
    ------
    InputError
        If one isn't there, or the folder of the data.
    """
    also = {f"data.also.{n}": one for n, one in enumerate(experiment.data.also)}
    for key, data in ({"data": experiment.data} | also).items():
        if data.source != "procedural" and data.root is not None and not Path(data.root).is_dir():
            raise InputError(f"{key}.root = {data.root!r}: no such folder")
    places = [Path(place) for place in experiment.reuse]
    for place in places:
        if not place.is_dir():
            raise InputError(
                f"reuse: {place}: no such folder; expected the folder of a run or search, or no reuse"
            )
    return [place / "jobs" if (place / "jobs").is_dir() else place for place in places]


def variations_folder(experiment: Experiment, what: str, config: str) -> Path:
    """Folder of a search or of ablations, named after all that its configuration says."""
    digest = hashlib.sha256(config.encode()).hexdigest()[:8]
    return Path("runs") / f"{experiment.name}-{what}-{digest}"


@contextmanager
def opened(folder: Path, config: str, progress: Progress, stop: threading.Event) -> Iterator[None]:
    """Make a folder that of a configuration, or see that it is, and be alone in it.

    Parameters
    ----------
    folder
        Where results go.
    config
        Content of its ``config.toml``.
    progress
        Hears who else is there; that is waited for.
    stop
        Set it to end waiting.

    Raises
    ------
    InputError
        If it is a file, holds something else, or is another configuration's.
    Interrupted
        If `stop` was set.
    """
    lock = folder / LOCK
    _check_place(folder, lock)
    with alone(lock, folder, progress.note, stop.is_set):
        _open(folder, config, progress)
        yield


def _check_place(folder: Path, lock: Path) -> None:
    """Refuse what can't be a folder of results, before anything is written there."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; expected a folder for the results")
    if not folder.exists() or (folder / "config.toml").exists():
        return
    if not all(is_lock(file, lock) or is_leftover(file) for file in folder.iterdir()):
        raise InputError(
            f"{folder}: holds files but no config.toml; expected a new or empty folder, "
            "or one of this experiment"
        )


def _open(folder: Path, config: str, progress: Progress) -> None:
    file, about = folder / "config.toml", folder / "environment.json"
    remove_leftovers(folder)
    digest = hashlib.sha256(config.encode()).hexdigest()
    if not file.exists() or _only_started(folder):
        write_text(file, config)
        write_json(about, environment() | {_CONFIG: digest})
        return
    if _digest_in(about) == digest:
        if file.read_bytes() != config.encode():  # the digest says that it was this one's
            progress.note(f"{file}: damaged; written anew")
            write_text(file, config)
        return
    try:
        theirs = from_toml(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise unreadable(file, error) from None
    differing = _differences(_completed(theirs), _completed(from_toml(config)))
    if differing:
        raise InputError(
            f"{folder}: is the folder of another experiment; different: {'; '.join(differing[:5])}. "
            "Choose another with --out, or leave --out away"
        )
    if _unreadable(about):  # damaged, or the run was killed before it was there
        write_json(about, environment() | {_CONFIG: digest})


def _digest_in(about: Path) -> object:
    """Return the digest of the configuration that ``environment.json`` holds, if it does."""
    try:
        found = from_json(about.read_bytes())
    except (OSError, ValueError):
        return None
    return found.get(_CONFIG) if isinstance(found, dict) else None


def _unreadable(about: Path) -> bool:
    try:
        return not isinstance(from_json(about.read_bytes()), dict)
    except (FileNotFoundError, ValueError):
        return True


def _only_started(folder: Path) -> bool:
    """Tell whether a run ended here before it computed anything, for a mistake in file or data."""
    there = {path.name for path in folder.iterdir() if not is_lock(path, folder / LOCK)}
    return "environment.json" in there and there <= _OF_A_START


def _completed(values: dict[str, Any]) -> dict[str, Any]:
    """Fill in the keys that weren't there when a folder was made."""
    try:
        return Experiment.model_validate(values).model_dump()
    except ValidationError:  # compared as it stands
        return values


def _differences(theirs: dict[str, Any], ours: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key in sorted(theirs.keys() | ours.keys()):
        a, b = theirs.get(key), ours.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key} is {a!r} there and {b!r} here")
    return found
