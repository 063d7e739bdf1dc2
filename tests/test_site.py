"""The site of docs/ has no broken link and needs no network; notebooks run, and are made of their sources."""

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

import lstmcore
from lstmcore.experiments.cli import app

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.py"))


def in_group(package):
    """Skip a test where the group docs isn't installed; `.ci/run` installs it."""
    return pytest.importorskip(package, reason="needs the group docs: uv run --group docs pytest")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    in_group("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def pages(site):
    return {path.relative_to(site).as_posix(): path.read_text() for path in site.rglob("*.html")}


def test_every_page_is_there(site):
    there = pages(site)
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        assert name.replace("README", "index") in there
    assert "source/lstmcore/cell.py.html" in there  # what stands outside docs/ and is linked to


def test_nothing_is_loaded_from_a_network(site):
    loaded = re.compile(r"<(?:script|img|iframe|source)[^>]* src=\"?(?:https?:)?//|url\((?:https?:)?//")
    styles = re.compile(r"<link[^>]* rel=\"?(?:stylesheet|preconnect|preload)[^>]* href=\"?(?:https?:)?//")
    for name, text in pages(site).items():
        assert not loaded.search(text), name
        assert not styles.search(text), name


def test_formulas_and_diagrams_are_drawn(site):
    mathematics, house = (pages(site)[f"{name}.html"] for name in ("mathematics", "architecture"))
    assert mathematics.count("<math") > 20
    assert "arithmatex" not in mathematics
    assert not re.search("<mi>&(amp;)?</mi>", mathematics)  # a sign that the converter didn't understand
    diagrams = (ROOT / "docs" / "architecture.md").read_text().count("```mermaid")
    assert (
        house.count('class="diagram diagram-light"')
        == house.count('class="diagram diagram-dark"')
        == diagrams
    )


def test_the_reference_has_every_name_and_every_option(site):
    names = pages(site)["reference/lstmcore.html"]
    assert all(f'id="lstmcore.{name}"' in names for name in lstmcore.__all__)
    commands = html.unescape(pages(site)["reference/commands.html"])
    for name, command in typer.main.get_command(app).commands.items():
        assert f'id="lstmcore-{name}"' in commands
        for parameter in command.params:
            assert all(option in commands for option in parameter.opts if option.startswith("--"))


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_is_made_of_its_source(source, monkeypatch):
    jupytext, client = in_group("jupytext"), in_group("nbclient")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    written = json.loads(source.with_suffix(".ipynb").read_text())
    notebook = jupytext.read(source)

    def cells(of):
        return [(cell["cell_type"], "".join(cell["source"])) for cell in of["cells"]]

    made_again = "uv run --group docs jupytext --to ipynb --execute docs/notebooks/*.py"
    assert cells(written) == cells(notebook), made_again
    client.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()

    def shown(of):
        return [
            sorted({kind for o in cell.get("outputs", ()) for kind in o.get("data", ())})
            for cell in of["cells"]
        ]

    assert shown(notebook) == shown(written), made_again


def test_notebooks_are_small():
    assert sum(path.with_suffix(".ipynb").stat().st_size for path in NOTEBOOKS) < 300_000
