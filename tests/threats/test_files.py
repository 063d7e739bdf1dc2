"""Sound and tables from strangers: what few bytes can claim, and what that costs."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from lstmcore.experiments.cli import run_app
from lstmcore.experiments.currennt.formats.netcdf import read_netcdf
from lstmcore.experiments.datasets import table_file
from lstmcore.experiments.datasets.annotations import read_csv
from lstmcore.experiments.datasets.table_file import TableFile
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import write_csv
from lstmcore.features import AudioError, decoded, extract_features, read_audio
from tests.experiments.conftest import DYNAMIC, EXPERIMENT, write_tiny_deam

needs_pipes = pytest.mark.skipif(os.name != "posix", reason="named pipes and devices as on Unix")


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
def test_a_table_claims_no_more_than_its_size(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "_CLAIMED_AT_LEAST", 16 << 20)
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    from pyarrow import parquet

    count = 2_000_000
    if kind == "rows":
        table = pyarrow.table(
            {"song": pyarrow.nulls(count, pyarrow.int8()), "time": pyarrow.nulls(count, pyarrow.int8())}
        )
    else:
        table = pyarrow.table({"song": ["x" * 30_000_000], "time": [0.0]})
    parquet.write_table(table, tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 16_000
    with pytest.raises(InputError, match=r"a.parquet: claims .* bytes; expected at most"):
        TableFile(tmp_path / "a.parquet")


def bomb() -> bytes:
    """Return a picture of some kilobytes that is 60,000 pixels wide and high."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    pixels = zlib.compress(bytes(4 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


COVERS = [bomb(), b"\xff\xd8\xff\xe0" + b"\xff" * 3000]  # a PNG, and what begins as a JPEG


@pytest.mark.parametrize("cover", COVERS, ids=["PNG", "JPEG"])
@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.m4a"])
def test_covers_are_passed_over(name: str, cover: bytes, tmp_path: Path) -> None:
    """The song has the samples that it has without a cover."""
    sound = np.round(9000 * np.sin(np.arange(8000) / 5)).astype(np.int16)
    song = tmp_path / name
    if name == "a.m4a":
        pytest.importorskip("av", reason="PyAV makes the file, and is not installed")
        from tests.features.media_files import encode

        encode(song, sound[:, None], codec="alac", rate=16000)
    else:
        soundfile.write(song, sound, 16000)
    plain, content = read_audio(song), song.read_bytes()
    song.write_bytes({"a.mp3": in_id3, "a.flac": in_flac, "a.m4a": in_mp4}[name](content, cover))
    assert cover in song.read_bytes()
    np.testing.assert_array_equal(read_audio(song).samples, plain.samples)


def in_id3(content: bytes, cover: bytes) -> bytes:
    picture = b"\0image/png\0\3\0" + cover
    frame = b"APIC" + struct.pack(">IH", len(picture), 0) + picture
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + frame + content


def in_flac(content: bytes, cover: bytes) -> bytes:
    about = struct.pack(">II", 3, 9) + b"image/png" + struct.pack(">IIIII", 0, 60_000, 60_000, 32, 0)
    block = about + struct.pack(">I", len(cover)) + cover
    end = 4 + 4 + int.from_bytes(content[5:8])  # of the first block, which is about the stream
    return content[:end] + b"\x06" + len(block).to_bytes(3) + block + content[end:]


def in_mp4(content: bytes, cover: bytes) -> bytes:
    def box(kind: bytes, inside: bytes) -> bytes:
        return struct.pack(">I", 8 + len(inside)) + kind + inside

    image = box(b"data", struct.pack(">II", 14, 0) + cover)
    meta = bytes(4) + box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9)) + box(b"ilst", box(b"covr", image))
    at = content.index(b"moov") - 4  # behind the sound, whose place so stays
    (size,) = struct.unpack(">I", content[at : at + 4])
    moov = content[at + 8 : at + size] + box(b"udta", box(b"meta", meta))
    return content[:at] + box(b"moov", moov) + content[at + size :]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("chunk", [1, 1 << 27])
def test_a_netcdf_file_claims_no_more_than_its_size(chunk: int, tmp_path: Path) -> None:
    """HDF5 stores nothing of chunks that were never written, and fills them when they are read."""
    netcdf = pytest.importorskip("netCDF4", reason="needs the extra netcdf4")
    path = tmp_path / "a.nc"
    with netcdf.Dataset(path, "w") as made:
        for name, size in {"numSeqs": 1, "maxSeqTagLength": 2, "inputPattSize": 1 << 10}.items():
            made.createDimension(name, size)
        made.createDimension("numTimesteps", 1 << 34)
        made.createVariable("seqTags", "S1", ("numSeqs", "maxSeqTagLength"))
        made.createVariable("seqLengths", "i4", ("numSeqs",))[:] = 1 << 30
        shape = (max(1, chunk >> 10), min(chunk, 1 << 10))
        made.createVariable("inputs", "f4", ("numTimesteps", "inputPattSize"), chunksizes=shape, zlib=True)
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match=r"a\.nc: variable 'inputs' claims \d+ bytes: the file is damaged"):
        read_netcdf(path)


@needs_pipes
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", [f"{DYNAMIC}/arousal.csv", "song_mean_features.csv"])
@pytest.mark.parametrize("device", [None, "/dev/zero"])
def test_a_pipe_or_device_among_the_tables_is_not_waited_for(
    name: str, device: str | None, tmp_path: Path
) -> None:
    write_tiny_deam(tmp_path / "data")
    (tmp_path / "tiny.toml").write_text(EXPERIMENT)
    table = tmp_path / "data" / name
    table.unlink()
    if device is None:
        os.mkfifo(table)
    else:
        table.symlink_to(device)
    result = CliRunner().invoke(run_app, [str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert f"{table.name}: a pipe or device; expected a file" in " ".join(result.output.split())


@needs_pipes
@pytest.mark.timeout(60)
def test_a_table_that_is_read_more_than_once_is_no_pipe_at_all(tmp_path: Path) -> None:
    """One that the command was given open is read where once suffices."""
    ours, theirs = os.pipe()
    try:
        os.write(theirs, b"song,time\na,0\n")
        os.close(theirs)
        with pytest.raises(
            InputError, match="a pipe or device; expected a file, which is read more than once"
        ):
            TableFile(Path(f"/dev/fd/{ours}"))
        assert read_csv(Path(f"/dev/fd/{ours}")) == [["song", "time"], ["a", "0"]]
    finally:
        os.close(ours)


def test_names_that_spreadsheets_compute_stay_as_they_are(tmp_path: Path) -> None:
    """Another name would be another song's: programs join tables by it."""
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", '=HYPERLINK("http://x","y")']
    write_csv(tmp_path / "a.csv", pd.DataFrame({"song_id": names, "time": 0.5}), 6)
    assert [row[0] for row in read_csv(tmp_path / "a.csv")[1:]] == names
