"""What several tests of CURRENNT's command need."""

import gzip
import shutil

import pytest

from tests.experiments.currennt.golden_files import FILES, GOLDEN


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the golden ``nets`` and ``data``, as the command lines name them."""
    (tmp_path / "nets").mkdir()
    for packed in (GOLDEN / "nets").glob("*.jsn.gz"):
        (tmp_path / "nets" / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    shutil.copytree(FILES / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path
