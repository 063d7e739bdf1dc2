"""Speed of the features: against openSMILE by itself, plain NumPy and SciPy, and real time.

    python -m benchmarks.features

One processor, 45 s of procedural music, 44.1 kHz, stereo.  Values are compared before anything is
timed.  No public Python library computes MIRtoolbox's values, so the four descriptors of music
are compared with `benchmarks.features_plain`, and with librosa's nearest functions, which are defined
otherwise.  openSMILE's Python package is licensed by audEERING for non-commercial use.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly
from threadpoolctl import threadpool_limits
from typer.testing import CliRunner

from benchmarks import features_plain
from benchmarks.features_direct import run_directly, smile_object
from benchmarks.measuring import RESULTS, alternate, publish
from lstmcore.experiments.cli import app
from lstmcore.experiments.datasets.procedural.plan import ProceduralPlan
from lstmcore.experiments.datasets.procedural.song import song_audio, song_curves
from lstmcore.features import extract_features, extract_fs1, music_rows, tonality_rows
from lstmcore.features.gammatone import differentiated_envelope
from lstmcore.features.onsets import event_density, onset_curve
from lstmcore.features.roughness import sethares_dissonance, vassilakis_roughness
from lstmcore.features.sets import TONALITY_SECONDS
from lstmcore.features.spectrum import spectral_peaks
from lstmcore.features.tempo_estimation import tempo
from tests.features import tonality_plainly

SECONDS, RATE = 45, 44100
FILES, EXCERPT_SECONDS = 4, 30  # of a library
ROWS = 88  # of the grid, for 45 s
TOLERANCE = 1e-6

Call = Callable[[], object]
OTHER_DEFINITION = "other definition"


@dataclass(frozen=True)
class Case:
    """What is timed: our way, the others' by name, seconds of music, largest difference of the values."""

    what: str
    ours: Call
    others: Mapping[str, Call] = field(default_factory=dict)
    differs: float | None = None
    seconds: float = SECONDS

    def rows(self, rounds: int) -> list[dict[str, Any]]:
        """Time all in turn; return a row for each of the others."""
        timings = alternate({"ours": self.ours, **self.others}, rounds)
        ours = timings.pop("ours")
        rows = []
        for name, timing in timings.items():
            low, high = ours.spread(timing)
            rows.append(
                {
                    "what": self.what,
                    "s": ours.median,
                    "x real time": self.seconds / ours.median,
                    "against": name,
                    "its s": timing.median,
                    "times faster": ours.ratio(timing),
                    "lower quartile": low,
                    "upper quartile": high,
                    "values differ": None if name.endswith(OTHER_DEFINITION) else self.differs,
                }
            )
        return rows


def stereo_song(number: int) -> NDArray[np.int16]:
    """Make 45 s of procedural music: two songs, each nearer to another side."""
    plan = ProceduralPlan(development=2 * FILES)
    voices = []
    for song in plan.songs()[2 * number : 2 * number + 2]:
        voice = song_audio(plan.seed, song, song_curves(plan.seed, song))
        voices.append(resample_poly(voice, 2, 1)[: SECONDS * RATE])
    sides = np.stack(voices, axis=1) @ np.array([[0.7, 0.3], [0.3, 0.7]])
    return np.asarray(np.rint(sides * (29000 / np.abs(sides).max())), np.int16)


def write_wav(path: Path, samples: NDArray[np.int16]) -> Path:
    """Write a 16-bit WAV file."""
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    return path


def difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Return the largest difference relative to a column's largest value; stop where it is too large."""
    largest = np.maximum(np.abs(theirs).max(axis=0), 1e-30)
    found = float((np.abs(np.asarray(ours, np.float64) - theirs) / largest).max())
    if not found <= TOLERANCE:
        raise SystemExit(f"the values differ by {found:.1e} of a column's largest; nothing was timed")
    return found


def smile_cases(folder: Path) -> Iterator[Case]:
    """Compare FS1 with openSMILE's library, and on a mono file against its usual interface; FS2."""
    samples = stereo_song(0)
    stereo = write_wav(folder / "stereo.wav", samples)
    mono = write_wav(folder / "mono.wav", samples[:, :1])
    usual = smile_object(folder)

    def directly() -> NDArray[Any]:
        return run_directly(stereo)

    def usually() -> NDArray[Any]:
        return np.asarray(usual.process_file(str(mono)))

    def our_mono() -> Any:
        return extract_fs1(mono)

    def ours() -> Any:
        return extract_fs1(stereo)

    differs = difference(ours().to_numpy()[:, 1:], directly())
    yield Case("FS1", ours, {"openSMILE's library on the ready WAV": directly}, differs)
    differs = difference(our_mono().to_numpy()[:, 1:], usually())
    yield Case("FS1, mono", our_mono, {"opensmile.Smile": usually}, differs)
    both = {"openSMILE's library alone, without the four": directly}
    yield Case("FS2, from file to table", lambda: extract_features(stereo, "FS2"), both)


def music_cases() -> Iterator[Case]:
    """Compare the four descriptors of music, together and alone."""
    samples = stereo_song(0)
    mixed = samples.mean(axis=1, dtype=np.float32) / 32768
    ours, plain = music_rows(samples, RATE, ROWS), features_plain.music_rows(samples, RATE, ROWS)

    def dissonance_and_roughness() -> None:
        peaks = spectral_peaks(samples, RATE)
        sethares_dissonance(peaks)
        vassilakis_roughness(peaks)

    def beats() -> object:
        return tempo(differentiated_envelope(samples, RATE), 3.0)

    def events() -> object:
        return event_density(onset_curve(samples, RATE), 1.0)

    def case(what: str, call: Call, written: Callable[..., Any], columns: slice, **librosas: Call) -> Case:
        others: dict[str, Call] = {"plain NumPy and SciPy": lambda: written(samples, RATE, ROWS)}
        others |= {f"librosa's {name}, {OTHER_DEFINITION}": other for name, other in librosas.items()}
        return Case(what, call, others, difference(ours[:, columns], plain[:, columns]))

    def together() -> object:
        return music_rows(samples, RATE, ROWS)

    yield case("the four together", together, features_plain.music_rows, slice(0, 4))
    yield case(
        "dissonance and roughness",
        dissonance_and_roughness,
        features_plain.dissonance_and_roughness,
        slice(0, 2),
    )
    yield case(
        "tempo",
        beats,
        features_plain.tempo,
        slice(2, 3),
        tempo=lambda: librosa.feature.tempo(y=mixed, sr=RATE, aggregate=None),
    )
    yield case(
        "event density",
        events,
        features_plain.event_density,
        slice(3, 4),
        onset_detect=lambda: librosa.onset.onset_detect(y=mixed, sr=RATE),
    )


def tonality_case(folder: Path) -> Case:
    """Compare tonality with FS2, and pitch classes with librosa's by its constant-Q transform."""
    samples = stereo_song(0)
    stereo = write_wav(folder / "tonal.wav", samples)
    mixed = samples.mean(axis=1, dtype=np.float32) / 32768
    short, rate = mixed[: 3 * RATE : 4], RATE // 4
    expected = tonality_plainly.rows(short.astype(np.float64), rate, 3, TONALITY_SECONDS)
    if not np.allclose(tonality_rows(short, rate, 3), expected, rtol=0, atol=2e-5):
        raise SystemExit("tonality differs from its plain formulation; nothing was timed")

    def by_librosa() -> object:
        return librosa.feature.chroma_cqt(y=mixed, sr=RATE, tuning=0.0)

    others: dict[str, Call] = {
        f"FS2, from file to table, {OTHER_DEFINITION}": lambda: extract_features(stereo, "FS2"),
        f"librosa's chroma_cqt, {OTHER_DEFINITION}": by_librosa,
    }
    return Case("tonality, from samples", lambda: tonality_rows(samples, RATE, ROWS), others)


def library_case(folder: Path, processors: list[int], open_until_end: ExitStack) -> Case:
    """Compare ``lstmcore features`` of a folder with two workers, with one, and with openSMILE by itself."""
    (library := folder / "library").mkdir()
    wavs, mono = [], []
    for number in range(FILES):
        samples = stereo_song(number)[: EXCERPT_SECONDS * RATE]
        wavs.append(write_wav(library / f"{number}.wav", samples))
        mono.append(write_wav(folder / f"{number} mono.wav", samples[:, :1]))
    usual = smile_object(folder, workers=2)
    os.sched_setaffinity(0, processors[:2])
    processes = open_until_end.enter_context(ProcessPoolExecutor(2, get_context("spawn")))

    def run(workers: int) -> list[bytes]:
        os.sched_setaffinity(0, processors[:workers])
        out = folder / "tables"
        line = ["features", str(library), "--set", "FS2", "--out", str(out), "--no-store"]
        done = CliRunner().invoke(app, [*line, "--workers", str(workers), "--quiet"])
        if done.exit_code:
            raise SystemExit(done.output)
        os.sched_setaffinity(0, processors[:2])
        return [(out / f"{number}.csv").read_bytes() for number in range(FILES)]

    if run(1) != run(2):
        raise SystemExit("the features depend on the number of workers; nothing was timed")
    others: dict[str, Call] = {
        "one worker": lambda: run(1),
        "openSMILE's library alone in two processes, without the four": lambda: list(
            processes.map(run_directly, wavs)
        ),
        "opensmile.Smile with two workers, mono, without the four": lambda: usual.process_files(mono),
    }
    return Case(f"FS2, {FILES} files, two workers", lambda: run(2), others, 0.0, FILES * EXCERPT_SECONDS)


def main() -> None:
    """Run a part, or all, and write ``benchmarks/results/features.json``."""
    parser = argparse.ArgumentParser(description="Speed of the features.")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each candidate")
    parser.add_argument("--part", choices=PARTS, action="append", help="not all of it; the other rows stay")
    given = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, processors[:1])
    table = []
    with threadpool_limits(1), tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        for part in given.part or PARTS:
            for case in PARTS[part](Path(name), processors, stack):
                table += case.rows(given.rounds)
                print(f"{case.what}: {table[-1]['x real time']:.1f} x real time", flush=True)
    if given.part and (before := RESULTS / "features.json").exists():
        new = {row["what"] for row in table}
        table = [row for row in json.loads(before.read_text())["rows"] if row["what"] not in new] + table
    title = f"Features of {SECONDS} s at {RATE} Hz, stereo, one processor"
    publish("features", title, table, ["opensmile", "librosa"])


PARTS: dict[str, Callable[[Path, list[int], ExitStack], Iterable[Case]]] = {
    "smile": lambda folder, *_: smile_cases(folder),
    "music": lambda *_: music_cases(),
    "tonality": lambda folder, *_: [tonality_case(folder)],
    "library": lambda folder, processors, stack: (
        [library_case(folder, processors, stack)] if len(processors) > 1 else []
    ),
}


if __name__ == "__main__":
    main()
