"""What is missing: the command that installs it, for a release as for a clone."""

import os
import shlex
import subprocess
import sys
from importlib import metadata
from importlib.machinery import ModuleSpec

import pytest

import lstmcore
from lstmcore import installing
from lstmcore.installing import install_extra, install_package


@pytest.mark.parametrize(
    ("extra", "package"), [("search", "optuna>=4"), ("parquet", "pyarrow>="), ("cuda", "numba-cuda[cu12]>=")]
)
def test_an_extra_is_named_by_its_packages_for_this_environment(extra, package):
    words = shlex.split(install_extra(extra))
    assert any(word.startswith(package) for word in words)
    assert sys.executable in words
    assert "install" in words


def test_a_requirement_has_its_lower_bound():
    assert shlex.split(install_package("opensmile"))[-1].startswith("opensmile>=")
    assert shlex.split(install_package("numba"))[-1].startswith("numba>=")
    assert "--upgrade" not in install_package("numba")
    assert "--upgrade" in install_package("numba", upgrade=True)


@pytest.mark.parametrize(("pip", "begins"), [(True, [sys.executable, "-m", "pip"]), (False, ["uv", "pip"])])
def test_the_tool_is_the_environments_own(monkeypatch, pip, begins):
    monkeypatch.setattr(installing, "find_spec", lambda name: ModuleSpec("pip", None) if pip else None)
    assert shlex.split(install_extra("search"))[: len(begins)] == begins


def test_what_was_never_installed_still_answers(monkeypatch):
    def none(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(installing, "requires", none)
    assert shlex.split(install_extra("search"))[-1] == "lstmcore[search]"


def test_the_version_is_that_of_the_installed_package():
    assert lstmcore.__version__ == metadata.version("lstmcore")


def test_python_m_lstmcore_is_the_command(tmp_path):
    command = [sys.executable, "-m", "lstmcore", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ)
    assert (done.returncode, done.stdout) == (0, f"lstmcore {lstmcore.__version__}\n"), done.stderr
