"""Names, order and times of the features."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lstmcore.features import FEATURE_SETS, columns, feature_names, grid_times
from lstmcore.features.sets import PARTS, is_feature_set, parts_of, set_of, set_with


@pytest.mark.golden
def test_the_names_and_their_order_are_those_of_the_deam_files(golden: Path) -> None:
    header = (golden / "deam_feature_header.txt").read_text().strip().split(";")
    assert list(columns("FS1")) == header


def test_fs1_has_260_different_names() -> None:
    assert len(set(feature_names("FS1"))) == len(FEATURE_SETS["FS1"]) == 260


def test_an_unknown_set_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"unknown feature set 'fs1' \(did you mean 'FS1'\?\)"):
        feature_names("fs1")


def test_sets_are_made_of_parts_and_several_names_are_one_set() -> None:
    assert parts_of("FS1+tonality") == parts_of("tonality+FS1") == ("FS1", "tonality")
    assert feature_names("FS2+tonality") == feature_names("FS3")
    assert set_of(parts_of("tonality+FS2")) == "FS3"
    assert set_of(["tonality", "music"]) == "music+tonality"
    assert set_with([PARTS["tonality"][0], "tempo"]) == "music+tonality"
    assert set_with(["tempo", feature_names("FS1")[7]]) == "FS2"
    assert is_feature_set("FS1+tonality")
    assert not is_feature_set("FS1+song_means")
    with pytest.raises(ValueError, match=r"unknown feature set 'Tonal' \(did you mean 'tonality'\?\)"):
        feature_names("FS2+Tonal")
    with pytest.raises(ValueError, match="unknown feature set ''"):
        feature_names("FS2+")


def test_a_row_bears_the_time_of_its_windows_start() -> None:
    np.testing.assert_array_equal(grid_times(4), [0.0, 0.5, 1.0, 1.5])
    np.testing.assert_array_equal(grid_times(3, 2.0), [0.0, 2.0, 4.0])
    with pytest.raises(ValueError, match="-1 rows"):
        grid_times(-1)


def test_importing_the_room_stays_light() -> None:
    heavy = {"numba", "pandas", "opensmile", "soundfile"}
    code = f"import sys, lstmcore.features; print({heavy} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
