"""Folders of runs from strangers: no way out of them, and jobs that look like their own."""

import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lstmcore import EpochReport
from lstmcore.experiments.cli import run_app
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import check_plain, from_toml
from lstmcore.experiments.jobs.job import Computation, Form, JobFolder, Result, save_result
from lstmcore.experiments.training.sets import history_of
from tests.experiments.conftest import EXPERIMENT, write_tiny_deam

needs_links = pytest.mark.skipif(os.name != "posix", reason="links and pipes as on Unix")


@needs_links
@pytest.mark.parametrize("name", [".lock", ".lock.json", "metrics.json", "model"])
def test_a_run_is_not_written_through_a_link(name: str, tmp_path: Path) -> None:
    tiny = tmp_path
    write_tiny_deam(tiny / "data")
    (tiny / "tiny.toml").write_text(EXPERIMENT)
    (tiny / "mine").write_text("mine")
    folder = tiny / "run"
    folder.mkdir()
    (folder / "config.toml").write_text('name = "tiny"\n')
    (folder / name).symlink_to(tiny / "mine")
    result = CliRunner().invoke(run_app, [str(tiny / "tiny.toml"), "--out", str(folder), "--quiet"])
    assert result.exit_code == 2
    assert "a link to" in result.output
    assert (tiny / "mine").read_text() == "mine"


@needs_links
def test_a_folder_may_have_links_within_itself_and_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "again").symlink_to("jobs")
    check_plain(tmp_path)
    os.mkfifo(tmp_path / "jobs" / "pipe")
    with pytest.raises(InputError, match="pipe: a pipe or device"):
        check_plain(tmp_path)


REPORT = EpochReport(1, 2.0, 1.0, 2.0, 1.0, 0.1, 1, 1.0, True)
FORM = Form({"weights": (3,)}, {"fold": 1})
GOOD = Result({"weights": np.ones(3)}, {"fold": 1, "history": history_of([REPORT])})


@pytest.mark.parametrize(
    "other",
    [
        Result({"weights": np.ones(4)}, GOOD.facts),
        Result({}, GOOD.facts),
        Result({"weights": np.full(3, np.nan)}, GOOD.facts),
        Result({"weights": np.ones(3, np.int64)}, GOOD.facts),
        Result(GOOD.tensors, {"history": GOOD.facts["history"]}),
        Result(GOOD.tensors, GOOD.facts | {"fold": 2}),
        Result(GOOD.tensors, GOOD.facts | {"history": []}),
        Result(GOOD.tensors, GOOD.facts | {"history": [{"epoch": "one"}]}),
    ],
)
def test_a_job_of_another_form_counts_as_damaged(other: Result, tmp_path: Path) -> None:
    job = Computation("a job", "a-0", lambda: GOOD, form=FORM)
    folder, damaged = JobFolder(tmp_path), list[Path]()
    save_result(folder.file(job), GOOD)
    assert folder.load(job, damaged.append) is not None
    assert not damaged
    save_result(folder.file(job), other)
    assert folder.load(job, damaged.append) is None
    assert damaged == [folder.file(job)]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("part", ["a", '"a b"', "'a'"])
def test_a_key_of_thousands_of_parts_is_refused_at_once(part: str) -> None:
    with pytest.raises(ValueError, match=r"more than 64 parts \(at line 2\)"):
        from_toml("x = 1\n" + ".".join([part] * 100_000) + " = 1\n")
    assert from_toml("x = [" + "0.1, " * 100 + "]")["x"] == [0.1] * 100
