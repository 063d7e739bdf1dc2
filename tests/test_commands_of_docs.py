"""Every command that README, docs and --help show: it is one that there is, and the quick ones are run.

What takes minutes or a data set is taken apart as the command would do it, and not carried out.
"""

import importlib.util
import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer.main
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.currennt.options.table import TABLE

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = typer.main.get_command(app).commands
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())
BEGIN = r"(?:uv run |python -m |lstmcore |lstmcore-run|lstmcore-currennt)"
# What is no word of a command line: an alternative, something that may be left out.
FORM = re.compile(r"[\[\]|]")


def written():
    """Command lines of the pages and examples of --help: where each stands, and whether it is whole.

    In running text the beginning of a command stands for it.
    """
    found = {}
    for page in PAGES:
        text = page.read_text()
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S):
            if language in ("", "sh", "console"):
                for line in re.sub(r"\\\n\s*|\n\s+", " ", block).splitlines():
                    line = re.sub(r"(?<=\s)#.*", "", line).removeprefix("$ ").strip()
                    for part in line.split(" && "):
                        found.setdefault(part, (page.name, True))
        rest = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
        for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", rest):
            found.setdefault(code, (page.name, False))
    for name, command in COMMANDS.items():
        for example in re.findall(r"^ *Example: (.*)$", command.help or "", re.M):
            found.setdefault(example, (f"{name} --help", True))
    return {line: found[line] for line in found if re.match(BEGIN, line)}


WRITTEN = written()


def check(words, whole):
    """See that a command line is one that the program takes."""
    match words:
        case ["uv", "run", *rest]:
            names = GROUPS["dependency-groups"] | GROUPS["project"]["optional-dependencies"]
            while rest and rest[0].startswith("-"):
                option = rest.pop(0)
                if option in ("--group", "--extra", "--with"):
                    assert rest.pop(0) in names or option == "--with"
            if rest and rest[0] != "…":
                check(rest, whole)
        case ["python", "-m", module, *rest]:
            spec = None if module == "benchmarks.NAME" else importlib.util.find_spec(module)
            assert module == "benchmarks.NAME" or spec is not None
            if spec is not None and module.startswith("benchmarks."):
                text = Path(spec.origin).read_text()
                takes_settings = (
                    {"--set", "--workers"} if "arguments" in text or "argparse" in text else set()
                )
                for option in options_of(rest) - takes_settings:
                    assert option in text or option[2:].replace("-", "_") in text, option
        case ["lstmcore-currennt", *rest]:
            assert {option[2:] for option in options_of(rest)} <= set(TABLE) | {"help"}
        case ["lstmcore" | "lstmcore-run", option] if option.startswith("-"):
            assert option in ("--help", "--version", "--install-completion", "--show-completion")
        case ["lstmcore-run", *rest]:
            parse("run", rest, whole)
        case ["lstmcore", name, *rest]:
            if name != "COMMAND":
                parse(name, rest, whole)
        case ["pytest" | "mkdocs" | "pre-commit" | "coverage" | "jupytext" | "python" | "ruff" | "mypy", *_]:
            pass
        case _:
            raise AssertionError(words)


def options_of(words):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]*", " ".join(words)))


def parse(name, words, whole):
    """Take apart what a command of ours was given, as it would itself."""
    command = COMMANDS[name]
    known = {o for p in command.params for o in [*p.opts, *p.secondary_opts]} | {"--help"}
    assert options_of(words) <= known, sorted(options_of(words) - known)
    if any(FORM.search(word) and "=" not in word for word in words) or "--help" in words:
        return
    if not whole and words and words[-1] in known:
        words = words[:-1]  # an option is spoken of, without a value
    try:
        command.make_context(name, list(words))
    except typer.BadParameter as error:
        if whole or "Missing" not in type(error).__name__:
            raise


@pytest.mark.parametrize(
    ("line", "whole"), [pytest.param(line, w, id=f"{place}: {line}") for line, (place, w) in WRITTEN.items()]
)
def test_a_command_that_is_shown_is_one_there_is(line, whole):
    check(shlex.split(line), whole)


# What each leaves, given the files that it names. The other commands take minutes or a data set;
# CURRENNT's have a test of their own, on files of CURRENNT's.
RUN = {
    "lstmcore predict SONG --out curves.csv": "curves.csv",
    "lstmcore plot SONG --view emotion --out song.png": "song.png",
    "lstmcore predict music/ --out curves.jsonl --page songs.html": "songs.html",
    "lstmcore features music/ --set FS2 --out features.csv": "features.csv",
    "lstmcore example quickstart --out mine.toml": "mine.toml",
    "lstmcore init FOLDER": "FOLDER.toml",
    "lstmcore convert train.csv train.nc": "train.nc",
    "lstmcore models": None,
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with what the commands above name."""
    folder = tmp_path_factory.mktemp("desk")
    time = np.arange(20 * 22050) / 22050
    sound = 0.3 * np.sin(2 * np.pi * 220 * time) * (time % 0.5 < 0.2)
    (folder / "music").mkdir()
    for name in ("SONG", "music/a.wav", "music/b.wav"):
        soundfile.write(folder / name, sound, 22050, format="WAV")
    (folder / "FOLDER").mkdir()
    rows = [f"{song},{t / 2},{t % 7},{t % 5 + song / 10},{t % 3 + 1}" for song in range(8) for t in range(20)]
    (folder / "FOLDER" / "frames.csv").write_text("song,time,loud,bright,arousal\n" + "\n".join(rows) + "\n")
    (folder / "train.csv").write_text(
        "tag,sequence,frame,input_0,target_0\na,0,0,0.5,1\na,0,1,0.25,0\nb,1,0,1,1\n"
    )
    return folder


@pytest.mark.parametrize(("line", "left"), RUN.items(), ids=RUN)
def test_a_quick_command_runs_as_it_is_shown(line, left, desk, monkeypatch):
    assert line in WRITTEN
    monkeypatch.chdir(desk)
    result = CliRunner().invoke(app, shlex.split(line)[1:])
    assert result.exit_code == 0, result.output
    assert (desk / left).stat().st_size > 0 if left else result.output
