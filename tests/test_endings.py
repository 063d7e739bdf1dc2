"""Nothing that owns threads, pools, files or locks is ended by the garbage collector.

It runs in any thread, at any moment: inside the locks of `threading`, or in a thread of the very pool that it
would join.  So what has to be closed is closed by a `with` block that some function comes to the end of, and
generators, which a caller's error leaves behind half-way, hold nothing.
"""

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Threads of the process, like those of a BLAS: made once, held for good, joined when the interpreter ends.
FOR_GOOD = ["lstmcore/backends/cpu/team.py"]
ROOMS = ("lstmcore", "features", "experiments", "benchmarks")
OWNERS = {
    "NamedTemporaryFile",
    "NpzFile",
    "ParquetFile",
    "Pool",
    "Popen",
    "ProcessPoolExecutor",
    "SharedMemory",
    "SoundFile",
    "SpooledTemporaryFile",
    "TemporaryDirectory",
    "TemporaryFile",
    "ThreadPoolExecutor",
    "ZipFile",
    "_parquet",
    "extract_many",
    "fdopen",
    "mmap",
    "open",
    "open_audio",
    "open_output",
    "open_tables",
    "predict_many",
    "replacing",
    "scratch_folder",
    "wav16_writer",
}


def own(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes below one, without those of functions within."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield from own(child)


def yields(node: ast.AST) -> bool:
    return any(isinstance(one, ast.Yield | ast.YieldFrom) for one in own(node))


def holding_generators(tree: ast.AST) -> Iterator[int]:
    """Lines where a generator holds something while its caller goes on; `contextmanager` sees to its own."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if any("contextmanager" in ast.unparse(one) for one in function.decorator_list):
            continue
        for block in own(function):
            holds = isinstance(block, ast.With) or (isinstance(block, ast.Try) and block.finalbody)
            if holds and yields(block):
                yield block.lineno


def left_open(tree: ast.AST) -> Iterator[int]:
    """Lines where an owner is made that no block is sure to close."""
    closed: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            closed |= {part for item in node.items for part in ast.walk(item.context_expr)}
        elif isinstance(node, ast.FunctionDef) and node.name in {"__enter__", *OWNERS}:  # who calls it closes
            closed |= set(own(node))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("enter_context"):
            closed |= set(ast.walk(node))
        for body in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
            if isinstance(body, list):
                closed |= {part for first, then in pairwise(body) for part in closed_by(first, then)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node not in closed:
            name = ast.unparse(node.func)
            owns = name.split(".")[-1] in OWNERS or name == "np.load"
            if owns and name != "os.open":  # a number, which nobody collects
                yield node.lineno


def closed_by(first: ast.stmt, then: ast.stmt) -> Iterator[ast.AST]:
    """Nodes of `first` if it is ``name = …`` and `then` a ``try`` that names it in its ``finally``."""
    if isinstance(first, ast.Assign) and isinstance(then, ast.Try):
        last = {ast.unparse(part) for one in then.finalbody for part in ast.walk(one)}
        if ast.unparse(first.targets[0]) in last:
            yield from ast.walk(first)


def finalisers(tree: ast.AST) -> Iterator[int]:
    """Lines that ask the garbage collector to end something."""
    for node in ast.walk(tree):
        method = isinstance(node, ast.FunctionDef) and node.name == "__del__"
        if method or (isinstance(node, ast.Attribute) and ast.unparse(node) == "weakref.finalize"):
            yield node.lineno


CHECKS = (holding_generators, left_open, finalisers)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("room", ROOMS)
def test_what_has_to_be_closed_is_closed_by_a_block(room, check):
    files = [f for f in (ROOT / room).rglob("*.py") if check is not left_open or not f.match(FOR_GOOD[0])]
    assert files
    found = [
        f"{file.relative_to(ROOT)}:{line}" for file in files for line in check(ast.parse(file.read_text()))
    ]
    assert not found, f"{check.__doc__} {', '.join(found)}"


BAD = """
def holds():
    with ThreadPoolExecutor() as pool:
        yield pool.submit(f).result()
def closes():
    try:
        yield from numbers()
    finally:
        close()
pool = ThreadPoolExecutor(2)
try:
    pool.submit(f)
finally:
    close()
text = path.open().read()
class Holder:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
    def __del__(self):
        self.folder.cleanup()
weakref.finalize(x, f)
"""
GOOD = """
@contextmanager
def holds():
    with ThreadPoolExecutor() as pool:
        yield pool
def asks():
    try:
        yield 1
    except ValueError:
        yield 2
    with path.open() as file:
        read(file)
    yield 3
pool = ThreadPoolExecutor(2)
try:
    pool.submit(f)
finally:
    pool.shutdown(wait=False)
with ExitStack() as stack:
    file = stack.enter_context(path.open())
number = os.open("x", 0)
class Running:
    def __enter__(self):
        self.pool = ThreadPoolExecutor(2)
"""


def test_the_checks_tell_good_from_bad():
    assert [list(check(ast.parse(BAD))) for check in CHECKS] == [[3, 6], [10, 15, 18], [19, 21]]
    assert [list(check(ast.parse(GOOD))) for check in CHECKS] == [[], [], []]
