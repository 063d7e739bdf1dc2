"""Our FS1 of DEAM's clips beside the feature means that DEAM's authors give, column by column.

    python -m benchmarks.deam_clips --deam DIR [--columns] [--variants]

DIR holds ``song_mean_features.csv`` (one row per song, the means of its official feature file) and
``MEMD_audio/<song_id>.mp3``.  All differences are in units of a column's standard deviation over the songs.
Nothing is written.  DEAM is for research; openSMILE's Python package for non-commercial use.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from benchmarks.features_direct import BUFFER_INCLUDE, LLD_INCLUDE, run_directly
from lstmcore.features import TIME_COLUMN, extract_fs1, feature_names, read_audio
from lstmcore.features.frames import mono

Signal = NDArray[np.float64]
Tables = Mapping[int, pandas.DataFrame]

AUDIBLE = 1e-4
LEAST_ROWS = 20  # of a span that is tried
DELTA = "_sma_de"
BLOCKS = {"1-1000": (1, 1000), "1001-2000": (1001, 2000), "from 2001": (2001, 10**9)}
STEPS = ("pcm_RMSenergy_sma_de_amean", "audspec_lengthL1norm_sma_de_amean", "F0final_sma_de_amean")
FIRST_ROW = "audspecRasta_lengthL1norm_sma_amean"

# (name, what is done to the sound, replacements in the low-level descriptors' configuration)
RASTA = "newRASTA=1\nRASTA=0"
VARIANTS: tuple[tuple[str, Callable[[Signal], tuple[Signal, float]], tuple[tuple[str, str], ...]], ...] = (
    ("from the first sound", lambda x: (from_first_sound(x), 1), ()),
    ("older RASTA filter", lambda x: (from_first_sound(x), 1), ((RASTA, "newRASTA=0\nRASTA=1"),)),
    ("no RASTA", lambda x: (from_first_sound(x), 1), ((RASTA, "newRASTA=0\nRASTA=0"),)),
    (
        "ComParE 2016",
        lambda x: (from_first_sound(x), 1),
        (
            ("useBrokenJitterThresh = 1", "useBrokenJitterThresh = 0"),
            ("PadSymmetric = 0", "PadSymmetric = 1"),
        ),
    ),
    *(
        (f"F0: {name}", lambda x: (from_first_sound(x), 1), ((old, new),))
        for name, old, new in (
            ("Hamming window", "winFunc=gauss\ngain=1.0\nsigma=0.4", "winFunc=hamming"),
            ("octave correction", "octaveCorrection = 0", "octaveCorrection = 1"),
            ("up to 1000 Hz", "maxPitch = 620", "maxPitch = 1000"),
            ("older search of peaks", "greedyPeakAlgo = 1", "greedyPeakAlgo = 0"),
        )
    ),
    ("half the rate", lambda x: (resample_poly(from_first_sound(x), 1, 2), 1 / 2), ()),
    ("16 of 44.1 kHz", lambda x: (resample_poly(from_first_sound(x), 160, 441), 160 / 441), ()),
    ("half as loud", lambda x: (0.5 * from_first_sound(x), 1), ()),
)


def from_first_sound(signal: Signal) -> Signal:
    """Leave out the silence at the beginning."""
    return signal[np.flatnonzero(np.abs(signal) > AUDIBLE)[0] :]


def group_of(column: str) -> str:
    """Name the group of descriptors that a column belongs to."""
    name = column.split("_sma")[0]
    if "Rfilt" in name or "Rasta" in name:
        group = "RASTA"
    elif "mfcc" in name:
        group = "MFCC"
    elif name in ("F0final", "voicingFinalUnclipped", "logHNR"):
        group = name
    elif name.startswith(("jitter", "shimmer")):
        group = "jitter, shimmer"
    elif name.startswith(("audspec", "pcm_RMS", "pcm_zcr")):
        group = "loudness, ZCR"
    else:
        group = "spectral"
    return group


def variant_tables(
    clips: Mapping[int, Path],
    change: Callable[[Signal], tuple[Signal, float]],
    replacements: Sequence[tuple[str, str]],
) -> Tables:
    """Compute FS1 of changed clips with a changed configuration."""
    tables = {}
    with tempfile.TemporaryDirectory() as name:
        text = LLD_INCLUDE.read_text().replace("../shared", str(BUFFER_INCLUDE.parent))
        for old, new in replacements:
            if old not in text:
                raise SystemExit(f"{LLD_INCLUDE}: no line {old!r}")
            text = text.replace(old, new)
        include = Path(name, "lld.conf.inc")
        include.write_text(text)
        for song, path in clips.items():
            audio = read_audio(path)
            signal, faster = change(mono(audio.samples))
            wav = Path(name, "clip.wav")
            soundfile.write(wav, np.clip(signal, -1, 1), round(audio.rate * faster), subtype="PCM_16")
            tables[song] = pandas.DataFrame(run_directly(wav, include), columns=feature_names("FS1"))
    return tables


def means_of(tables: Tables, columns: Sequence[str], rows: slice = slice(None)) -> pandas.DataFrame:
    """Average rows of the tables: one row per song."""
    return pandas.DataFrame(
        {song: table.iloc[rows][list(columns)].mean() for song, table in tables.items()}
    ).T.astype(float)


def compare(means: pandas.DataFrame, official: pandas.DataFrame, spread: pandas.Series) -> pandas.DataFrame:
    """Compare two tables of means column by column.

    Returns
    -------
    pandas.DataFrame
        One row per column: median and largest |difference|, median difference (all in `spread`), correlation
        over the songs, median ratio.
    """
    apart = (means - official) / spread
    return pandas.DataFrame(
        {
            "group": [group_of(column) for column in means.columns],
            "median": apart.abs().median(),
            "largest": apart.abs().max(),
            "offset": apart.median(),
            "r": means.corrwith(official),
            "ratio": (means / official).median(),
        }
    )


def by_group(table: pandas.DataFrame) -> pandas.DataFrame:
    """Take the medians over the columns of a group, the largest of all for the largest difference."""
    summary = {"median": "median", "largest": "max", "offset": "median", "r": "median", "ratio": "median"}
    return table.groupby("group").agg(summary)


def best_span(tables: Tables, official: pandas.DataFrame, spread: pandas.Series) -> tuple[float, int, int]:
    """Find the span of rows, the same for all clips, whose means differ least from the official ones."""
    last = min(len(table) for table in tables.values())
    found = []
    for first in range(0, last - LEAST_ROWS, 2):
        for end in range(first + LEAST_ROWS, last + 1, 2):
            means = means_of(tables, [str(name) for name in official], slice(first, end))
            found.append((float(((means - official) / spread).abs().median().median()), first, end))
    return min(found)


def show(title: str, table: pandas.DataFrame, digits: int = 3) -> None:
    """Print a table under its title."""
    print(f"\n{title}\n{table.round(digits).to_string()}", flush=True)


def read_inputs(folder: Path) -> tuple[pandas.DataFrame, dict[int, Path]]:
    """Read the official means and find the clips; say what is missing."""
    means = folder / "song_mean_features.csv"
    if not means.is_file():
        raise FileNotFoundError(f"{means}: no such file; the means of DEAM's feature files are expected")
    official = pandas.read_csv(means, index_col="song_id")
    paths = sorted((folder / "MEMD_audio").glob("*.mp3"))
    clips = {int(path.stem): path for path in paths if path.stem.isdecimal()}
    clips = {song: clips[song] for song in sorted(clips) if song in official.index}
    if len(clips) < 2:
        raise FileNotFoundError(
            f"{folder / 'MEMD_audio'}: {len(clips)} clips of the table's songs; 2 or more"
        )
    return official, clips


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description="FS1 of DEAM's clips beside the official means.")
    parser.add_argument("--deam", type=Path, required=True, help="DEAM's folder")
    parser.add_argument("--columns", action="store_true", help="one line per column, too")
    parser.add_argument("--variants", action="store_true", help="other sounds and settings too (minutes)")
    arguments = parser.parse_args()
    try:
        every, clips = read_inputs(arguments.deam)
    except FileNotFoundError as error:
        parser.error(str(error))
    columns = [column for column in every.columns if DELTA not in column]
    official, spread = every.loc[list(clips), columns], every[columns].std()

    blocks = {
        name: every.loc[(every.index >= low) & (every.index <= high), list(STEPS)].abs().median()
        for name, (low, high) in BLOCKS.items()
    }
    ours = {song: extract_fs1(path).drop(columns=TIME_COLUMN) for song, path in clips.items()}
    blocks["our clips"] = means_of(ours, STEPS).abs().median()
    show("Official means of deltas, median |value| over songs by their numbers", pandas.DataFrame(blocks), 8)

    show("First rows", pandas.DataFrame({s: t[FIRST_ROW].iloc[:3] for s, t in ours.items()}).T, 2)
    rows = {"all": slice(None), "without the first": slice(1, None), "from 15 s": slice(30, None)}
    for name, chosen in rows.items():
        table = compare(means_of(ours, columns, chosen), official, spread)
        show(f"FS1 as extracted, rows: {name}", by_group(table))

    for name, change, replacements in VARIANTS if arguments.variants else VARIANTS[:1]:
        tables = variant_tables(clips, change, replacements)
        table = compare(means_of(tables, columns), official, spread)
        show(f"Variant: {name}", by_group(table))
        if name == VARIANTS[0][0]:
            if arguments.columns:
                show("Its columns", table)
            rasta = [column for column in columns if group_of(column) == "RASTA"]
            apart = ((means_of(tables, rasta) - official[rasta]) / spread[rasta]).abs().median(axis=1)
            show("Its RASTA columns, median |difference| of each song", apart.to_frame("median"))
            first_half, second_half = (
                means_of(tables, columns, half) for half in (slice(42), slice(44, None))
            )
            show("Its two halves beside each other", by_group(compare(first_half, second_half, spread)))
            least, first, end = best_span(tables, official, spread)
            print(f"Best common span: rows {first} to {end - 1}, median of the columns' medians {least:.3f}")


if __name__ == "__main__":
    main()
