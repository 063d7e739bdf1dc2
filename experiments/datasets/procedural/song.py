"""One synthetic song from its seed: curves, style, score, sound, ratings, and the files it consists of."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from lstmcore.experiments.datasets import deam_layout as layout
from lstmcore.experiments.datasets.procedural.compose import compose
from lstmcore.experiments.datasets.procedural.harmony import mode_name
from lstmcore.experiments.datasets.procedural.instruments import SAMPLE_RATE
from lstmcore.experiments.datasets.procedural.plan import ProceduralPlan, SongPlan, song_seed
from lstmcore.experiments.datasets.procedural.raters import ATTRIBUTES, FRAME, Ratings, rate, true_attribute
from lstmcore.experiments.datasets.procedural.styles import Style, draw_style
from lstmcore.experiments.datasets.procedural.synthesis import render
from lstmcore.experiments.datasets.procedural.trajectories import DIMENSIONS, Trajectories, draw_trajectories

TAIL = 1.0
"""Seconds of audio beyond the annotated length. The features of time t come from the second after t, and the
last annotation stands 0.5 s before the annotated end: every annotation has its audio, and 0.5 s more."""


def song_curves(seed: int, song: SongPlan) -> Trajectories:
    """Return the parameter curves of a song, from 0 s to the end of its audio."""
    rng = np.random.default_rng(song_seed(seed, song.song_id, "trajectories"))
    return draw_trajectories(rng, song.seconds + TAIL)


def song_style(seed: int, song: SongPlan, curves: Trajectories) -> Style:
    """Return the ensemble that plays a song."""
    return draw_style(np.random.default_rng(song_seed(seed, song.song_id, "style")), curves)


def song_audio(seed: int, song: SongPlan, curves: Trajectories) -> NDArray[np.float32]:
    """Return the sound of a song, [(seconds + TAIL) * SAMPLE_RATE] samples in [-1, 1], mono."""
    style = song_style(seed, song, curves)
    composer = np.random.default_rng(song_seed(seed, song.song_id, "composition"))
    player = np.random.default_rng(song_seed(seed, song.song_id, "sound"))
    score = compose(composer, curves, style)
    return render(player, curves, score, style, song.seconds + TAIL)


def song_ratings(seed: int, song: SongPlan, curves: Trajectories, raters: int) -> Ratings:
    """Return what a song's raters answer."""
    rng = np.random.default_rng(song_seed(seed, song.song_id, "raters"))
    return rate(rng, curves, raters, song.seconds)


def flac(audio: NDArray[np.float32]) -> bytes:
    """Return samples in [-1, 1] as a FLAC file of 16 bits: lossless, so features are equal everywhere."""
    whole = np.rint(audio * 32767.0).astype(np.int16)
    file = BytesIO()
    soundfile.write(file, whole, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def truth_table(curves: Trajectories, seconds: float) -> bytes:
    """Return the curves and true attributes every half second as a CSV file."""
    times = FRAME * np.arange(int(seconds / FRAME) + 1, dtype=np.float64)
    names = [d.name for d in DIMENSIONS]
    columns = [times, *(curves.at(name, times) for name in names)]
    columns += [np.interp(times, curves.times, true_attribute(curves, name)) for name in ATTRIBUTES]
    header = ["time", *names, *(f"true_{name}" for name in ATTRIBUTES)]
    rows = np.stack(columns, axis=1) + 0.0
    return layout.table(header, [[f"{row[0]:.1f}", *(f"{value:.5f}" for value in row[1:])] for row in rows])


def song_files(plan: ProceduralPlan, song: SongPlan) -> dict[str, bytes]:
    """Make a song.

    Parameters
    ----------
    plan : gives the seed and the number of raters
    song : which song

    Returns
    -------
    The content of its files by their paths within the collection, those of `file_names`.
    """
    curves = song_curves(plan.seed, song)
    files = {
        str(layout.audio_file(song.song_id)): flac(song_audio(plan.seed, song, curves)),
        str(layout.truth_file(song.song_id)): truth_table(curves, song.seconds),
    }
    if song.section != "unlabelled":
        ratings = song_ratings(plan.seed, song, curves, plan.raters)
        for attribute in ATTRIBUTES:
            content = layout.rater_table(ratings.times, ratings.of(attribute))
            files[str(layout.rater_file(attribute, song.song_id))] = content
    return files


def metadata_row(seed: int, song: SongPlan) -> list[str]:
    """Return a song's row of `metadata.csv`, in the order of `layout.METADATA_COLUMNS`."""
    curves = song_curves(seed, song)
    style = song_style(seed, song, curves).name
    mode = mode_name(float(curves.mode.mean()))
    tags = f"synthetic;procedural;{song.section};{mode};{curves.tempo.mean():.0f}bpm"
    excerpt = ["0.00", layout.minutes_seconds(song.seconds)] if song.section != "test" else ["", ""]
    title = f"Synthetic {style} song {song.song_id}"
    return [str(song.song_id), "", "synthetic", title, "procedural music", style, tags, *excerpt, ""]
