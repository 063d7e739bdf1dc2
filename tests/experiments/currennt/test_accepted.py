"""What CURRENNT 0.2 accepts though it looks like a mistake: the same here, with a word about it."""

import gzip
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from lstmcore.experiments.currennt.cli import run
from lstmcore.experiments.currennt.formats.netcdf import read_many, read_netcdf, write_netcdf
from lstmcore.experiments.currennt.formats.netcdf_classic import classic_bytes
from lstmcore.experiments.currennt.formats.network_file import read_network
from lstmcore.experiments.currennt.options.parsing import Options, from_autosave, parse, to_configuration
from tests.experiments.currennt.netcdf_files import arrays, same, sizes, written
from tests.lstmcore.currennt_golden import FOLDER

DATA = FOLDER / "files" / "data"


@pytest.fixture
def here(tmp_path, monkeypatch):
    for name in ("lstm54", "bin1", "cls3"):
        packed = FOLDER / "nets" / f"{name}.jsn.gz"
        (tmp_path / f"{name}.jsn").write_bytes(gzip.decompress(packed.read_bytes()))
    for name in ("train7", "val3", "bin7", "cls7"):
        shutil.copy(DATA / f"{name}.nc", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(network, data, *more):
    line = ["--network", network, "--train", "true", "--train_file", data, "--max_epochs", "2"]
    return run([*line, "--stochastic", "true", "--learning_rate", "1e-3", "--save_network", "out.jsn", *more])


def rewritten(path, data, lengths, tags, *, surplus=0):
    """Data with other lengths, or with rows that no sequence has."""
    frames = len(data.inputs) + surplus
    x, y = (
        np.vstack([a, np.full((surplus, a.shape[1]), 9e36, np.float32)]) for a in (data.inputs, data.targets)
    )
    names = np.array([list(t.encode().ljust(8, b"\0")) for t in tags], np.uint8).view("S1")
    kept = {
        "seqTags": (("numSeqs", "maxSeqTagLength"), names),
        "seqLengths": (("numSeqs",), np.array(lengths, np.int32)),
        "inputs": (("numTimesteps", "inputPattSize"), x),
        "targetPatterns": (("numTimesteps", "targetPattSize"), y),
    }
    dimensions = {
        "numSeqs": len(lengths),
        "numTimesteps": frames,
        "inputPattSize": x.shape[1],
        "targetPattSize": y.shape[1],
        "maxSeqTagLength": 8,
    }
    path.write_bytes(classic_bytes(dimensions, kept))


def test_sequences_of_length_0_and_rows_of_none(here, capsys):
    data = read_netcdf(here / "train7.nc")
    lengths, tags = list(data.lengths), list(data.tags)
    for place in (0, 3, len(lengths) + 2):
        lengths.insert(place, 0)
        tags.insert(place, f"e{place}")
    rewritten(here / "odd.nc", data, lengths, tags, surplus=4)
    assert train("lstm54.jsn", "train7.nc", "--parallel_sequences", "3") == 0
    plain, wanted = capsys.readouterr().out, (here / "out.jsn").read_text()
    assert train("lstm54.jsn", "odd.nc", "--parallel_sequences", "3") == 0
    printed = capsys.readouterr().out
    assert (here / "out.jsn").read_text() == wanted
    assert "NOTE: odd.nc: sequences of length 0 are left out: 3\n" in printed
    rows = "rows that belong to no sequence are left out: 4 of inputs, 4 of targetPatterns"
    assert f"NOTE: odd.nc: {rows}\n" in printed
    assert "NOTE" not in plain
    assert f"Sequences:        {len(data.lengths)}" in printed
    forward = ["--network", "out.jsn", "--ff_input_file"]
    for name in ("train7", "odd"):
        assert run([*forward, f"{name}.nc", "--ff_output_file", f"{name}.csv", "--revert_std", "false"]) == 0
    assert (here / "odd.csv").read_text() == (here / "train7.csv").read_text()
    assert "NOTE: odd.nc: sequences of length 0 are left out: 3" in capsys.readouterr().out


def test_the_fraction_of_a_file_counts_sequences_of_length_0(tmp_path):
    change = {"seqLengths": (("numSeqs",), np.array([0, 5], np.int32))}
    path = written(tmp_path, **change)
    assert read_netcdf(path).tags == ["b"]
    with pytest.raises(Exception, match="no frames: the first 1 of 2 sequences have the length 0"):
        read_netcdf(path, fraction=0.5)
    assert read_many([path, path]).notes == (f"{path}: sequences of length 0 are left out: 1",) * 2


def test_frames_of_class_minus_one(here, capsys):
    data = read_netcdf(here / "cls7.nc")
    first = int(data.lengths[0])
    data.classes[:first] = -1
    write_netcdf(here / "some.nc", data)
    assert same(read_netcdf(here / "some.nc"), data)
    # With a learning rate of 0 the error is that of the other sequences, but for the number it is divided by.
    still = ("--learning_rate", "0", "--max_epochs", "1", "--parallel_sequences", "9")
    line = ["--network", "cls3.jsn", "--train", "true", *still, "--autosave", "true", "--train_file"]
    assert run([*line, "some.nc"]) == 0
    printed = capsys.readouterr().out
    rest = {"lengths": data.lengths[1:], "tags": data.tags[1:]}
    rest |= {"inputs": data.inputs[first:], "classes": data.classes[first:]}
    found = json.loads((here / "epoch001.autosave").read_text())
    write_netcdf(here / "rest.nc", replace(data, **rest))
    assert run([*line, "rest.nc"]) == 0
    others = json.loads((here / "epoch001.autosave").read_text())
    count, frames = len(data.lengths), len(data.inputs)
    key = "optimizer_cur_training_error"
    assert found[key] * count == pytest.approx(others[key] * (count - 1), rel=1e-6)
    key = "optimizer_cur_training_class_error"
    assert found[key] * frames == pytest.approx(others[key] * (frames - first) + first)
    wrong = "have no error, and count as wrong in the share of wrong steps"
    assert f"NOTE: some.nc: frames of class -1 {wrong}: {first}\n" in printed


def test_two_classes_as_numbers(here, capsys):
    data = read_netcdf(here / "bin7.nc")
    assert train("bin1.jsn", "bin7.nc") == 0
    wanted = (here / "out.jsn").read_text()
    assert "NOTE" not in capsys.readouterr().out
    numbers = replace(data, targets=data.classes.astype(np.float32)[:, None], classes=None, labels=None)
    write_netcdf(here / "numbers.nc", numbers)
    assert train("bin1.jsn", "numbers.nc") == 0
    assert (here / "out.jsn").read_text() == wanted
    assert "NOTE: numbers.nc: targetPatterns are taken for classes: 1 where" in capsys.readouterr().out
    data.classes[data.classes == 0] = -1
    write_netcdf(here / "minus.nc", data)
    assert train("bin1.jsn", "minus.nc") == 0
    assert (here / "out.jsn").read_text() == wanted
    assert "frames of class -1 count as class 0 in 'binary_classification'" in capsys.readouterr().out


def test_numbers_for_two_classes_are_one_a_frame(here, capsys):
    assert train("bin1.jsn", "train7.nc") == 2
    assert "target pattern size is 2; the network's layer" in capsys.readouterr().out


def test_weights_without_a_layer(here, capsys):
    content = json.loads((here / "lstm54.jsn").read_text())
    content["weights"] |= {"lstm_0": {"input": [1]}, "input": 3}
    (here / "more.jsn").write_text(json.dumps(content))
    saved = {}
    for name in ("lstm54.jsn", "more.jsn"):
        assert train(name, "train7.nc") == 0
        saved[name] = (here / "out.jsn").read_text()
    assert saved["more.jsn"] == saved["lstm54.jsn"]
    printed = capsys.readouterr().out
    said = "more.jsn: weights without a layer that has any are left out: 'lstm_0', 'input'"
    assert printed.count(f"NOTE: {said}") == 1
    assert read_network(here / "more.jsn").notes == (f"{here}/{said}",)


def test_a_misspelt_name_of_weights_is_guessed(here, capsys):
    content = json.loads((here / "lstm54.jsn").read_text())
    first = content["layers"][1]["name"]
    content["weights"]["lstm_l"] = content["weights"].pop(first)
    (here / "odd.jsn").write_text(json.dumps(content))
    assert train("odd.jsn", "train7.nc") == 0
    assert f"left out: 'lstm_l'; did you mean {first!r}?" in capsys.readouterr().out


def test_several_separators_between_files(here):
    assert parse(["--ff_input_file", "a.nc,;b.nc"]).ff_input_file == ("a.nc", "b.nc")
    assert train("lstm54.jsn", "train7.nc,,val3.nc") == 0
    wanted = (here / "out.jsn").read_text()
    assert train("lstm54.jsn", "train7.nc,val3.nc") == 0
    assert (here / "out.jsn").read_text() == wanted


def test_an_empty_list_of_files_is_none(tmp_path):
    (tmp_path / "o.cfg").write_text("val_file =\ntest_file = \n")
    options = parse([str(tmp_path / "o.cfg"), "--train", "1", "--train_file", "x.nc"])
    assert (options.val_file, options.test_file) == ((), ())


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("max_epochs", "-1", None), ("random_seed", "-1", 2**32 - 1), ("truncate_seq", "-5", 0)],
)
def test_numbers_below_0_are_what_their_bits_say(name, text, value):
    options = parse(["--train", "1", "--train_file", "x.nc", f"--{name}", text])
    assert getattr(options, name) == value
    assert getattr(from_autosave(to_configuration(options)), name) == value
    assert isinstance(options, Options)


def test_options_beside_continue_are_said_to_have_no_effect(here, capsys):
    assert train("lstm54.jsn", "train7.nc", "--autosave", "true") == 0
    capsys.readouterr()
    assert run(["--continue", "epoch001.autosave"]) == 0
    assert "without effect" not in capsys.readouterr().out
    assert run(["o.cfg", "--continue", "epoch001.autosave", "--learning_rate", "9", "--mom=0"]) == 0
    said = "with --continue all options are the autosave's; without effect: options_file, learning_rate, "
    assert f"NOTE: {said}momentum\n" in capsys.readouterr().out


def test_rows_of_no_sequence_may_not_be_missing(tmp_path):
    short = {"targetPatterns": (("numSeqs", "targetPattSize"), np.ones((2, 1), np.float32))}
    (tmp_path / "x.nc").write_bytes(classic_bytes(sizes(), arrays(**short)))
    with pytest.raises(Exception, match="'targetPatterns' has the size numSeqs = 2 × targetPattSize = 1"):
        read_netcdf(tmp_path / "x.nc")
