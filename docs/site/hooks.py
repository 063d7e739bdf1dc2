"""What the site has beyond the pages of docs/: references, sources that pages link to, diagrams and formulas.

MkDocs calls these functions while it builds (mkdocs.yml names this file).  Nothing is loaded from the
network, neither now nor when a page is read: diagrams become SVG and formulas MathML here.
"""

from __future__ import annotations

import hashlib
import html
import importlib
import os
import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote

import mermaidx
from command_reference import commands_page
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCE = "source"
"""Folder of the site for what stands outside docs/ and is linked to."""
DOORS = {"lstmcore": "lstmcore", "features": "lstmcore.features", "experiments": "lstmcore.experiments"}
SHOWN = {".py": "python", ".json": "json", ".toml": "toml", ".csv": "text", ".cff": "yaml", "": "text"}
"""Files that are shown as a page, by their ending; others are copied as they are."""

_ASIDE = InclusionLevel.NOT_IN_NAV
_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
_FENCE = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put pages that mkdocs.yml doesn't name beside those of their folder, or under More."""
    made = {path.relative_to(DOCS).with_suffix(".md").as_posix() for path in DOCS.rglob("*.ipynb")}
    listed: dict[str, tuple[list[Any], str]] = {}
    nav: list[Any] = config.nav or []
    for section in nav:
        for pages in section.values():
            for page in pages:
                listed[page] = (pages, posixpath.dirname(page))
    more: list[str] = []
    for name in sorted({path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} | made):
        if name not in listed:
            beside = [
                pages for pages, folder in listed.values() if folder and folder == posixpath.dirname(name)
            ]
            (beside[-1] if beside else more).append(name)
    if more:
        nav.append({"More": more})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here, and all outside docs/ that a page links to."""
    pages = {
        "reference/commands.md": commands_page(),
        **{f"reference/{k}.md": _door(v) for k, v in DOORS.items()},
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    for path in sorted(DOCS.rglob("*.ipynb")):
        for made in _notebook(path, config):
            files.append(made)
    todo = [p for path in DOCS.rglob("*.md") for p in _links_out(path)]
    done: set[Path] = set()
    while todo:
        path = todo.pop()
        if path in done:
            continue
        done.add(path)
        shown = _as_page(path)
        if shown is None:
            files.append(File.generated(config, _place(path), abs_src_path=str(path), inclusion=_ASIDE))
            continue
        todo += _links_out(_page_of(path))
        front = f"---\nsearch: {{exclude: true}}\ntitle: {path.relative_to(ROOT).as_posix()}\n---\n"
        files.append(File.generated(config, _place(path), content=front + shown, inclusion=_ASIDE))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links that leave docs/, and those of pages from outside it, lead to the pages of the site."""
    uri = page.file.src_uri
    if uri.startswith("reference/"):
        return markdown
    inside = not uri.startswith(f"{SOURCE}/")
    origin = (DOCS / uri if inside else ROOT / uri.removeprefix(f"{SOURCE}/")).parent

    def site(match: re.Match[str]) -> str:
        target = _target(origin, match[2])
        if target is not None and target.suffix == ".ipynb" and not uri.startswith("notebooks/"):
            target = target.with_suffix(".md")  # which is made of it
        elif target is None or (inside and target.is_relative_to(DOCS)):
            return match[0]
        place = target.relative_to(DOCS).as_posix() if target.is_relative_to(DOCS) else _place(target)
        return f"{match[1]}{quote(posixpath.relpath(place, posixpath.dirname(uri)))}{match[3]}"

    parts = _FENCE.split(markdown)
    return "".join(_fenced(p) if p.startswith("```") else _LINK.sub(site, p) for p in parts)


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn formulas into MathML, which browsers draw themselves."""

    def formula(match: re.Match[str]) -> str:
        display = "block" if match[2] == "[" else "inline"
        text = html.unescape(match[3].strip()).replace("{aligned}", "{align*}")  # which the converter has not
        drawn = convert(text, display=display)
        return f'<div class="formula">{drawn}</div>' if display == "block" else drawn

    return _FORMULA.sub(formula, content)


def _fenced(block: str) -> str:
    """Draw a Mermaid diagram, for light and for dark pages; leave other blocks as they are."""
    if not block.startswith("```mermaid"):
        return block
    source = block.removeprefix("```mermaid").removesuffix("```")
    drawn = []
    for theme, scheme in (("neutral", "light"), ("dark", "dark")):
        name = f"{scheme}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
        svg = mermaidx.render(source, theme=theme).svg().replace("my-svg", name).replace("\n", " ")
        drawn.append(f'<div class="diagram diagram-{scheme}">{svg}</div>')
    return "\n\n".join(drawn)


def _door(module: str) -> str:
    """Return the reference of what a module lets its users import."""
    names = sorted(importlib.import_module(module).__all__, key=str.lower)
    lines = [
        f"# {module}",
        "",
        f"::: {module}",
        "    options: {members: false, show_root_heading: false}",
        "",
    ]
    for name in names:
        lines += [f"::: {module}.{name}", ""]
    return "\n".join(lines)


def _notebook(path: Path, config: MkDocsConfig) -> list[File]:
    """Return a notebook's page and its pictures."""
    exporter = MarkdownExporter()
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    name = path.relative_to(DOCS).with_suffix("").as_posix()
    text, resources = exporter.from_filename(str(path), {"output_files_dir": posixpath.basename(name)})
    text = re.sub(r"<style scoped>.*?</style>", "", text, flags=re.DOTALL)  # of pandas' tables
    text = text.replace(' border="1" class="dataframe"', "")
    text += f"\nThis page is a notebook: [{path.name}]({path.name}).\n"
    pictures = resources["outputs"].items()
    folder = posixpath.dirname(name)
    return [
        File.generated(config, f"{name}.md", content=text),
        *(File.generated(config, posixpath.join(folder, place), content=data) for place, data in pictures),
    ]


def _target(folder: Path, link: str) -> Path | None:
    """Return the file or folder of the repository that a link leads to, if it does."""
    if re.match(r"[a-z]+:", link):
        return None
    path = Path(os.path.normpath(folder / unquote(link)))
    return path if path.exists() and path.is_relative_to(ROOT) else None


def _links_out(page: Path) -> list[Path]:
    """Return what a page links to outside docs/."""
    if page.suffix != ".md":
        return []
    text = _FENCE.sub("", page.read_text())
    found = [_target(page.parent, link) for _, link, _ in _LINK.findall(text)]
    return [path for path in found if path is not None and not path.is_relative_to(DOCS)]


def _page_of(path: Path) -> Path:
    """Return the page that a folder is seen by, if it has one."""
    page = path / "README.md"
    return page if page.is_file() else path


def _place(path: Path) -> str:
    """Return where a file outside docs/ stands in the site."""
    place = PurePosixPath(SOURCE) / path.relative_to(ROOT).as_posix()
    if path.is_dir():
        return f"{place}/README.md"
    return f"{place}.md" if path.suffix in SHOWN else str(place)


def _as_page(path: Path) -> str | None:
    """Return a file or folder as Markdown, if it is one that can be shown."""
    if (page := _page_of(path)).suffix == ".md":
        return page.read_text()
    heading = f"# {path.relative_to(ROOT).as_posix()}\n\n"
    if path.is_dir():
        return heading + "".join(f"* `{p.name}{'/' * p.is_dir()}`\n" for p in sorted(path.iterdir()))
    if path.suffix in SHOWN:
        return f"{heading}``````{SHOWN[path.suffix]}\n{path.read_text()}\n``````\n"
    return None
