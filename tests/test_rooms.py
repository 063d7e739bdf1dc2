"""The picture of the house held against the code: what each room may import, down to the inner floors."""

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NUMBERS = {"numpy", "numba", "llvmlite", "scipy"}
# What each room may import from outside.
FOREIGN = {
    "lstmcore": NUMBERS | {"joblib", "lazy_loader", "mlflow", "sklearn", "tensorboardX"},
    "features": NUMBERS
    | {"av", "lazy_loader", "soundfile", "opensmile", "pandas", "platformdirs", "threadpoolctl"},
    "experiments": {
        *(
            "click",
            "dask_jobqueue",
            "distributed",
            "filelock",
            "jinja2",
            "lazy_loader",
            "matplotlib",
            "numba",
            "numpy",
            "onnx",
        ),
        *("optuna", "pandas"),
        "platformdirs",
        *(
            "psutil",
            "pyarrow",
            "pydantic",
            "pydantic_core",
            "pympi",
            "rich",
            "safetensors",
            "scipy",
            "soundfile",
            "starlette",
            "threadpoolctl",
            "tomli_w",
            "typer",
            "uvicorn",
        ),
    },
}
TOPS = ("lstmcore", "features", "experiments", "benchmarks", "tests")
# The one thing of the engine's that `features` may have: how kernels are compiled.
COMMON_GROUND = "lstmcore.jit"
# The floors of the rooms, top down: a room imports only from floors below its own.
HOUSE = [["experiments"], ["features", "lstmcore"]]
EXPERIMENTS = [
    ["cli"],
    ["studies", "serving"],
    ["run", "exchange"],
    ["report", "currennt"],
    ["prediction"],
    ["scoring"],
    ["machine", "starting", "training"],
    ["datasets"],
    ["config", "jobs", "extraction"],
    ["terminal"],
    ["files"],
    ["errors", "seeds"],
]
ENGINE = [
    ["estimators", "tracking"],
    ["streaming", "gate_activations", "gradients", "autoencoder"],
    ["training"],
    ["prediction"],
    ["backends"],
    ["problem"],
    ["fit", "evaluation"],
    ["objective", "decorrelation", "batches"],
    ["ccc", "noise", "sequences"],
    ["comparison"],
    ["network"],
    ["layers", "sgd", "standardise", "seeds"],
    ["cell", "update", "objective_terms"],
    ["checks", "installing", "jit"],
    ["ahead", "kernel_cache"],
    ["activations", "errors", "kernel_sources"],
]


def files(room: str) -> list[Path]:
    """Python files of a room, each at its place in the repository; those of a link are the linked room's."""
    linked = {"features", "experiments"} if room == "lstmcore" else set()
    found = [f for f in (ROOT / room).rglob("*.py") if f.relative_to(ROOT / room).parts[0] not in linked]
    assert found
    return found


@cache
def imported(file: Path) -> frozenset[str]:
    """What a file imports, wherever in it, by dotted names."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def room_of(name: str) -> str:
    """The room that a dotted name of ours lies in."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FOREIGN else parts[0]


@pytest.mark.parametrize("room", FOREIGN)
def test_a_room_imports_only_what_its_door_lets_in(room):
    below = {"lstmcore", "features"} if room == "experiments" else set()
    for file in files(room):
        ground = {n for n in imported(file) if room == "features" and n.startswith(f"{COMMON_GROUND}.")}
        foreign = (
            {n.split(".")[0] for n in imported(file)} - FOREIGN[room] - sys.stdlib_module_names - {"lstmcore"}
        )
        assert not foreign, f"{file.relative_to(ROOT)} imports {', '.join(sorted(foreign))}"
        ours = {room_of(n) for n in imported(file) - ground if n.split(".")[0] == "lstmcore"} - {room}
        assert ours <= below, f"{file.relative_to(ROOT)} imports from {', '.join(sorted(ours - below))}"


ALL = [f for top in TOPS for f in files(top)]


@pytest.mark.parametrize("file", ALL, ids=lambda f: str(f.relative_to(ROOT)))
def test_the_rooms_are_imported_by_their_full_names(file):
    """From a checkout the bare names would import too, as other modules with other classes."""
    bare = {n for n in imported(file) if n.split(".")[0] in ("features", "experiments")}
    assert not bare
    text = file.read_text()
    assert not re.search(r"^\s*(from|import) (features|experiments)\b", text, re.MULTILINE)
    assert not re.search(r"(files|import_module|PackageLoader|find_spec)\(.(features|experiments)\b", text)


@pytest.mark.parametrize(("room", "floors"), [("experiments", EXPERIMENTS), ("lstmcore", ENGINE)])
def test_no_arrow_runs_up(room, floors):
    level = {name: k for k, floor in enumerate(floors) for name in floor}
    prefix = "lstmcore." if room == "lstmcore" else f"lstmcore.{room}."
    for file in files(room):
        here = file.relative_to(ROOT / room).parts[0].removesuffix(".py")
        if here.startswith("__"):
            continue
        assert here in level, f"{here} stands on no floor"
        for name in imported(file):
            there = name.removeprefix(prefix).split(".")[0]
            if name.startswith(prefix) and there in level and there != here:
                assert level[there] > level[here], f"{file.relative_to(ROOT)} imports {name}"


def test_readers_of_real_data_know_nothing_of_the_generator():
    generator = ROOT / "experiments" / "datasets" / "procedural"
    for file in (ROOT / "experiments" / "datasets").rglob("*.py"):
        if not file.is_relative_to(generator) and file.name != "loading.py":  # which has it written
            assert not any(".procedural" in name for name in imported(file)), file


def test_the_page_shows_the_same_floors():
    """docs/architecture.md draws the floors of `experiments` as they are here."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    drawn = " > ".join(", ".join(floor) for floor in EXPERIMENTS)
    assert drawn in " ".join(page.split())


def test_no_file_is_too_long_to_read():
    for top in TOPS:
        for file in files(top):
            assert len(file.read_text().splitlines()) <= 600, file


def test_the_hall_is_clear():
    shipped = {"configurations", "models"}  # no rooms: what comes along as data
    entries = [p for p in (ROOT / "experiments").iterdir() if not p.name.startswith("__")]  # but the door
    entries = [p for p in entries if p.name not in shipped]
    assert len(entries) <= 20


def test_bytecode_is_not_compiled_for_all_that_is_installed():
    """Of seven thousand files a run imports some 1,400; to compile all takes the first command a minute."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "compile-bytecode" not in settings["tool"]["uv"]


# Called from Python: each array by itself, which costs less time than tuples of them.  And a command of
# typer's has one parameter for each option.
FLAT = (
    *("layer_forward", "layer_backward", "sequences_forward", "sequences_backward", "gradients_of_rows"),
    *("affine_forward", "affine_backward", "convolution_backward", "lstm_outputs"),
)


def test_no_function_has_more_than_ten_parameters():
    for top in ("lstmcore", "features", "experiments"):
        for file in files(top):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.FunctionDef) and node.name not in FLAT:
                    a = node.args
                    count = len(a.args) + len(a.posonlyargs) + len(a.kwonlyargs)
                    is_command = any("command" in ast.unparse(d) for d in node.decorator_list)
                    assert count <= 10 or is_command, f"{file.relative_to(ROOT)}: {node.name} has {count}"
