"""The procedural collection on disk: layout, formats, and the same bytes however it was made."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from lstmcore.experiments.datasets import deam_layout as layout
from lstmcore.experiments.datasets.procedural import (
    CollectionMismatchError,
    ProceduralPlan,
    write_collection,
)

PLAN = ProceduralPlan(development=3, unlabelled=1, test=2, seconds=20, test_seconds=30, raters=3, seed=7)
AVERAGED = "annotations/annotations averaged per song/dynamic (per second annotations)"
PER_RATER = "annotations/annotations per each rater/dynamic (per second annotations)"


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("procedural") / "collection"
    write_collection(folder, PLAN)
    return folder


def test_the_layout_is_that_of_deam(root):
    ids = [1, 2, 3, 2001, 2002]
    expected = {"README.txt", "plan.json", "metadata.csv", "checksums.sha256"}
    expected |= {f"MEMD_audio/{song}.flac" for song in (*ids, 1001)}
    expected |= {f"procedural_truth/{song}.csv" for song in (*ids, 1001)}
    for attribute in ("arousal", "valence"):
        expected.add(f"{AVERAGED}/{attribute}.csv")
        expected |= {f"{PER_RATER}/{attribute}/{song}.csv" for song in ids}
    assert set(contents(root)) == expected


def test_it_says_that_it_is_synthetic(root):
    assert "SYNTHETIC" in (root / "README.txt").read_text()
    assert json.loads((root / "plan.json").read_text())["synthetic"] is True
    metadata = pd.read_csv(root / "metadata.csv")
    assert list(metadata.columns) == list(layout.METADATA_COLUMNS)
    assert set(metadata.artist) == {"synthetic"}
    assert metadata.tags.str.startswith("synthetic;").all()
    assert list(metadata.song_id) == [1, 2, 3, 1001, 2001, 2002]


@pytest.mark.parametrize("attribute", ["arousal", "valence"])
def test_averages_are_those_of_the_raters_and_end_with_the_song(root, attribute):
    lines = (root / AVERAGED / f"{attribute}.csv").read_text().splitlines()
    header = lines[0].split(",")
    assert header[:3] == ["song_id", "sample_15000ms", "sample_15500ms"]
    lengths = {song.song_id: song.seconds for song in PLAN.songs()}
    for line in lines[1:]:
        song_id, *values = line.split(",")
        frames = round((lengths[int(song_id)] - 15.0) / 0.5)
        assert len(values) == frames  # a row ends with its song, as in the published files
        with (root / PER_RATER / attribute / f"{song_id}.csv").open() as file:
            raters = list(csv.reader(file))
        assert raters[0] == header[1 : frames + 1]
        answers = np.array(raters[1:], dtype=float)
        assert answers.shape == (PLAN.raters, frames)
        np.testing.assert_allclose(answers.mean(axis=0), np.array(values, dtype=float), atol=1e-6)
        assert np.abs(answers).max() <= 1.0
    longest = max(lengths[song] for song in (1, 2001, 2002))
    assert header[-1] == f"sample_{round(1000 * (longest - 0.5))}ms"


def test_pandas_reads_short_rows_as_missing_values(root):
    table = pd.read_csv(root / AVERAGED / "arousal.csv").set_index("song_id")
    assert table.loc[1].notna().sum() == 10
    assert table.loc[2001].notna().sum() == round((PLAN.songs()[4].seconds - 15.0) * 2)


def test_audio_outlasts_the_annotations_by_what_the_features_need(root):
    for song in PLAN.songs():
        info = soundfile.info(root / "MEMD_audio" / f"{song.song_id}.flac")
        assert (info.samplerate, info.channels, info.subtype) == (22050, 1, "PCM_16")
        last_annotation = song.seconds - 0.5
        assert info.duration >= last_annotation + 1.1


def test_truth_covers_the_song(root):
    for song in PLAN.songs():
        truth = pd.read_csv(root / "procedural_truth" / f"{song.song_id}.csv")
        assert truth.time.iloc[0] == 0.0
        assert truth.time.iloc[-1] == song.seconds
        assert truth[["true_arousal", "true_valence"]].abs().to_numpy().max() < 1.0
        assert truth.notna().all(axis=None)


def test_two_workers_give_the_same_bytes(root, tmp_path):
    write_collection(tmp_path / "again", PLAN, workers=2)
    assert contents(tmp_path / "again") == contents(root)


def test_an_interrupted_generation_goes_on_to_the_same_bytes(root, tmp_path):
    made: list[int] = []
    write_collection(tmp_path, PLAN, on_song=made.append, stop=lambda: len(made) == 2)
    assert made == [1, 2]
    assert not (tmp_path / "metadata.csv").exists()
    # What a kill leaves: one file of a song written, another half written beside its place.
    (tmp_path / layout.rater_file("valence", 2)).unlink()
    (tmp_path / "MEMD_audio" / ".lstmcore-99999.tmp").write_bytes(b"fLaC")
    before = (tmp_path / "MEMD_audio" / "1.flac").stat().st_mtime_ns
    write_collection(tmp_path, PLAN)
    assert contents(tmp_path) == contents(root)
    assert (tmp_path / "MEMD_audio" / "1.flac").stat().st_mtime_ns == before


def test_a_complete_collection_is_left_alone(root):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    songs: list[int] = []
    write_collection(root, PLAN, on_song=songs.append)
    assert songs == [song.song_id for song in PLAN.songs()]
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_lost_average_is_written_again(root, tmp_path):
    copy = shutil.copytree(root, tmp_path / "copy")
    (copy / layout.averaged_file("arousal")).unlink()
    write_collection(copy, PLAN)
    assert contents(copy) == contents(root)


def test_a_song_does_not_depend_on_the_others(root, tmp_path):
    write_collection(
        tmp_path,
        ProceduralPlan(development=1, unlabelled=1, test=1, seconds=20, test_seconds=30, raters=3, seed=7),
    )
    small, large = contents(tmp_path), contents(root)
    shared = [name for name in small if name.startswith(("MEMD_audio", PER_RATER, "procedural_truth"))]
    assert len(shared) == 3 + 4 + 3
    assert all(small[name] == large[name] for name in shared)


def test_another_seed_gives_another_song(root, tmp_path):
    write_collection(tmp_path, ProceduralPlan(1, 0, 0, seconds=20, raters=3, seed=8))
    assert (tmp_path / "MEMD_audio/1.flac").read_bytes() != (root / "MEMD_audio/1.flac").read_bytes()


def test_another_plan_is_refused(root):
    with pytest.raises(CollectionMismatchError, match=re.escape(str(root))):
        write_collection(root, ProceduralPlan(development=4, unlabelled=0, test=0, seconds=20))


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "MEMD_audio").mkdir()
    with pytest.raises(CollectionMismatchError, match="MEMD_audio"):
        write_collection(tmp_path, PLAN)
    assert [path.name for path in tmp_path.iterdir()] == ["MEMD_audio"]


def test_an_unreadable_plan_is_refused(tmp_path):
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(CollectionMismatchError, match=r"plan\.json"):
        write_collection(tmp_path, PLAN)


def test_no_worker_is_refused(tmp_path):
    with pytest.raises(ValueError, match="workers: found 0"):
        write_collection(tmp_path, PLAN, workers=0)
