"""docs/currennt.md: its tables are complete, its commands and its Python example run."""

from __future__ import annotations

import gzip
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lstmcore import OBJECTIVES
from lstmcore.experiments.cli import app
from lstmcore.experiments.currennt.cli import run
from lstmcore.experiments.currennt.formats.netcdf import read_netcdf, write_netcdf
from lstmcore.experiments.currennt.formats.network_check import ALIASES, INPUT, POST_OUTPUT, TRAINABLE
from lstmcore.experiments.currennt.options.table import OURS, TABLE
from tests.experiments.currennt.golden_files import FILES, GOLDEN

TEXT = (Path(__file__).parent.parent.parent.parent / "docs" / "currennt.md").read_text()


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """Cells of a section's tables, without heads and rules."""
    lines = section(title).splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for k, line in enumerate(lines)
        if line.startswith("|") and "| --- |" not in line and "| --- |" not in "".join(lines[k + 1 : k + 2])
    ]


def blocks(language: str, text: str = TEXT) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_every_option_has_a_row_and_every_row_an_option():
    described = {row[0].strip("`"): row[1] for row in rows("Options")}
    assert len(described) == len(rows("Options"))
    assert list(described) == list(TABLE)
    assert set(described.values()) == {"same", "better", "left out", "ours"}
    assert tuple(name for name, verdict in described.items() if verdict == "ours") == OURS


def test_every_layer_is_there():
    named = [re.findall(r"`(\w+)`", row[0]) for row in rows("Layers")]
    assert sorted(names[0] for names in named) == sorted([INPUT, *TRAINABLE, *POST_OUTPUT])
    assert {names[1]: names[0] for names in named if len(names) > 1} == ALIASES


def test_signals_that_are_not_derivatives_are_marked():
    marked = {row[0].split("`")[1] for row in rows("Layers") if "derivative" in row[-1]}
    assert marked == {name for name, objective in OBJECTIVES.items() if not objective.signal_is_derivative}


def test_all_bugs_are_answered():
    assert [row[0] for row in rows("Bugs and traps of CURRENNT 0.2")] == [str(k) for k in range(1, 14)]
    assert all(len(row) == 3 and all(row) for row in rows("Bugs and traps of CURRENNT 0.2"))


def test_the_number_of_cases_is_right():
    kinds = [name.name.split("_")[0] for name in GOLDEN.glob("*.json.gz")]
    expected = (len(kinds), kinds.count("forward"), kinds.count("train"))
    found = re.search(r"on (\d+) command lines \((\d+) forward passes, (\d+) trainings\)", TEXT)
    assert found is not None
    assert tuple(map(int, found.groups())) == expected


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with tables and a network, as somebody may have them who reads the page."""
    monkeypatch.chdir(tmp_path)
    packed = GOLDEN / "nets" / "lstm54_noweights.jsn.gz"
    Path("network.jsn").write_bytes(gzip.decompress(packed.read_bytes()))
    for name, source in {"train": "train7", "val": "val3"}.items():
        data = read_netcdf(FILES / "data" / f"{source}.nc")
        raw = replace(data, output_means=None, output_stdevs=None, input_means=None, input_stdevs=None)
        write_netcdf(Path(f"{name}.nc"), raw)
        lstmcore(["convert", f"{name}.nc", f"{name}.csv"])
        Path(f"{name}.nc").unlink()
    return tmp_path


def lstmcore(words: list[str]) -> None:
    app(words, standalone_mode=False)


def test_the_recipe_and_the_example_give_the_same_network(here, capsys):
    text = section("Moving a project")
    for line in "".join(blocks("sh", text)).replace("\\\n", " ").splitlines():
        program, *words = shlex.split(line)
        if program == "lstmcore-currennt":
            assert run(words) == 0, line
        else:
            assert program == "lstmcore"
            lstmcore(words)
    trained = Path("trained.jsn").read_bytes()
    assert Path("again.jsn").read_bytes() == trained
    assert len(list(Path("out").glob("*.htk"))) == 3
    assert len(Path("out.csv").read_text().splitlines()) == 3
    (example,) = blocks("python")
    capsys.readouterr()
    exec(compile(example, "docs/currennt.md", "exec"), {"__name__": "example"})
    assert Path("python.jsn").read_bytes() == trained
    assert len(capsys.readouterr().out.splitlines()) == 10


def test_standardised_and_reverted(here):
    for name in ("train", "val"):
        lstmcore(["convert", f"{name}.csv", f"{name}.nc"])
    lstmcore(["nc-standardize", "train.nc"])
    lstmcore(["nc-standardize", "val.nc", "train.nc"])
    train, val = read_netcdf(Path("train.nc")), read_netcdf(Path("val.nc"))
    np.testing.assert_allclose(train.inputs.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(train.inputs.std(0, ddof=1), 1, atol=1e-6)
    np.testing.assert_array_equal(val.output_stdevs, train.output_stdevs)


CONTEXT = np.array([-2, -1, 0, 1])
PIECES = [4, 5, 4, 4, 3, 4, 4, 4, 3, 6, 4, 6]  # of 9, 4, 7, 12, 3, 6 and 10 steps, at most 4 (or 6 at an end)


def spliced(data):
    parts = np.split(data.inputs, np.cumsum(data.lengths)[:-1])
    frames = [np.clip(np.arange(len(x))[:, None] + CONTEXT, 0, len(x) - 1) for x in parts]
    inputs = [x[f].reshape(len(x), -1) for x, f in zip(parts, frames, strict=True)]
    return replace(data, inputs=np.concatenate(inputs))


def cut(data):
    return replace(data, lengths=np.array(PIECES), tags=[str(k) for k in range(len(PIECES))])


@pytest.mark.parametrize(
    ("options", "by_hand"),
    [
        ("--input_left_context 2 --input_right_context 1", spliced),
        ("--truncate_seq 4", cut),
        ("", lambda data: data),
    ],
)
def test_what_no_golden_case_covers_is_what_is_done_by_hand(options, by_hand, here):
    data = read_netcdf(FILES / "data" / "train7.nc")
    write_netcdf(Path("whole.nc"), by_hand(data))
    n = int(data.lengths[:3].sum())
    for name, s, f in (("one", slice(3), slice(n)), ("two", slice(3, None), slice(n, None))):
        part = {"tags": data.tags[s], "lengths": data.lengths[s]}
        write_netcdf(
            Path(f"{name}.nc"), replace(data, inputs=data.inputs[f], targets=data.targets[f], **part)
        )
    line = (
        "--network network.jsn --train true --stochastic true --parallel_sequences 2 --shuffle_sequences true"
    )
    line += " --learning_rate 1e-3 --max_epochs 3 --random_seed 1 --train_file"
    assert run(f"{line} whole.nc --save_network hand.jsn".split()) == 0
    assert run(f"{line} one.nc,two.nc {options} --save_network options.jsn".split()) == 0
    assert Path("hand.jsn").read_bytes() == Path("options.jsn").read_bytes()
