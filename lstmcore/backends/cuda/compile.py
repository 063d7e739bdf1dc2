"""How the CUDA kernels are compiled: written once, compiled for each precision.

The marked functions of `device.TEMPLATES` are templates: plain Python that names ``REAL``, ``THREADS``
and each other.  `compile_templates` gives them one namespace in which these names have a meaning
(`device.constants_of`), and the equations (`scalars.equations`) are put into it as they stand.  The values
that stand in the modules are there for whoever reads and checks them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

_ROLE = "cuda_role"

Function = Callable[..., Any]


def device(function: Function) -> Function:
    """Mark a function that kernels call."""
    setattr(function, _ROLE, "device")
    return function


def kernel(function: Function) -> Function:
    """Mark a kernel."""
    setattr(function, _ROLE, "kernel")
    return function


def compile_templates(
    cuda: Any,
    modules: Iterable[ModuleType],
    constants: dict[str, Any],
    others: dict[str, Function],
    simulated: bool,
) -> SimpleNamespace:
    """Compile marked functions for one set of constants.

    Parameters
    ----------
    cuda
        The module `numba.cuda`, or what stands for it.
    modules
        Whose marked functions are compiled.
    constants
        Names that the functions use, and what they mean.
    others
        Functions without a mark that they call, by the name they are called by.
    simulated
        Leave device functions to Python: a simulator runs them as they are.

    Returns
    -------
    SimpleNamespace
        The kernels, compiled at their first call.
    """
    space: dict[str, Any] = {}
    roles: dict[str, tuple[Function, str]] = {}
    for module in modules:
        space |= vars(module)
        roles |= {n: (f, getattr(f, _ROLE)) for n, f in vars(module).items() if hasattr(f, _ROLE)}
    for function in others.values():
        space |= {n: v for n, v in vars_of(function).items() if n not in space}
    roles |= {name: (function, "device") for name, function in others.items()}
    space |= constants | {"cuda": cuda}
    if not simulated:
        from lstmcore.backends.cuda import native

        natives = {n: getattr(native, n) for n, (f, _) in roles.items() if hasattr(native, n)}
        space |= natives
        roles = {n: found for n, found in roles.items() if n not in natives}
    kernels = {}
    for name, (function, role) in roles.items():
        bound = _bound(function, space)
        if role == "kernel":
            kernels[name] = cuda.jit(bound)
        else:
            space[name] = bound if simulated else cuda.jit(device=True)(bound)
    return SimpleNamespace(**kernels)


def vars_of(function: Function) -> dict[str, Any]:
    """Return the names that a function sees."""
    seen: dict[str, Any] = getattr(function, "__globals__", {})
    return seen


def _bound(function: Function, space: dict[str, Any]) -> FunctionType:
    """Return a function with other globals."""
    assert isinstance(function, FunctionType)
    bound = FunctionType(function.__code__, space, function.__name__, function.__defaults__)
    bound.__module__, bound.__qualname__ = function.__module__, function.__qualname__
    return bound
