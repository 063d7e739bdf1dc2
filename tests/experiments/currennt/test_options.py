"""Options: where they are given, what they may be, how they are kept in an autosave file."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from lstmcore.experiments.currennt.options.parsing import (
    Options,
    from_autosave,
    help_text,
    parse,
    to_configuration,
)
from lstmcore.experiments.currennt.options.table import TABLE

FILES = Path(__file__).parent.parent.parent / "golden" / "currennt" / "files"
COMMANDS = (FILES / "command_lines.txt").read_text().splitlines()
FORWARD = ["--ff_input_file", "x.nc"]
# The configuration of an autosave of the original: as_epoch010 of the golden samples.
SAVED = (
    "autosave=1;;;autosave_best=0;;;autosave_prefix=as;;;cache_path=/tmp;;;cuda=0;;;feature_period=10;;;"
    "ff_output_file=ff_output.csv;;;ff_output_format=single_csv;;;ff_output_kind=9;;;hybrid_online_batch=0"
    ";;;;;;input_noise_sigma=0;;;;;;learning_rate=0.00100000005;;;list_devices=0;;;max_epochs=10;;;"
    "max_epochs_no_best=20;;;momentum=0.899999976;;;network=../nets/lstm54.jsn;;;"
    "optimizer=steepest_descent;;;options_file=config.cfg;;;;;;parallel_sequences=3;;;random_seed=1;;;"
    "revert_std=1;;;save_network=trained_network.jsn;;;shuffle_fractions=0;;;shuffle_sequences=0;;;"
    "stochastic=1;;;test_every=1;;;test_file=../data/val3.nc;;;test_fraction=1;;;train=1;;;"
    "train_file=../data/train7.nc;;;train_fraction=1;;;truncate_seq=0;;;val_file=../data/val3.nc;;;"
    "val_fraction=1;;;validate_every=1;;;weight_noise_sigma=0;;;weights_dist=uniform;;;"
    "weights_normal_mean=0;;;weights_normal_sigma=0.100000001;;;weights_uniform_max=0.100000001;;;"
    "weights_uniform_min=-0.100000001;;;"
)
ORIGINAL = """
help options_file network cuda list_devices parallel_sequences random_seed ff_input_file ff_output_file
ff_output_format ff_output_kind feature_period revert_std train stochastic hybrid_online_batch
shuffle_fractions shuffle_sequences max_epochs max_epochs_no_best validate_every test_every optimizer
learning_rate momentum weight_noise_sigma save_network autosave autosave_best autosave_prefix continue
train_file val_file test_file train_fraction val_fraction test_fraction truncate_seq input_noise_sigma
input_left_context input_right_context output_time_lag cache_path weights_dist weights_uniform_min
weights_uniform_max weights_normal_sigma weights_normal_mean
"""
SAMPLE = Options(
    options_file=str(FILES / "config.cfg"),
    train=True,
    cuda=False,
    stochastic=True,
    parallel_sequences=3,
    max_epochs=10,
    max_epochs_no_best=20,
    learning_rate=1e-3,
    momentum=0.9,
    random_seed=1,
    network="../nets/lstm54.jsn",
    train_file=("../data/train7.nc",),
    val_file=("../data/val3.nc",),
    test_file=("../data/val3.nc",),
    save_network="trained_network.jsn",
    autosave=True,
    autosave_prefix="as",
    cache_path="/tmp",
)


def saved_options():
    return dict(entry.split("=", 1) for entry in SAVED.split(";;;") if entry)


def options_file(tmp_path, text):
    path = tmp_path / "o.cfg"
    path.write_text(text)
    return str(path)


def test_the_sample_file_says_what_it_says():
    assert parse([str(FILES / "config.cfg")]) == SAMPLE


@pytest.mark.parametrize("line", COMMANDS)
def test_command_lines_of_the_golden_cases(line):
    words = line.split()[1:]
    found, texts = parse(words), dict(zip(words[::2], words[1::2], strict=True))
    assert found.network == texts["--network"]
    assert found.train == (texts["--train"] == "true")
    assert found.parallel_sequences == int(texts["--parallel_sequences"])
    assert found.learning_rate == float(texts.get("--learning_rate", "1e-5"))
    assert found.stochastic == ("--stochastic" in texts)


def test_every_option_of_the_original_is_there():
    assert set(TABLE) == set(ORIGINAL.split()) | {"float64", "strict_currennt"}
    assert set(saved_options()) < set(TABLE)


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "Yes", "on", "oN"])
def test_yes(text):
    assert parse([*FORWARD, "--stochastic", text]).stochastic


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "NO", "off"])
def test_no(text):
    assert not parse([*FORWARD, "--revert_std", text]).revert_std


def test_forms_of_an_option():
    found = parse(["--ff_in=a b,c;d ", "--weights_uniform_min", "-.2", "--max_epochs", "inf"])
    assert found.ff_input_file == ("a b", "c", "d ")
    assert (found.weights_uniform_min, found.max_epochs) == (-0.2, None)
    assert parse([*FORWARD, "--cache_path="]).cache_path == ""
    assert parse([*FORWARD, "--mom=5e-1"]).momentum == 0.5
    assert parse([*FORWARD, "--network", "a=b"]).network == "a=b"
    assert parse([*FORWARD, "--max_epochs", "4294967295"]).max_epochs is None


def test_a_whole_name_is_not_ambiguous():
    """`train` also begins `train_file`, `autosave` begins `autosave_best`."""
    found = parse(["--train", "1", "--train_file", "x", "--autosave", "1"])
    assert found.train
    assert found.autosave


def test_the_command_line_wins(tmp_path):
    path = options_file(
        tmp_path, "\ufeffff_input_file = a b.nc  # in a comment = too\n\n#x=1\n momentum=0.5\r\ncuda = 0"
    )
    found = parse(["--momentum", "0.25", path])
    assert (found.momentum, found.ff_input_file, found.cuda) == (0.25, ("a b.nc",), False)
    assert found == parse(["--options_file", path, "--momentum=0.25"])


@pytest.mark.parametrize("arguments", [["--help"], ["--he"], ["--help", "--train", "1"]])
def test_help_needs_nothing_else(arguments):
    assert parse(arguments) == Options(help=True)


def test_other_uses_that_need_no_data():
    assert parse(["--list_devices", "true"]).list_devices
    assert parse(["--continue", "a.autosave", "no such file"]).continue_ == "a.autosave"


def test_the_list_names_every_option_with_its_default():
    text = help_text()
    assert all(f"  --{name}" in text for name in TABLE)
    for part in ("(default: 1e-05)", "(default: true)", "(default: inf)", "(default: single_csv)"):
        assert part in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("stochastic", "hybrid", "strict", "effective", "ignored"),
    [
        (False, False, False, False, False),
        (True, False, False, True, False),
        (False, True, False, True, True),
        (False, True, True, False, True),
        (True, True, True, True, False),
    ],
)
def test_the_old_name_of_stochastic(stochastic, hybrid, strict, effective, ignored):
    found = Options(stochastic=stochastic, hybrid_online_batch=hybrid, strict_currennt=strict)
    assert (found.stochastic_effective, found.hybrid_was_ignored_by_original) == (effective, ignored)


def test_names_of_files_in_any_encoding_come_through(tmp_path):
    path = tmp_path / "o.cfg"
    path.write_bytes(b"ff_input_file = m\xfcsik.nc\n")
    assert parse([str(path)]).ff_input_file == (b"m\xfcsik.nc".decode("utf-8", "surrogateescape"),)


def test_an_autosave_of_the_original_is_read():
    found = from_autosave(saved_options())
    rounded = replace(
        found,
        learning_rate=1e-3,
        momentum=0.9,
        weights_normal_sigma=0.1,
        weights_uniform_max=0.1,
        weights_uniform_min=-0.1,
    )
    assert rounded == replace(SAMPLE, options_file="config.cfg")
    assert found.learning_rate == 0.00100000005


def test_our_autosave_has_the_originals_texts_and_exact_numbers():
    ours, theirs = to_configuration(replace(SAMPLE, options_file="config.cfg")), saved_options()
    assert list(ours) == sorted(ours)
    lag = {"input_left_context": "0", "input_right_context": "0", "output_time_lag": "0"}
    exact = {"learning_rate": "0.001", "momentum": "0.9", "weights_normal_sigma": "0.1"}
    limits = {"weights_uniform_max": "0.1", "weights_uniform_min": "-0.1"}
    assert ours == theirs | lag | exact | limits


NUMBERS = st.floats(0, 1, exclude_min=True, exclude_max=True)


@settings(deadline=None)
@given(NUMBERS, st.floats(0, allow_infinity=False), st.none() | st.integers(1, 2**32 - 2), st.booleans())
def test_what_is_saved_reads_back_exactly(momentum, rate, limit, flag):
    options = Options(
        train=True,
        train_file=("a b.nc", "c.nc"),
        momentum=momentum,
        learning_rate=rate,
        max_epochs=limit,
        float64=flag,
        strict_currennt=not flag,
    )
    texts = json.loads(json.dumps(to_configuration(options)))
    assert from_autosave(texts) == options
    assert parse([f"--{name}={text}" for name, text in texts.items()]) == options
