"""How kernels are compiled: one rule for all places that have kernels, and for what is kept on disk.

The engine's decorators are `inlined`, `kernel` and `woven`; `features` and the synthesiser of procedural
music have their own from `Compiler`, so that a change of one place renews nobody else's kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from numba import njit, types

from lstmcore.kernel_cache import kept
from lstmcore.kernel_sources import ENGINE, sources_of

# error_model: a check for division by zero would keep the loops from being vectorised.
# contract: a*b+c in one rounding.  Nothing else of fastmath: NaN must stay NaN.
FLAGS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}
"""For loops that are to be vectorised."""

UNCOUNTED: dict[str, Any] = {"_nrt": False}
"""For kernels that allocate nothing, nor return an array: Numba then counts no references to the views they
take.  Each count is a locked access to memory, before which the processor finishes what it has begun: some
70 ns of the 330 that a tile of a product takes, and more of a step of a layer's units."""

_NO_POINTERS: dict[str, Any] = {"no_cfunc_wrapper": True}  # nobody passes a kernel on as a pointer


class Inlined:
    """A function that kernels call.

    A tenth of the time to compile a kernel went into what lets Python call the functions in it.  Without
    that a call by Python would end the process: it gets a version of its own.

    Parameters
    ----------
    compiled
        What Numba compiles it by for kernels.
    flags
        By which it is compiled for Python.

    Attributes
    ----------
    py_func
        The function itself.
    """

    def __init__(self, compiled: Any, flags: dict[str, Any]) -> None:
        self.py_func, self._compiled, self._flags = compiled.py_func, compiled, flags

    def __call__(self, *arguments: Any) -> Any:
        """Call it from Python."""
        return self._for_python(*arguments)

    @cached_property
    def _for_python(self) -> Any:
        return njit(**self._flags)(self.py_func)

    @property
    def _numba_type_(self) -> Any:
        """By this Numba takes it for its own function."""
        return self._compiled._numba_type_


class Compiler:
    """The decorators of the kernels of one folder.

    Parameters
    ----------
    folder
        All Python files in it count as the kernels' sources: kernels compile in what lies in other files.
    flags
        For ``numba.njit``.
    """

    def __init__(self, folder: Path, **flags: Any) -> None:
        self._flags = flags
        self._sources = sources_of(folder)

    def inlined(self, function: Callable[..., Any]) -> Any:
        """Compile a function that is to vanish into the kernels that call it."""
        flags: dict[str, Any] = {"forceinline": True, **_NO_POINTERS, **self._flags}
        compiled = njit(**{"no_cpython_wrapper": True, **flags})(function)
        return Inlined(_for_all_values(compiled), flags)

    def kernel(self, function: Callable[..., Any]) -> Any:
        """Compile a kernel: kept on disk, without the interpreter's lock."""
        # What isn't told is that of the function first compiled with it, and a kernel copied into all its
        # callers, those into theirs, took longer to compile than all the rest.
        flags = {"nogil": True, "forceinline": False, **_NO_POINTERS, **self._flags}
        return _for_all_values(kept(function, self._sources, **flags))

    def woven(self, function: Callable[..., Any]) -> Any:
        """Put a function into those that call it before they are compiled: it is never compiled by itself."""
        return njit(inline="always", **self._flags)(function)


def _for_all_values(compiled: Any) -> Any:
    """Have a kernel that is called with a constant be that for any number: Numba would compile one more."""
    template = compiled.get_call_template

    unliteral: Any = types.unliteral

    def of_numbers(args: Any, keywords: Any) -> Any:
        return template(
            tuple(map(unliteral, args)), {name: unliteral(kind) for name, kind in keywords.items()}
        )

    compiled.get_call_template = of_numbers
    return compiled


_compiler = Compiler(ENGINE, **FLAGS, **UNCOUNTED)
inlined, kernel, woven = _compiler.inlined, _compiler.kernel, _compiler.woven
