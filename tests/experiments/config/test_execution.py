"""The section [execution]: where jobs are done, which no result depends on."""

import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import app, run_app
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.terminal.command_line import execution_settings

ADDRESS = "execution.scheduler=tcp://node1:8786"
SLURM = """
[execution.cluster]
kind = "slurm"
workers = 3
options = { queue = "long", cores = 8, memory = "16 GB" }
"""


def test_neither_config_nor_fingerprint_know_where_jobs_are_done(tiny):
    usual, elsewhere = (load_experiment(tiny / "tiny.toml", said) for said in ([], [ADDRESS]))
    assert elsewhere.execution.engine == "dask"
    assert elsewhere.to_toml() == usual.to_toml()
    assert elsewhere.fingerprint == usual.fingerprint


def test_who_names_a_cluster_wants_dask_unless_he_says_otherwise(tiny):
    file = tiny / "tiny.toml"
    file.write_text(file.read_text() + SLURM)
    execution = load_experiment(file).execution
    assert (execution.engine, execution.cluster.options["cores"]) == ("dask", 8)
    assert load_experiment(file, ["execution.engine=threads"]).execution.engine == "threads"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            ["execution.engine=dask"],
            "engine is 'dask' with neither scheduler nor cluster; expected the address",
        ),
        ([ADDRESS, "execution.cluster={kind='local', workers=2}"], "with both scheduler and cluster"),
        (["execution.engine=ray"], "execution.engine is 'ray'; expected 'threads', 'folder' or 'dask'"),
        (["execution.cluster={kind='local'}"], "execution.cluster.workers' is missing"),
        (["execution.cluster={kind='local', workers=0}"], "execution.cluster.workers is 0; expected"),
        (["execution.adress=x"], "unknown key 'execution.adress'"),
    ],
)
def test_mistakes_are_told_with_what_is_expected(tiny, said, told):
    with pytest.raises(InputError, match=told):
        load_experiment(tiny / "tiny.toml", said)


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ((None, None), []),
        (("folder", None), ['execution.engine="folder"']),
        ((None, "tcp://a:1"), ['execution.engine="dask"', 'execution.scheduler="tcp://a:1"']),
        (("threads", "tcp://a:1"), ['execution.engine="threads"', 'execution.scheduler="tcp://a:1"']),
    ],
)
def test_options_are_settings(options, settings):
    assert execution_settings(*options) == settings


@pytest.mark.parametrize("command", ["run", "search", "ablate"])
def test_options_of_commands_are_heard(tiny, command):
    line = [str(tiny / "tiny.toml"), "--engine", "dask"]
    result = CliRunner().invoke(*((run_app, line) if command == "run" else (app, [command, *line])))
    assert result.exit_code == 2
    assert "with neither scheduler nor cluster" in result.stderr
