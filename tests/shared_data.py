"""Finds the shared data that are not part of the repository, or says why a test is skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "data"
CONFIGURATIONS = ROOT / "experiments" / "configurations"
SHARED = Path(os.environ.get("LSTMCORE_SHARED", ROOT.parent / "shared"))
REQUIRED = os.environ.get("LSTMCORE_REQUIRE_SHARED", "") not in ("", "0")


def needs_shared(folder: str) -> pytest.MarkDecorator:
    """Skip a test where the shared data haven't got a folder; if they are required, it runs and fails.

    ``LSTMCORE_REQUIRE_SHARED=1`` requires them; ``.ci/run`` sets it where they lie beside the checkout.
    """
    place = SHARED / folder
    return pytest.mark.skipif(
        not place.is_dir() and not REQUIRED,
        reason=f"no folder {place} of shared data; LSTMCORE_SHARED names another place",
    )


needs_deam = needs_shared("deam")
needs_cases = needs_shared("cases")
