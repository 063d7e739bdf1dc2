"""What a process may use that reads what somebody else has made."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the process may use.

    Parameters
    ----------
    processor_seconds
        Of all its threads together.
    seconds
        By the clock; whoever starts the process sees to that.
    memory_bytes
        Of addresses.
    file_bytes
        Of each file that is written.
    """

    processor_seconds: int = 1800
    seconds: int = 1800
    memory_bytes: int = 6 << 30
    file_bytes: int = 4 << 30


def restrict(limits: Limits) -> None:
    """Have the system hold this process to its limits, and write no image of its memory."""
    if sys.platform == "win32":
        return  # which has no such limits; what takes too long is still ended
    import resource

    for which, most in (
        (resource.RLIMIT_CPU, limits.processor_seconds),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(which)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(which, (most, most))
        except (ValueError, OSError):  # macOS knows no limit of addresses
            continue
