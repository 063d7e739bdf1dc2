"""The experiments that come with lstmcore: found by name from any folder, with or without a clone."""

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import app, run_app
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.config.shipped import find_experiment, shipped_names, summary_of, text_of
from lstmcore.experiments.errors import InputError

NAMES = [
    "quickstart",
    "deam_means",
    "deam_song_level",
    "mediaeval2015",
    "procedural_431",
    "ten_clips",
    "vgmidi",
]


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_are_found_by_name_the_quickest_first():
    assert shipped_names() == NAMES
    for name in NAMES:
        assert find_experiment(Path(name)).name == f"{name}.toml"
        assert load_experiment(find_experiment(Path(name)), ["data.root=."]).name == name
        assert summary_of(name)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("given", ["quickstart", "quickstart.toml"])
def test_a_name_is_the_shipped_one_where_there_is_no_such_file(given):
    assert find_experiment(Path(given)).parent != Path()


@pytest.mark.parametrize("given", ["quickstart", "quickstart.toml"])
def test_a_file_of_that_name_comes_first(elsewhere, given):
    (elsewhere / given).write_text("name = 'mine'\n")
    assert find_experiment(Path(given)) == Path(given)


def test_a_folder_of_that_name_does_not(elsewhere):
    (elsewhere / "quickstart").mkdir()
    assert find_experiment(Path("quickstart")).name == "quickstart.toml"


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("given", ["other/quickstart", "quickstat", "other.toml"])
def test_what_is_neither_is_refused_with_the_names(given):
    with pytest.raises(InputError, match=f"{given}: no such file; .* quickstart, deam_means") as told:
        find_experiment(Path(given))
    assert ("did you mean 'quickstart'" in str(told.value)) == (given != "other.toml")


@pytest.mark.parametrize("command", [(run_app, ()), (app, ("run",)), (app, ("search",)), (app, ("ablate",))])
def test_every_command_takes_names(elsewhere, command):
    program, before = command
    given = [*before, "ten_clips", "--set", "data.root=nowhere"]
    result = CliRunner().invoke(program, given)
    assert result.exit_code == 2
    assert "nowhere" in result.output or "no section [search]" in result.output
    assert not list(elsewhere.iterdir())


def test_they_are_listed():
    result = invoke("example")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in NAMES)
    assert "The paper's experiment on a full DEAM" in result.stdout


def test_one_is_written_and_never_over_another_file(elsewhere):
    result = invoke("example", "quickstart")
    assert (result.exit_code, (elsewhere / "quickstart.toml").read_text()) == (0, text_of("quickstart"))
    (elsewhere / "quickstart.toml").write_text("mine")
    result = invoke("example", "quickstart")
    assert result.exit_code == 2
    assert "quickstart.toml: is there already; expected a new file, with --out" in result.stderr
    assert (elsewhere / "quickstart.toml").read_text() == "mine"
    assert invoke("example", "quickstart", "--out", "b.toml").exit_code == 0
    assert tomllib.loads((elsewhere / "b.toml").read_text())["name"] == "quickstart"


@pytest.mark.usefixtures("elsewhere")
def test_an_unknown_one_is_refused_with_the_nearest():
    result = invoke("example", "mediaeval")
    assert result.exit_code == 2
    assert "no experiment 'mediaeval' comes with lstmcore" in result.stderr
    assert "did you mean 'mediaeval2015'?" in result.stderr
