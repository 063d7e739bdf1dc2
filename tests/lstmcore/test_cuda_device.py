"""What a GPU's day showed of the device itself: warnings that are meant, versions that don't go together."""

import ast
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from lstmcore import EngineError
from lstmcore.backends.cuda import device as module
from lstmcore.backends.cuda.device import Device


class Kernel:
    """Warns as Numba does, in bold on a terminal, of a grid that leaves the GPU idle."""

    def __init__(self, message):
        self.message, self.arguments = message, None

    def __getitem__(self, configuration):
        def call(*arguments):
            warnings.warn(self.message, UserWarning, stacklevel=2)
            self.arguments = arguments

        return call


def small_device():
    return Device(SimpleNamespace(), simulated=True, threads=4, multiprocessors=1, shared_bytes=1024)


@pytest.mark.parametrize("message", ["Grid size 8 will", "\x1b[1mGrid size 8 will likely\x1b[0m"])
def test_few_blocks_are_meant(message):
    kernel = Kernel(message)
    small_device().launch(kernel, 8, 3)  # warnings are errors here
    assert kernel.arguments == (3,)


def test_other_warnings_are_heard():
    with pytest.warns(UserWarning, match="Host array"):
        small_device().launch(Kernel("Host array used in CUDA kernel"), 8, 3)


def test_versions_that_do_not_go_together_are_an_error_of_ours(monkeypatch):
    """As numba-cuda 0.30 with NumPy 2.5, which Numba lets in."""

    def jit(signature):
        raise AttributeError("module 'numpy' has no attribute\n'row_stack'")

    gpu = SimpleNamespace(MAX_SHARED_MEMORY_PER_BLOCK_OPTIN=1024, MULTIPROCESSOR_COUNT=1)
    cuda = SimpleNamespace(get_current_device=lambda: gpu, jit=jit)
    monkeypatch.setattr("numba.cuda", cuda)
    monkeypatch.setitem(sys.modules, "numba.cuda", cuda)
    monkeypatch.setattr("numba.core.config.ENABLE_CUDASIM", False)
    monkeypatch.setattr(module, "find_spec", lambda name: True)
    monkeypatch.setattr(module, "version", lambda name: "0.30.4")
    with pytest.raises(EngineError, match=r"'row_stack'\): numba-cuda 0\.30\.4 with NumPy .*pip"):
        module.default_device.__wrapped__()


def functions(name, decorator):
    """Return the functions of a file that have a decorator, and how many arguments each has."""
    tree = ast.parse((Path(module.__file__).parent / name).read_text())
    return {
        node.name: len(node.args.args)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and decorator in {ast.unparse(d) for d in node.decorator_list}
    }


def test_compiled_and_simulated_kernels_reach_memory_by_the_same_functions():
    compiled, simulated = functions("native.py", "intrinsic"), functions("memory.py", "device")
    assert compiled == {name: 1 + arguments for name, arguments in simulated.items()}  # the types come first


def test_a_launch_asks_for_the_shared_memory_that_it_needs():
    asked = []

    class Noting:
        def __getitem__(self, configuration):
            asked.append(configuration)
            return lambda *arguments: None

    kernel = Noting()
    small_device().launch(kernel, 8, 3)
    small_device().launch(kernel, 8, 3, shared_bytes=512)
    assert asked == [(8, 4, 0, 1024), (8, 4, 0, 512)]
