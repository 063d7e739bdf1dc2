"""The folder of a run: whose it is, and where it lies by default."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lstmcore.experiments.config import Experiment
from lstmcore.experiments.environment import environment
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import remove_leftovers, write_json, write_text


def default_folder(experiment: Experiment) -> Path:
    """Folder of a run that was given none: another configuration, another folder."""
    return Path("runs") / f"{experiment.name}-{experiment.fingerprint}"


def reusable(experiment: Experiment) -> list[Path]:
    """Folders of other runs' jobs: those that are named, and that of the experiment itself."""
    return [*named_places(experiment), default_folder(experiment) / "jobs"]


def named_places(experiment: Experiment) -> list[Path]:
    """Folders of other runs' jobs that ``reuse`` names.

    Raises
    ------
    InputError
        If one isn't there, or the folder of the data.
    """
    root = experiment.data.root
    if experiment.data.source == "deam" and root is not None and not Path(root).is_dir():
        raise InputError(f"data.root = {root!r}: no such folder")
    places = [Path(place) for place in experiment.reuse]
    for place in places:
        if not place.is_dir():
            raise InputError(
                f"reuse: {place}: no such folder; expected the folder 'jobs' of a run or search, or no reuse"
            )
    return places


def variations_folder(experiment: Experiment, what: str, config: str) -> Path:
    """Folder of a search or of ablations, named after all that its configuration says."""
    digest = hashlib.sha256(config.encode()).hexdigest()[:8]
    return Path("runs") / f"{experiment.name}-{what}-{digest}"


def open_folder(folder: Path, config: str) -> None:
    """Make a folder that of a configuration, or see that it is.

    Parameters
    ----------
    folder
        Where results go.
    config
        Content of its ``config.toml``.

    Raises
    ------
    InputError
        If it is a file, holds something else, or is another configuration's.
    """
    file = folder / "config.toml"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; expected a folder for the results")
    remove_leftovers(folder)
    if not file.exists():
        if folder.exists() and any(folder.iterdir()):
            raise InputError(
                f"{folder}: holds files but no config.toml; expected a new or empty folder, "
                "or one of this experiment"
            )
        write_text(file, config)
        write_json(folder / "environment.json", environment())
        return
    try:
        theirs = tomllib.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{file}: can't be read: {error}") from None
    differing = _differences(_completed(theirs), _completed(tomllib.loads(config)))
    if differing:
        raise InputError(
            f"{folder}: is the folder of another experiment; different: {'; '.join(differing[:5])}. "
            "Choose another with --out, or leave --out away"
        )


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
