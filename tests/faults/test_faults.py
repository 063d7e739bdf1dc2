"""Faults in the middle of a run, and damage after it: the same command comes to the same bytes."""

import json
import os
import subprocess
import sys

import pytest

from tests.experiments.jobs.test_checksums import Noting
from tests.experiments.run.test_run import contents, run
from tests.faults.campaign import FAULTS, SAME
from tests.faults.faulty import compiler

# A few epochs and networks: each run is one of a fault.
SHORT = ["folds.count=3", "folds.team_test=2", "ensemble.trials=1", "pretraining.enabled=false"]


@pytest.mark.skipif(
    sys.platform != "linux" or compiler() is None, reason="the faults need Linux and a C compiler (cc)"
)
def test_after_each_kind_of_fault_the_same_command_comes_to_the_same_bytes(tmp_path):
    record = tmp_path / "record.jsonl"
    line = [sys.executable, "-m", "tests.faults.campaign", "--seed", "7", "--record", str(record)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    ended = subprocess.run(
        [*line, "--count", str(len(FAULTS))], capture_output=True, text=True, env=environment
    )
    found = [json.loads(text) for text in record.read_text().splitlines()]
    assert [one["fault"] for one in found] == list(FAULTS)
    assert [one for one in found if one["outcome"] != SAME] == []
    assert ended.returncode == 0, ended.stdout + ended.stderr
    codes = {one["fault"]: one["codes"] for one in found}
    # The faults did come.
    assert codes["killed at a change"] == [-9, 0]
    assert codes["disk full"] == codes["read-only"] == [2, 0]


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
