"""The command: exit codes, messages without tracebacks, plain lines where there is no terminal."""

import re

import pytest
import typer.main
from typer.testing import CliRunner

import lstmcore
from lstmcore.experiments.cli import app, run_app
from lstmcore.experiments.run import folder as run_folder


def invoke(*arguments):
    return CliRunner().invoke(run_app, [str(a) for a in arguments])


def test_prints_the_tables_and_where_the_results_are(tiny):
    result = invoke(tiny / "tiny.toml", "--out", tiny / "out", "--workers", "1")
    assert result.exit_code == 0, result.output
    assert "cross-validation: 7 songs, by song" in result.stdout
    assert re.search(r"lstm_all .*\d\.\d{3}", result.stdout)
    assert "all frames pooled" not in result.stdout
    assert "* r of a constant curve is undefined and counted as 0" in result.stdout
    assert f"results: {tiny / 'out'}" in result.stdout
    assert "auto-encoders: 2 to do" in result.stderr
    assert re.search(r"6/6 fold 2, trial 1: epoch \d+, training error", result.stderr)
    result = invoke(tiny / "tiny.toml", "--out", tiny / "out", "--tables", "all")
    assert "official test set: 2 songs, all frames pooled" in result.stdout
    assert re.search(r"lstm_ccc .*\d\.\d{3}", result.stdout)


def test_quiet_prints_the_table_alone(tiny):
    result = invoke(tiny / "tiny.toml", "--out", tiny / "out", "--quiet")
    assert result.stderr == ""
    assert "lstm_all" in result.stdout


def test_the_default_folder_changes_with_the_configuration(tiny, monkeypatch):
    monkeypatch.chdir(tiny)
    assert invoke(tiny / "tiny.toml", "--quiet").exit_code == 0
    assert invoke(tiny / "tiny.toml", "--quiet", "--set", "seed=2").exit_code == 0
    assert len(list((tiny / "runs").glob("tiny-*"))) == 2


@pytest.mark.parametrize(("program", "arguments"), [(app, []), (run_app, []), (app, ["run"])])
def test_the_version_is_told(program, arguments):
    result = CliRunner().invoke(program, [*arguments, "--version"])
    assert (result.exit_code, result.stdout) == (0, f"lstmcore {lstmcore.__version__}\n")


def test_the_list_of_commands_has_whole_sentences():
    listed = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["--help"]).output.partition("Commands:")[2]
    assert "..." not in listed
    assert all(line.endswith(".") for line in listed.strip().splitlines())


@pytest.mark.parametrize("name", sorted(typer.main.get_command(app).commands))
def test_the_help_of_a_command_shows_an_example(name):
    text = CliRunner(env={"COLUMNS": "80"}).invoke(app, [name, "--help"]).output
    assert re.search(rf"^  Example: lstmcore[ -]{name} ?", text, re.MULTILINE)


@pytest.mark.parametrize(("name", "word"), [("lstmcore", "abl"), ("lstmcore-run", "--wor")])
def test_the_shell_completes(name, word):
    program = {"lstmcore": app, "lstmcore-run": run_app}[name]
    variable = f"_{name.upper().replace('-', '_')}_COMPLETE"
    told = {variable: "complete_bash", "COMP_WORDS": f"{name} {word}", "COMP_CWORD": "1"}
    completed = CliRunner(env=told).invoke(program, prog_name=name).output
    assert completed.split() == [{"abl": "ablate", "--wor": "--workers"}[word]]


@pytest.mark.parametrize(
    "arguments",
    [
        ("features", "x.wav", "--out", "x.csv", "--sethares", "louder"),
        ("plot", "x.wav", "--view", "louder"),
    ],
)
def test_a_wrong_choice_names_the_choices_and_nothing_of_the_library(arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert re.search(r"Invalid value for '--\w+': 'louder' is not one of '", result.output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.toml"], "nowhere.toml: no such file"),
        (["{tiny}", "--set", "training.learning_rte=1"], "did you mean 'learning_rate'"),
        (["{tiny}", "--set", "folds.count=400"], "there are 9 development songs"),
        (["{tiny}", "--set", "data.root=/nonexistent"], "no such folder"),
        (["{tiny}", "--backend", "gpu"], "engine.backend is 'gpu'"),
        (["{tiny}", "--workers", "0"], "--workers"),
        (["{tiny}", "--out", "{tiny}"], "is a file; expected a folder"),
        ([], "EXPERIMENT"),
        (["{tiny}", "--set", "network.hidden=[16,", "8]"], "quoted: --set 'network.hidden=[16, 8]'"),
        (["{tiny}", "--set=network.hidden=[16,", "8]"], "quoted: --set 'network.hidden=[16, 8]'"),
        (["{tiny}", "--set", "training.patience", "=", "3"], "quoted: --set 'training.patience = 3'"),
    ],
)
def test_mistakes_exit_with_2_and_no_traceback(tiny, arguments, message):
    result = invoke(*(a.format(tiny=tiny / "tiny.toml") for a in arguments))
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("command", ["run", "search", "ablate"])
def test_a_root_that_isnt_there_leaves_no_folder(tiny, monkeypatch, command):
    monkeypatch.chdir(tiny)
    steps = "search.steps=[{key='network.hidden', values=[[2], [3]]}]"
    arguments = [command, tiny / "tiny.toml", "--set", "data.root=nowhere", "--set", steps]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 2
    assert "no such folder" in result.output
    assert not (tiny / "runs").exists()


def test_an_error_of_the_disk_exits_with_2(tiny, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "x/config.toml")

    monkeypatch.setattr(run_folder, "write_text", full)
    result = invoke(tiny / "tiny.toml", "--out", tiny / "out")
    assert result.exit_code == 2
    assert "error: x/config.toml: No space left on device; what is finished is kept in" in result.output


def test_too_little_memory_is_told(tiny, monkeypatch):
    def prepared(*_, **__):
        raise MemoryError("Unable to allocate 298. GiB")

    monkeypatch.setattr("lstmcore.experiments.training.pretraining.new_autoencoder", prepared)
    result = invoke(tiny / "tiny.toml", "--out", tiny / "out", "--workers", "1")
    assert result.exit_code == 2
    assert "error: not enough memory: Unable to allocate 298. GiB; what is finished is kept" in result.output
    assert "Traceback" not in result.output
