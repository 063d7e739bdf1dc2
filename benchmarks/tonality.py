"""What of tonality a ridge needs to hear valence, heard and formulated in several ways: VGMIDI.

    python -m benchmarks.tonality FOLDER

FOLDER: the rendered pieces in DEAM's layout.  Each way gives a table of features; a ridge with memory
(frame, last 10 s, since the start), its penalty chosen within the training songs, is scored in
cross-validation of 11 folds, once with pieces of all series in each, once with each series in one fold.
The other ways of hearing pitch classes are librosa's constant-Q transform (install librosa first), and ours
without the division by frequency.  Processor time is of hearing pitch classes alone, of decoded sound.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from unittest import mock

import librosa
import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring import publish
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.config.sections import Folds
from lstmcore.experiments.datasets import Dataset, Song, load_dataset
from lstmcore.experiments.scoring.regression import Frames, memory
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.experiments.training.folds import Groups, groups_of, split
from lstmcore.features import pitch_classes, read_audio, tonality
from lstmcore.features.frames import frames_of, mono
from lstmcore.features.fs3 import tonality_of
from lstmcore.features.gammatone import differentiated_envelope
from lstmcore.features.pitch_classes import BINS, PitchProfile
from lstmcore.features.sets import TONALITY, feature_names
from lstmcore.features.tempo_estimation import autocorrelations

HOP = 0.5
PULSE_SECONDS = 3.0
PLAYED = slice(-len(TONALITY), None)  # FS3's columns
KRUMHANSL = {  # and Kessler's ratings of how well each note fits a key, from the tonic on
    "_MAJOR": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "_MINOR": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
LIBROSA_HOP, LIBROSA_RATE = 2048, 22050

Array = NDArray[np.float64]
Hear = Callable[[Array, float], PitchProfile]


def by_librosa(samples: Array, rate: float) -> PitchProfile:
    """Energies of librosa's constant-Q transform, which divides amplitudes by √f as we do."""
    sound = librosa.resample(samples, orig_sr=rate, target_sr=LIBROSA_RATE)
    amplitudes = np.abs(
        librosa.cqt(
            sound,
            sr=LIBROSA_RATE,
            hop_length=LIBROSA_HOP,
            fmin=librosa.note_to_hz("C2"),
            n_bins=5 * BINS,
            bins_per_octave=BINS,
            tuning=0.0,
        )
    )
    energies = (amplitudes.T**2).reshape(-1, 5, BINS).sum(1)
    total = energies.sum(1, keepdims=True)
    shares = np.divide(energies, total, out=np.zeros_like(energies), where=total > 0)
    return PitchProfile(shares.astype(np.float32), np.arange(len(shares)) * LIBROSA_HOP / LIBROSA_RATE)


def undivided(samples: Array, rate: float) -> PitchProfile:
    """Hear pitch classes as we do, but for the division of energies by frequency."""
    energies = pitch_classes._energies
    with mock.patch.object(
        pitch_classes,
        "_energies",
        lambda s, r, c, filters: energies(s, r, c, filters) * _octave_hz(filters, r),
    ):
        return pitch_classes.pitch_profile(samples, rate)


def _octave_hz(filters: Array, rate: float) -> Array:
    lowest = pitch_classes._Q * rate / (len(filters) - 1)
    octave = round(np.log2(lowest / pitch_classes._LOWEST_HZ))
    return np.asarray(pitch_classes._LOWEST_HZ * 2 ** (octave + np.arange(BINS) / BINS), np.float64)


def heard(dataset: Dataset, root: Path, hear: Hear) -> tuple[dict[int | str, PitchProfile], float]:
    """Pitch classes of all songs, and processor seconds for each minute of sound."""
    profiles, used, minutes = {}, 0.0, 0.0
    for song in dataset.development:
        audio = read_audio(root / "MEMD_audio" / f"{song.song_id}.flac")
        samples, rate = mono(audio.samples), audio.rate
        begun = time.process_time()
        profiles[song.song_id] = hear(samples, rate)
        used += time.process_time() - begun
        minutes += len(samples) / rate / 60
    return profiles, used / minutes


def pulse_clarity(samples: Array, rate: float, rows: int) -> Array:
    """How much the envelope is like itself a beat later (MIRtoolbox's mirpulseclarity, "MaxAutocor"), lately.

    Shape (rows, 3): of the last 3 s, and the mean of that over 10 and 30 s.
    """
    envelope = differentiated_envelope(samples, rate)
    frames = frames_of(len(envelope.values), envelope.rate, PULSE_SECONDS, HOP)
    clarity = autocorrelations(envelope, frames).values.max(axis=1)
    sums = np.concatenate([[0.0], np.cumsum(clarity)])
    ends = np.arange(rows) * HOP + 1
    end = np.maximum(np.searchsorted(frames.centres + PULSE_SECONDS / 2, ends + 1e-6), 1)
    begins = [np.clip(end - int(seconds / HOP), 0, end - 1) for seconds in (HOP, 10, 30)]
    return np.stack([(sums[end] - sums[begin]) / (end - begin) for begin in begins], axis=1)


def pulses(dataset: Dataset, root: Path) -> list[Array]:
    """Pulse clarity of the frames of all songs."""
    found = []
    for song in dataset.development:
        audio = read_audio(root / "MEMD_audio" / f"{song.song_id}.flac")
        places = np.round(song.times / HOP).astype(int)
        found.append(pulse_clarity(mono(audio.samples), audio.rate, int(places.max()) + 1)[places])
    return found


def numbers_of(profile: PitchProfile, song: Song) -> Array:
    """Tonality of a song's frames."""
    places = np.round(song.times / HOP).astype(int)
    return tonality_of(profile, int(places.max()) + 1)[places]


def scored(songs: list[Song], groups: Groups | None) -> Iterator[float]:
    """Pooled r, RMSE by song and r by song of valence, predicted by a ridge that didn't see the fold."""
    config = Folds(count=11, team_test="none", group="series" if groups else None)
    folds = split(songs, config, groups)
    found: dict[int | str, Array] = {}
    for fold in folds.folds:
        left_out = {song.song_id for song in fold}
        others = [song for song in songs if song.song_id not in left_out]
        kept = {song.song_id: groups[song.song_id] for song in others} if groups else None
        ridge = Frames(others, memory(20), kept).ridge()
        found |= {song.song_id: ridge.predict(song)[:, 1] for song in fold}
    pairs = [(found[song.song_id], song.annotation[:, 1]) for song in songs]
    yield float(np.corrcoef(*(np.concatenate(side) for side in zip(*pairs, strict=True)))[0, 1])
    yield float(np.mean([np.sqrt(np.mean((p - y) ** 2)) for p, y in pairs]))
    yield float(np.mean([np.corrcoef(p, y)[0, 1] if p.std() * y.std() > 1e-12 else 0.0 for p, y in pairs]))


def main() -> None:
    """Score all ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    root = parser.parse_args().folder
    experiment = load_experiment("vgmidi", [f"data.root={root}", "data.normal_scores=false"])
    dataset = load_dataset(
        experiment.data, workers=1, progress=Quiet(), stop=Event(), group=experiment.folds.group
    )
    names, songs = feature_names("FS3"), dataset.development
    assert tuple(dataset.feature_names) == names
    groups = groups_of(dataset, experiment.folds)
    ways: dict[str, tuple[float | None, list[Array]]] = {
        "FS2": (None, [song.features[:, : -len(TONALITY)] for song in songs]),
        "FS3": (None, [song.features for song in songs]),
    }
    for name, hear in {
        "ours": pitch_classes.pitch_profile,
        "librosa": by_librosa,
        "undivided": undivided,
    }.items():
        profiles, seconds = heard(dataset, root, hear)
        ways[f"tonality, {name}"] = (
            seconds,
            [numbers_of(profiles[song.song_id], song) for song in songs],
        )
        if name == "ours":
            np.testing.assert_allclose(
                ways[f"tonality, {name}"][1][0], songs[0].features[:, PLAYED], atol=1e-5
            )
            with mock.patch.multiple(tonality, **KRUMHANSL):
                tables = [numbers_of(profiles[song.song_id], song) for song in songs]
            ways["tonality, Krumhansl's and Kessler's profiles"] = (None, tables)
    ours = ways["tonality, ours"][1]
    for what in ("mode", "clarity", "entropy", "change", "degree", "1s", "3s", "10s", "30s"):
        kept = [what not in name.split("_") for name in TONALITY]
        ways[f"tonality without {what}"] = (None, [table[:, kept] for table in ours])
    beats = pulses(dataset, root)
    ways["tonality and pulse clarity"] = (None, [np.hstack(both) for both in zip(ours, beats, strict=True)])
    whole = [song.features for song in songs]
    ways["FS3 and pulse clarity"] = (None, [np.hstack(both) for both in zip(whole, beats, strict=True)])
    only = ["mode" in name.split("_") for name in TONALITY]
    ways["mode alone"] = (None, [table[:, only] for table in ours])
    rows = []
    for way, (used, tables) in ways.items():
        of_way = [replace(song, features=table) for song, table in zip(songs, tables, strict=True)]
        row = {"columns": way, "number": tables[0].shape[1], "processor s a minute of sound": used}
        forms: dict[str, Groups | None] = {"mixed": None, "by series": groups}
        for form, together in forms.items():
            r, error, by_song = scored(of_way, together)
            row |= {f"{form}: r": r, f"{form}: RMSE by song": error, f"{form}: r by song": by_song}
        rows.append(row)
        print(row, flush=True)
    publish("tonality", "Valence of VGMIDI by a ridge with memory", rows, ["librosa"])


if __name__ == "__main__":
    main()
