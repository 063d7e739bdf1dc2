"""How what is missing is installed into the very environment that misses it."""

from __future__ import annotations

import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec


def install_extra(extra: str) -> str:
    """Return the command that installs what an extra of lstmcore asks for.

    Parameters
    ----------
    extra
        Its name, such as "search".

    Returns
    -------
    str
        It names the packages themselves, so it works for a clone as for a release.
    """
    return _command([one for one, of in _requirements() if of == extra] or [f"lstmcore[{extra}]"])


def install_package(name: str, *, upgrade: bool = False) -> str:
    """Return the command that installs one of lstmcore's requirements.

    Parameters
    ----------
    name
        Of the package; the command asks for a version that is new enough.
    upgrade
        Whether it is there, and a newer one is wanted.
    """
    known = [
        one for one, _ in _requirements() if re.match(rf"{re.escape(name)}(?![\w.-])", one, re.IGNORECASE)
    ]
    return _command([*(["--upgrade"] if upgrade else []), *(known[:1] or [name])])


def _requirements() -> list[tuple[str, str | None]]:
    """Name each requirement, and the extra that it is of."""
    try:
        lines = requires("lstmcore") or []
    except PackageNotFoundError:  # imported from a folder that was never installed
        return []
    found = []
    for line in lines:
        requirement, _, marker = line.partition(";")
        extra = re.search(r"extra == ['\"]([^'\"]+)", marker)
        found.append((requirement.strip(), extra[1] if extra else None))
    return found


def _command(requirements: list[str]) -> str:
    """Use pip where the environment has it; those that uv makes have not."""
    if find_spec("pip"):
        tool = [sys.executable, "-m", "pip", "install"]
    else:
        tool = ["uv", "pip", "install", "--python", sys.executable]
    return shlex.join([*tool, *requirements])
