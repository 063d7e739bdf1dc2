"""Faults in the middle of a run, and damage after it: the same command comes to the same bytes."""

import json
import os
import random
import subprocess
import sys

import pytest

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.run.folder import WITNESS
from tests.experiments.jobs.test_checksums import Noting
from tests.experiments.run.test_run import contents, run
from tests.faults.campaign import SAME
from tests.faults.faulty import compiler
from tests.faults.kinds import GROUPS
from tests.faults.power import cut

# A few epochs and networks: each run is one of a fault.
FURTHER = [
    "power cut",
    "power cut after the end",
    "killed, then killed again",
    "config.toml and environment.json damaged",
    "shared folder: one of three killed",
    "features: bit flipped",
]
WITNESSES = ("config.toml", "environment.json", WITNESS)
SHORT = ["folds.count=3", "folds.team_test=2", "ensemble.trials=1", "pretraining.enabled=false"]


@pytest.mark.skipif(
    sys.platform != "linux" or compiler() is None, reason="the faults need Linux and a C compiler (cc)"
)
def test_after_each_kind_of_fault_the_same_command_comes_to_the_same_bytes(tmp_path):
    record = tmp_path / "record.jsonl"
    line = [sys.executable, "-m", "tests.faults.campaign", "--seed", "7", "--record", str(record)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    chosen = ["--group", "run", *(word for kind in FURTHER for word in ("--kind", kind))]
    ended = subprocess.run([*line, *chosen], capture_output=True, text=True, env=environment)
    assert record.exists(), ended.stdout + ended.stderr
    found = [json.loads(text) for text in record.read_text().splitlines()]
    assert [one["fault"] for one in found] == [*GROUPS["run"], *FURTHER]
    assert [one for one in found if one["outcome"] != SAME] == []
    assert ended.returncode == 0, ended.stdout + ended.stderr
    codes = {one["fault"]: one["codes"] for one in found}
    # The faults did come.
    assert codes["killed at a change"] == [-9, 0]
    assert codes["disk full"] == codes["read-only"] == [2, 0]
    assert codes["power cut"] == [-9, 0]
    lost = {one["fault"]: one["lost"] for one in found if "lost" in one}
    assert lost["power cut"]["names"] > 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:50],
        lambda content: content.replace(b"count = 3", b"count = 2"),
        lambda content: content.replace(b"name", b"n\xe1me", 1),
    ],
    ids=["emptied", "cut off", "another value", "no text"],
)
def test_a_damaged_configuration_is_written_anew_where_environment_json_tells_whose_it_was(tiny, damage):
    run(tiny, "out", *SHORT)
    before, file = contents(tiny / "out"), tiny / "out" / "config.toml"
    whole = file.read_bytes()
    assert damage(whole) != whole
    file.write_bytes(damage(whole))
    hears = Noting()
    run(tiny, "out", *SHORT, progress=hears)
    assert hears.notes == [f"{file}: damaged; written anew"]
    assert hears.epochs == 0
    assert file.read_bytes() == whole
    assert contents(tiny / "out") == before


@pytest.mark.parametrize("lost", [False, True], ids=["damaged", "lost"])
def test_what_both_tell_of_whose_a_folder_is_may_be_damaged_where_the_third_is_whole(tiny, lost):
    run(tiny, "out", *SHORT)
    out, hears = tiny / "out", Noting()
    before, whole = contents(out), [(out / name).read_bytes() for name in WITNESSES]
    (out / "environment.json").write_bytes(b"{")
    if lost:
        (out / "config.toml").unlink()
    else:
        (out / "config.toml").write_bytes(whole[0].replace(b"seed = 1", b"seed = 3"))
    run(tiny, "out", *SHORT, progress=hears)
    assert hears.epochs == 0
    assert [(out / name).read_bytes() for name in WITNESSES] == whole
    assert contents(out) == before
    if not lost:
        assert hears.notes == [f"{out / name}: damaged; written anew" for name in WITNESSES[:2]]


def test_a_folder_that_no_witness_knows_is_refused_as_it_is(tiny):
    run(tiny, "out", *SHORT)
    out = tiny / "out"
    (out / "config.toml").unlink()
    (out / WITNESS).write_text("f" * 64)
    (out / "environment.json").write_text("{}")
    with pytest.raises(InputError, match="holds files but no config"):
        run(tiny, "out", *SHORT)
    assert not (out / "config.toml").exists()


def test_a_witness_is_written_where_there_is_none_yet(tiny):
    run(tiny, "out", *SHORT)
    out = tiny / "out"
    whole = (out / WITNESS).read_bytes()
    for damage in (b"", b"\xff", None):
        (out / WITNESS).unlink() if damage is None else (out / WITNESS).write_bytes(damage)
        run(tiny, "out", *SHORT)
        assert (out / WITNESS).read_bytes() == whole


def test_keys_that_a_folder_of_before_lacks_are_no_damage(tiny):
    run(tiny, "out", *SHORT)
    out, hears = tiny / "out", Noting()
    older = (out / "config.toml").read_bytes().replace(b"runs = []\n", b"", 1)
    assert older != (out / "config.toml").read_bytes()
    (out / "config.toml").write_bytes(older)
    (out / "environment.json").unlink()
    (out / WITNESS).unlink()
    for _ in range(2):
        run(tiny, "out", *SHORT, progress=hears)
    assert hears.notes == []
    assert (out / "config.toml").read_bytes() == older


@pytest.mark.parametrize("damage", [None, b"", b"[1]", b'{"python": "3'])
def test_a_missing_or_damaged_environment_json_is_written_anew(tiny, damage):
    run(tiny, "out", *SHORT)
    file = tiny / "out" / "environment.json"
    whole = file.read_bytes()
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    run(tiny, "out", *SHORT)
    assert file.read_bytes() == whole


@pytest.mark.parametrize(
    ("damage", "rows"),
    [
        (lambda content: content.replace(b"network", b"netw\xf0rk", 1), 6),
        (lambda content: content[:-3], 6),
        (lambda content: b"", 3),
    ],
    ids=["no text", "cut off", "emptied"],
)
def test_damaged_times_of_stages_end_no_run(tiny, damage, rows):
    run(tiny, "out", *SHORT)
    file = tiny / "out" / "stages.csv"
    whole = file.read_bytes()
    assert damage(whole) != whole
    file.write_bytes(damage(whole))
    run(tiny, "out", *SHORT)
    lines = file.read_text().splitlines()
    assert lines[0] == whole.decode().splitlines()[0]
    assert len(lines) == 1 + rows


def diary(folder, *lines):
    links = folder / "links"
    links.mkdir()
    (links / "diary").write_text(
        "".join("\t".join(map(str, [*line, "", "", "", ""][:5])) + "\n" for line in lines)
    )
    return links


class First(random.Random):
    """Draws what is worst: what was before."""

    def random(self):
        return 0.0


def test_a_power_cut_undoes_a_rename_that_no_folder_was_synced_after(tmp_path):
    file, temporary = tmp_path / "file", tmp_path / "new.tmp"
    file.write_text("new")
    rename = [("N", temporary), ("W", temporary), ("S", temporary), ("R", temporary, file, "1", "2")]
    links = diary(tmp_path, *rename)
    (links / "1").write_text("new")
    (links / "2").write_text("old")
    cut(links, First())
    assert file.read_text() == "old"
    file.write_text("new")
    with (links / "diary").open("a") as file_of_lines:
        file_of_lines.write(f"S\t{tmp_path}\t\t\t\n")
    assert cut(links, First())["names"] == 0
    assert file.read_text() == "new"


def test_a_power_cut_tears_what_was_renamed_before_it_was_synced(tmp_path):
    file, temporary = tmp_path / "file", tmp_path / "new.tmp"
    file.write_text("new" * 100)
    links = diary(
        tmp_path, ("N", temporary), ("W", temporary), ("R", temporary, file, "1", "-"), ("S", tmp_path)
    )
    (links / "1").write_text("new" * 100)
    cut(links, First(1))
    assert file.read_text() != "new" * 100


def test_a_power_cut_takes_a_folder_whose_parent_was_not_synced(tmp_path):
    made = tmp_path / "jobs"
    made.mkdir()
    links = diary(tmp_path, ("M", made))
    cut(links, First())
    assert not made.exists()
