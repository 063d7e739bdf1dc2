"""The same bytes wherever a run takes place: locales, time zones, folders, umasks, orders of sets."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parent.parent
ROOMS = ("lstmcore", "features", "experiments")

# The dots of İ and ı, what sorts otherwise in other languages, and what has two capitals.
SONGS = ("İstanbul", "ISPARTA", "ısı", "Straße", "zebra", "Äpfel", "çay", "10 Lieder", "9 Lieder")
EXPERIMENT = """
name = "here"
[data]
source = "table"
root = "."
scale = [1, 9]
[data.table]
file = "frames.csv"
targets = ["Freude", "İlgi"]
[folds]
count = 4
team_test = 3
[network]
hidden = [3]
[training]
learning_rate = 1e-3
max_epochs = 3
[pretraining]
learning_rate = 1e-3
max_epochs = 2
[ensemble]
trials = 1
"""
# As a program would that takes over what the user's desk is set to; a command does not.
BEGIN = "import locale; locale.setlocale(locale.LC_ALL, ''); "
RUN = "from lstmcore.experiments.cli import main_run; main_run()"
# What differs by nature: how long things took, on which machine.
DIFFERENT = {"history.csv", "stages.csv", "environment.json", "report.html"}


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a German and a Turkish locale, compiled of what the C library brings."""
    folder = tmp_path_factory.mktemp("locales")
    compiler = shutil.which("localedef")
    for name in ("de_DE", "tr_TR"):
        line = [compiler or "localedef", "-i", name, "-f", "UTF-8", str(folder / f"{name}.UTF-8")]
        if compiler is None or subprocess.run(line, capture_output=True, check=False).returncode:
            pytest.skip(f"no localedef, or no source of the locale {name}: other locales were not tried")
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment in a folder whose name has a space and letters that aren't ASCII."""
    folder = tmp_path_factory.mktemp("same") / "Übung 1 ı"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = ["song,time,mfcc_1,mfcc_2,TEMPI,Freude,İlgi"]
    for n, song in enumerate(SONGS):
        for k in range(8 - n % 2):
            x = rng.standard_normal(3).round(3)
            numbers = [k / 2, *x, *(5 + np.tanh(x[:2])).round(3)]
            lines.append(",".join([song, *map(str, numbers)]))
    (folder / "frames.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "here.toml").write_text(EXPERIMENT, encoding="utf-8")
    return folder


def begun(
    file: Path,
    out: Path | str,
    *words: str,
    code: str = RUN,
    cwd: Path = ROOT,
    umask: int = 0o022,
    **changed: str,
) -> subprocess.CompletedProcess[str]:
    """Run an experiment in a process of other surroundings; an empty variable is taken away."""
    variables = {name: value for name, value in (os.environ | changed).items() if value}
    # What is imported and compiled is not what is looked at.
    variables["PYTHONPATH"] = str(ROOT)
    return subprocess.run(
        [sys.executable, "-c", code, str(file), "--out", str(out), *words],
        cwd=cwd,
        env=variables,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        umask=umask,
        check=False,
    )


def left_by(folder: Path) -> dict[str, bytes]:
    """What a run left, but for what differs by nature; of the report its data and its first sentences."""
    files = {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*")) if file.is_file()}
    found = {
        name: file.read_bytes()
        for name, file in files.items()
        if name not in DIFFERENT and not name.startswith(("jobs/", ".lock"))
    }
    report = (folder / "report.html").read_bytes()
    (data,) = re.findall(rb'<script type="application/json" id="data">(.*?)</script>', report, re.DOTALL)
    return found | {"data of the report": data}


@pytest.fixture(scope="module")
def plain(source: Path) -> Path:
    """The run that others are compared with."""
    out = source.parent / "plain"
    done = begun(source / "here.toml", out, "--workers", "1", PYTHONHASHSEED="0", TZ="UTC", LC_ALL="C.UTF-8")
    assert done.returncode == 0, done.stderr
    return out


def test_a_decimal_comma_a_time_zone_a_narrow_umask_another_folder_and_order_of_sets(source, plain, locales):
    elsewhere = source.parent / "elsewhere"
    elsewhere.mkdir()
    done = begun(
        *(Path("..", source.name, "here.toml"), "German", "--workers", "2"),
        **{"code": BEGIN + RUN, "cwd": elsewhere, "umask": 0o077},
        **{"LC_ALL": "de_DE.UTF-8", "LOCPATH": str(locales), "LANGUAGE": "de"},
        **{"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "1"},
    )
    assert done.returncode == 0, done.stderr
    out = elsewhere / "German"
    assert left_by(out) == left_by(plain)
    modes = {path.stat().st_mode & 0o777 for path in out.rglob("*")}
    assert modes == {0o700, 0o600}  # nobody else reads what the umask keeps to oneself


def test_turkish_letters_a_time_zone_with_summer_time_a_wide_umask_and_no_home(source, plain, locales):
    out = source.parent / "Turkish"
    done = begun(
        *(source / "here.toml", out),
        **{"code": BEGIN + RUN, "umask": 0},
        **{"LC_ALL": "tr_TR.UTF-8", "LOCPATH": str(locales), "TZ": "America/New_York"},
        **{"HOME": str(source / "here.toml" / "no folder"), "PYTHONHASHSEED": "2"},
    )
    assert done.returncode == 0, done.stderr
    assert left_by(out) == left_by(plain)
    assert (out / "metrics.json").stat().st_mode & 0o777 == 0o666


def test_a_system_that_knows_ascii_only(source, plain):
    """Names of files are refused in words where they are none there; what is in files is UTF-8."""
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "HOME": "", "TZ": ""}
    refused = begun(source / "here.toml", source.parent / "refused", **ascii_only)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "config.toml: can't hold what isn't UTF-8: root = " in refused.stderr
    link = source.parent / "here"
    shutil.copytree(source, link)
    out = source.parent / "ascii"
    done = begun(link / "here.toml", out, **ascii_only)
    assert done.returncode == 0, done.stderr
    apart = dict.fromkeys(("config.toml", ".config.sha256", "report"), b"")  # of the folder of the data
    assert left_by(out) | apart == left_by(plain) | apart
    assert (out / "config.toml").read_bytes() == (plain / "config.toml").read_bytes().replace(
        str(source).encode(), str(link).encode()
    )


def test_the_configuration_that_a_run_leaves_runs_anywhere(source, plain, tmp_path):
    """And says by which versions its results may differ."""
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(plain / "config.toml", copy)
    held = json.loads((plain / "environment.json").read_text())
    held["packages"]["numpy"], held["system"] = "2.0.0", "of another kernel"
    del held["blas"], held["sha256"]  # not told by earlier versions
    (copy / "environment.json").write_text(json.dumps(held))
    done = begun(copy / "config.toml", "again", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert left_by(tmp_path / "again") == left_by(plain)
    here = json.loads((plain / "environment.json").read_text())["packages"]["numpy"]
    first = done.stderr.splitlines()[0]
    assert first == (
        f"{copy / 'environment.json'}: numpy 2.0.0 there, {here} here. Results may differ in the last digits"
    )


def test_a_run_that_goes_on_with_other_versions_says_so_and_keeps_both(source, plain, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(plain, out)
    file = out / "environment.json"
    whole = json.loads(file.read_text())
    del whole["sha256"]  # as earlier versions wrote it
    theirs = whole | {"python": "3.11.0", "processor": "another"}
    file.write_text(json.dumps(theirs))
    for _ in range(2):
        done = begun(source / "here.toml", out)
        assert done.returncode == 0, done.stderr
        told = [line for line in done.stderr.splitlines() if "environment.json" in line]
        python, processor = whole["python"], whole["processor"]
        assert told == [
            f"{file}: processor another there, {processor} here; python 3.11.0 there, {python} here. "
            "Results may differ in the last digits"
        ]
        held = json.loads(file.read_text())
        del whole["config_sha256"], held["sha256"]
        assert held.pop("also_run_with") == [whole]
        assert held == theirs
        whole["config_sha256"] = theirs["config_sha256"]
    assert left_by(out) == left_by(plain)


FEATURES = """
import hashlib, locale, sys
print(locale.localeconv()["decimal_point"])
from lstmcore.features import extract_features
for name in ("FS2", "tonality"):
    table = extract_features(sys.argv[1], name)
    print(name, len(table), hashlib.sha256(table.to_numpy().tobytes()).hexdigest())
"""


def test_features_of_audio_where_numbers_have_a_decimal_comma(locales, tmp_path):
    """openSMILE reads its configuration by the C library, which heeds the locale of the process."""
    song = tmp_path / "çay.wav"
    soundfile.write(song, np.random.default_rng(1).integers(-9000, 9000, 3 * 16000, np.int16), 16000)
    code = f"{BEGIN}\n{FEATURES}"
    here = begun(song, "", code=code, LC_ALL="C.UTF-8")
    there = begun(song, "", code=code, LC_ALL="de_DE.UTF-8", LOCPATH=str(locales))
    assert here.returncode == there.returncode == 0, here.stderr + there.stderr
    assert (here.stdout[0], there.stdout[0]) == (".", ",")
    assert here.stdout[1:] == there.stdout[1:]
    assert here.stdout.count("\n") == 3


# --- the kind, in the code ------------------------------------------------------------------------------

_LISTING = {"glob", "rglob", "iterdir", "listdir", "scandir", "walk"}
_UNORDERED = {"set", "frozenset"}
# Where order makes nothing: these take all, or ask for one.
_TAKES_ALL = {"sorted", "set", "frozenset", "any", "all", "sum", "max", "min", "len", "next", "dict"}


def without_encoding(tree: ast.AST) -> Iterator[int]:
    """Lines that read or write text in whatever encoding the locale has."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        words = {word.arg for word in node.keywords}
        told = "encoding" in words or None in words
        places = [
            arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
        ]
        if name in ("read_text", "write_text"):
            ours = name == "write_text" and isinstance(node.func, ast.Name)  # that of experiments.files
            if not told and not ours:
                yield node.lineno
        elif name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile", "TextIOWrapper"):
            binary = any("b" in place for place in places)
            if not told and not binary and ast.unparse(node.func) not in _NOT_TEXT:
                yield node.lineno


# Openers of other things than text.
_NOT_TEXT = {"os.open", "av.open", "wave.open", "tempfile.TemporaryFile", "webbrowser.open"}


def in_any_order(tree: ast.AST) -> Iterator[int]:
    """Lines that go through a folder or a set in the order that the system or the hashes have."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        loops = [node.iter] if isinstance(node, ast.For | ast.comprehension) else []
        for called in loops:
            if isinstance(called, ast.Set | ast.SetComp):
                yield called.lineno
            if not isinstance(called, ast.Call):
                continue
            name = called.func.attr if isinstance(called.func, ast.Attribute) else ast.unparse(called.func)
            if name not in _LISTING | _UNORDERED:
                continue
            if name == "walk" and isinstance(node, ast.For) and "sort" in ast.unparse(node):
                continue
            owner = parents[node]  # of a comprehension: what it makes, and who takes that
            taker = parents.get(owner)
            taken = isinstance(owner, ast.SetComp | ast.DictComp) or (
                isinstance(taker, ast.Call) and ast.unparse(taker.func) in _TAKES_ALL
            )
            if not (isinstance(node, ast.comprehension) and taken):
                yield called.lineno


def by_locale(tree: ast.AST) -> Iterator[int]:
    """Lines whose text or order depends on the locale."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("strftime", "strxfrm", "strcoll", "setlocale"):
            yield node.lineno


CHECKS = (without_encoding, in_any_order, by_locale)


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_in_the_code_depends_on_the_surroundings(check):
    found = {
        f"{file.relative_to(ROOT)}:{line}"
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
        if not (room == "lstmcore" and {"features", "experiments"} & {*file.relative_to(ROOT).parts[1:2]})
        for line in check(ast.parse(file.read_text(encoding="utf-8")))
    }
    assert not found, f"{check.__doc__} {', '.join(sorted(found))}"


BAD = """
path.read_text()
open(path)
write = path.open("w")
for file in folder.iterdir(): read(file)
names = [file.name for file in folder.glob("*")]
for one in set(names): print(one)
for one in {"b", "a"}: print(one)
time.strftime("%x")
"""
GOOD = """
path.read_text(encoding="utf-8")
open(path, "rb")
write_text(path, text)
for file in sorted(folder.iterdir()): read(file)
names = sorted(file.name for file in folder.glob("*"))
found = {file.name for file in folder.glob("*")}
for here, folders, names in os.walk(folder): folders.sort()
for one in set(names) if False else []: print(one)
"""


def test_the_checks_tell_good_from_bad():
    assert [list(check(ast.parse(BAD))) for check in CHECKS] == [[2, 3, 4], [5, 7, 8, 6], [9]]
    assert [list(check(ast.parse(GOOD))) for check in CHECKS] == [[], [], []]
