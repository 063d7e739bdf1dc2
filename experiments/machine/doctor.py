"""What the machine has, what works, and what to do about the rest: ``lstmcore doctor``.

Each check is a function that looks at one topic and really tries what it is about: kernels are
run and compared, a cached kernel is found by another process, an MP3 is decoded.  What a check
can't know because something is broken is a finding, not an exception.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lstmcore.experiments.terminal.environment import version_of

State = Literal["ok", "absent", "broken"]

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_REINSTALL = "install lstmcore again, as its README says"
_SMILE_LICENCE = "licensed for private, research and educational use only"
# What lstmcore does without, although it is installed by default.
_DISPENSABLE = {"opensmile": "without it FS1, and so FS2 and FS3, can't be computed; all else works"}
_WITHOUT_SMILE = "uninstall opensmile; all but FS1 to FS3 works without"
_SOME_FEATURES = ("avx", "avx2", "avx512f", "fma", "neon")
_TONE = Path(__file__).with_name("tone.m4a")  # half a second
_FIND_CACHED = """
import sys, numpy as np
from lstmcore.backends.cpu.feedforward import tanh_forward
tanh_forward(np.zeros((1, 1)))
sys.exit(0 if tanh_forward.stats.cache_hits else 1)
"""


@dataclass(frozen=True)
class Finding:
    """A line of the report.

    Parameters
    ----------
    topic, name
        What it is about.
    value
        What was found.
    state
        "ok"; "absent": something that can be done without; "broken": something that is needed.
    advice
        What to do, if anything.
    """

    topic: str
    name: str
    value: str
    state: State = "ok"
    advice: str = ""


def examine(processors: int) -> Iterator[Finding]:
    """Look at everything, topic by topic.

    Parameters
    ----------
    processors
        Processors this process may use.

    Yields
    ------
    Finding
        In the order of the report; a check that fails altogether is a broken finding.
    """
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "machine": lambda: _machine(processors),
        "packages": _packages,
        "kernels": _kernels,
        "audio": _audio,
        "CUDA": _cuda,
        "folders": _folders,
        "threads": _threads,
    }
    for topic, check in checks.items():
        try:
            yield from check()
        except Exception as error:  # noqa: BLE001 - a report of what is broken must survive it
            found = f"{type(error).__name__}: {error}"
            yield Finding(topic, f"check of {topic}", found, "broken", _REINSTALL)


def _machine(processors: int) -> Iterator[Finding]:
    from lstmcore.experiments.terminal.environment import environment

    found = environment()
    yield Finding("machine", "Python", found["python"])
    yield Finding("machine", "system", found["system"])
    yield Finding("machine", "processor", found["processor"])
    yield Finding("machine", "usable cores", str(processors))
    yield Finding("machine", "vectors", _vectors())


def _vectors() -> str:
    import numba.core.codegen

    from lstmcore.backends.cpu.tiles import VECTOR_BYTES

    codegen: Any = numba.core.codegen  # it has no types
    features = set(codegen.get_host_cpu_features().split(","))
    has = [name for name in _SOME_FEATURES if f"+{name}" in features]
    return f"{VECTOR_BYTES} bytes wide ({', '.join(has) or 'none of ' + ', '.join(_SOME_FEATURES)})"


def _packages() -> Iterator[Finding]:
    """Versions of what lstmcore requires, and of its extras, as its own metadata name them."""
    from lstmcore.installing import install_extra, install_package

    yield Finding("packages", "lstmcore", importlib.metadata.version("lstmcore"))
    for line in importlib.metadata.requires("lstmcore") or []:
        name = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"]([^'\"]+)", line)
        version = version_of(name)
        if extra is None:
            state: State = "ok" if version else "absent" if name in _DISPENSABLE else "broken"
            advice = "" if version else f"{_DISPENSABLE.get(name, 'it is needed')}: {install_package(name)}"
            yield Finding("packages", name, version or "absent", state, advice)
        else:
            advice = "" if version else f"if wanted: {install_extra(extra[1])}"
            title = f"{name} (extra {extra[1]})"
            yield Finding("packages", title, version or "absent", "ok" if version else "absent", advice)


def _kernels() -> Iterator[Finding]:
    from lstmcore import BACKENDS

    for backend in BACKENDS:
        if backend not in ("reference", "cuda"):
            yield from _differences("kernels", backend, "use --backend reference")
    yield _kernel_cache()


def _differences(topic: str, backend: str, way_out: str) -> Iterator[Finding]:
    """Tell how far a backend is from another, by itself and, on a GPU, with networks trained together."""
    from lstmcore import EngineError, get_backend
    from lstmcore.experiments.machine.backend_check import LIMITS, largest_difference, training_difference

    against = {f"{backend} against the reference": largest_difference}
    if get_backend(backend).trains_together:
        against[f"{backend} against cpu, networks trained together"] = training_difference
    for name, compare in against.items():
        for precision, limit in LIMITS.items():
            title = f"{name}, {precision}"
            try:
                worst = compare(backend, precision)
            except EngineError as error:  # no such device
                yield Finding(topic, title, str(error), "absent")
                continue
            good = worst <= limit  # False for NaN
            expected = f"expected at most {limit:g}; results can't be trusted: report this machine"
            advice = "" if good else f"{expected}, and {way_out}"
            value = f"largest relative difference {worst:.1e}"
            yield Finding(topic, title, value, "ok" if good else "broken", advice)


def _kernel_cache() -> Finding:
    """Return whether another process finds what this one has compiled."""
    import numpy as np

    from lstmcore.backends.cpu.feedforward import tanh_forward

    name, kernel = "kept on disk", tanh_forward
    kernel(np.zeros((1, 1)))
    folder = kernel.stats.cache_path
    if folder is None:
        advice = "let NUMBA_CACHE_DIR name a folder that can be written to"
        return Finding("kernels", name, "nowhere: each process compiles them again", "absent", advice)
    found = subprocess.run([sys.executable, "-c", _FIND_CACHED], capture_output=True, check=False)
    if found.returncode:
        advice = "let NUMBA_CACHE_DIR name another folder"
        return Finding("kernels", name, f"not found again in {folder}", "absent", advice)
    return Finding("kernels", name, f"in {folder}, found again")


def _audio() -> Iterator[Finding]:
    import soundfile

    yield Finding("audio", "libsndfile", soundfile.__libsndfile_version__)
    with tempfile.TemporaryDirectory(prefix="lstmcore-") as folder:
        found = list(_of_a_tone(Path(folder)))  # a generator that holds a folder may never come to its end
    yield from found


def _of_a_tone(folder: Path) -> Iterator[Finding]:
    """Write a tone in all formats, and look at what comes back."""
    import numpy as np
    import soundfile

    from lstmcore.features import read_audio
    from lstmcore.installing import install_package

    times = np.arange(2 * 22050) / 22050
    for suffix in ("wav", "flac", "ogg", "mp3"):
        path = folder / f"tone.{suffix}"
        try:
            soundfile.write(path, 0.5 * np.sin(2 * np.pi * 440 * times), 22050)
            seconds = len(read_audio(path).samples) / 22050
            yield Finding("audio", suffix.upper(), f"{seconds:.2f} s of a tone decoded")
        except (ValueError, RuntimeError, OSError) as error:
            how = install_package("soundfile", upgrade=True)
            advice = f"a newer libsndfile (from 1.1 for MP3) is needed: {how}"
            yield Finding("audio", suffix.upper(), str(error), "broken", advice)
    yield _media(_TONE)
    yield _smile(folder / "tone.wav")


def _media(tone: Path) -> Finding:
    """Decode an M4A file, or say what decodes it."""
    from lstmcore.features import read_audio
    from lstmcore.features.media import media_reader, reader_version
    from lstmcore.installing import install_extra

    name, reader = "M4A, WMA, WebM, video", media_reader()
    if reader is None:
        advice = f"if wanted: {install_extra('media')}, or install the program ffmpeg"
        return Finding("audio", name, "can't be read: neither PyAV nor ffmpeg is installed", "absent", advice)
    version = reader_version(reader)
    try:
        audio = read_audio(tone)
    except (ValueError, RuntimeError, OSError) as error:
        other = "ffmpeg" if reader == "PyAV" else "PyAV"
        advice = f"another version of {reader} may do, or {other} in its place"
        return Finding("audio", name, f"{version}: {error}", "broken", advice)
    return Finding("audio", name, f"{audio.seconds:.2f} s of a tone decoded by {version}")


def _smile(tone: Path) -> Finding:
    """Compute FS1, or say how to come by openSMILE; and how to do without it, for it isn't free for all."""
    from lstmcore.features import extract_fs1, has_smile
    from lstmcore.installing import install_package

    if not has_smile():
        advice = f"{_DISPENSABLE['opensmile']}; if wanted: {install_package('opensmile')} ({_SMILE_LICENCE})"
        return Finding("audio", "openSMILE", "not installed: no FS1", "absent", advice)
    try:
        rows = len(extract_fs1(tone))
    except (ImportError, RuntimeError, OSError) as error:
        advice = f"FS1, FS2 and FS3 need it: {install_package('opensmile', upgrade=True)} ({_SMILE_LICENCE})"
        return Finding("audio", "openSMILE", str(error), "broken", advice)
    value = f"{version_of('opensmile')}, {rows} rows of FS1 computed; {_SMILE_LICENCE}"
    return Finding("audio", "openSMILE", value, advice=f"if its licence is not for you: {_WITHOUT_SMILE}")


def _cuda() -> Iterator[Finding]:
    """Name the GPU and compute on it, or say why that can't be."""
    from lstmcore import EngineError, get_backend
    from lstmcore.experiments.machine.gpu import describe_gpu, simulated

    try:
        found = describe_gpu()
        for name, shown in {"name": "GPU", "driver": "driver", "CUDA": "CUDA"}.items():
            yield Finding("CUDA", shown, found.pop(name))
        yield Finding("CUDA", "device", ", ".join(f"{name} {value}" for name, value in found.items()))
    except RuntimeError as error:
        yield Finding("CUDA", "GPU", str(error), "absent")
        if not simulated():
            yield Finding("CUDA", "kernels", "not run: there is no GPU to run them on", "absent")
            return
    try:
        get_backend("cuda")
        yield from _differences("CUDA", "cuda", "use --backend cpu")
    except EngineError as error:
        yield Finding("CUDA", "kernels", f"not run: {error}", "absent")
    except Exception as error:  # noqa: BLE001 - whatever a driver may raise
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        yield Finding("CUDA", "kernels", said, "broken", "report this machine, and use --backend cpu")


def _folders() -> Iterator[Finding]:
    from lstmcore.features.store import CACHE_VARIABLE, cache_root

    root = cache_root()
    there = next(path for path in (root, *root.absolute().parents) if path.exists())
    size = sum(path.lstat().st_size for path in root.rglob("*")) if root.is_dir() else 0
    free = shutil.disk_usage(there).free
    value = f"{root}: {_bytes(size)} used, {_bytes(free)} free"
    if there.is_dir() and os.access(there, os.W_OK):
        yield Finding("folders", "computed features and music", value)
    else:
        advice = f"let {CACHE_VARIABLE} name a folder that can be written to"
        yield Finding(
            "folders", "computed features and music", f"{value}, can't be written to", "broken", advice
        )


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _threads() -> Iterator[Finding]:
    import numpy  # noqa: F401 - brings the BLAS that threadpoolctl finds
    from threadpoolctl import threadpool_info

    for name in THREADS:
        yield Finding("threads", name, os.environ.get(name, "not set"))
    for library in threadpool_info():
        kind = f"{library['internal_api']} {library['version'] or ''}".strip()
        yield Finding(
            "threads", kind, f"{library['num_threads']} threads; 1 in a run, which has a network a core"
        )


def as_json(findings: list[Finding]) -> dict[str, Any]:
    """Return the report as JSON can hold it."""
    return {"ok": is_healthy(findings), "findings": [asdict(finding) for finding in findings]}


def is_healthy(findings: list[Finding]) -> bool:
    """Return whether all that is needed works."""
    return all(finding.state != "broken" for finding in findings)


def print_report(findings: list[Finding]) -> None:
    """Print a table, and below it what to do."""
    from rich.table import Table
    from rich.text import Text

    from lstmcore.experiments.terminal.sheet import new_console

    styles = {"ok": "green", "absent": "yellow", "broken": "bold red"}
    table = Table()
    for heading in ("", "", "found", ""):
        table.add_column(heading, overflow="fold")
    topic = ""
    for found in findings:
        if found.topic != topic:
            table.add_section()
        state = Text(found.state, styles[found.state])
        table.add_row(found.topic if found.topic != topic else "", found.name, Text(found.value), state)
        topic = found.topic
    console = new_console()
    console.print(table)
    for found in findings:
        if found.advice:
            console.print(f"{found.name}: {found.advice}", highlight=False, soft_wrap=True)
    console.print(
        "all that is needed works" if is_healthy(findings) else "something that is needed is broken"
    )
