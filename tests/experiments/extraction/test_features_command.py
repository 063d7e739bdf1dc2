"""``lstmcore features``: any number of songs into tables, and what happens to those that can't be used."""

import builtins
import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.datasets.feature_tables import read_feature_file
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.extraction.inputs import find_songs, table_names
from lstmcore.experiments.extraction.tables import deam_csv
from lstmcore.features import FeatureStore, columns, extract_features, feature_names

GOLDEN = Path(__file__).parents[2] / "golden" / "features"
SONGS = {"a/01.wav": 0, "b/01.wav": 1, "b/Äpfel & Öl.flac": 2, "song.wav": 3, "song.mp3": 4, "-dash.ogg": 5}


def invoke(*arguments, stdin=None):
    return CliRunner().invoke(app, ["features", *map(str, arguments)], input=stdin)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Folder with six songs of 1.5 s, three files that are none, and one that nobody asks for."""
    samples, rate = soundfile.read(GOLDEN / "mix12.flac", dtype="int16")
    root = tmp_path / "library"
    for name, k in SONGS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / name, samples[k * 70_000 :][: rate * 3 // 2], rate)
    (root / "broken.mp3").write_text("no audio " * 99)
    (root / "empty.wav").touch()
    soundfile.write(root / "short.wav", samples[:9999], rate)
    (root / "notes.txt").write_text("words")
    monkeypatch.chdir(tmp_path)
    return root


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_of_songs_becomes_a_folder_of_tables_and_broken_files_are_told_of_in_the_end(library):
    result = invoke("library", "--out", "out", "--set", "FS2", "--workers", "2")
    assert result.exit_code == 1
    tables = ["-dash.csv", "a/01.csv", "b/01.csv", "b/Äpfel & Öl.csv", "song.mp3.csv", "song.wav.csv"]
    assert written(Path("out")) == tables
    assert result.stdout.startswith("6 songs, 6 rows of FS2 in ")
    assert result.stdout.endswith(" × real time; tables: out\n")
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert [line.split(": ")[1] for line in errors] == [
        str(Path("library", name)) for name in ("broken.mp3", "empty.wav", "short.wav")
    ]
    assert "finds no audio in it" in errors[0]
    assert "(0 bytes)" in errors[1]
    assert "too short, 0.23 s" in errors[2]
    assert result.stderr.endswith("3 of 9 songs can't be used\n")
    assert "FS2 features: 9 to do" in result.stderr


def test_a_table_is_in_deams_format_and_our_reader_reads_it_back(library):
    assert invoke("library/song.wav", "--out", "out", "--quiet").output == ""
    text = Path("out/song.csv").read_text()
    assert text.splitlines()[0] == (GOLDEN / "deam_feature_header.txt").read_text().strip()
    stamps, rows = read_feature_file(Path("out/song.csv"), list(feature_names("FS1")))
    expected = extract_features("library/song.wav")
    assert stamps == [0]
    np.testing.assert_allclose(rows, expected.to_numpy()[:, 1:], rtol=6e-7)
    assert len(rows) == 1


def test_numbers_look_as_the_references_do():
    def looks(text):
        return re.sub(r"\d", "0", text).splitlines()

    reference = (GOLDEN / "mix12_fs1_mono.csv").read_text()
    ours = deam_csv(extract_features(GOLDEN / "mix12.flac")).decode()
    assert looks(ours) == looks(reference)
    cells, expected = (re.split("[;\n]", text) for text in (ours, reference))
    assert np.mean([one == other for one, other in zip(cells, expected, strict=True)]) > 0.9


def test_one_csv_table_for_all_names_each_songs_file(library):
    (library / 'odd;"name" 100%.wav').write_bytes((library / "song.wav").read_bytes())
    assert invoke(library, "--out", "all.csv").exit_code == 1
    table = pd.read_csv("all.csv", sep=";")
    assert tuple(table.columns) == ("file", *columns("FS1"))
    assert list(table["file"]) == sorted(
        [*(str(library / name) for name in SONGS), str(library / 'odd;"name" 100%.wav')]
    )
    song = table[table["file"] == str(library / "b/01.wav")].drop(columns="file")
    np.testing.assert_allclose(song, extract_features(library / "b/01.wav"), rtol=6e-7)


def test_one_parquet_table_for_all_has_every_bit(library, monkeypatch):
    monkeypatch.setattr("lstmcore.experiments.extraction.tables._GROUP_ROWS", 4)
    assert invoke("library", "--out", "all.parquet", "--set", "FS2", "--hop", "0.1").exit_code == 1
    import pyarrow.parquet

    assert pyarrow.parquet.ParquetFile("all.parquet").metadata.num_row_groups > 5
    table = pd.read_parquet("all.parquet")
    assert tuple(table.columns) == ("file", *columns("FS2"))
    from lstmcore.features import FeatureSettings

    for name in SONGS:
        path = str(Path("library", name))
        song = table[table["file"] == path].drop(columns="file").reset_index(drop=True)
        expected = extract_features(path, "FS2", settings=FeatureSettings(hop_seconds=0.1))
        pd.testing.assert_frame_equal(song, expected, check_exact=True)


def test_a_parquet_table_a_song(library):
    assert invoke("library/a", "--out", "out", "--format", "parquet").exit_code == 0
    table = pd.read_parquet("out/01.parquet")
    pd.testing.assert_frame_equal(table, extract_features("library/a/01.wav"), check_exact=True)


def test_what_was_computed_before_is_found_by_its_content(library, monkeypatch):
    assert "from the store" not in invoke("library/a", "library/song.wav", "--out", "one").stdout
    (library / "a" / "01.wav").rename(library / "a" / "other.wav")
    again = invoke("library/a", "library/song.wav", "--out", "two")
    assert again.stdout.startswith("2 songs, 2 rows of FS1 in ")
    assert "; 2 from the store; tables: two" in again.stdout
    assert "real time" not in again.stdout
    assert written(Path("two")) == ["other.csv", "song.csv"]
    assert Path("one/01.csv").read_bytes() == Path("two/other.csv").read_bytes()
    anew = invoke("library/a", "--out", "three", "--no-store")
    assert "from the store" not in anew.stdout
    assert Path("three/other.csv").read_bytes() == Path("two/other.csv").read_bytes()


def test_no_store_keeps_nothing(library):
    assert invoke("library/a", "--out", "out", "--no-store").exit_code == 0
    assert not FeatureStore().folder.exists()


def test_choices_reach_the_features(library):
    options = ["--window", "0.5", "--hop", "0.25", "--sethares", "min", "--vassilakis", "published"]
    options += ["--spectra", "window", "--density-seconds", "0.5", "--tempo-seconds", "1"]
    assert invoke("library/a", "--set", "FS2", "--out", "one", *options).exit_code == 0
    assert invoke("library/a", "--set", "FS2", "--out", "two").exit_code == 0
    one, two = (pd.read_csv(f"{folder}/01.csv", sep=";") for folder in ("one", "two"))
    assert one["frameTime"].tolist() == [0, 0.25, 0.5, 0.75]
    assert two["frameTime"].tolist() == [0]
    assert (one.iloc[0] != two.iloc[0]).sum() > 240


def test_a_list_of_songs_from_a_file_or_from_standard_input(library):
    lines = f"library/song.mp3\n\n{library}/a\nlibrary/song.mp3\n"
    Path("list").write_text(lines)
    assert invoke("--files-from", "list", "--out", "one").exit_code == 0
    assert invoke("--files-from", "-", "--out", "two", stdin=lines).exit_code == 0
    assert written(Path("one")) == written(Path("two")) == ["01.csv", "song.csv"]


def test_a_name_with_a_leading_dash_comes_after_two(library, monkeypatch):
    monkeypatch.chdir(library)
    assert invoke("--out", "out", "--", "-dash.ogg").exit_code == 0
    assert written(Path("out")) == ["-dash.csv"]


def test_songs_keep_their_place_below_a_folder_and_their_suffix_where_they_share_a_stem(library):
    songs = find_songs([Path("library"), Path("library/a/01.wav"), Path("nowhere.wav")])
    assert songs[Path("library/a/01.wav")] == "a/01.wav"
    assert list(songs)[:3] == [Path("library", name) for name in ("-dash.ogg", "a/01.wav", "b/01.wav")]
    assert list(songs)[-1] == Path("nowhere.wav")
    names = table_names(songs, ".csv")
    assert names[Path("library/song.wav")] == "song.wav.csv"
    assert names[Path("library/song.mp3")] == "song.mp3.csv"
    assert names[Path("library/b/Äpfel & Öl.flac")] == "b/Äpfel & Öl.csv"
    assert Path("library/notes.txt") not in songs
    with pytest.raises(InputError, match=r"s/x\.wav and t/x\.wav would both be written to x\.csv"):
        table_names({Path("s/x.wav"): "x.wav", Path("t/x.wav"): "x.wav"}, ".csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["library/a/01.wav", "library/b/01.wav", "--out", "out"], "01.wav would both be written to 01.csv"),
        (["library/a", "--out", "x.csv", "--format", "parquet"], "a name that ends in .parquet is expected"),
        (["library/a", "--out", "library/notes.txt"], "is a file; expected a folder"),
        (
            ["library/a", "--out", "p.json"],
            "p.json: unknown suffix '.json'; expected .csv, .parquet or a folder",
        ),
        (["library/a", "--out", "out", "--window", "0.01"], "--window is 0.01; 0.1 to 60 s are expected"),
        (["library/a", "--out", "out", "--tempo-seconds", "99"], "--tempo-seconds is 99; 1 to 60 s"),
        (["library/a", "--out", "out", "--set", "FS4"], "unknown feature set 'FS4' (did you mean"),
        (["library/a", "--out", "out", "--set", "FS1,"], "--set FS1,: unknown feature set ''"),
        (["library/a", "--out", "library/notes.txt/x.csv"], "library/notes.txt"),
        (["library/a"], "Missing option '--out'"),
        (["--out", "out"], "no audio is given"),
        (["--out", "out", "--files-from", "nowhere"], "nowhere: No such file"),
        (["nothing", "--out", "out"], "nothing: no audio"),
    ],
)
def test_mistakes_exit_with_2_before_anything_is_computed(library, arguments, message):
    Path("nothing").mkdir()
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert isinstance(result.exception, SystemExit)
    assert not FeatureStore().folder.exists()
    assert not Path("out").exists()


@pytest.mark.parametrize("arguments", [["--out", "x.parquet"], ["--out", "out", "--format", "parquet"]])
def test_without_pyarrow_it_is_said_how_to_get_it(library, arguments, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    result = invoke("library/a", *arguments)
    assert result.exit_code == 2
    assert re.search(r"pip install .*'?pyarrow>=\d", result.stderr)
    assert not FeatureStore().folder.exists()


def test_a_full_disk_exits_with_2_and_leaves_no_half_table(library, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    assert invoke("library/a", "--out", "before").exit_code == 0  # into the store
    monkeypatch.setattr("os.fsync", full)
    for out in ("x.csv", "x.parquet", "out"):
        result = invoke("library/a", "--out", out)
        assert result.exit_code == 2
        assert "No space left on device; what is finished is kept in" in result.stderr
    assert sorted(path.name for path in Path().iterdir()) == ["before", "cache", "library", "out"]
    assert written(Path("out")) == []


@pytest.mark.parametrize("folder", [".", "./", "../library/."])
@pytest.mark.parametrize("listed", [True, False])
def test_the_current_folder_is_a_folder_like_others(library, folder, listed, monkeypatch):
    monkeypatch.chdir(library)
    Path("../list").write_text(f"{folder}\n")
    result = invoke(*(["--files-from", "../list"] if listed else [folder]), "--out", "../out")
    assert result.exit_code == 1  # three files are no songs
    assert written(Path("../out"))[:3] == ["-dash.csv", "a/01.csv", "b/01.csv"]
    assert invoke(folder, "--out", "../all.csv").exit_code == 1
    files = pd.read_csv("../all.csv", sep=";")["file"]
    assert [Path(file) for file in files[:2]] == [Path(folder, "-dash.ogg"), Path(folder, "a/01.wav")]


def test_names_that_are_not_text_of_one_line(library):
    """Latin-1, a newline, a carriage return, Unicode's line separator, and as long as a name may be."""
    song, odd = (library / "song.wav").read_bytes(), os.fsencode(library / "odd")
    (library / "odd").mkdir()
    names = [b"caf\xe9.wav", b"new\nline.wav", b"re\rturn.wav", "ls\u2028.wav".encode(), b"x" * 251 + b".wav"]
    for name in names:
        Path(os.fsdecode(odd + b"/" + name)).write_bytes(song)
    (library / "odd" / os.fsdecode(b"\xff\n.wav")).write_text("no audio")
    result = invoke(library / "odd", "--out", "out")
    assert result.exit_code == 1
    assert written(Path("out")) == sorted(os.fsdecode(name[:-4] + b".csv") for name in names)
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "\\xff\\n.wav: cannot be decoded" in error
    for out in ("all.csv", "all.parquet"):
        assert invoke(library / "odd", "--out", out).exit_code == 1
    table = pd.read_parquet("all.parquet")
    shown = ["caf\\xe9.wav", "ls\\u2028.wav", "new\\nline.wav", "re\\rturn.wav", "x" * 251 + ".wav"]
    assert sorted(Path(file).name for file in table["file"]) == shown
    assert pd.read_csv("all.csv", sep=";")["file"].tolist() == table["file"].tolist()
    assert len(Path("all.csv").read_text().splitlines()) == 1 + len(table)


def test_a_name_that_leaves_no_room_for_the_tables_is_that_songs_trouble(library):
    for suffix in (".wav", ".ogg"):  # they share a stem: their tables' names have both suffixes
        (library / ("x" * 251 + suffix)).write_bytes((library / "song.wav").read_bytes())
    result = invoke(library, "--out", "out")
    assert result.exit_code == 1
    told = [line for line in result.stderr.splitlines() if "xxx" in line]
    assert len(told) == 2
    for line in told:
        assert ".csv can't be written, File name too long; another name" in line
    assert result.stderr.endswith("5 of 11 songs can't be used\n")
    assert "b/01.csv" in written(Path("out"))
    assert invoke(library, "--out", "all.csv").exit_code == 1
    assert pd.read_csv("all.csv", sep=";")["file"].nunique() == 8


@pytest.mark.parametrize(
    ("rate", "channels", "reason"),
    [
        (2**30, 1, "too short, 0.00 s"),
        (2**30, 2, f"sample rate {2**30} Hz with 2 channels; at most 4 GiB a second"),
        (2**31 - 1, 1, f"sample rate {2**31 - 1} Hz with 1 channels; at most 4 GiB a second"),
    ],
)
def test_a_header_that_tells_nonsense_is_that_songs_trouble(library, rate, channels, reason):
    odd = library / "a" / "odd.wav"
    soundfile.write(odd, np.ones((9000, channels), np.int16), 44100)
    content = bytearray(odd.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    odd.write_bytes(content)
    result = invoke("library/a", "--out", "out")
    assert result.exit_code == 1
    assert f"error: {Path('library/a/odd.wav')}: {reason}" in result.stderr
    assert written(Path("out")) == ["01.csv"]


@pytest.mark.parametrize("out", ["x.csv", "x.parquet"])
def test_a_table_of_no_song_is_not_written(library, out):
    Path(out).write_text("of yesterday")
    result = invoke("library/empty.wav", "library/short.wav", "--out", out)
    assert result.exit_code == 1
    assert result.stderr.endswith("2 of 2 songs can't be used; nothing was written\n")
    assert result.stdout == ""
    assert Path(out).read_text() == "of yesterday"
    assert sorted(path.name for path in Path().iterdir()) == ["library", out]


@pytest.mark.parametrize(
    ("out", "number"),
    [("out", signal.SIGINT), ("all.csv", signal.SIGTERM), ("all.parquet", signal.SIGHUP)],
)
def test_a_signal_keeps_what_is_finished_and_leaves_no_scraps(library, out, number, tmp_path):
    long = library / "long.wav"
    soundfile.write(
        long, np.resize(soundfile.read(library / "song.wav", dtype="int16")[0], 44100 * 900), 44100
    )
    (tmp_path / "scratch").mkdir()
    command = [
        sys.executable,
        "-c",
        "from lstmcore.experiments.cli import main; main()",
        "features",
        "--workers",
        "1",
    ]
    songs = [str(library / "song.wav"), str(long)]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "scratch")}
    with subprocess.Popen(
        [*command, *songs, "--out", out], stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        while "1/2" not in process.stderr.readline():
            pass
        process.send_signal(number)
        rest = process.stderr.read()
    assert process.returncode == 128 + number
    assert "interrupted; what is finished is kept in" in rest
    assert "Traceback" not in rest
    assert list((tmp_path / "scratch").iterdir()) == []
    assert written(tmp_path / out) == (["song.csv"] if out == "out" else [])
    assert (tmp_path / out).exists() == (out == "out")
    assert len(list(FeatureStore().folder.rglob("*.npz"))) == 1


def test_every_file_of_a_folder_that_looks_like_sound_is_taken_or_named(library):
    samples, rate = soundfile.read(library / "song.wav", dtype="int16")
    folder = Path("mixed")
    (folder / "below").mkdir(parents=True)
    taken = {"a.aiff": "AIFF", "b.CAF": "CAF", "c.au": "AU", "d.w64": "W64", "e.mp2": "MP3", "f.rf64": "RF64"}
    for name, kind in taken.items():
        soundfile.write(folder / name, samples, rate, format=kind)
    for name, subtype in (("g.opus", "OPUS"), ("h.oga", "VORBIS")):
        soundfile.write(folder / "below" / name, samples, 48000, format="OGG", subtype=subtype)
    named = {"i.m4a": b"\0\0\0\x20ftypM4A ", "j.wma": b"0&\xb2u\x8ef\xcf\x11", "k.webm": b"\x1aE\xdf\xa3"}
    named |= {"l.aac": b"\xff\xf1\x50\x80", "m.mka": b"\x1aE\xdf\xa3"}
    for name, begin in named.items():
        (folder / name).write_bytes(begin + bytes(500))
    for name in ("cover.jpg", "list.txt"):
        (folder / name).write_bytes(bytes(500))
    result = invoke("mixed", "--out", "out")
    assert result.exit_code == 1
    expected = [f"{name.split('.')[0]}.csv" for name in taken] + ["below/g.csv", "below/h.csv"]
    assert written(Path("out")) == sorted(expected)
    for name in named:
        assert f"error: mixed/{name}: cannot be decoded, it is " in result.stderr
    assert "5 of 13 songs can't be used" in result.stderr


def test_the_notes_of_a_mac_beside_songs_are_no_songs(library):
    folder = Path("stick")
    (folder / "__MACOSX").mkdir(parents=True)
    content = (library / "song.mp3").read_bytes()
    for name in ("song.mp3", "._tune.mp3"):  # the second is a song that is called so
        (folder / name).write_bytes(content)
    (folder / "._song.mp3").write_bytes(bytes(82))
    (folder / "__MACOSX" / "._song.mp3").write_bytes(b"\0\5\x16\7" + bytes(78))
    result = invoke("stick", "--out", "out")
    assert result.exit_code == 0, result.stderr
    assert written(Path("out")) == ["._tune.csv", "song.csv"]


def test_songs_behind_links_are_found_once(library):
    folder = Path("links")
    folder.mkdir()
    (folder / "album").symlink_to(library / "a")
    (folder / "again").symlink_to(library / "a")
    (library / "a" / "above").symlink_to(folder.resolve())
    assert invoke("links", "--out", "out").exit_code == 0
    assert len(written(Path("out"))) == 1


def test_what_may_not_be_read_is_named_and_the_others_are_computed(library, monkeypatch):
    secret = library / "a" / "secret"
    secret.mkdir()
    (library / "a" / "locked.wav").write_bytes(b"RIFF")
    real_access, real_scandir, real_open = os.access, os.scandir, Path.open  # the tests may run as root

    def scandir(path="."):
        if str(path).endswith("secret"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real_scandir(path)

    def opened(path, *arguments, **options):
        if path.name == "locked.wav":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real_open(path, *arguments, **options)

    def access(path, *arguments, **options):
        return not str(path).endswith(("secret", "locked.wav")) and real_access(path, *arguments, **options)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(Path, "open", opened)
    for given in (["library/a"], ["library/a/01.wav", "library/a/locked.wav", "library/a/secret"]):
        result = invoke(*given, "--out", "out", "--no-store")
        assert result.exit_code == 1, result.output
        assert written(Path("out")) == ["01.csv"]
        assert "library/a/locked.wav: cannot be read, Permission denied" in result.stderr
        assert "library/a/secret: a folder that may not be read" in result.stderr
