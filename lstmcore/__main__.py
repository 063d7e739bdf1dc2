"""``python -m lstmcore``: the command ``lstmcore``, as it was installed with the package."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points


def main() -> None:
    """Find the command by its name, for this room knows no other, and run it."""
    commands = list(entry_points(group="console_scripts", name="lstmcore"))
    if not commands:
        sys.exit("lstmcore is not installed here; expected: pip install . in its folder")
    commands[0].load()()


if __name__ == "__main__":
    main()
