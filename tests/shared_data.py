"""Finds the shared data that are not part of the repository, or says why a test is skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONFIGURATIONS = ROOT / "experiments" / "configurations"
SHARED = Path(os.environ.get("LSTMCORE_SHARED", ROOT.parent / "shared"))

needs_deam = pytest.mark.skipif(
    not (SHARED / "deam").is_dir(),
    reason=f"no real DEAM data at {SHARED / 'deam'}; LSTMCORE_SHARED names another place",
)
