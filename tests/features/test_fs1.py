"""FS1 against reference values, and on all sorts of files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from lstmcore.features import AudioError, columns, extract_fs1
from lstmcore.features.smile import SmileError, run_smile

Write = Callable[..., Path]
Mixture = tuple[NDArray[np.int16], int]


@pytest.mark.golden
@pytest.mark.parametrize(("audio", "values"), [("mix12", "mono"), ("mix12_stereo", "stereo")])
def test_every_value_agrees_with_the_reference(audio: str, values: str, golden: Path) -> None:
    """Every single value agrees to 5e-7 relative: half a unit of the reference's seventh digit.

    rtol leaves room for other processors; atol, one float32 step at the column's maximum,
    for means of deltas, which nearly cancel.
    """
    expected = pd.read_csv(golden / f"mix12_fs1_{values}.csv", sep=";")
    table = extract_fs1(golden / f"{audio}.flac")
    assert tuple(table.columns) == tuple(expected.columns) == columns("FS1")
    assert len(table) == 22
    np.testing.assert_array_equal(table["frameTime"], expected["frameTime"])
    for name in expected.columns:
        largest = expected[name].abs().max()
        np.testing.assert_allclose(
            table[name], expected[name], rtol=1e-5, atol=np.finfo(np.float32).eps * largest, err_msg=name
        )


def test_a_clip_of_45_seconds_has_88_rows(write: Write, mixture: Mixture) -> None:
    samples = np.tile(mixture[0], 4)[: 45 * 22050]
    table = extract_fs1(write("a.wav", samples, 22050))
    np.testing.assert_array_equal(table["frameTime"], np.arange(88) / 2)
    assert table["frameTime"].dtype == np.float64
    assert set(table.drop(columns="frameTime").dtypes) == {np.dtype(np.float32)}


@pytest.mark.parametrize(("frames", "rows"), [(45423, None), (45864, 1), (100_000, 3)])
def test_the_shortest_clip_lasts_one_second_and_a_bit(
    frames: int, rows: int | None, write: Write, mixture: Mixture
) -> None:
    path = write("a.wav", mixture[0][:frames])
    if rows is None:
        with pytest.raises(AudioError, match=r"too short, 1\.03 s; at least about 1\.04 s are expected"):
            extract_fs1(path)
    else:
        assert len(extract_fs1(path)) == rows


def test_a_fraction_of_a_second_and_a_rate_that_is_no_audio(write: Write) -> None:
    with pytest.raises(AudioError, match=r"too short, 0\.10 s"):
        extract_fs1(write("a.wav", np.ones((4410, 2), np.int16)))
    with pytest.raises(AudioError, match="sample rate 50 Hz"):
        extract_fs1(write("b.wav", np.ones((500, 2), np.int16), 50))


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_rate_and_number_of_channels(rate: int, channels: int, write: Write) -> None:
    noise = np.random.default_rng(7).normal(0, 3000, (2 * rate, channels)).astype(np.int16)
    table = extract_fs1(write("a.wav", noise, rate))
    assert table.shape == (2, 261)
    assert np.isfinite(table.to_numpy()).all()


def test_equal_channels_give_what_one_of_them_gives(clip: Path, write: Write, mixture: Mixture) -> None:
    thrice = np.repeat(mixture[0][: 2 * 44100, np.newaxis], 3, axis=1)
    pd.testing.assert_frame_equal(extract_fs1(write("c.flac", thrice)), extract_fs1(clip), check_exact=True)


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_copies_sound_alike(name: str, clip: Path, write: Write, mixture: Mixture) -> None:
    pure, lossy = extract_fs1(clip), extract_fs1(write(name, mixture[0][: 2 * 44100]))
    assert len(lossy) == len(pure)
    loudness = "audspec_lengthL1norm_sma_amean"
    np.testing.assert_allclose(lossy[loudness], pure[loudness], rtol=0.2)


def test_nothing_is_left_behind_and_nothing_printed(
    clip: Path,
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    work, scratch = tmp_path / "work", tmp_path / "scratch"
    work.mkdir()
    scratch.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    extract_fs1(clip)
    with pytest.raises(AudioError):
        extract_fs1(write("short.wav", np.ones(45000, np.int16)))
    assert list(work.iterdir()) == list(scratch.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_odd_file_names(clip: Path, tmp_path: Path) -> None:
    odd = clip.rename(tmp_path / 'Ça; l\'été [1] "ñ" 雪.wav')
    assert len(extract_fs1(odd)) == 2


def test_a_temporary_folder_that_opensmile_cannot_name(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "été"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with pytest.raises(SmileError, match="only ASCII file names"):
        extract_fs1(clip)
    assert list(scratch.iterdir()) == []


def test_a_configuration_that_opensmile_refuses(tmp_path: Path) -> None:
    (tmp_path / "bad.conf").write_text("[componentInstances:cComponentManager]\ninstance[x].type=cNothing\n")
    with pytest.raises(SmileError, match="openSMILE failed"):
        run_smile(tmp_path / "bad.conf", {}, "extsink")
