"""What is built and installed: one name, plain files, and commands that work from any folder."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import lstmcore
from lstmcore.experiments.config.shipped import shipped_names, text_of

ROOT = Path(__file__).parent.parent
ROOMS = ("features", "experiments")
NAME = f"lstmcore-{lstmcore.__version__}"
COMMANDS = {"lstmcore", "lstmcore-run", "lstmcore-currennt"}
UV = os.environ.get("UV") or shutil.which("uv")
pytestmark = pytest.mark.slow


def files_of_the_checkout() -> set[str]:
    """Every file of the three rooms, by its place in the package."""
    found = set()
    for room in ("lstmcore", *ROOMS):
        place = Path() if room == "lstmcore" else Path("lstmcore")
        for folder, folders, files in os.walk(ROOT / room):  # which goes into no link
            folders[:] = [f for f in folders if f != "__pycache__"]
            found |= {str(place / (Path(folder) / f).relative_to(ROOT)) for f in files}
    return found


def run(command: list[object], folder: Path) -> str:
    """Run a command in a folder, without what the environment says of Python; return its output."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "COV"))}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An sdist, a wheel of the checkout, and a wheel of that sdist, which is what ``uv build`` makes."""
    folder = tmp_path_factory.mktemp("built")
    build = [sys.executable, "-m", "hatchling", "build", "-d", folder]
    run([*build, "-t", "sdist"], ROOT)
    run([*build, "-t", "wheel"], ROOT)
    with tarfile.open(folder / f"{NAME}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    again = folder / "again"
    run([*build[:-1], again, "-t", "wheel"], folder / NAME)
    wheel = f"{NAME}-py3-none-any.whl"
    return {"sdist": folder / f"{NAME}.tar.gz", "wheel": folder / wheel, "wheel of the sdist": again / wheel}


@pytest.fixture(scope="module")
def python(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with the wheel; what it depends on is lent by this one."""
    if UV is None:
        pytest.skip("no uv on the path")
    folder = tmp_path_factory.mktemp("environment") / "venv"
    run([UV, "venv", "--quiet", "--offline", "--python", sys.executable, folder], ROOT)
    python = folder / "bin" / "python"
    site = Path(run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip())
    lent = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    (site / "lent.pth").write_text(
        "\n".join(sorted(lent)) + "\n"
    )  # names folders; their own .pth aren't read
    before = set(site.iterdir()), set(python.parent.iterdir())
    wheel = built["wheel of the sdist"]
    run([UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel], folder)
    assert {p.name for p in set(site.iterdir()) - before[0]} == {"lstmcore", f"{NAME}.dist-info"}
    assert {p.name for p in set(python.parent.iterdir()) - before[1]} == COMMANDS
    return python


@pytest.mark.parametrize("kind", ["wheel", "wheel of the sdist"])
def test_a_wheel_holds_plain_files_of_one_name(built: dict[str, Path], kind: str) -> None:
    with zipfile.ZipFile(built[kind]) as archive:
        found = archive.infolist()
    assert not [info.filename for info in found if stat.S_ISLNK(info.external_attr >> 16)]
    names = {info.filename for info in found}
    assert {name.split("/")[0] for name in names} == {"lstmcore", f"{NAME}.dist-info"}
    assert {name for name in names if name.startswith("lstmcore/")} == files_of_the_checkout()
    endings = {Path(name).suffix for name in names} | {Path(name).name for name in names}
    assert {".toml", ".j2", ".css", ".conf", ".inc", ".pyi", "py.typed"} <= endings


def test_the_sdist_holds_plain_files_of_one_name(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as archive:
        found = archive.getmembers()
    assert all(member.isfile() for member in found)
    names = {member.name.removeprefix(f"{NAME}/") for member in found}
    assert {name for name in names if name.startswith("lstmcore/")} == files_of_the_checkout()
    rest = {name for name in names if not name.startswith("lstmcore/")}
    assert rest == {"PKG-INFO", "pyproject.toml", "README.md", "LICENSE", ".gitignore"}


def test_the_installed_commands_work_from_any_folder(python: Path, tmp_path: Path) -> None:
    command = python.parent
    assert "features" in run([command / "lstmcore", "--help"], tmp_path)
    assert run([command / "lstmcore", "--version"], tmp_path) == f"{NAME.replace('-', ' ')}\n"
    assert run([python, "-m", "lstmcore", "--version"], tmp_path) == f"{NAME.replace('-', ' ')}\n"
    assert "--json" in run([python, "-m", "lstmcore", "doctor", "--help"], tmp_path)
    run([command / "lstmcore-currennt", "--help"], tmp_path)
    listed = run([command / "lstmcore", "example"], tmp_path)
    assert all(name in listed for name in shipped_names())
    run([command / "lstmcore", "example", "quickstart"], tmp_path)
    assert (tmp_path / "quickstart.toml").read_text() == text_of("quickstart")


FOREIGN_BESIDE = """
from importlib import import_module
assert [import_module(room).WHOSE for room in ("features", "experiments")] == ["mine", "mine"]
import lstmcore.features, lstmcore.experiments
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.config.shipped import find_experiment
from lstmcore.features import feature_names
from pathlib import Path
assert len(feature_names("FS2")) == 264
file = find_experiment(Path("quickstart"))
assert load_experiment(file, []).name == "quickstart"
for found in (lstmcore.__file__, lstmcore.features.__file__, lstmcore.experiments.__file__, file):
    print(found)
"""


def test_folders_of_the_same_names_beside_a_script_are_no_matter(python: Path, tmp_path: Path) -> None:
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("WHOSE = 'mine'\n")
    (tmp_path / "script.py").write_text(FOREIGN_BESIDE)
    found = run([python, "script.py"], tmp_path).split()
    assert len(found) == 4
    assert all(Path(file).is_relative_to(python.parent.parent) for file in found)


def test_no_bare_room_can_be_imported(python: Path, tmp_path: Path) -> None:
    looked = f"import importlib.util as u; print([n for n in {ROOMS} if u.find_spec(n)])"
    assert run([python, "-c", looked], tmp_path) == "[]\n"
