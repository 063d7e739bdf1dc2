"""lstmcore: LSTM networks computed from scratch.

Follow one batch: `SequenceSet` → `pack` → ``backend.forward`` → `Objective` →
``backend.backward`` → ``backend.update``; `train` goes round that loop.  The engine
knows nothing of music, files or command lines.
"""

import lazy_loader

# The names are those of the stub beside this file, each imported when it is asked for: Numba takes a
# while, and the rooms of the package that need none of it shall not wait.
_imported, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name != "__version__":
        return _imported(name)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lstmcore")
    except PackageNotFoundError:  # imported from a folder that was never installed
        return "unknown"
