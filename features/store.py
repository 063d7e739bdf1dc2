"""The store of features: computed once, found again by the content of the audio file.

A stored table is named after the SHA-256 digest of the audio file's bytes, the feature
set and the version of the code that computed it.  So a renamed or copied file is found,
and a changed file, another set or another version is computed anew.

A file of the store is a NumPy ``.npz`` archive (``values``: rows x features, full
precision; ``names``: one per line) followed by the SHA-256 digest of its bytes.  It is
written whole or not at all; one that does not hold what it should counts as absent.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.audio import check_file, unreadable
from lstmcore.features.files import read_plain, write_whole
from lstmcore.features.grid import HOP_SECONDS, TIME_COLUMN, grid_table, grid_times
from lstmcore.features.sets import feature_names

if TYPE_CHECKING:
    import pandas

CACHE_VARIABLE = "LSTMCORE_CACHE"
_log = logging.getLogger("features")
_DIGEST_BYTES = hashlib.sha256().digest_size


def cache_root() -> Path:
    """Return where everything that can be made again is kept.

    Returns
    -------
    Path
        The folder that the environment variable ``LSTMCORE_CACHE`` names, or else the
        user's cache folder for lstmcore.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    import platformdirs

    return platformdirs.user_cache_path("lstmcore")


def default_folder() -> Path:
    """Return the folder where features are kept by default: ``features`` in `cache_root`."""
    return cache_root() / "features"


@dataclass(frozen=True)
class FeatureKey:
    """What a stored table is found by.

    Parameters
    ----------
    digest
        SHA-256 of the audio file's bytes, hexadecimal.
    feature_set
        Name of the set.
    version
        Which code computed it, with which settings.
    hop_seconds
        Distance of the rows, which is not stored with them: other hops have other versions.
    """

    digest: str
    feature_set: str
    version: str
    hop_seconds: float = HOP_SECONDS


def digest_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 digest of an audio file's bytes, hexadecimal.

    Parameters
    ----------
    path
        The file; it is read once, in blocks.

    Raises
    ------
    AudioError
        If the file is missing, empty, not a file, or cannot be read.
    """
    check_file(path)
    try:
        with Path(path).open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


class FeatureStore:
    """A folder of computed features.

    Parameters
    ----------
    folder
        Where; `default_folder` if None.  It is made when first written to.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = default_folder() if folder is None else Path(folder)

    def path_of(self, key: FeatureKey) -> Path:
        """Return which file holds a table, whether or not it exists."""
        return self.folder / f"{key.feature_set}-{key.version}" / f"{key.digest}.npz"

    def load(self, key: FeatureKey) -> pandas.DataFrame | None:
        """Read a table.

        Returns
        -------
        pandas.DataFrame or None
            As it was saved, bit for bit; None if there is none, or if its file holds other features, or is
            cut off or damaged, which the log ``features`` records.

        Raises
        ------
        OSError
            If the file is there but cannot be read.
        ValueError
            If the key names an unknown feature set.
        """
        names = feature_names(key.feature_set)
        file = self.path_of(key)
        try:
            content = read_plain(file)
        except FileNotFoundError:
            return None
        try:
            held, values = _unpack(content)
        except Exception:  # noqa: BLE001 - readers of archives and arrays raise whatever they meet
            _log.warning("%s: damaged; its features are computed anew", file)
            return None
        return grid_table(values, names, key.hop_seconds) if held == names else None

    def save(self, key: FeatureKey, table: pandas.DataFrame) -> Path:
        """Write a table, whole or not at all; an older one is replaced.

        Parameters
        ----------
        key
            What it will be found by.
        table
            ``frameTime`` and the features of the key's set, in order.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OSError
            If the file cannot be written (disk full, no permission); ``filename`` names it.
        ValueError
            If the table's columns are not those of the set, or its times not those of the key's grid.
        """
        names = feature_names(key.feature_set)
        on_grid = np.array_equal(table[TIME_COLUMN].to_numpy(), grid_times(len(table), key.hop_seconds))
        if tuple(table.columns) != (TIME_COLUMN, *names) or not on_grid:
            grid = f"with a row every {key.hop_seconds:g} s"
            raise ValueError(f"a table of {key.feature_set} {grid} is expected")
        target = self.path_of(key)
        write_whole(target, _pack(table[list(names)].to_numpy(), names))
        return target


def _pack(values: NDArray[Any], names: tuple[str, ...]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, values=values, names=np.frombuffer("\n".join(names).encode(), np.uint8))
    archive = buffer.getvalue()
    return archive + hashlib.sha256(archive).digest()


def _unpack(content: bytes) -> tuple[tuple[str, ...], NDArray[Any]]:
    """Return names and values; whatever isn't as it was written is an error."""
    archive, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if hashlib.sha256(archive).digest() != digest:
        raise ValueError("its digest is another")
    with zipfile.ZipFile(io.BytesIO(archive)) as parts:
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts.infolist()):
            raise ValueError("it is compressed")  # so it can't be more than it seems
    with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
        names = tuple(arrays["names"].tobytes().decode().split("\n"))
        values: NDArray[Any] = arrays["values"]
    if values.shape != (len(values), len(names)) or values.dtype.kind != "f":
        raise ValueError("its values are no table")
    return names, values
