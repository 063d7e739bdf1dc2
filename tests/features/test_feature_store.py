"""The store: found by content, written whole, damaged files computed anew."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings, strategies as st

from lstmcore.features import (
    AudioError,
    FeatureKey,
    FeatureSettings,
    FeatureStore,
    columns,
    default_folder,
    digest_of,
    extract_features,
    extract_fs1,
)
from lstmcore.features.fs1 import fs1_rows
from lstmcore.features.fs2 import fs2_version
from lstmcore.features.sets import PARTS
from tests.features.many import extract_all


class Counted:
    """Stands in for `fs1_rows` and counts the calls that reach it."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *what: Any, **options: Any) -> Any:
        self.calls += 1
        return fs1_rows(*what, **options)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()
    monkeypatch.setattr("lstmcore.features.parts.fs1_rows", counted)
    return counted


def stored_files(store: FeatureStore) -> list[Path]:
    return [path for path in store.folder.rglob("*") if path.is_file()]


def test_the_second_time_nothing_is_computed(clip: Path, store: FeatureStore, computed: Counted) -> None:
    first = extract_features(clip, "FS1", store)
    second = extract_features(clip, "FS1", store)
    assert computed.calls == 1
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_without_a_store_nothing_is_kept(clip: Path, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    extract_features(clip)
    assert set(tmp_path.rglob("*")) == before


def test_the_same_content_under_another_name_is_found(
    clip: Path, store: FeatureStore, computed: Counted
) -> None:
    extract_features(clip, "FS1", store)
    extract_features(shutil.copy(clip, clip.with_name("copy.bin")), "FS1", store)
    assert computed.calls == 1


def test_changed_content_is_computed_anew(clip: Path, store: FeatureStore, computed: Counted) -> None:
    first = extract_features(clip, "FS1", store)
    samples, rate = soundfile.read(clip, dtype="int16")
    soundfile.write(clip, samples // 2, rate)
    second = extract_features(clip, "FS1", store)
    assert computed.calls == 2
    assert not first.equals(second)
    assert len(stored_files(store)) == 2


def test_another_version_is_computed_anew(
    clip: Path, store: FeatureStore, computed: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract_features(clip, "FS1", store)
    monkeypatch.setattr("lstmcore.features.extract.part_version", lambda *_: "another")
    extract_features(clip, "FS1", store)
    assert computed.calls == 2


@pytest.mark.parametrize("damage", ["", "half", "junk"])
def test_a_damaged_file_is_computed_anew(
    damage: str, clip: Path, store: FeatureStore, computed: Counted
) -> None:
    first = extract_features(clip, "FS1", store)
    (file,) = stored_files(store)
    whole = file.read_bytes()
    file.write_bytes({"": b"", "half": whole[: len(whole) // 2], "junk": b"PK junk" * 99}[damage])
    second = extract_features(clip, "FS1", store)
    assert computed.calls == 2
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert file.read_bytes() == whole


@pytest.fixture(scope="session")
def kept(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[FeatureStore, FeatureKey, bytes]:
    """A store with one table, its key, and the bytes of its file."""
    store = FeatureStore(tmp_path_factory.mktemp("kept"))
    key = FeatureKey("d" * 64, "FS1", "v1")
    content = store.save(key, extract_fs1(golden / "mix12.flac")).read_bytes()
    return store, key, content


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_flipped_byte_goes_unnoticed(
    data: st.DataObject, kept: tuple[FeatureStore, FeatureKey, bytes]
) -> None:
    store, key, content = kept
    at = data.draw(st.integers(0, len(content) - 1))
    flip = data.draw(st.integers(1, 255))
    file = store.path_of(key)
    file.write_bytes(content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :])
    assert store.load(key) is None
    file.write_bytes(content)
    assert store.load(key) is not None


def test_the_columns_must_be_those_of_the_set(kept: tuple[FeatureStore, FeatureKey, bytes]) -> None:
    store, key, _ = kept
    table = store.load(key)
    assert table is not None
    slow = FeatureKey("e" * 64, "FS1", "v1", hop_seconds=2.0)
    with pytest.raises(ValueError, match="a row every 2 s"):
        store.save(slow, table)
    for wrong in (table.iloc[:, :100], table.iloc[:, ::-1], table.iloc[1:]):
        with pytest.raises(ValueError, match=r"a table of FS1 with a row every 0\.5 s is expected"):
            store.save(FeatureKey("e" * 64, "FS1", "v1"), wrong)


def forbidden(*_: object, **__: object) -> None:
    raise AssertionError("computed although the store holds it")


def parts_in(store: FeatureStore) -> list[str]:
    return sorted(file.parent.name.partition("-")[0] for file in stored_files(store))


def test_only_the_parts_that_are_not_stored_are_computed(
    clip: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    anew = extract_features(clip, "FS2")
    extract_features(clip, "FS1", store)
    monkeypatch.setattr("lstmcore.features.parts.fs1_rows", forbidden)
    pd.testing.assert_frame_equal(extract_features(clip, "FS2", store), anew, check_exact=True)
    assert parts_in(store) == ["FS1", "music"]
    with pytest.raises(AssertionError, match="computed"):
        extract_features(clip, "FS2", store, settings=FeatureSettings(hop_seconds=1.0))


def test_a_set_is_put_together_of_stored_parts_of_others(
    clip: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    anew = extract_features(clip, "FS1+tonality")
    assert tuple(anew.columns) == ("frameTime", *PARTS["FS1"], *PARTS["tonality"])
    extract_features(clip, "FS2", store)
    extract_features(clip, "tonality+music", store)
    assert parts_in(store) == ["FS1", "music", "tonality"]
    for part in ("fs1_rows", "music_rows", "tonality_rows"):
        monkeypatch.setattr(f"lstmcore.features.parts.{part}", forbidden)
    for name in ("FS1+tonality", "tonality+FS1"):
        (result,) = extract_all([clip], name, store)
        assert result.stored
        pd.testing.assert_frame_equal(result.features, anew, check_exact=True)


def test_what_was_stored_as_a_whole_fs2_is_still_found(
    clip: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    anew = extract_features(clip, "FS2")
    store.save(FeatureKey(digest_of(clip), "FS2", fs2_version()), anew)
    for part in ("fs1_rows", "music_rows"):
        monkeypatch.setattr(f"lstmcore.features.parts.{part}", forbidden)
    for name in ("FS1", "FS2", "music"):
        found = extract_features(clip, name, store)
        pd.testing.assert_frame_equal(found, anew[list(columns(name))], check_exact=True)
    with pytest.raises(AssertionError, match="computed"):
        extract_features(clip, "FS2", store, settings=FeatureSettings(tempo_seconds=4))


def test_other_settings_are_kept_apart(clip: Path, store: FeatureStore, computed: Counted) -> None:
    slow = FeatureSettings(hop_seconds=0.25)
    default = extract_features(clip, "FS1", store)
    other = extract_features(clip, "FS1", store, settings=slow)
    assert computed.calls == 2
    assert other["frameTime"].tolist()[:3] == [0.0, 0.25, 0.5]
    again = extract_features(clip, "FS1", store, settings=slow)
    pd.testing.assert_frame_equal(again, other, check_exact=True)
    pd.testing.assert_frame_equal(extract_features(clip, "FS1", store), default, check_exact=True)
    assert computed.calls == 2


def test_a_full_disk_is_an_oserror_and_leaves_nothing(
    clip: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        extract_features(clip, "FS1", store)
    key_file = str(caught.value.filename)
    assert key_file.startswith(str(store.folder))
    assert key_file.endswith(f"{digest_of(clip)}.npz")
    assert stored_files(store) == []


def test_where_the_store_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert FeatureStore(tmp_path).folder == tmp_path
    assert FeatureStore().folder == default_folder() == tmp_path / "cache" / "features"
    monkeypatch.delenv("LSTMCORE_CACHE")
    assert default_folder().name == "features"
    assert "lstmcore" in default_folder().parts


def test_the_digest_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no such file"):
        digest_of(tmp_path / "none.wav")
