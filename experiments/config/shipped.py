"""The experiments that come with the package, found by name from any folder."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from lstmcore.experiments.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def shipped_names() -> list[str]:
    """Return the names of the shipped experiments, the quickest first."""
    names = sorted(file.name.removesuffix(".toml") for file in _files())
    return sorted(names, key=lambda name: name != "quickstart")


def text_of(name: str) -> str:
    """Return a shipped experiment as TOML.

    Raises
    ------
    InputError
        If there is no such.
    """
    for file in _files():
        if file.name == f"{name.removesuffix('.toml')}.toml":
            return file.read_text(encoding="utf-8")
    known = shipped_names()
    expected = f"expected one of {', '.join(known)}{did_you_mean(name, known)}"
    raise InputError(f"no experiment {name!r} comes with lstmcore; {expected}")


def summary_of(name: str) -> str:
    """Return the first sentence of a shipped experiment's comment."""
    lines = []
    for line in text_of(name).splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    sentence, stop, _ = " ".join(lines).partition(". ")
    return sentence if stop else sentence.rstrip(".")


def print_shipped() -> None:
    """Print the shipped experiments, and how to run one."""
    from lstmcore.experiments.terminal.sheet import Sheet, new_console

    rows = [(False, [name, summary_of(name)]) for name in shipped_names()]
    Sheet("experiments that come with lstmcore", ["name", "what it is"], rows, labels=2).print(new_console())
    print("to run one: lstmcore-run NAME; to write one as a file: lstmcore example NAME")


def write_shipped(name: str, out: Path | None) -> Path:
    """Write a shipped experiment to a file, by default NAME.toml in the current folder; return it.

    Raises
    ------
    InputError
        If there is no such experiment, or already such a file.
    """
    from lstmcore.experiments.files import write_text

    text = text_of(name)
    target = out or Path(f"{name.removesuffix('.toml')}.toml")
    if target.exists():
        raise InputError(f"{target}: is there already; expected a new file, with --out FILE.toml")
    write_text(target, text)
    return target


def find_experiment(given: Path) -> Path:
    """Return the file that is meant: the one given or, where there is none, the shipped one of that name.

    Parameters
    ----------
    given
        A path, or a name such as quickstart.

    Returns
    -------
    Path
        A name with neither folder nor file is the shipped experiment's.

    Raises
    ------
    InputError
        If there is neither a file nor a shipped experiment.
    """
    known = shipped_names()
    name = given.name.removesuffix(".toml")
    if given.parent == Path() and name in known and not given.is_file():
        return Path(str(_folder() / f"{name}.toml"))
    if given.exists():
        return given
    hint = did_you_mean(name, known)
    raise InputError(
        f"{given}: no such file; expected an experiment in TOML, or the name of a shipped one: "
        f"{', '.join(known)}{hint}"
    )


def _folder() -> Traversable:
    return resources.files("lstmcore.experiments") / "configurations"


def _files() -> Iterator[Traversable]:
    files = sorted(_folder().iterdir(), key=lambda file: file.name)
    return (file for file in files if file.name.endswith(".toml"))
