"""README and docs: their Python runs as it stands, and what they tell to install can be installed."""

import re
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.lstmcore.cuda_here import MISSING

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Needs files of CURRENNT's, and has a test beside them.
WITH_PYTHON = [page for page in PAGES if "```python" in page.read_text() and page.name != "currennt.md"]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_the_python_of_a_page_runs_from_its_top(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    time = np.arange(5 * 44100) / 44100
    soundfile.write("song.mp3", 0.3 * np.sin(2 * np.pi * 220 * time) * (time % 0.5 < 0.2), 44100)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    namespace = {}
    for block in blocks:
        if MISSING:
            block = block.replace('backend="cuda"', 'backend="cpu"')
        exec(compile(block, page.name, "exec"), namespace)
    results = {
        "README.md": lambda: namespace["y"].shape == (2,),
        "cuda.md": lambda: len(namespace["best"]) == 5,
        "features.md": lambda: namespace["table"].shape[1] == 261,
    }
    assert results[page.name]()


def test_no_page_of_three_is_left_out():
    assert [page.name for page in WITH_PYTHON] == ["README.md", "cuda.md", "features.md"]


def test_the_extras_are_those_there_are():
    table = re.findall(
        r"^\| `(\w+)` \| .* \| (?:there|`uv run --extra (\w+) …`) \|$", PAGES[0].read_text(), re.M
    )
    extras = metadata.metadata("lstmcore").get_all("Provides-Extra")
    assert sorted(name for name, _ in table) == sorted(extras)
    assert [other for name, other in table if other] == ["cuda", "cuda13"]
    named = {extra for page in PAGES for extra in re.findall(r"\.\[([\w,]+)\]'", page.read_text())}
    assert set(",".join(named).split(",")) <= set(extras)


def test_extras_that_a_clone_is_said_to_have_are_in_its_environment():
    needed = {"search": "optuna", "parquet": "pyarrow", "netcdf4": "netCDF4"}
    assert all(metadata.version(package) for package in needed.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_is_installed_by_a_name_that_no_index_knows(page):
    assert not re.findall(r"pip install (?:-\S+ )*'?lstmcore", page.read_text())


def test_the_doctor_is_called_as_a_clone_can():
    assert "`uv run lstmcore doctor`" in PAGES[0].read_text().split("## Install")[0]
