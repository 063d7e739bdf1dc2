"""The drop-in command run on the golden command lines, paths adapted."""

from __future__ import annotations

import json
import os
import shutil
import sys

import numpy as np
import pytest

from lstmcore.experiments.currennt.cli import run
from lstmcore.experiments.currennt.formats.autosave import read_autosave
from lstmcore.experiments.currennt.formats.network_file import read_network
from lstmcore.experiments.currennt.numerics.mersenne import MersenneTwister
from tests.experiments.currennt.command_lines import STOCHASTIC, TRAIN, text_of
from tests.experiments.currennt.golden_files import FILES
from tests.lstmcore.currennt_golden import INDEX, flat, load

TOLERANCE = {"f64": 1e-12, "f32": 2e-6}


def arguments(case: str, precision: str) -> list[str]:
    words = INDEX[case]["command"].split()
    assert words[0] == "currennt"
    return [*words[1:], *(["--float64", "true"] if precision == "f64" else [])]


def assert_near(found, expected, precision):
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    assert found.shape == expected.shape
    if expected.size:
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[precision] * scale)


@pytest.mark.golden
@pytest.mark.parametrize("precision", ["f32", "f64"])
@pytest.mark.parametrize("case", [c for c in INDEX if INDEX[c]["kind"] == "forward"])
def test_forward(case, precision, here):
    assert run(arguments(case, precision)) == 0
    expected = load(INDEX[case]["file"])["precisions"][precision]
    lines = (here / "ff.csv").read_text().splitlines()
    assert [line.split(";")[0] for line in lines] == list(expected)
    for line, wanted in zip(lines, expected.values(), strict=True):
        found = np.array(line.split(";")[1:], float).reshape(np.shape(wanted))
        assert_near(found, wanted, precision)


@pytest.mark.golden
@pytest.mark.parametrize("precision", ["f32", "f64"])
@pytest.mark.parametrize("case", [c for c in INDEX if INDEX[c]["kind"] == "train"])
def test_training(case, precision, here, capsys):
    strict = ["--strict_currennt", "true"] if case == "hybridflag_ignored" else []
    assert run([*arguments(case, precision), *strict]) == 0
    expected = load(INDEX[case]["file"])["precisions"][precision]
    printed = [
        line for line in capsys.readouterr().out.splitlines() if line[:6].strip().isdigit() and "|" in line
    ]
    assert len(printed) == len(expected["rows"])
    for line, row in zip(printed, expected["rows"], strict=True):
        cells = [cell.strip() for cell in line.split("|")]
        assert cells[0] == str(row["epoch"])
        for cell, name in zip(cells[2:5], ("train_error", "val_error", "test_error"), strict=True):
            if row[name] is None:
                assert cell == ""
            elif "train_class_error" not in row:
                assert cell == f"{row[name]:.3f}"
        assert cells[5] == (row["new_best"] or "")
    for epoch, after in expected["epochs"].items():
        saved = read_autosave(here / f"as_epoch{int(epoch):03d}.autosave")
        weights = [np.concatenate([w.input, w.bias, w.internal]) for w in saved.network.weights.values()]
        assert_near(np.concatenate(weights), flat(after["weights"]), precision)
        deltas = [v for part in after["weight_deltas"] for v in part]
        assert_near(np.concatenate(saved.weight_deltas), deltas, precision)
    last = expected.get("final_weights") or expected["epochs"][str(len(expected["rows"]))]["weights"]
    final = read_network(here / "out.jsn")
    weights = [np.concatenate([w.input, w.bias, w.internal]) for w in final.weights.values()]
    assert_near(np.concatenate(weights), flat(last), precision)


def test_the_samples_log_is_printed(here, capsys):
    shutil.copy(FILES / "config.cfg", here / "config.cfg")
    config = (here / "config.cfg").read_text().replace("../", "")
    (here / "config.cfg").write_text(config)
    assert run(["config.cfg"]) == 0
    expected = (FILES / "train_log.txt").read_text().replace("../", "").splitlines()
    expected.remove("Removing cache file(s) ...")  # we have none
    found = text_of(capsys).splitlines()
    durations = [line.split("|")[1] if line.count("|") == 5 and "Epoch" not in line else "" for line in found]
    found = [
        line.replace(f"|{d}|", "|      0.0 |", 1) if d.strip() else line
        for line, d in zip(found, durations, strict=True)
    ]
    assert found == expected


@pytest.mark.parametrize("after", [1, 4, 6])
@pytest.mark.parametrize("more", [[], ["--shuffle_sequences", "true", "--input_noise_sigma", "0.3"]])
def test_continued_from_an_autosave_is_uninterrupted_bit_for_bit(after, more, here):
    line = [*STOCHASTIC, *more, "--val_file", "data/val3.nc", "--autosave", "true", "--max_epochs", "8"]
    assert run([*line, "--save_network", "whole.jsn"]) == 0
    wanted = [read_autosave(here / f"epoch{k:03d}.autosave") for k in range(after + 1, 9)]
    for k in range(after + 1, 9):
        (here / f"epoch{k:03d}.autosave").unlink()
    (here / "whole.jsn").unlink()
    assert run(["--continue", f"epoch{after:03d}.autosave"]) == 0
    for k, expected in zip(range(after + 1, 9), wanted, strict=True):
        found = read_autosave(here / f"epoch{k:03d}.autosave")
        for name in expected.network.weights:
            np.testing.assert_array_equal(
                found.network.weights[name].input, expected.network.weights[name].input
            )
        for a, b in zip(found.best_weights, expected.best_weights, strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(found.weight_deltas, expected.weight_deltas, strict=True):
            np.testing.assert_array_equal(a, b)
        assert found.lowest_validation_error == expected.lowest_validation_error
        assert found.options == expected.options
        assert len(found.info_rows) == k
    assert (here / "whole.jsn").exists()


def test_an_autosave_of_the_original_goes_on(here, capsys):
    shutil.copy(FILES / "samples" / "as_epoch001.autosave", here / "a.autosave")
    text = (here / "a.autosave").read_text().replace("../", "")
    (here / "a.autosave").write_text(text)
    assert run(["--continue", "a.autosave"]) == 0
    rows = [line for line in text_of(capsys).splitlines() if line[:6].strip().isdigit() and "|" in line]
    original = [
        line for line in (FILES / "train_log.txt").read_text().splitlines() if line[:6].strip().isdigit()
    ]
    assert [row.split("|")[2:] for row in rows] == [row.split("|")[2:] for row in original]


def test_saving_and_loading_changes_nothing(here):
    assert run([*TRAIN, "--learning_rate", "0", "--max_epochs", "1", "--save_network", "saved.jsn"]) == 0
    for network in ("nets/lstm54.jsn", "saved.jsn"):
        out = network.replace("/", "_") + ".csv"
        assert run(["--network", network, "--ff_input_file", "data/train7.nc", "--ff_output_file", out]) == 0
    assert (here / "nets_lstm54.jsn.csv").read_text() == (here / "saved.jsn.csv").read_text()
    saved = json.loads((here / "saved.jsn").read_text())
    assert [layer.get("learningRate") for layer in saved["layers"]] == [None] * 5


def test_a_frozen_layer_stays_frozen_in_the_saved_file(here):
    line = ["nets/lstm54_lr.jsn" if w == "nets/lstm54.jsn" else w for w in TRAIN]
    assert run([*line, "--max_epochs", "2", "--save_network", "saved.jsn"]) == 0
    assert [layer.learning_rate for layer in read_network(here / "saved.jsn").layers] == [
        None,
        0.0,
        5e-4,
        None,
        None,
    ]


@pytest.mark.parametrize("seed", ["1", "12345"])
def test_initial_weights_are_the_originals(seed, here):
    line = ["nets/lstm54_noweights.jsn" if w == "nets/lstm54.jsn" else w for w in TRAIN]
    line[line.index("--random_seed") + 1] = seed
    assert run([*line, "--learning_rate", "0", "--max_epochs", "1", "--save_network", "new.jsn"]) == 0
    expected = json.loads((FILES / "random_init.json").read_text())[f"uniform_seed{seed}"]["weights"]
    for name, weights in read_network(here / "new.jsn").weights.items():
        for piece in ("input", "bias", "internal"):
            np.testing.assert_array_equal(
                np.float32(getattr(weights, piece)), np.array(expected[name][piece], np.float32)
            )


def test_initial_weights_in_double_precision_are_drawn_there(here):
    line = ["nets/lstm54_noweights.jsn" if w == "nets/lstm54.jsn" else w for w in TRAIN]
    more = ["--learning_rate", "0", "--max_epochs", "1", "--float64", "true", "--save_network", "new.jsn"]
    assert run([*line, *more]) == 0
    first = next(iter(read_network(here / "new.jsn").weights.values())).input
    drawn = MersenneTwister(1).draw(len(first)).astype(float)
    np.testing.assert_array_equal(first, drawn / 2.0**32 * 0.2 + -0.1)


def test_a_seed_of_the_system_is_printed_and_kept(here, capsys):
    line = [w if w != "1" else "0" for w in TRAIN]
    assert run([*line, "--max_epochs", "1", "--autosave", "true"]) == 0
    seed = read_autosave(here / "epoch001.autosave").options["random_seed"]
    assert seed != "0"
    assert f"Random seed: {seed}" in text_of(capsys)


def test_windows_of_frames_work_in_training_where_the_original_fails(here, capsys):
    line = ["nets/lstm54_noweights.jsn" if w == "nets/lstm54.jsn" else w for w in TRAIN]
    context = ["--input_left_context", "1", "--input_right_context", "2"]
    assert run([*line, *context, "--max_epochs", "3", "--save_network", "wide.jsn"]) == 0
    assert "(0) input [size: 24]" in text_of(capsys)
    forward = ["--network", "wide.jsn", "--ff_input_file", "data/train7.nc", *context]
    assert run(forward) == 0
    assert run([*forward[:4]]) == 2
    assert "the input layer has size 24; the data give 6 inputs" in text_of(capsys)


def test_the_class_error_is_printed(here, capsys):
    line = ["--network", "nets/cls3.jsn", "--train", "true", "--train_file", "data/cls7.nc"]
    assert run([*line, "--max_epochs", "2", "--learning_rate", "1e-2"]) == 0
    assert " 60.78%" in text_of(capsys)


def test_the_old_name_of_stochastic_is_followed_with_a_word(here, capsys):
    line = [*TRAIN, "--max_epochs", "2", "--learning_rate", "1e-3"]
    saved = {}
    for name, more in {
        "meant": ["--hybrid_online_batch", "true"],
        "stochastic": ["--stochastic", "true"],
        "strict": ["--hybrid_online_batch", "true", "--strict_currennt", "true"],
        "batch": [],
    }.items():
        assert run([*line, *more, "--save_network", f"{name}.jsn"]) == 0
        text = text_of(capsys)
        assert ("CURRENNT 0.2 ignores it" in text) == (name == "meant")
        saved[name] = (here / f"{name}.jsn").read_text()
    assert saved["meant"] == saved["stochastic"]
    assert saved["strict"] == saved["batch"]
    assert saved["meant"] != saved["batch"]


def test_divergence_keeps_the_best_and_gives_advice(here, capsys):
    assert run([*TRAIN, "--learning_rate", "1e3", "--max_epochs", "50", "--save_network", "best.jsn"]) == 2
    assert "FAILED: epoch 5: the training error is" in (text := text_of(capsys))
    assert "try a learning_rate below 1000. The best weights so far are in 'best.jsn'" in text
    read_network(here / "best.jsn")


def test_the_best_network_is_written_at_each_new_best(here):
    line = [*STOCHASTIC, "--val_file", "data/val3.nc", "--max_epochs", "5"]
    assert run([*line, "--autosave_best", "true", "--autosave_prefix", "b", "--save_network", "end.jsn"]) == 0
    assert (here / "b.best.jsn").read_text() == (here / "end.jsn").read_text()


def test_other_output_formats(here):
    base = ["--network", "nets/lstm54.jsn", "--ff_input_file", "data/train7.nc"]
    assert run([*base, "--ff_output_format", "csv", "--ff_output_file", "csvs"]) == 0
    assert run([*base, "--ff_output_format", "htk", "--ff_output_file", "htks"]) == 0
    assert run([*base, "--ff_output_file", "one.csv"]) == 0
    whole = dict(line.split(";", 1) for line in (here / "one.csv").read_text().splitlines())
    for name in "abcdefg":
        frames = (here / "csvs" / f"seq_{name}.csv").read_text().splitlines()
        assert ";".join(frames) == whole[f"seq_{name}"]
        content = (here / "htks" / f"seq_{name}.htk").read_bytes()
        np.testing.assert_array_equal(
            np.frombuffer(content[12:], ">f4"), np.array(whole[f"seq_{name}"].split(";"), np.float32)
        )


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("--bogus 1", 1, "unknown option 'bogus'"),
        ("--train true", 1, "train_file is missing"),
        ("--network nets/none.jsn --ff_input_file data/train7.nc", 2, "FAILED: nets/none.jsn: no such file"),
        ("--network nets/lstm54.jsn --ff_input_file data/none.nc", 2, "FAILED: data/none.nc: no such file"),
        (
            "--network nets/lstm54_noweights.jsn --ff_input_file data/train7.nc",
            2,
            "no weights of layer 'lstm_1'",
        ),
        (
            "--network nets/cls3.jsn --train true --train_file data/train7.nc",
            2,
            "no classes; the network's last",
        ),
        (
            "--network nets/lstm54.jsn --train true --train_file data/cls7.nc",
            2,
            "classes; the network's last layer, 'sse'",
        ),
        (
            "--network nets/lstm54.jsn --train true --train_file data/dae7.nc",
            2,
            "target pattern size is 6; the network's layer",
        ),
        (
            "--network nets/lstm54.jsn --train true --train_file data/train7.nc --input_left_context 1",
            2,
            "the first layer's weights are for 6 inputs; the data have 12 inputs a frame",
        ),
        ("--continue nets/lstm54.jsn", 2, "not an autosave"),
        ("--help", 0, "--parallel_sequences"),
        ("--list_devices true", 0, "No CUDA devices"),
    ],
)
def test_exit_codes_and_messages(line, code, message, here, capsys):
    assert run(line.split()) == code
    assert message in text_of(capsys)


def test_a_finished_training_says_so_again_and_changes_nothing(here, capsys):
    line = [*STOCHASTIC, "--val_file", "data/val3.nc", "--autosave", "true", "--max_epochs", "3"]
    assert run([*line, "--save_network", "n.jsn"]) == 0
    lowest = next(t for t in text_of(capsys).splitlines() if t.startswith("Lowest validation error"))
    before = (here / "n.jsn").read_text()
    assert run(["--continue", "epoch003.autosave"]) == 0
    assert lowest in text_of(capsys)
    assert (here / "n.jsn").read_text() == before


def test_what_the_original_did_with_the_old_name_of_stochastic_goes_on(here, capsys):
    text = (FILES / "samples" / "as_epoch001.autosave").read_text().replace("../", "")
    text = text.replace("hybrid_online_batch=0", "hybrid_online_batch=1").replace(
        "stochastic=1", "stochastic=0"
    )
    (here / "a.autosave").write_text(text)
    assert run(["--continue", "a.autosave"]) == 0
    assert "Started in batch training mode." in text_of(capsys)


def test_diverging_at_once_keeps_the_initial_weights(here, capsys):
    assert run([*TRAIN, "--learning_rate", "1e38", "--max_epochs", "9", "--save_network", "first.jsn"]) == 2
    assert "FAILED: epoch 1: the training error is" in (text := text_of(capsys))
    assert "The initial weights are in 'first.jsn'" in text
    assert (
        read_network(here / "first.jsn").weights.keys()
        == read_network(here / "nets/lstm54.jsn").weights.keys()
    )


def test_names_that_are_no_text_go_through_options_file_autosave_and_continuation(here, capfd):
    odd = os.fsdecode(b"caf\xe9")
    (here / odd).mkdir()
    shutil.copy(here / "data" / "train7.nc", here / odd / f"{odd}.nc")
    shutil.copy(here / "nets" / "lstm54.jsn", here / odd)
    lines = ["train = true", f"train_file = {odd}/{odd}.nc", f"network = {odd}/lstm54.jsn", "max_epochs = 2"]
    lines += ["autosave = true", f"autosave_prefix = {odd}/{odd}", f"save_network = {odd}/{odd}.jsn"]
    (here / "o.cfg").write_bytes(os.fsencode("\n".join(lines)))
    sys.stdout.reconfigure(errors="surrogateescape")
    assert run(["o.cfg"]) == 0
    whole = (here / odd / f"{odd}.jsn").read_bytes()
    saved = here / odd / f"{odd}_epoch001.autosave"
    assert b"train_file=caf\xe9/caf\xe9.nc;;;" in saved.read_bytes()
    (here / odd / f"{odd}.jsn").unlink()
    assert run(["--continue", str(saved)]) == 0
    assert (here / odd / f"{odd}.jsn").read_bytes() == whole
    assert run(["--network", str(saved), "--ff_input_file", f"{odd}/{odd}.nc"]) == 0
    saved.write_bytes(saved.read_bytes().replace(b'"lstm_1"', b'"caf\xe9"'))
    assert run(["--continue", str(saved)]) == 2
    assert "is not UTF-8; expected a text file (JSON)" in capfd.readouterr().out
