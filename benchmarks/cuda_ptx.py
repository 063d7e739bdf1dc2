"""What the CUDA kernels need of a GPU, without one: registers, spills, shared memory, stack.

    uv run --group ptx python -m benchmarks.cuda_ptx [--arch 90] [--arch 80] [--dtype float32] [--keep DIR]

Each kernel is compiled to PTX by NVVM and assembled by ``ptxas -v``; both come with the group `ptx`.  The
instructions of its inner loops (those without a branch back inside) are counted from the PTX.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

KERNELS = ("momentum_update", "forward_pass", "backward_pass", "train_epoch")


def main() -> None:
    """Compile the kernels and print a row for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cuda_ptx", description=__doc__.split("\n")[0])
    parser.add_argument("--arch", action="append", type=int, help="such as 90; 80 and 90 if not given")
    parser.add_argument("--dtype", action="append", choices=("float32", "float64"), help="both if not given")
    parser.add_argument("--kernel", action="append", choices=KERNELS, help="all if not given")
    parser.add_argument("--keep", type=Path, help="folder for the PTX")
    choice = parser.parse_args()
    try:
        import numba_cuda  # noqa: F401
        from cuda.bindings import nvvm  # noqa: F401
    except ImportError as error:
        sys.exit(f"{error}: uv run --group ptx python -m benchmarks.cuda_ptx")
    assembler = find_assembler()
    folder = choice.keep or Path(tempfile.mkdtemp(prefix="lstmcore-ptx-"))
    folder.mkdir(parents=True, exist_ok=True)
    print("arch dtype    kernel            registers  stack  spilled: stored/loaded  inner loops in local")
    for arch in choice.arch or (80, 90):
        for dtype in choice.dtype or ("float32", "float64"):
            for kernel in choice.kernel or KERNELS:
                started = time.perf_counter()
                ptx = compile_to_ptx(kernel, dtype, arch)
                seconds = time.perf_counter() - started
                path = folder / f"{kernel}_{dtype}_sm{arch}.ptx"
                path.write_text(ptx)
                need = assemble(assembler, path, arch)
                loops = list(inner_loops(ptx))
                local = sum("ld.local" in loop or "st.local" in loop for loop in loops)
                print(
                    f"{arch:<4} {dtype:<8} {kernel:<17} {need['registers']:>9}  {need['stack']:>5}"
                    f"  {need['stores']:>11}/{need['loads']:<12}  {local} of {len(loops)}"
                    f"   (PTX {len(ptx) // 1024} KiB in {seconds:.0f} s)"
                )
    if choice.keep is None:
        shutil.rmtree(folder)


def compile_to_ptx(kernel: str, dtype: str, arch: int) -> str:
    """Return the PTX of a kernel of the CUDA backend."""
    from numba import cuda, types
    from numba.cuda import dispatcher

    from lstmcore.backends.cuda import device, scalars
    from lstmcore.backends.cuda.compile import compile_templates

    real = getattr(types, dtype)
    capability = divmod(arch, 10)
    kernels = compile_templates(
        cuda,
        device.TEMPLATES,
        device.constants_of(dtype, 256),
        scalars.equations(),
        simulated=False,
    )
    # Device functions are compiled for the GPU at hand; here there needn't be one.
    pretended = SimpleNamespace(compute_capability=capability)
    with patch.object(dispatcher, "get_current_device", lambda: pretended):
        signature = types.void(*arguments(types, real)[kernel])
        ptx, _ = cuda.compile_ptx(getattr(kernels, kernel).py_func, signature, cc=capability)
    return str(ptx)


def arguments(types: Any, real: Any) -> dict[str, tuple[Any, ...]]:
    """Return the types of the kernels' arguments."""
    from numba import from_dtype

    from lstmcore.backends.cuda.batch import Data
    from lstmcore.backends.cuda.epoch import Parameters
    from lstmcore.backends.cuda.layout import LAYER, MEMBER, PLAN, STATISTICS
    from lstmcore.backends.cuda.team import Memory

    def array(kind: Any, dimensions: int = 1) -> Any:
        return types.Array(kind, dimensions, "C")

    reals, ints, longs, number = array(real), array(types.int32), array(types.int64), types.int64
    plans, layers = array(from_dtype(PLAN)), array(from_dtype(LAYER), 2)
    memory = types.NamedTuple((reals, ints, array(types.float64)), Memory)
    return {
        "momentum_update": (reals, reals, reals, real, real),
        "forward_pass": (plans, layers, reals, memory, number, longs, number),
        "backward_pass": (plans, layers, reals, reals, memory, number, real, longs, number),
        "train_epoch": (
            plans,
            layers,
            types.NamedTuple((reals, reals, array(types.uint8), longs, longs, ints), Data),
            array(from_dtype(MEMBER)),
            array(types.float64, 2),
            types.NamedTuple([array(real, 2)] * len(Parameters._fields), Parameters),
            memory,
            array(from_dtype(STATISTICS)),
            array(types.int64, 2),
            number,
        ),
    }


def find_assembler() -> str:
    """Return ptxas of the package nvidia-cuda-nvcc, which fits its NVVM, or that on the path."""
    import nvidia

    for place in nvidia.__path__:
        for found in Path(place).glob("*/bin/ptxas"):
            return str(found)
    found = shutil.which("ptxas")
    if found is None:
        sys.exit("no ptxas: uv run --group ptx python -m benchmarks.cuda_ptx")
    return found


def assemble(assembler: str, path: Path, arch: int) -> dict[str, int]:
    """Return what ptxas says of a file with one kernel."""
    command = [assembler, "-v", "-arch", f"sm_{arch}", str(path), "-o", str(path.with_suffix(".cubin"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{path.name}: {done.stderr.strip()}")
    patterns = {
        "registers": r"Used (\d+) registers",
        "stack": r"(\d+) bytes stack frame",
        "stores": r"(\d+) bytes spill stores",
        "loads": r"(\d+) bytes spill loads",
    }
    found = {name: re.search(pattern, done.stderr) for name, pattern in patterns.items()}
    return {name: int(match[1]) if match else 0 for name, match in found.items()}


def inner_loops(ptx: str) -> Iterator[str]:
    """Cut the loops out of PTX that have no loop inside: from a label to the branch back to it."""
    lines = ptx.splitlines()
    labels = {line[:-1]: n for n, line in enumerate(lines) if re.fullmatch(r"\$L\S+:", line)}
    loops = []
    for n, line in enumerate(lines):
        branch = re.search(r"\bbra(?:\.uni)?\s+(\$L\w+);", line)
        if branch and labels.get(branch[1], n) < n:
            loops.append((labels[branch[1]], n))
    for start, end in loops:
        if not any(start <= a and b <= end and (a, b) != (start, end) for a, b in loops):
            yield "\n".join(lines[start : end + 1])


if __name__ == "__main__":
    main()
