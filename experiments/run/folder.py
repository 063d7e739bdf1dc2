"""The folder of a run: whose it is, and where it lies by default."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lstmcore.experiments.config import Experiment
from lstmcore.experiments.errors import InputError, unreadable
from lstmcore.experiments.files import (
    check_plain,
    encoded,
    from_json,
    from_toml,
    is_leftover,
    leftovers,
    read_plain,
    remove_leftovers,
    write_json,
    write_text,
)
from lstmcore.experiments.jobs.alone import alone, beside_others, is_lock
from lstmcore.experiments.jobs.leases import Leases, leases_in
from lstmcore.experiments.run.written import FILE as WRITTEN
from lstmcore.experiments.terminal.environment import differences, environment
from lstmcore.experiments.terminal.progress import Progress

LOCK = ".lock"
ABOUT = "environment.json"
WITNESS = ".config.sha256"  # tells whose folder it is though both others are damaged
_CONFIG = "config_sha256"  # in environment.json: tells it though config.toml is damaged
_OWN = "sha256"  # in environment.json: of all else there; earlier versions wrote none
_OTHERS = "also_run_with"  # in environment.json: other machines and versions, if a run went on there

# What a run leaves that ended before anything was computed.
_OF_A_START = {"config.toml", ABOUT, "stages.csv"}


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
    digest = hashlib.sha256(encoded(Path("config.toml"), config)).hexdigest()[:8]
    return Path("runs") / f"{experiment.name}-{what}-{digest}"


@contextmanager
def opened(
    folder: Path, config: str, progress: Progress, stop: threading.Event, *, shared: bool = False
) -> Iterator[Leases | None]:
    """Make a folder that of a configuration, or see that it is, and be alone in it or share it.

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
    shared
        Whether others that say so, too, work there at the same time.

    Returns
    -------
    context manager of Leases or None
        By what the work is shared, if it is.

    Raises
    ------
    InputError
        If it is a file, holds something else, or is another configuration's.
    Interrupted
        If `stop` was set.
    """
    lock = folder / LOCK
    _check_place(folder, lock, _digest_of(encoded(folder / "config.toml", config)))
    if not shared:
        with alone(lock, folder, progress.note, stop.is_set):
            remove_leftovers(folder)
            for lease in leases_in(folder):  # of killed processes that shared the work
                lease.unlink(missing_ok=True)
            (folder / WRITTEN).unlink(missing_ok=True)
            _open(folder, config, progress)
            yield None
        return
    with beside_others(lock, folder, progress.note, stop.is_set) as leases:
        with leases.turn(folder / "opening", lambda _: None, stop.is_set):  # the first makes it
            leases.clear(folder, leftovers(folder))
            _open(folder, config, progress)
        yield leases
        # The last to end has others' leftovers to clear away that were killed.
        leases.clear(folder, [*leftovers(folder), folder / WRITTEN])


def _check_place(folder: Path, lock: Path, digest: str) -> None:
    """Refuse what can't be a folder of results, before anything is written there."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; expected a folder for the results")
    if not folder.exists():
        return
    check_plain(folder)
    files = sorted(folder.iterdir())
    there = [file for file in files if not is_lock(file, lock) and not is_leftover(file)]
    there = [file for file in there if file.name != WITNESS]
    has_one = (folder / "config.toml").exists()  # which another process may have just written
    if there and not has_one and digest not in _witnesses(folder):
        raise InputError(
            f"{folder}: holds files but no config.toml; expected a new or empty folder, "
            "or one of this experiment"
        )


def _open(folder: Path, config: str, progress: Progress) -> None:
    file, about = folder / "config.toml", folder / ABOUT
    digest = _digest_of(encoded(file, config))
    if not file.exists() or _only_started(folder):
        write_text(file, config)
        write_text(folder / WITNESS, f"{digest}\n")
        _write(about, environment() | {_CONFIG: digest})
        return
    if digest in _witnesses(folder):
        if read_plain(file) != encoded(file, config):  # a digest says that it was this one's
            progress.note(f"{file}: damaged; written anew")
            write_text(file, config)
        _complete(folder, digest, progress)
        return
    try:
        theirs = from_toml(read_plain(file).decode())
    except (ValueError, OSError) as error:
        raise unreadable(file, error) from None
    differing = _differences(_completed(theirs), _completed(from_toml(config)))
    if differing:
        raise InputError(
            f"{folder}: is the folder of another experiment; different: {'; '.join(differing[:5])}. "
            "Choose another with --out, or leave --out away"
        )
    _complete(folder, _digest_of(read_plain(file)), progress)  # it may leave out keys that came later


def _digest_of(config: bytes) -> str:
    return hashlib.sha256(config).hexdigest()


def _complete(folder: Path, digest: str, progress: Progress) -> None:
    """Write what stands beside the configuration, where it is damaged or was never written."""
    about = folder / ABOUT
    if _held(about):
        _compare(about, progress)
    else:
        if about.exists():
            progress.note(f"{about}: damaged; written anew")
        _write(about, environment() | {_CONFIG: digest})  # or the run was killed before it was there
    if _witnessed(folder) != digest:
        write_text(folder / WITNESS, f"{digest}\n")


def _witnesses(folder: Path) -> set[object]:
    """Return the digests of the configuration that a folder holds beside it: of its own, unless damaged."""
    return {_held(folder / ABOUT).get(_CONFIG), _witnessed(folder)}


def _witnessed(folder: Path) -> str | None:
    try:
        return read_plain(folder / WITNESS).decode("ascii").strip()
    except (OSError, ValueError):
        return None


def _write(about: Path, content: dict[str, Any]) -> None:
    """Write ``environment.json`` with a digest of what it says."""
    write_json(about, content | {_OWN: _digest(content)})


def _held(about: Path) -> dict[str, Any]:
    """Return what ``environment.json`` says; nothing if it is missing or damaged."""
    try:
        found = from_json(read_plain(about))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    digest = found.pop(_OWN, None)
    return found if digest in (None, _digest(found)) else {}


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def tell_of_machine(config: Path, folder: Path, progress: Progress) -> None:
    """Say how the machine and versions of a run differ from those here, whose ``config.toml`` is run again.

    Parameters
    ----------
    config
        The configuration; nothing is said of one of another name, or without ``environment.json`` beside.
    folder
        Where results go; what opens that of the configuration says it by itself.
    progress
        Is told.
    """
    about = config.parent / ABOUT
    if config.name != "config.toml" or config.parent.resolve() == folder.resolve():
        return
    if found := differences(_held(about), environment()):
        progress.note(f"{about}: {_differ(found)}")


def _compare(about: Path, progress: Progress) -> None:
    """Tell, and add to ``environment.json``, that a run goes on with others than it was begun with."""
    held, here = _held(about), environment()
    found = differences(held, here)
    if not found:
        return
    progress.note(f"{about}: {_differ(found)}")
    others = held.get(_OTHERS)
    others = others if isinstance(others, list) else []
    if here not in others:
        _write(about, held | {_OTHERS: [*others, here]})


def _differ(found: list[str]) -> str:
    return f"{'; '.join(found)}. Results may differ in the last digits"


def _only_started(folder: Path) -> bool:
    """Tell whether a run ended here before it computed anything, for a mistake in file or data."""
    there = {path.name for path in folder.iterdir() if not is_lock(path, folder / LOCK)} - {WITNESS}
    return ABOUT in there and there <= _OF_A_START


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
