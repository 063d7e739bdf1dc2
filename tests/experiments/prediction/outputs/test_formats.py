"""What is written, read back by libraries that others wrote."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import soundfile
import srt
from praatio import textgrid
from pympi import Eaf

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.prediction.cli import OutputFormat
from lstmcore.experiments.prediction.outputs.facts import Facts
from lstmcore.experiments.prediction.outputs.opening import FORMATS, destination, open_output
from lstmcore.experiments.prediction.outputs.summary import summary_row
from tests.experiments.prediction.outputs.examples import FACTS, SONG, table

TENSION, AWE = FACTS.targets
OTHER = Path("other.wav")
VALUES = [name for name in table().columns if name not in ("file", "time")]


def write(out: Path, wanted=None, *, tables=None, summary=False) -> Path:
    """Write songs, of which there is one unless tables of several are given."""
    tables = {SONG: table()} if tables is None else tables
    songs = {path: str(path) for path in tables}
    place = destination(out, wanted, len(songs), summary=summary)
    with open_output(place, songs, FACTS) as output:
        for path, rows in tables.items():
            output.add(path, rows)
    return out


def two() -> dict[Path, pd.DataFrame]:
    return {SONG: table(), OTHER: table().assign(file=str(OTHER)).iloc[:2]}


@pytest.fixture(autouse=True)
def sound(tmp_path, monkeypatch):
    """The song, at an unusual rate."""
    monkeypatch.chdir(tmp_path)
    SONG.parent.mkdir()
    soundfile.write(SONG, np.zeros(11_000, np.int16), 8000)


def test_csv_needs_no_wishes_to_be_read_and_is_described_beside(tmp_path):
    read = pd.read_csv(write(tmp_path / "p.csv", tables=two()))
    pd.testing.assert_frame_equal(
        read, pd.concat(two().values(), ignore_index=True), atol=1e-6, check_dtype=False
    )
    about = json.loads((tmp_path / "p.csv-metadata.json").read_text())
    assert about["@context"] == "http://www.w3.org/ns/csvw"
    assert about["url"] == "p.csv"
    assert [column["titles"] for column in about["tableSchema"]["columns"]] == list(read.columns)
    meaning = {column["titles"]: column["dc:description"] for column in about["tableSchema"]["columns"]}
    assert "beginning of a window of 1 s" in meaning["time"]
    assert "annotations lag 2.5 s behind the music" in meaning["time"]
    assert meaning[TENSION] == "tension, 1 to 9"
    assert about["notes"] == [FACTS.as_json()]


def test_json_is_one_object(tmp_path):
    content = json.loads(write(tmp_path / "p.json", tables=two()).read_text())
    assert {key: content[key] for key in FACTS.as_json()} == FACTS.as_json()
    assert (content["program"], content["scale"], content["hop_seconds"]) == ("lstmcore 1.2.3", [1, 9], 0.5)
    assert [song["file"] for song in content["songs"]] == [str(SONG), str(OTHER)]
    assert content["songs"][0][AWE] == table()[AWE].tolist()
    assert content["songs"][1]["time"] == [0, 0.5]


def test_each_line_of_json_stands_for_itself(tmp_path):
    lines = write(tmp_path / "p.jsonl", tables=two()).read_text().splitlines()
    songs = [json.loads(line) for line in lines]
    assert all({key: song[key] for key in FACTS.as_json()} == FACTS.as_json() for song in songs)
    frame = pd.read_json(tmp_path / "p.jsonl", lines=True)[["file", "time", TENSION]].explode(
        ["time", TENSION]
    )
    assert len(frame) == 8


def test_a_summary_has_a_row_for_each_song(tmp_path):
    rows = {path: summary_row(rows, FACTS) for path, rows in two().items()}
    read = pd.read_csv(write(tmp_path / "p.csv", tables=rows, summary=True))
    assert read["file"].tolist() == [str(SONG), str(OTHER)]
    line = write(
        tmp_path / "p.jsonl", tables={SONG: summary_row(table().iloc[:1], FACTS)}, summary=True
    ).read_text()
    assert json.loads(line)[f"{TENSION}_mean"] == 1
    assert json.loads(line)[f"{TENSION}_slope_per_minute"] is None


def test_subtitles(tmp_path):
    read = list(srt.parse(write(tmp_path / "p.srt").read_text()))
    assert [(s.start, s.end) for s in read[-2:]] == [
        (timedelta(seconds=2), timedelta(seconds=2.5)),
        (timedelta(seconds=2.5), timedelta(seconds=3)),
    ]
    assert read[3].content == 'tension 4.00\nso-called "awe" 8.25'
    assert json.loads((tmp_path / "p.srt-metadata.json").read_text()) == FACTS.as_json()


def test_subtitles_of_a_long_song(tmp_path):
    late = table().assign(time=3599.9996 + np.arange(6))
    [first, *_] = srt.parse(write(tmp_path / "p.srt", tables={SONG: late}).read_text())
    assert first.start == timedelta(hours=1)
    assert "01:00:00,000 --> 01:00:01,000" in (tmp_path / "p.srt").read_text()


def labelled() -> pd.DataFrame:
    """Values at two intervals, with a gap between, and a time."""
    rows = table().iloc[[0, 2, 5]].reset_index(drop=True)
    rows.insert(2, "end", [0.75, 2.0, 2.5])
    rows.insert(3, "label", ['the "first"', "<b> & c", ""])
    return rows


def test_praat(tmp_path):
    grid = textgrid.openTextgrid(str(write(tmp_path / "p.TextGrid")), includeEmptyIntervals=False)
    names = [name.replace('""', '"') for name in grid.tierNames]
    assert names == [*VALUES, "lstmcore"]
    for name, written in zip(VALUES, grid.tierNames, strict=False):
        entries = grid.getTier(written).entries
        assert [(e.start, e.end) for e in entries] == [(t, t + 0.5) for t in np.arange(6) / 2]
        assert [float(e.label) for e in entries] == table()[name].tolist()
    [about] = grid.getTier("lstmcore").entries
    assert (about.start, about.end, about.label) == (0, 3, FACTS.line())


def test_praat_with_labels(tmp_path):
    file = write(tmp_path / "p.TextGrid", tables={SONG: labelled()})
    grid = textgrid.openTextgrid(str(file), includeEmptyIntervals=False)
    entries = [(e.start, e.end, e.label.replace('""', '"')) for e in grid.getTier("label").entries]
    assert entries == [(0, 0.75, 'the "first"'), (1, 2, "<b> & c")]
    assert [(e.start, e.end) for e in grid.getTier(TENSION).entries][-1] == (2.5, 3)


def test_elan(tmp_path):
    file = Eaf(write(tmp_path / "p.eaf", tables={SONG: labelled()}))
    assert list(file.get_tier_names()) == [*VALUES, "label"]
    assert file.get_annotation_data_for_tier(AWE) == [
        (0, 750, "5.0000"),
        (1000, 2000, "6.5000"),
        (2500, 3000, "3.0000"),
    ]
    assert [a[2] for a in file.get_annotation_data_for_tier("label")][:2] == ['the "first"', "<b> & c"]
    assert file.media_descriptors[0]["MEDIA_URL"] == SONG.absolute().as_uri()
    about = dict(file.properties)
    assert about["lstmcore:scale"] == "[1.0, 9.0]"
    assert about["lstmcore:time_stamp"] == FACTS.time_stamp


def test_sonic_visualiser(tmp_path):
    root = ET.parse(write(tmp_path / "p.svl", tables={SONG: labelled()})).getroot()
    models, sets, layers = (
        root.findall("data/model"),
        root.findall("data/dataset"),
        root.findall("display/layer"),
    )
    assert [model.get("name") for model in models] == VALUES
    assert {model.get("sampleRate") for model in models} == {"8000"}
    assert [layer.get("model") for layer in layers] == [model.get("id") for model in models]
    assert [dataset.get("id") for dataset in sets] == [model.get("dataset") for model in models]
    assert (models[0].get("minimum"), models[0].get("maximum")) == ("1.000000", "9.000000")
    points = [(int(p.get("frame")), float(p.get("value")), p.get("label")) for p in sets[1]]
    assert points == [(0, 5, 'the "first"'), (8000, 6.5, "<b> & c"), (20_000, 3, "")]


def test_novelty_belongs_to_the_whole_song(tmp_path):
    tables = {SONG: table().assign(novelty=0.75)}
    assert json.loads(write(tmp_path / "p.jsonl", tables=tables).read_text())["novelty"] == 0.75
    file = write(tmp_path / "p.TextGrid", tables=tables)
    grid = textgrid.openTextgrid(str(file), includeEmptyIntervals=False)
    assert "novelty" not in grid.tierNames
    assert grid.getTier("lstmcore").entries[0].label.endswith("; novelty of the song 0.750")
    elan = Eaf(write(tmp_path / "p.eaf", tables=tables))
    assert dict(elan.properties)["lstmcore:novelty"] == "0.75"
    assert "novelty" not in elan.get_tier_names()
    tables[SONG]["novelty"] = np.nan  # the model doesn't know it
    assert json.loads(write(tmp_path / "p.jsonl", tables=tables).read_text())["novelty"] is None
    assert pd.read_csv(write(tmp_path / "p.csv", tables=tables))["novelty"].isna().all()
    assert "novelty of" not in write(tmp_path / "p.svl", tables=tables).read_text()


def test_models_that_hear_means_say_over_how_long():
    facts = replace(FACTS, heard_seconds=45.0)
    assert "of a window of 1 s; the clock is that of the annotations; values are of the 45 s" in facts.line()


@pytest.mark.parametrize("wanted", FORMATS)
def test_a_folder_has_a_file_for_each_song(tmp_path, wanted):
    soundfile.write(OTHER, np.zeros(11_000, np.int16), 8000)
    write(tmp_path / "out", wanted, tables=two())
    suffix = {"textgrid": "TextGrid"}.get(wanted, wanted)
    beside = {"csv": {"csv-metadata.json"}, "srt": {"srt-metadata.json"}}.get(wanted, set())
    files = {str(f.relative_to(tmp_path / "out")) for f in (tmp_path / "out").rglob("*") if f.is_file()}
    assert files == {f"below/söng & more.{suffix}", f"other.{suffix}"} | beside
    if wanted == "csv":
        about = json.loads((tmp_path / "out" / "csv-metadata.json").read_text())
        assert [t["url"] for t in about["tables"]] == ["below/söng & more.csv", "other.csv"]


@pytest.mark.parametrize("wanted", FORMATS)
def test_where_no_song_comes_nothing_is_written(tmp_path, wanted):
    write(tmp_path / "out", wanted, tables={})
    with open_output(destination(tmp_path / f"p.{wanted}", None, 1), {SONG: "s"}, FACTS):
        pass
    assert not (tmp_path / f"p.{wanted}").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wanted", FORMATS)
def test_what_is_printed_is_what_a_file_would_hold(tmp_path, capsys, wanted):
    write(tmp_path / f"p.{wanted}")
    with open_output(destination(None, wanted, 1), {SONG: "s"}, FACTS) as output:
        output.add(SONG, table())
    printed = capsys.readouterr().out
    if wanted != "eaf":  # which has a date
        assert printed == (tmp_path / f"p.{wanted}").read_text()
    else:
        assert printed.startswith("<?xml")


@pytest.mark.parametrize(
    ("out", "wanted", "songs", "summary", "message"),
    [
        (
            "p.cvs",
            None,
            1,
            False,
            r"p.cvs: unknown suffix '.cvs'; expected .csv, .json, .jsonl, .srt, .TextGrid",
        ),
        ("p.csv", "json", 1, False, "--out p.csv with --format json; expected a name that ends in .json"),
        (
            "p.srt",
            None,
            2,
            False,
            "--format srt: a file holds one song and 2 are given; expected --out FOLDER",
        ),
        (None, "eaf", 2, False, "--format eaf: a file holds one song"),
        (None, "svl", 1, True, "--summary with --format svl; expected one table"),
        ("folder", None, 1, True, "--summary with --out folder, a folder; expected one table"),
    ],
)
def test_destinations_that_make_no_sense(out, wanted, songs, summary, message):
    with pytest.raises(InputError) as told:
        destination(None if out is None else Path(out), wanted, songs, summary=summary)
    assert message in str(told.value)


def test_the_command_knows_the_same_formats():
    assert get_args(OutputFormat) == FORMATS


def test_facts_of_a_model_that_says_little():
    facts = Facts(("a",), "m", "d", "s", 1, "1", 0.5, 1.0)
    assert "scale unknown" in facts.line()
    assert "1 network;" in facts.line()
    assert facts.meaning("a") == "a"
    assert "lag" not in facts.time_stamp
