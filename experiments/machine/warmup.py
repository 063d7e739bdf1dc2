"""Compiling all kernels ahead, so that no run has to wait for it.

Numba compiles a kernel when it is first called, for the types it is called with, and keeps
the result on disk.  So the kernels are called, by the ways that lead to them in earnest: every
kind of layer is trained in every precision with every objective, a frame is streamed, a song
synthesised, a sound analysed.  A kernel that all this leaves out fails the tests.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numba.core.dispatcher
import numba.core.event
import numpy as np

from lstmcore import (
    BACKENDS,
    BLSTM,
    LAYERS,
    LSTM,
    OBJECTIVES,
    PRECISIONS,
    SGD,
    Convolution,
    EngineError,
    Linear,
    MaxPool,
    MeanPool,
    Network,
    SequenceSet,
    Sets,
    StreamingNetwork,
    Trainer,
    Training,
    TrainingSettings,
    get_backend,
    initial_network,
    predict,
    train,
)
from lstmcore.ahead import note as note_compiled
from lstmcore.backends.cpu.backend import CpuBackend

ROOMS = ("lstmcore", "features", "experiments")
UNCOMPILED = "reference"
"""The backend that is plain NumPy."""

_INPUTS, _UNITS, _LENGTHS = 3, 4, (5, 3, 1)
_RATE_HZ, _SECONDS = 22050, 4

events: Any = numba.core.event  # it has no types


@dataclass(frozen=True)
class Compilation:
    """A function compiled for some types.

    Parameters
    ----------
    kernel
        Module and function.
    types
        Of its arguments, in Numba's words.
    seconds
        Processor time it took, without the functions that it calls.
    kept
        Whether Numba keeps the result on disk; what only kernels call is compiled into them.
    """

    kernel: str
    types: str
    seconds: float
    kept: bool


@dataclass
class Compilations:
    """What Numba compiles while it is watched; what it finds on disk isn't compiled.

    Parameters
    ----------
    on_start
        Called with the kernel's name when its compilation begins.
    """

    on_start: Callable[[str], None] = lambda name: None
    done: list[Compilation] = field(default_factory=list)
    _running: list[list[float]] = field(default_factory=list)  # start, and seconds of what is called

    def begin(self, event: Any) -> None:
        """Note that a compilation begins, perhaps within another."""
        self._running.append([time.thread_time(), 0.0])
        self.on_start(name_of(event.data["dispatcher"]))

    def end(self, event: Any) -> None:
        """Note that the compilation begun last has ended."""
        started, within = self._running.pop()
        seconds = time.thread_time() - started
        if self._running:
            self._running[-1][1] += seconds
        types = ", ".join(str(kind) for kind in event.data["args"])
        dispatcher = event.data["dispatcher"]
        kept = dispatcher.stats.cache_path is not None
        self.done.append(Compilation(name_of(dispatcher), types, seconds - within, kept))

    def watching(self) -> Any:
        """Return the context in which compilations are noted."""
        methods = {"on_start": lambda _, event: self.begin(event), "on_end": lambda _, event: self.end(event)}
        listener = type("Listener", (events.Listener,), methods)
        return events.install_listener("numba:compile", listener())


def name_of(dispatcher: Any) -> str:
    """Name a compiled function: module and function."""
    function = dispatcher.py_func
    return f"{function.__module__}.{function.__name__}"


def kernels() -> dict[str, Any]:
    """Find all kernels of the modules imported so far that Numba keeps on disk, by name."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in ROOMS]
    found = [value for module in modules for value in vars(module).values()]
    dispatchers = [value for value in found if isinstance(value, numba.core.dispatcher.Dispatcher)]
    return {name_of(d): d for d in dispatchers if d.stats.cache_path is not None}


class Listener(Protocol):
    """Shows the progress of `warm_up`."""

    def stage(self, name: str, number: int, total: int) -> None:
        """Begin a part of the work."""

    def kernel(self, name: str) -> None:
        """Show which kernel is being compiled."""

    def done(self, name: str, compiled: list[Compilation], note: str | None) -> None:
        """End the part; `note` says why it could not be done."""


@dataclass(frozen=True)
class Warmth:
    """What `warm_up` compiled.

    Parameters
    ----------
    compiled
        What had to be compiled, with the functions that only kernels call.
    folders
        Where kernels are kept; empty if Numba finds no folder to write to.
    seconds
        What it took in all.
    notes
        What could not be done, and why.
    """

    compiled: list[Compilation]
    folders: list[Path]
    seconds: float
    notes: list[str]

    def as_lines(self) -> list[str]:
        """Return lines on what was compiled and where it is kept."""
        if not self.folders:
            return [
                "Numba finds no folder to keep kernels in: every process compiles them again; "
                "let NUMBA_CACHE_DIR name one that can be written to"
            ]
        count = sum(one.kept for one in self.compiled)
        done = f"compiled {count} kernels" if count else "nothing to do: all kernels were compiled before"
        return [f"{done} ({self.seconds:.1f} s)", *(f"kept in {folder}" for folder in self.folders)]


def warm_up(listener: Listener, chosen: Callable[[str], bool] = lambda part: True) -> Warmth:
    """Compile all kernels that are not compiled yet.

    Parameters
    ----------
    listener
        Called as each part begins, compiles and ends.
    chosen
        Tells by the name of a part whether it is done.

    Returns
    -------
    Warmth
        What was compiled, and where it is kept.
    """
    started = time.perf_counter()
    watch, notes, done = Compilations(listener.kernel), [], set()
    parts = [(name, work) for name, work in _parts() if chosen(name)]
    with watch.watching():
        for number, (name, work) in enumerate(parts):
            listener.stage(name, number, len(parts))
            before, note = len(watch.done), None
            try:
                work()
                done.add(name)
            except (EngineError, ImportError, OSError, RuntimeError) as error:  # no GPU, no openSMILE
                note = f"{name}: {error}"
                notes.append(note)
            listener.done(name, watch.done[before:], note)
    for precision in PRECISIONS:
        if done.issuperset(f"cpu: {kind}, {precision}" for kind in LAYERS):
            note_compiled(precision)
    folders = sorted({Path(kernel.stats.cache_path) for kernel in kernels().values()})
    return Warmth(watch.done, folders, time.perf_counter() - started, notes)


def _parts() -> Iterator[tuple[str, Callable[[], None]]]:
    for backend in (*(name for name in BACKENDS if name not in (UNCOMPILED, "cuda")), *_gpu_backends()):
        for precision in PRECISIONS:
            for kind in LAYERS:
                yield f"{backend}: {kind}, {precision}", partial(_train, backend, precision, kind)
    for precision in PRECISIONS:
        yield f"cpu: convolution and pools, {precision}", partial(_train_blocks, precision)
    for backend in _gpu_backends():
        for precision in PRECISIONS:
            yield f"{backend}: networks together, {precision}", partial(_train_ensemble, backend, precision)
    for precision in PRECISIONS:
        yield f"streaming, {precision}", partial(_stream, precision)
    yield "procedural music", _synthesise
    yield "features", _extract


def _gpu_backends() -> list[str]:
    """Return the backend of the GPU if there is a GPU to compile for, else nothing."""
    try:
        get_backend("cuda")
    except EngineError:
        return []
    return ["cuda"]


def _train_ensemble(backend: str, precision: str) -> None:
    """Train two of the experiments' networks in one call, with every objective."""
    layers = [LSTM(_UNITS), LSTM(_UNITS), Linear(_UNITS)]
    network = initial_network(_INPUTS, layers, np.random.default_rng(1), dtype=precision)
    settings = TrainingSettings(SGD(1e-9, momentum=0.9), input_noise=1e-9, parallel_sequences=2, max_epochs=1)
    for objective in OBJECTIVES.values():
        data = _sequences(network, objective.target_size(_UNITS))
        train(
            [Training(network, Sets(data, data), settings, k, objective) for k in range(2)], backend=backend
        )


class _Together(CpuBackend):
    """Threads that share out work however little it is."""

    def computes_alone(self, frames: int, network: Network) -> bool:
        """Never leave a batch to one thread."""
        return False


def _train(backend: str, precision: str, kind: str) -> None:
    """Train, check and apply a network of two such layers, with every objective; also by several threads."""
    layers = [LAYERS[kind](_UNITS), LAYERS[kind](_UNITS)]
    network = initial_network(_INPUTS, layers, np.random.default_rng(1), dtype=precision)
    for objective in OBJECTIVES.values():
        data = _sequences(network, objective.target_size(_UNITS))
        for together in (1, len(_LENGTHS)):
            settings = TrainingSettings(
                SGD(1e-9, momentum=0.9), input_noise=1e-9, parallel_sequences=together, max_epochs=1
            )
            training = Training(network, Sets(data, data), settings, 1, objective)
            Trainer(training, backend=backend).run_epoch()
    if backend == "cpu":
        Trainer(training, backend=_Together(2)).run_epoch()
    predict(network, data, backend=backend)


def _train_blocks(precision: str) -> None:
    """Train a network with all layers that see a step as a block."""
    first = Convolution(shape=(7, 6, 1), window=(2, 3), filters=_UNITS, activation="relu")
    second = Convolution(shape=first.output_shape, window=(2, 2), filters=_UNITS, activation="tanh")
    pools = [MaxPool(shape=second.output_shape, window=(2, 1))]
    layers = [first, second, *pools, MeanPool(shape=pools[0].output_shape, window=(2, 1)), Linear(1)]
    network = initial_network(7 * 6, layers, np.random.default_rng(1), dtype=precision)
    data = _sequences(network, 1)
    settings = TrainingSettings(SGD(1e-9, momentum=0.9), max_epochs=1)
    Trainer(Training(network, Sets(data, data), settings, 1)).run_epoch()


def _sequences(network: Network, targets: int) -> SequenceSet:
    inputs = [np.ones((length, network.architecture.input_size)) for length in _LENGTHS]
    return SequenceSet.from_lists(inputs, [np.zeros((n, targets)) for n in _LENGTHS], dtype=network.dtype)


def _stream(precision: str) -> None:
    """Take a network of all layers that run forwards in time through a frame."""
    layers = [kind(_UNITS) for kind in LAYERS.values() if kind is not BLSTM]
    network = initial_network(_INPUTS, layers, np.random.default_rng(1), dtype=precision)
    StreamingNetwork(network).step(np.zeros(_INPUTS, precision))


def _synthesise() -> None:
    """Make the shortest procedural song there is."""
    from lstmcore.experiments.datasets.procedural import ProceduralPlan
    from lstmcore.experiments.datasets.procedural.song import song_files

    plan = ProceduralPlan(development=1, unlabelled=0, test=0, seconds=20.0, raters=2)
    song_files(plan, plan.songs()[0])


def _extract() -> None:
    """Take FS2, which holds FS1, from a few clicks in both ways to compute spectra."""
    import soundfile

    from lstmcore.features import FeatureSettings, extract_fs2, gammatone_filterbank

    sound = np.zeros(_SECONDS * _RATE_HZ)
    sound[:: _RATE_HZ // 4] = 0.5
    with tempfile.TemporaryDirectory(prefix="lstmcore-") as folder:
        path = Path(folder) / "clicks.wav"
        soundfile.write(path, sound, _RATE_HZ)
        for settings in (FeatureSettings(), FeatureSettings(spectra="window")):
            extract_fs2(path, settings=settings)
    gammatone_filterbank(sound, _RATE_HZ, channels=1)  # FS2 takes the channels four at a time


class Display:
    """A bar that names the kernel being compiled; without a terminal, one line per part of the work."""

    def __init__(self, quiet: bool) -> None:
        from rich import progress
        from rich.console import Console

        console = Console(stderr=True, quiet=quiet)
        self._bar = progress.Progress(
            progress.BarColumn(bar_width=30),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("{task.description}"),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
        )
        self._part = ""
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._bar.disable:  # before Rich 15 a bar that was never shown ends with an empty line
            self._bar.stop()

    def stage(self, name: str, number: int, total: int) -> None:
        """Name the part."""
        self._part = name
        self._bar.update(self._task, description=name, completed=number, total=total)

    def kernel(self, name: str) -> None:
        """Name the kernel."""
        self._bar.update(self._task, description=f"{self._part}: {name.rpartition('.')[2]}")

    def done(self, name: str, compiled: list[Compilation], note: str | None) -> None:
        """Print what was compiled in this part, and what could not be."""
        if note:
            told = f"  could not be done: {note}"
            self._bar.console.print(told, markup=False, highlight=False, soft_wrap=True)
        count, seconds = sum(one.kept for one in compiled), sum(one.seconds for one in compiled)
        if count:
            self._bar.console.print(f"  {name}: {count} kernels, {seconds:.1f} s", highlight=False)
