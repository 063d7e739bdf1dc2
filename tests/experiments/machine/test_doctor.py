"""The doctor: healthy where all works, and for each thing that is broken exit code 1 and what to do."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys

import pytest
import soundfile
from typer.testing import CliRunner

from lstmcore import EngineError
from lstmcore.backends.cpu import updates
from lstmcore.backends.cpu.backend import CpuBackend
from lstmcore.experiments.cli import app
from lstmcore.experiments.machine import backend_check as agreement, doctor, gpu

TOPICS = ["machine", "packages", "kernels", "audio", "CUDA", "folders", "threads"]


def findings(check, *arguments):
    return {found.name: found for found in check(*arguments)}


def test_this_machine_is_healthy_and_says_so_as_json():
    result = CliRunner().invoke(app, ["doctor", "--json"])
    report = json.loads(result.stdout)
    broken = [found for found in report["findings"] if found["state"] == "broken"]
    assert (result.exit_code, report["ok"], broken) == (0, True, [])
    assert list(dict.fromkeys(found["topic"] for found in report["findings"])) == TOPICS
    named = {found["name"]: found["value"] for found in report["findings"]}
    assert named["numba"] == importlib.metadata.version("numba")
    assert "private, research and educational use only" in named["openSMILE"]


def test_the_table_ends_with_what_to_do(monkeypatch):
    sick = [
        doctor.Finding("kernels", "good", "1"),
        doctor.Finding("kernels", "bad", "2", "broken", "mend it"),
        doctor.Finding("audio", "optional", "3", "absent", "pip install 'lstmcore[x]'"),
    ]
    monkeypatch.setattr(doctor, "examine", lambda processors: sick)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    end = result.stdout[result.stdout.index("└") :]
    assert "bad: mend it\noptional: pip install 'lstmcore[x]'\nsomething that is needed is broken" in end


def test_what_can_be_done_without_is_no_illness():
    assert doctor.is_healthy([doctor.Finding("CUDA", "GPU", "none", "absent")])


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_kernels_that_compute_something_else_are_broken(monkeypatch, method, precision):
    honest = getattr(CpuBackend, method)
    assert agreement.largest_difference("cpu", precision) <= agreement.LIMITS[precision]

    def wrong(self, network, batch, workspace, *arguments):
        result = honest(self, network, batch, workspace, *arguments)
        changed = result if method == "forward" else arguments[1]
        changed[0] *= 1.5
        return result

    monkeypatch.setattr(CpuBackend, method, wrong)
    found = findings(doctor._kernels)[f"cpu against the reference, {precision}"]
    assert found.state == "broken"
    assert "--backend reference" in found.advice


def test_kernels_that_another_process_cant_find_are_told(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    found = findings(doctor._kernels)["kept on disk"]
    assert (found.state, "NUMBA_CACHE_DIR" in found.advice) == ("absent", True)


def test_an_absent_requirement_is_broken_and_an_absent_extra_is_not(monkeypatch):
    real = importlib.metadata.version

    def version(name):
        if name.lower() in ("scipy", "netcdf4"):
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = findings(doctor._packages)
    assert found["scipy"].state == "broken"
    extra = next(f for name, f in found.items() if name.endswith("(extra netcdf4)"))
    assert extra.state == "absent"
    assert re.search(r"if wanted: .*pip install .*netcdf4>=", extra.advice, re.IGNORECASE)


def test_without_opensmile_all_else_is_healthy_and_it_is_said_how_to_get_it(monkeypatch):
    real = importlib.metadata.version

    def version(name):
        if name == "opensmile":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setitem(sys.modules, "opensmile", None)
    found = [*doctor._packages(), *doctor._audio()]
    assert doctor.is_healthy(found)
    for one in (f for f in found if f.name in ("opensmile", "openSMILE")):
        assert one.state == "absent"
        assert "all else works" in one.advice
        assert re.search(r"pip install .*opensmile>=", one.advice)
    assert "private, research and educational use only" in found[-1].advice


def test_where_opensmile_is_it_is_said_how_to_do_without():
    (found,) = (f for f in doctor._audio() if f.name == "openSMILE")
    assert (found.state, "uninstall opensmile" in found.advice) == ("ok", True)


def test_a_decoder_without_mp3_is_broken(monkeypatch):
    real = soundfile.write

    def write(path, *arguments):
        if path.suffix == ".mp3":
            raise soundfile.LibsndfileError(1)
        real(path, *arguments)

    monkeypatch.setattr(soundfile, "write", write)
    found = findings(doctor._audio)
    assert [name for name, f in found.items() if f.state == "broken"] == ["MP3"]
    assert re.search(r"pip install .*--upgrade '?soundfile>=", found["MP3"].advice)


def test_a_cache_folder_that_cant_be_written_to_is_broken(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "file" / "cache"))
    (found,) = doctor._folders()
    assert (found.state, "LSTMCORE_CACHE" in found.advice) == ("broken", True)
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "not" / "yet"))
    (found,) = doctor._folders()
    assert (found.state, "0 B used" in found.value) == ("ok", True)
    assert not (tmp_path / "not").exists()


def test_a_check_that_fails_altogether_is_a_finding(monkeypatch):
    def fails():
        raise RuntimeError("no such thing")

    monkeypatch.setattr(doctor, "_audio", fails)
    found = [f for f in doctor.examine(1) if f.topic == "audio"]
    assert [(f.state, f.value) for f in found] == [("broken", "RuntimeError: no such thing")]


def test_without_a_gpu_the_reason_is_told_and_nothing_is_broken(monkeypatch):
    def none():
        raise RuntimeError("no driver")

    monkeypatch.setattr(gpu, "describe_gpu", none)
    found = findings(doctor._cuda)
    assert [(f.name, f.state) for f in found.values()] == [("GPU", "absent"), ("kernels", "absent")]
    assert found["GPU"].value == "no driver"


GPU = {"name": "NVIDIA X", "memory": "80 GiB", "driver": "580.1", "CUDA": "13.0 in the driver"}


@pytest.fixture
def with_gpu(monkeypatch):
    """A GPU of which only the description is there."""
    monkeypatch.setattr(gpu, "describe_gpu", lambda: dict(GPU))
    monkeypatch.setattr(CpuBackend, "trains_together", True)
    monkeypatch.setattr("lstmcore.get_backend", lambda name: CpuBackend())


@pytest.mark.usefixtures("with_gpu")
def test_a_gpu_is_named_and_its_kernels_are_compared(monkeypatch):
    monkeypatch.setattr(agreement, "largest_difference", lambda backend, precision: 1e-12)
    wrong = {"float32": 1e-7, "float64": float("nan")}
    monkeypatch.setattr(agreement, "training_difference", lambda backend, precision: wrong[precision])
    found = findings(doctor._cuda)
    assert [found[name].value for name in ("GPU", "driver", "CUDA")] == [
        "NVIDIA X",
        "580.1",
        "13.0 in the driver",
    ]
    compared = [f for name, f in found.items() if "against" in name]
    assert [f.state for f in compared] == ["ok", "ok", "ok", "broken"]
    assert "--backend cpu" in compared[-1].advice


@pytest.mark.usefixtures("with_gpu")
@pytest.mark.parametrize(
    ("error", "state"), [(RuntimeError("the driver gave up"), "broken"), (EngineError("too old"), "absent")]
)
def test_a_gpu_that_fails_is_a_finding(monkeypatch, error, state):
    def fails(backend, precision):
        raise error

    monkeypatch.setattr(agreement, "largest_difference", fails)
    monkeypatch.setattr(agreement, "training_difference", lambda backend, precision: 0.0)
    found = [f for f in doctor._cuda() if str(error) in f.value]
    assert {f.state for f in found} == {state}


@pytest.mark.parametrize("precision", agreement.LIMITS)
def test_networks_trained_together_are_compared_with_the_cpus(monkeypatch, precision):
    assert agreement.training_difference("cpu", precision) == 0
    if precision == "float64":
        assert agreement.training_difference("reference", precision) < 1e-12


@pytest.mark.parametrize("at_once", [True, False])
def test_training_that_goes_elsewhere_is_seen(monkeypatch, at_once):
    honest, honest_run = CpuBackend.update, updates.run_updates
    if at_once:

        def changed(*given):
            honest_run(*given)
            given[5][:] *= 1.01  # the weights

        monkeypatch.setattr(updates, "run_updates", changed)
    else:
        monkeypatch.setattr(CpuBackend, "updates", lambda *_: None)
        monkeypatch.setattr(CpuBackend, "update", lambda self, w, d, g, sgd: honest(self, w, d, 1.5 * g, sgd))
    assert agreement.training_difference("reference", "float64") > 1e-3


@pytest.mark.parametrize("reader", ["PyAV", "ffmpeg"])
def test_what_decodes_media_is_tried_and_named(monkeypatch, reader):
    if reader == "PyAV":
        pytest.importorskip("av", reason="PyAV is not installed")
    elif shutil.which("ffmpeg") is None:
        pytest.skip("the program ffmpeg isn't here")
    for module in ("media", "audio"):
        monkeypatch.setattr(f"lstmcore.features.{module}.media_reader", lambda: reader)
    found = doctor._media(doctor._TONE)
    assert found.state == "ok"
    assert re.search(rf"^0\.50 s of a tone decoded by (the program )?{reader} \S+", found.value)


def test_without_ffmpeg_media_are_absent_and_with_a_broken_one_broken(monkeypatch, tmp_path):
    monkeypatch.setattr("lstmcore.features.media.media_reader", lambda: None)
    found = doctor._media(doctor._TONE)
    assert (found.state, doctor.is_healthy([found])) == ("absent", True)
    assert re.search(r"pip install .*av>=.*, or install the program ffmpeg", found.advice)
    for module in ("media", "audio"):
        monkeypatch.setattr(f"lstmcore.features.{module}.media_reader", lambda: "ffmpeg")
    monkeypatch.setattr("lstmcore.features.media._program", lambda: str(tmp_path / "ffmpeg"))
    found = doctor._media(doctor._TONE)
    assert (found.state, "PyAV in its place" in found.advice) == ("broken", True)
