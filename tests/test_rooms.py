"""The picture of the house held against the code: what each room may import."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "lstmcore": {"numpy", "numba", "llvmlite", "scipy"},
    "features": {"numpy", "numba", "llvmlite", "scipy", "soundfile", "opensmile", "pandas", "platformdirs"},
    "experiments": {
        "lstmcore",
        "features",
        "numpy",
        "numba",
        "scipy",
        "pandas",
        "soundfile",
        "pydantic",
        "pydantic_core",
        "typer",
    }
    | {
        "rich",
        "platformdirs",
        "filelock",
        "psutil",
        "safetensors",
        "threadpoolctl",
        "tomli_w",
        "jinja2",
        "matplotlib",
        "click",
        "pyarrow",
        "optuna",
    },
}


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            names.add(str(node.module))
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_its_door_lets_in(room):
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for file in files:
        foreign = imported(file) - ROOMS[room] - {room} - sys.stdlib_module_names
        assert not foreign, f"{file.relative_to(ROOT)} imports {', '.join(sorted(foreign))}"


def test_no_file_is_too_long_to_read():
    for file in ROOT.glob("*/**/*.py"):
        if ".venv" not in file.parts:
            assert len(file.read_text().splitlines()) <= 600, file
