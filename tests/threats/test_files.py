"""Sound and tables from strangers: what few bytes can claim, and what that costs."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from lstmcore.experiments.datasets.table_file import TableFile
from lstmcore.experiments.errors import InputError
from lstmcore.features import AudioError, decoded, extract_features


@pytest.mark.parametrize("feature_set", ["FS1", "music", "tonality"])
@pytest.mark.parametrize("rate", [1, 100])
def test_seconds_are_not_made_of_single_samples(feature_set: str, rate: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(20_000, np.int16), rate)
    with pytest.raises(AudioError, match=f"sample rate {rate} Hz; at least 1000 Hz are expected"):
        extract_features(tmp_path / "a.wav", feature_set)


def test_sound_that_grows_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of silence is some kilobytes of FLAC; what is decoded has an end."""
    file = tmp_path / "a.flac"
    soundfile.write(file, np.zeros(3600 * 1000, np.int16), 1000)
    assert file.stat().st_size < 50_000
    monkeypatch.setattr(decoded, "_LARGEST_WAV", 1_000_000)
    with pytest.raises(AudioError, match="at most 4 GiB as 16-bit WAV are expected"):
        extract_features(file, "tonality")


@pytest.mark.parametrize("kind", ["rows", "text"])
def test_a_table_claims_no_more_than_its_size(kind: str, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    from pyarrow import parquet

    count = 20_000_000
    if kind == "rows":
        table = pyarrow.table(
            {"song": pyarrow.nulls(count, pyarrow.int8()), "time": pyarrow.nulls(count, pyarrow.int8())}
        )
    else:
        table = pyarrow.table({"song": ["x" * 300_000_000], "time": [0.0]})
    parquet.write_table(table, tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    with pytest.raises(InputError, match=r"a.parquet: claims .* bytes; expected at most"):
        TableFile(tmp_path / "a.parquet")
