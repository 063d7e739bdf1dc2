"""What happens beside a training loses nothing of it: signals, full disks, readers that go."""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from lstmcore import Trainer
from lstmcore.experiments.currennt import session
from lstmcore.experiments.currennt.cli import run
from lstmcore.experiments.currennt.formats.autosave import read_autosave
from lstmcore.experiments.currennt.formats.network_file import read_network
from lstmcore.experiments.errors import InputError
from tests.experiments.currennt.command_lines import FORWARD, STOCHASTIC, text_of
from tests.experiments.currennt.golden_files import FILES

SIX = [*STOCHASTIC, "--val_file", "data/val3.nc", "--max_epochs", "6"]


@pytest.fixture
def whole(here):
    """The bytes of the network that the uninterrupted training of six epochs gives."""
    assert run([*SIX, "--save_network", "whole.jsn"]) == 0
    return (here / "whole.jsn").read_bytes()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Another folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def send(*numbers: int):
    for number in numbers:
        signal.raise_signal(number)


def before(monkeypatch, place, name: str, numbers, when=lambda *_: True):
    """Send signals in front of a call, the first time that it is the one."""
    real, left = getattr(place, name), [numbers]

    def call(*arguments, **more):
        if left and when(*arguments):
            send(*left.pop())
        return real(*arguments, **more)

    monkeypatch.setattr(place, name, call)


def interrupt_epoch(monkeypatch, epoch: int, *numbers: int):
    """Send signals when an epoch is computed, and its state there, but not yet told."""
    real = Trainer.run_epoch

    def run_epoch(self):
        report = real(self)
        if report.epoch == epoch:
            send(*numbers)
        return report

    monkeypatch.setattr(Trainer, "run_epoch", run_epoch)


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_in_an_epoch_leaves_the_last_whole_one(number, code, whole, here, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_epoch(patch, 4, getattr(signal, number))
        assert run([*SIX, "--save_network", "n.jsn"]) == code
    assert "Interrupted. Go on with --continue epoch003.autosave" in text_of(capsys)
    assert [len(read_autosave(f).info_rows) for f in here.glob("*.autosave")] == [3]
    assert run(["--continue", "epoch003.autosave"]) == 0
    assert (here / "n.jsn").read_bytes() == whole


def test_more_signals_do_not_disturb_the_autosave(whole, here, capfd, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_epoch(patch, 3, signal.SIGINT)
        before(patch, session, "write_autosave", [signal.SIGINT, signal.SIGTERM, signal.SIGINT])
        assert run([*SIX, "--save_network", "n.jsn"]) == 130
    out, err = capfd.readouterr()
    assert "Interrupted. Go on with --continue epoch002.autosave" in out
    assert "Interrupted: 'epoch002.autosave' is written first." in err
    assert run(["--continue", "epoch002.autosave"]) == 0
    assert (here / "n.jsn").read_bytes() == whole


def test_a_signal_while_a_regular_autosave_is_written_waits_for_it(whole, here, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        before(patch, session, "write_autosave", [signal.SIGINT], lambda path, _: path.stem == "epoch002")
        assert run([*SIX, "--autosave", "true", "--save_network", "n.jsn"]) == 130
    assert "Interrupted. Go on with --continue epoch002.autosave" in text_of(capsys)
    assert sorted(f.name for f in here.glob("*.autosave")) == ["epoch001.autosave", "epoch002.autosave"]
    assert run(["--continue", "epoch002.autosave"]) == 0
    assert (here / "n.jsn").read_bytes() == whole


@pytest.mark.parametrize("numbers", [[signal.SIGINT], [signal.SIGINT] * 3])
def test_a_signal_while_the_network_is_stored_waits_for_it(numbers, whole, here, capfd, monkeypatch):
    before(monkeypatch, session, "write_network", numbers)
    assert run([*SIX, "--save_network", "n.jsn"]) == 130
    assert (here / "n.jsn").read_bytes() == whole
    out, err = capfd.readouterr()
    assert "Storing the trained network in 'n.jsn'... done." in out
    assert "Interrupted: 'n.jsn' is written first." in err


def test_before_the_first_epoch_has_ended_there_is_nothing_and_it_is_said(here, capsys, monkeypatch):
    interrupt_epoch(monkeypatch, 1, signal.SIGINT)
    assert run([*SIX, "--save_network", "n.jsn"]) == 130
    assert "Interrupted. The first epoch had not ended: there is nothing to keep." in text_of(capsys)
    assert not list(here.glob("*.autosave"))


def test_an_autosave_that_says_it_all_is_not_written_again(here, capsys, monkeypatch):
    assert run([*SIX, "--autosave", "true"]) == 0
    text = (here / "epoch002.autosave").read_bytes()
    interrupt_epoch(monkeypatch, 3, signal.SIGINT)
    assert run(["--continue", "epoch002.autosave"]) == 130
    assert "Interrupted. Go on with --continue epoch002.autosave" in text_of(capsys)
    assert (here / "epoch002.autosave").read_bytes() == text


def test_handlers_are_given_back_and_what_is_ignored_stays_ignored(here):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with session.Signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGINT) not in before.values()
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert {number: signal.getsignal(number) for number in before} == before


def test_whatever_else_ends_training_leaves_an_autosave(whole, here, capsys, monkeypatch):
    real = Trainer.run_epoch

    def run_epoch(self):
        if self.state.epoch == 4:
            raise MemoryError("Unable to allocate 7 TiB")
        return real(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run_epoch", run_epoch)
        assert run([*SIX, "--save_network", "n.jsn"]) == 2
    text = text_of(capsys)
    assert "FAILED: out of memory: Unable to allocate 7 TiB" in text
    assert "Stopped. Go on with --continue epoch004.autosave" in text
    assert run(["--continue", "epoch004.autosave"]) == 0
    assert (here / "n.jsn").read_bytes() == whole


def test_a_failed_autosave_is_told_and_training_goes_on(whole, here, capsys):
    (here / "full_epoch002.autosave").symlink_to("/dev/full")
    (here / "full.best.jsn").symlink_to("/dev/full")
    line = [*SIX, "--autosave", "true", "--autosave_best", "true", "--autosave_prefix", "full"]
    assert run([*line, "--save_network", "n.jsn"]) == 0
    text = text_of(capsys)
    why = "could not be written: No space left on device. Training goes on."
    assert f"WARNING: autosave 'full_epoch002.autosave' {why}" in text
    assert f"WARNING: autosave 'full.best.jsn' {why}" in text
    assert (here / "n.jsn").read_bytes() == whole
    assert {f.name[5:] for f in here.glob("full_*") if f.is_file()} == {
        f"epoch{k:03d}.autosave" for k in (1, 3, 4, 5, 6)
    }


def test_a_network_that_can_not_be_stored_is_stored_elsewhere(whole, here, temporary, capsys):
    (here / "n.jsn").symlink_to("/dev/full")
    assert run([*SIX, "--save_network", "n.jsn"]) == 2
    (kept,) = temporary.glob("*/n.jsn")
    assert kept.read_bytes() == whole
    expected = f"FAILED: n.jsn: No space left on device; the trained network is in '{kept}'"
    assert expected in text_of(capsys)


def test_an_interrupted_training_without_space_is_kept_elsewhere(whole, here, temporary, capsys, monkeypatch):
    (here / "epoch003.autosave").symlink_to("/dev/full")
    with monkeypatch.context() as patch:
        interrupt_epoch(patch, 4, signal.SIGINT)
        assert run([*SIX, "--save_network", "n.jsn"]) == 130
    (kept,) = temporary.glob("*/epoch003.autosave")
    assert f"Interrupted. Go on with --continue {kept} ('epoch003.autosave' could not" in text_of(capsys)
    assert run(["--continue", str(kept)]) == 0
    assert (here / "n.jsn").read_bytes() == whole


def test_if_nothing_can_be_written_the_last_autosave_is_named(here, capsys, monkeypatch):
    (here / "n.jsn").symlink_to("/dev/full")
    monkeypatch.setattr(tempfile, "tempdir", str(here / "nets" / "lstm54.jsn"))
    assert run([*SIX, "--autosave", "true", "--save_network", "n.jsn"]) == 2
    assert "FAILED: n.jsn: No space left on device; nor could it be written into" in (text := text_of(capsys))
    assert text.rstrip().endswith("Not a directory. Go on with --continue epoch006.autosave")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--save_network", "nets"], "nets: Is a directory"),
        (["--save_network", "read_only.jsn"], "read_only.jsn: Permission denied"),
        (["--save_network", "nets/lstm54.jsn/x.jsn"], "nets/lstm54.jsn/x.jsn: Not a directory"),
        (["--save_network", "x" * 300], "File name too long"),
        (["--autosave", "true", "--autosave_prefix", "data/val3.nc/p"], "Not a directory"),
        (["--autosave_best", "true", "--autosave_prefix", "data/val3.nc/p"], "Not a directory"),
        (["--autosave_prefix", "a;;;b"], "option 'autosave_prefix' = 'a;;;b' can't be written"),
    ],
)
def test_what_can_not_be_written_is_told_before_anything_is_read(more, message, here, capsys):
    (here / "read_only.jsn").touch(0o444)
    files = sorted(here.rglob("*"))
    assert run([*SIX, *more]) == 2
    text = text_of(capsys)
    assert "FAILED: " in text
    assert message in text
    assert "Loading" not in text
    assert sorted(here.rglob("*")) == files


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--ff_output_file", "nets"], "nets: Is a directory"),
        (["--ff_output_file", "data/val3.nc", "--ff_output_format", "csv"], "Not a directory"),
        (["--ff_output_file", "data/val3.nc", "--ff_output_format", "htk"], "Not a directory"),
    ],
)
def test_a_forward_pass_that_can_not_be_written_is_not_computed(more, message, here, capsys):
    assert run([*FORWARD, *more]) == 2
    text = text_of(capsys)
    assert message in text
    assert "Computing" not in text


@pytest.mark.parametrize("name", ["null", "full"])
def test_devices_are_written_to_and_not_replaced(name, here, temporary, capsys):
    device = Path("/dev") / name
    code = {"null": 0, "full": 2}[name]
    assert run([*SIX, "--save_network", str(device)]) == code
    assert run([*FORWARD, "--ff_output_file", str(device)]) == code
    assert device.is_char_device()
    assert ("/dev/full: No space left on device" in text_of(capsys)) == bool(code)


def full_output():
    return Path("/dev/full").open("w")


def output_without_reader():
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def test_training_goes_on_where_its_output_can_not_be_written(whole, here, capfd, monkeypatch):
    with full_output() as out, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        assert run([*SIX, "--save_network", "n.jsn"]) == 2
    assert (here / "n.jsn").read_bytes() == whole
    error = capfd.readouterr().err
    assert error == "lstmcore-currennt: the output could not be written: No space left on device\n"


def test_without_a_reader_training_ends_and_is_kept(whole, here, capfd, monkeypatch):
    reader, writer = os.pipe()
    real = session.messages.table_row

    def table_row(epoch, *rest):
        if epoch == 3:
            os.close(reader)
        return real(epoch, *rest)

    with os.fdopen(writer, "w") as out, monkeypatch.context() as patch:
        patch.setattr(session.messages, "table_row", table_row)
        patch.setattr(sys, "stdout", out)
        assert run([*SIX, "--save_network", "n.jsn"]) == 2
    assert (
        capfd.readouterr().err
        == "\nStopped: nobody reads the output. Go on with --continue epoch003.autosave\n"
    )
    assert run(["--continue", "epoch003.autosave"]) == 0
    assert (here / "n.jsn").read_bytes() == whole


@pytest.mark.parametrize(
    ("line", "code"),
    [(["--help"], 0), (["--list_devices", "true"], 0), (["--bogus", "1"], 1), (FORWARD, 0)],
)
def test_every_line_of_options_bears_outputs_that_fail(line, code, here, capfd, monkeypatch):
    with output_without_reader() as out, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        assert run(line) == code
    assert capfd.readouterr().err == ""
    with full_output() as out, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        assert run(line) == (code or 2)
    assert "the output could not be written: No space left on device" in capfd.readouterr().err
    if line is FORWARD:
        assert len((here / "ff_output.csv").read_text().splitlines()) == 7


def test_an_error_is_told_on_the_other_output(here, capfd, monkeypatch):
    with full_output() as out, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        assert run(["--network", "none.jsn", "--ff_input_file", "data/train7.nc"]) == 2
    assert "FAILED: none.jsn: no such file" in capfd.readouterr().err


def test_the_best_network_is_named_after_the_network(here):
    assert run([*SIX, "--autosave_best", "true", "--save_network", "end.jsn"]) == 0
    assert (here / "nets" / "lstm54.best.jsn").read_bytes() == (here / "end.jsn").read_bytes()
    assert not (here / ".best.jsn").exists()
    (here / "nets" / "lstm54.best.jsn").unlink()
    (here / "nets" / "lstm54.jsn").rename(here / "without")
    line = ["without" if word == "nets/lstm54.jsn" else word for word in SIX]
    assert run([*line, "--autosave_best", "true", "--save_network", "end.jsn"]) == 0
    assert (here / "without.best.jsn").read_bytes() == (here / "end.jsn").read_bytes()


def test_without_validation_nothing_is_a_new_best(here):
    assert run([*STOCHASTIC, "--max_epochs", "2", "--autosave_best", "true", "--autosave_prefix", "b"]) == 0
    assert not list(here.glob("*.best.jsn"))


def test_the_last_error_is_told_without_a_validation_set(here, capsys):
    assert run([*STOCHASTIC, "--max_epochs", "2", "--autosave", "true"]) == 0
    text = text_of(capsys)
    error = read_autosave(here / "epoch002.autosave").training_error
    last = f"Training stopped.\nFinal training set error: {error:.6f}\n\nStoring"
    assert last in text
    assert run(["--continue", "epoch002.autosave"]) == 0
    again = text_of(capsys)
    assert last in again
    assert "0.9\n\nRestoring state from 'epoch002.autosave'... done.\n\nStarting" in again


@pytest.mark.parametrize("more", [[], ["--shuffle_sequences", "true", "--input_noise_sigma", "0.3"]])
@pytest.mark.parametrize("precision", ["false", "true"])
def test_an_ended_training_goes_on_with_more_epochs_bit_for_bit(more, precision, here):
    line = [*STOCHASTIC, *more, "--val_file", "data/val3.nc", "--float64", precision, "--autosave", "true"]
    assert run([*line, "--max_epochs", "9", "--autosave_prefix", "a", "--save_network", "n.jsn"]) == 0
    expected = read_autosave(here / "a_epoch009.autosave")
    assert run([*line, "--max_epochs", "5", "--autosave_prefix", "b", "--save_network", "m.jsn"]) == 0
    five = read_autosave(here / "b_epoch005.autosave")
    assert five.finished
    assert not same_vector(five.best_weights, five.beyond.last_weights)
    text = (here / "b_epoch005.autosave").read_text()
    (here / "b_epoch005.autosave").write_text(text.replace("max_epochs=5;;;", "max_epochs=9;;;"))
    assert run(["--continue", "b_epoch005.autosave"]) == 0
    found = read_autosave(here / "b_epoch009.autosave")
    for name in ("best_weights", "weight_deltas"):
        assert same_vector(getattr(found, name), getattr(expected, name))
    assert same_vector(found.beyond.last_weights, expected.beyond.last_weights)
    assert (here / "m.jsn").read_bytes() == (here / "n.jsn").read_bytes()


def same_vector(a, b) -> bool:
    return np.array_equal(np.concatenate(a), np.concatenate(b))


def test_an_ended_training_of_the_original_can_not_go_on(here, capsys):
    text = (FILES / "samples" / "as_epoch010.autosave").read_text().replace("../", "")
    (here / "a.autosave").write_text(text)
    assert run(["--continue", "a.autosave"]) == 0  # as the original: it says so again
    assert len(read_network(here / "trained_network.jsn").weights) == 3
    (here / "a.autosave").write_text(text.replace("max_epochs=10;;;", "max_epochs=20;;;"))
    capsys.readouterr()
    assert run(["--continue", "a.autosave"]) == 2
    assert "a.autosave: the training has ended ('optimizer_finished'), and of its weights" in text_of(capsys)


def test_weights_that_are_not_there_yet_are_none(here):
    line = [*STOCHASTIC, "--val_file", "data/val3.nc", "--validate_every", "3", "--max_epochs", "5"]
    assert run([*line, "--autosave", "true", "--save_network", "n.jsn"]) == 0
    whole = (here / "n.jsn").read_bytes()
    content = json.loads((here / "epoch002.autosave").read_text())
    content["optimizer_best_weights"] = [[]] * 5
    (here / "epoch002.autosave").write_text(json.dumps(content))
    assert run(["--continue", "epoch002.autosave"]) == 0
    assert (here / "n.jsn").read_bytes() == whole


WRONG = [None, True, -1, 0, 1.5, 10**30, 1e300, "x", "", [], [[]], [[]] * 5, [1], {}, {"best_epoch": 0}]


def test_no_damaged_key_of_an_autosave_is_a_traceback(here, capsys):
    line = [*STOCHASTIC, "--val_file", "data/val3.nc", "--max_epochs", "2", "--autosave", "true"]
    assert run(line) == 0
    content = json.loads((here / "epoch002.autosave").read_text())
    (here / "epoch002.autosave").unlink()
    inner = content["lstmcore"]
    changed = [content | {key: value} for key in content for value in WRONG]
    changed += [content | {"lstmcore": inner | {key: value}} for key in inner for value in WRONG]
    for damaged in changed:
        (here / "x.autosave").write_text(json.dumps(damaged))
        code = run(["--continue", "x.autosave"])
        assert code in (0, 2)
        assert ("FAILED: " in text_of(capsys)) == bool(code)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("weights", "x.autosave: in float32, 1 weights are not finite numbers"),
        ("optimizer_best_weights", "x.autosave: best weights: found a number that float32 can't hold"),
        ("steepest_descent_optimizer_weight_deltas", "x.autosave: weight deltas: found a number that"),
        ("lstmcore", "x.autosave: last weights: found a number that"),
    ],
)
def test_numbers_that_the_precision_does_not_hold_are_named(key, message, here, capsys):
    assert run([*STOCHASTIC, "--max_epochs", "1", "--autosave", "true"]) == 0
    content = json.loads((here / "epoch001.autosave").read_text())
    place = content[key]
    if key == "weights":
        place["lstm_1"]["bias"][2] = 1e39
    else:
        (place["last_weights"] if key == "lstmcore" else place)[1][2] = 1e39
    (here / "x.autosave").write_text(json.dumps(content))
    capsys.readouterr()
    assert run(["--continue", "x.autosave"]) == 2
    assert f"FAILED: {message}" in text_of(capsys)
    if key == "weights":
        assert run([*FORWARD[2:], "--network", "x.autosave"]) == 2
        assert f"FAILED: {message}" in text_of(capsys)


def test_a_session_writes_no_option_that_can_not_be_read_back(here):
    from lstmcore.experiments.currennt.options.parsing import parse

    with pytest.raises(InputError, match="can't be written"):
        session.check_places(parse([*SIX, "--autosave_prefix", ";;;"]))
