"""README and docs: their Python runs, their TOML loads, their options, keys and links are there."""

import re
from importlib import metadata
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer.main

from lstmcore.experiments.cli import app
from lstmcore.experiments.config import Data, Experiment, load_experiment
from tests.lstmcore.cuda_here import MISSING

ROOT = Path(__file__).parent.parent
README, INSTALL = ROOT / "README.md", ROOT / "docs" / "install.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
# currennt.md needs files of CURRENNT's, and has a test beside them. Blocks with a title are lines of
# a source.
WITH_PYTHON = [page for page in PAGES if "```python\n" in page.read_text() and page.name != "currennt.md"]


def name_of(page):
    return str(page.relative_to(ROOT))


def blocks(page, language):
    """Fenced blocks of a page in one language ("" for none)."""
    return [
        text
        for found, text in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.M | re.S)
        if found == language
    ]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_the_python_of_a_page_runs_from_its_top(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    time = np.arange(5 * 44100) / 44100
    soundfile.write("song.mp3", 0.3 * np.sin(2 * np.pi * 220 * time) * (time % 0.5 < 0.2), 44100)
    namespace = {}
    for block in blocks(page, "python"):
        if MISSING:
            block = block.replace('backend="cuda"', 'backend="cpu"')
        exec(compile(block, page.name, "exec"), namespace)
    results = {
        "README.md": lambda: namespace["curve"].shape == (60, 2),
        "cuda.md": lambda: len(namespace["best"]) == 5,
        "engine.md": lambda: namespace["y"].shape == (2,),
        "features.md": lambda: namespace["table"].shape[1] == 261,
        "sklearn.md": lambda: [len(curve) for curve in namespace["held_out"]] == [40, 60, 50, 45, 55, 50],
        "models.md": lambda: namespace["mean"].shape == (1, 120, 2),
    }
    assert results[page.name]()


def test_no_page_with_python_is_left_out():
    pages = ["README.md", "cuda.md", "engine.md", "features.md", "models.md", "sklearn.md"]
    assert [page.name for page in WITH_PYTHON] == pages


def test_the_toml_of_a_page_is_an_experiment(tmp_path):
    whole, *parts = blocks(ROOT / "docs" / "experiments.md", "toml")
    assert len(parts) == 3  # [[systems]], [search] and [[ablation]]
    for n, text in enumerate(["", *parts]):
        file = tmp_path / f"{n}.toml"
        file.write_text(f"{whole}\n{text}")
        assert load_experiment(file, []).name == "mine"


def test_the_keys_of_the_tables_are_those_of_the_configuration():
    named = {}
    for page in ("data", "experiments"):
        for table in re.findall(
            r"^\| key \| .*\n((?:\|.*\n)+)", (ROOT / "docs" / f"{page}.md").read_text(), re.M
        ):
            section = None
            for cell in re.findall(r"^\| (.*?) \|", table, re.M):
                for first, key in re.findall(r"`(\w*)\.(\w+)`", cell):
                    section = first or section
                    named.setdefault(section, set()).add(key)
    for section, keys in named.items():
        assert keys <= set(Experiment.model_fields[section].annotation.model_fields), section
    assert named["data"] | {"source", "root", "procedural"} == set(Data.model_fields)


def usages():
    """Lines of commands in blocks without a language, with the lines that go on below them."""
    for page in PAGES:
        for block in blocks(page, ""):
            for line in re.sub(r"\n\s+", " ", block).splitlines():
                words = re.match(r"lstmcore(?:-run| ([a-z-]+)) ", line)
                if words:
                    yield pytest.param(words[1] or "run", line, id=f"{page.name}: {words[0]}")


@pytest.mark.parametrize(("name", "line"), list(usages()))
def test_the_options_of_a_command_are_those_it_has(name, line):
    command = typer.main.get_command(app).commands[name]
    options = set(chain.from_iterable([*p.opts, *p.secondary_opts] for p in command.params))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]*", line)) <= options


def anchors(page):
    """Where links into a page may point: its headings, as GitHub writes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


MARKDOWN = sorted(
    p for p in ROOT.rglob("*.md") if not any(part.startswith(".") for part in p.relative_to(ROOT).parts[:-1])
)


@pytest.mark.parametrize("page", MARKDOWN, ids=name_of)
def test_what_a_page_links_to_is_there(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), target
        assert there.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(there), target


def test_every_page_can_be_reached_from_the_readme():
    reached, todo = set(), [README]
    while todo:
        page = todo.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = re.findall(r"\]\(([^)\s#]+\.md)", page.read_text())
        todo += [(page.parent / t).resolve() for t in targets if not t.startswith("http")]
    assert set(PAGES) <= reached


def test_the_extras_are_those_there_are():
    table = re.findall(
        r"^\| `(\w+)` \| .* \| (?:there|`uv run --extra (\w+) …`) \|$", INSTALL.read_text(), re.M
    )
    extras = metadata.metadata("lstmcore").get_all("Provides-Extra")
    assert sorted(name for name, _ in table) == sorted(extras)
    assert [other for name, other in table if other] == ["mlflow", "cuda", "cuda13"]
    named = {extra for page in PAGES for extra in re.findall(r"\.\[([\w,]+)\]'", page.read_text())}
    assert set(",".join(named).split(",")) <= set(extras)


def test_extras_that_a_clone_is_said_to_have_are_in_its_environment():
    needed = {
        "search": "optuna",
        "parquet": "pyarrow",
        "netcdf4": "netCDF4",
        "media": "av",
        "sklearn": "scikit-learn",
        "tensorboard": "tensorboardX",
    }
    assert all(metadata.version(package) for package in needed.values())


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_nothing_is_installed_by_a_name_that_no_index_knows(page):
    assert not re.findall(r"pip install (?:-\S+ )*'?lstmcore", page.read_text())


def test_the_first_screens_of_the_readme():
    text = README.read_text()
    assert len(text.splitlines()) <= 130
    assert "`uv run lstmcore doctor`" in text.split("## The engine")[0]
    assert text.index("experiments/ ────") < text.index("## Two commands")
    commands = "".join(blocks(README, "sh")).splitlines()
    assert commands == [
        "python3 -m pip install uv && uv run lstmcore-run quickstart",
        "python3 -m pip install uv && uv run pytest",
    ]
