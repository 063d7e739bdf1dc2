"""What kernels are made of: a checksum of their sources, for which nothing but Python is needed."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

ENGINE = Path(__file__).parent
"""The folder of the engine's kernels."""

_RULES = tuple(ENGINE / name for name in ("jit.py", "kernel_cache.py"))  # how all are compiled and kept


def digest_of(folder: Path, *others: Path) -> str:
    """Return a checksum of all Python files of a folder, and of others: kernels compile in other files."""
    rooms = ("features", "experiments")  # linked into the package, and none of the engine's
    files = [f for f in sorted(folder.rglob("*.py")) if f.relative_to(folder).parts[0] not in rooms]
    return sha256(b"".join(file.read_bytes() for file in (*files, *others))).hexdigest()


def sources_of(folder: Path) -> str:
    """Return a checksum of all that the kernels of a folder are made of."""
    return digest_of(folder, *_RULES)
