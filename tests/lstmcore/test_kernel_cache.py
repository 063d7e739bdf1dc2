"""Compiled kernels on disk: renewed when a source changes, and sound whatever becomes of the files."""

import gc
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numba
import numpy as np
import pytest

import lstmcore
from lstmcore import jit, kernel_cache
from lstmcore.experiments.datasets.procedural import kernels as procedural_kernels
from lstmcore.features import kernels as features_kernels
from lstmcore.kernel_cache import KernelFiles
from lstmcore.kernel_sources import digest_of

OUTPUT = """
import numpy as np
from lstmcore import LSTM, SequenceSet, initial_network, predict
network = initial_network(1, [LSTM(2)], np.random.default_rng(1), dtype="float64")
print(predict(network, SequenceSet.from_lists([np.ones((2, 1))], [np.ones((2, 2))], dtype="float64")).sum())
"""


def output(folder: Path) -> float:
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    command = [sys.executable, "-c", OUTPUT]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.slow
def test_a_changed_cell_is_compiled_anew(tmp_path):
    passing = shutil.ignore_patterns("*.tmp", "*.lock", "*.pyc.*")  # what others have in hand
    shutil.copytree(Path(lstmcore.__file__).parent, tmp_path / "lstmcore", ignore=passing)
    before = output(tmp_path)  # by kernels that were copied, too, unless there were none yet
    kernels = {*tmp_path.rglob("*.nbc")}
    assert kernels
    cell = tmp_path / "lstmcore" / "cell.py"
    text = cell.read_text()
    assert "tanh(c) * o\n" in text
    cell.write_text(text.replace("tanh(c) * o\n", "tanh(c) * o + o\n"))
    assert abs(output(tmp_path) - before) > 0.1


# --- files that are not what they should be ------------------------------------------------------


def test_a_change_renews_the_kernels_of_its_own_place_only(tmp_path):
    places = {
        "lstmcore": tmp_path,
        "features": tmp_path / "features",
        "procedural": tmp_path / "experiments" / "datasets" / "procedural",
    }
    for folder in places.values():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kernels.py").write_text("1")
    rules = tmp_path / "jit.py"
    rules.write_text("1")

    def digests():
        return {name: digest_of(folder, rules) for name, folder in places.items()}

    for name, folder in places.items():
        before = digests()
        (folder / "kernels.py").write_text("2")
        assert {n for n, digest in digests().items() if digest != before[n]} == {name}
    before = digests()
    rules.write_text("2")
    assert not {*digests().values()} & {*before.values()}


def test_all_kernels_are_compiled_by_one_rule():
    """The decorators are those of `lstmcore.jit`, each with the flags that its numbers depend on."""
    assert features_kernels.kernel.__func__ is jit.kernel.__func__ is procedural_kernels.kernel.__func__
    engine = jit.FLAGS | jit.UNCOUNTED
    for module, flags in ((jit, engine), (features_kernels, jit.FLAGS), (procedural_kernels, {})):
        assert module.kernel.__self__._flags == flags


def test_the_engine_counts_no_references_to_views():
    """A count is a locked access to memory: in every tile of a product, in every row of gates."""

    def take_turns(x, y):
        for k in range(len(x)):
            row = x[k] if k % 2 else y[k]
            x[k, 0] += row[1]

    def counts(compiler):
        compiled = compiler.inlined(take_turns)
        compiled(np.ones((3, 2)), np.ones((3, 2)))
        (code,) = compiled._for_python.inspect_llvm().values()
        return "NRT_incref" in code

    assert counts(jit.Compiler(Path(__file__).parent, **jit.FLAGS))
    assert not counts(jit._compiler)


KERNEL = """
import sys
import numpy as np
from lstmcore.kernel_cache import kept

def total(x, y):
    result = x[0] - x[0]
    for k in range(len(x)):
        result += x[k] * y[k]
    return result

kernel = kept(total, "0123456789abcdef", nogil=True)
kinds = sys.argv[1:] or ["f4", "f8", "i8"]
for kind in kinds:
    x = np.arange(9).astype(kind)
    found = kernel(x, x)
    assert found == 204, (kind, found)
if not kernel._cache_misses:
    assert "numba.np.linalg" not in sys.modules, "what is found needs nothing of what compiling needs"
print(sum(kernel._cache_hits.values()), sum(kernel._cache_misses.values()))
"""


@pytest.fixture
def start(tmp_path):
    """Start a process that computes with a kernel in some types."""
    script = tmp_path / "total.py"
    script.write_text(KERNEL)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    environment["PYTHONPATH"] = str(Path(lstmcore.__file__).parent.parent)

    started = []

    def popen(*kinds):
        command = [sys.executable, str(script), *kinds]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env=environment, **pipes))
        return started[-1]

    yield popen
    for process in started:
        process.kill()
        process.communicate()


def hits_and_misses(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return tuple(map(int, out.split()))


@pytest.mark.slow
def test_a_file_that_is_not_whole_is_compiled_anew(start, tmp_path):
    assert hits_and_misses(start()) == (0, 3)
    assert hits_and_misses(start()) == (3, 0)
    first, second, third = sorted((tmp_path / "cache").rglob("*.nbc"))
    content = second.read_bytes()
    first.write_bytes(b"")
    second.write_bytes(content[: len(content) // 2])
    flipped = bytearray(third.read_bytes())
    flipped[len(flipped) // 2] ^= 4
    third.write_bytes(flipped)
    assert hits_and_misses(start()) == (0, 3)
    assert hits_and_misses(start()) == (3, 0)


@pytest.mark.slow
def test_code_for_other_types_is_not_taken_for_ones_own(start, tmp_path):
    """Such as an index beside another process's file led to."""
    hits_and_misses(start())
    first, second, third = sorted((tmp_path / "cache").rglob("*.nbc"))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    third.unlink()
    third.mkdir()
    assert hits_and_misses(start()) == (0, 3)
    assert hits_and_misses(start()) == (2, 1)  # a folder in the way stays there


@pytest.mark.slow
def test_many_first_starts_at_once_one_of_them_killed(start):
    kinds = (["f4"], ["f8"], ["i8"], ["f8", "f4"], ["i8", "f8"])
    processes = [start(*kinds[k % len(kinds)]) for k in range(6)]
    processes[3].kill()
    processes[3].communicate(timeout=120)
    for k, process in enumerate(processes):
        if k != 3:
            assert sum(hits_and_misses(process)) == len(kinds[k % len(kinds)])
    assert hits_and_misses(start()) == (3, 0)


def test_files_of_older_sources_are_removed_and_others_left(tmp_path):
    old, new = (KernelFiles(tmp_path, "module.f-12.py311", digit * 64) for digit in "ab")
    moved = KernelFiles(tmp_path, "module.f-11.py311", "a" * 64)
    other_python = KernelFiles(tmp_path, "module.f-12.py312", "b" * 64)
    neighbour = KernelFiles(tmp_path, "module.ff-12.py311", "a" * 64)
    for files in (old, moved, other_python, neighbour):
        files.save(("f4",), files._base)
    (tmp_path / "module.f-12.py311.nbi").touch()  # of Numba's own cache
    assert new.load(("f4",)) is None
    new.save(("f4",), "new")
    assert new.load(("f4",)) == "new"
    assert new.load(("f8",)) is None
    assert other_python.load(("f4",)) == "module.f-12.py312"
    assert neighbour.load(("f4",)) == "module.ff-12.py311"
    assert old.load(("f4",)) is moved.load(("f4",)) is None
    assert len(list(tmp_path.iterdir())) == 3
    new.flush()
    assert new.load(("f4",)) is None


def test_another_processor_finds_other_files(tmp_path, monkeypatch):
    files = KernelFiles(tmp_path, "module.f-12.py311", "a" * 64)
    here = files.path(("f4",))
    monkeypatch.setattr(kernel_cache, "_MACHINE", (*kernel_cache._MACHINE[:-1], "-avx512f"))
    assert files.path(("f4",)) != here


def test_where_nothing_can_be_kept_kernels_work_all_the_same(tmp_path, monkeypatch):
    def full(self, key, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(KernelFiles, "save", full)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    kernel = kernel_cache.kept(lambda x: x + 1, "a" * 64)
    assert kernel(2) == 3


def test_a_file_of_another_key_is_not_taken_though_it_has_the_name(tmp_path):
    files = KernelFiles(tmp_path, "module.f-12.py311", "a" * 64)
    files.save(("f4",), "code")
    files.path(("f4",)).replace(files.path(("f8",)))
    assert files.load(("f8",)) is None


def test_a_write_that_fails_leaves_nothing(tmp_path):
    files = KernelFiles(tmp_path, "module.f-12.py311", "a" * 64)
    files.path(("f4",)).mkdir()
    with pytest.raises(OSError, match="directory"):
        files.save(("f4",), "code")
    assert [path.suffix for path in tmp_path.iterdir()] == [".nbc"]


# --- turns -------------------------------------------------------------------------------------------


def locked(file):
    """Take a turn, as another process does."""
    fcntl = pytest.importorskip("fcntl")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc tells what a process has open")
def test_a_kernel_that_another_process_compiles_is_waited_for(start, tmp_path):
    assert hits_and_misses(start("f4")) == (0, 1)
    [kernel] = (tmp_path / "cache").rglob("*.nbc")
    content, turn = kernel.read_bytes(), kernel.with_suffix(".lock")
    assert not turn.exists()
    kernel.unlink()
    with turn.open("wb") as file:
        locked(file)
        process = start("f4")
        while str(turn) not in opened(process):
            assert process.poll() is None, "it didn't wait"
            time.sleep(0.01)
        kernel.write_bytes(content)
    assert hits_and_misses(process) == (1, 0)


def opened(process):
    found = set()
    with suppress(OSError):
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            with suppress(OSError):
                found.add(str(link.readlink()))
    return found


def test_one_who_was_stopped_is_not_waited_for_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernel_cache, "_PATIENCE_SECONDS", 0.05)
    kernel = kernel_cache.kept(lambda x: x + 3, "a" * 64)
    assert kernel(2) == 5
    [file] = tmp_path.rglob("*.nbc")
    file.unlink()
    again = kernel_cache.kept(kernel.py_func, "a" * 64)
    with file.with_suffix(".lock").open("wb") as turn:
        locked(turn)
        assert again(2) == 5
    assert again._cache_misses
    assert file.exists()


def test_what_cannot_be_compiled_is_left_to_others(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    kernel = kernel_cache.kept(lambda x: x.nothing, "a" * 64)
    with pytest.raises(numba.TypingError):
        kernel(2)
    assert not list(tmp_path.rglob("*.lock"))


# --- what compiling costs ------------------------------------------------------------------------


def test_what_is_compiled_into_kernels_can_be_called_by_python_too():
    one_more = jit.inlined(lambda x: x + 1)
    kernel = numba.njit(lambda x: one_more(x))
    assert kernel(2.0) == 3.0
    assert one_more(2.0) == 3.0  # by a version of its own: that of kernels would end the process


def test_the_collector_rests_while_a_kernel_is_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    enabled = []

    class Passes(numba.core.event.Listener):
        def on_start(self, event):
            enabled.append(gc.isenabled())

        def on_end(self, event):
            pass

    kernel = kernel_cache.kept(lambda x: x + 2, "a" * 64)
    gc.enable()
    with numba.core.event.install_listener("numba:run_pass", Passes()):
        assert kernel(2) == 4
    assert len(enabled) > 10
    assert not any(enabled)
    assert gc.isenabled()
