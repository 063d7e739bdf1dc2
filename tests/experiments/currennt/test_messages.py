"""What is printed, held against logs of CURRENNT 0.2 byte for byte."""

from dataclasses import replace
from pathlib import Path

import pytest

from lstmcore.experiments.currennt import console as m
from lstmcore.experiments.currennt.opening import hybrid_notice, start_lines
from lstmcore.experiments.currennt.options.parsing import Options, parse

FILES = Path(__file__).parent.parent.parent / "golden" / "currennt" / "files"
ERRORS = [
    (4.697, 1.188, True),
    (3.730, 1.170, True),
    (2.491, 1.515, False),
    (1.557, 2.257, False),
    (1.133, 3.195, False),
    (1.113, 4.042, False),
    (1.264, 4.579, False),
    (1.394, 4.732, False),
    (1.422, 4.562, False),
    (1.362, 4.197, False),
]
NETWORK = [
    m.LayerSummary("input", 6),
    m.LayerSummary("lstm", 5, 1.0, 255),
    m.LayerSummary("lstm", 4, 1.0, 172),
    m.LayerSummary("feedforward_identity", 2, 1.0, 10),
    m.LayerSummary("sse", 2),
]
TRAIN7 = m.SetSummary(1.0, 7, 3, 12, 51)
VAL3 = m.SetSummary(1.0, 3, 5, 8, 19)


def without_cache_lines(name):
    lines = (FILES / name).read_text().splitlines()
    return [line for line in lines if not line.startswith("Removing cache file")]


def loaded(name, path, summary):
    return [m.loading_set(name, [path]) + m.DONE, *m.set_lines(summary)]


def network_lines():
    return [m.CREATING_NETWORK + m.DONE, *m.layer_lines(NETWORK)]


def test_the_log_of_a_training():
    options = parse([str(FILES / "config.cfg")])
    rows = [
        m.table_row(n, 0.04, m.SetError(training), m.SetError(other), m.SetError(other), best)
        for n, (training, other, best) in enumerate(ERRORS, 1)
    ]
    lines = [
        *start_lines(options),
        m.reading_network(options.network) + m.DONE,
        "",
        *loaded("training set", *options.train_file, TRAIN7),
        *loaded("validation set", *options.val_file, VAL3),
        *loaded("test set", *options.test_file, VAL3),
        *network_lines(),
        m.CREATING_OPTIMIZER + m.DONE,
        *m.optimizer_lines(options),
        *m.STARTING_TRAINING,
        *m.TABLE_HEADER,
        *rows,
        *m.stop_lines(8, options, 1.1704712),
        m.storing_network(options.save_network) + m.DONE,
    ]
    assert lines == without_cache_lines("train_log.txt")


def test_the_log_of_a_forward_pass():
    arguments = [
        "--network",
        "trained_network.jsn",
        "--cuda",
        "false",
        "--ff_input_file",
        "../data/train7.nc",
    ]
    options = parse(arguments)
    lines = [
        *start_lines(options),
        m.reading_network(options.network) + m.DONE,
        "",
        *loaded("feed forward input set", *options.ff_input_file, TRAIN7),
        *network_lines(),
        m.OUTPUTS_ARE_SCALED,
        *(m.computing_outputs(n) + m.DONE for n in (1, 2, 3)),
    ]
    assert lines == without_cache_lines("ff_log.txt")


BLANK = " " * 18


@pytest.mark.parametrize(
    ("validation", "test", "new_best", "columns"),
    [
        (None, None, True, [BLANK, BLANK, " " * 8]),
        (None, 2.0, None, [BLANK, "            2.000 ", " " * 8]),
        (1.0, None, False, ["            1.000 ", BLANK, "  no    "]),
        (float("nan"), None, False, ["              nan ", BLANK, "  no    "]),
        (123456789012345.0, None, True, ["123456789012345.000 ", BLANK, "  yes   "]),
    ],
)
def test_columns_without_an_error_are_blank(validation, test, new_best, columns):
    errors = [None if value is None else m.SetError(value) for value in (validation, test)]
    row = m.table_row(12, 75.26, m.SetError(0.5), *errors, new_best)
    assert row.split("|") == ["    12 ", "     75.3 ", "            0.500 ", *columns]


def test_wrong_steps_stand_before_the_error_in_the_same_width():
    row = m.table_row(1, 0, m.SetError(8.157, 0.60784), m.SetError(1234.5, 1.0), None, True)
    assert row.split("|")[2:4] == [" 60.78%     8.157 ", "100.00%  1234.500 "]
    assert len(row) == len(m.table_row(1, 0, m.SetError(1)))


@pytest.mark.parametrize(
    ("counter", "strict", "reason"),
    [
        (4, False, "No new lowest error since 4 epochs."),
        (4, True, "No new lowest error since 4 epochs."),
        (6, False, "No new lowest error since 6 epochs."),
        (6, True, "Maximum number of training epochs reached."),
        (3, False, "Maximum number of training epochs reached."),
    ],
)
def test_why_training_stops(counter, strict, reason):
    options = Options(max_epochs_no_best=4, strict_currennt=strict)
    expected = ["", f"{reason} Training stopped.", "Lowest validation error: 1.953308", ""]
    assert m.stop_lines(counter, options, 1.95330811) == expected
    assert m.stop_lines(counter, options, None) == [*expected[:2], ""]
    lines = m.stop_lines(counter, options, None, 1.36196)
    assert lines == [*expected[:2], "Final training set error: 1.361960", ""]
    validated = replace(options, val_file=("v.nc",))
    assert m.stop_lines(counter, validated, 1.95330811, 1.36196) == expected


TRAINING = Options(train=True, train_file=("a",), val_file=("b",), random_seed=3)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "Started in batch training mode."),
        ({"hybrid_online_batch": True}, "Started in hybrid online/batch training mode."),
        ({"hybrid_online_batch": True, "strict_currennt": True}, "Started in batch training mode."),
        (
            {"max_epochs": 60, "max_epochs_no_best": 4},
            "Training will be stopped after 60 epochs or if there is no new lowest validation error "
            "within 4 epochs.",
        ),
        ({}, "Training will be stopped if there is no new lowest validation error within 20 epochs."),
        ({"val_file": (), "max_epochs": 7}, "Training will be stopped after 7 epochs."),
        ({"validate_every": 3}, "Validation error will be calculated every 3 epochs."),
        (
            {"shuffle_sequences": True},
            "Sequences will be shuffled within and across mini-batches during training.",
        ),
        (
            {"shuffle_fractions": True, "parallel_sequences": 3},
            "Mini-batches (3 sequences each) will be shuffled during training.",
        ),
        ({"input_noise_sigma": 0.3}, "Using input noise with a standard deviation of 0.3."),
        ({"autosave_best": True}, "Autosave on BEST VALIDATION ERROR enabled."),
        ({}, "WARNING: CUDA is not available. Computations will be performed on the CPU!"),
        ({"weights_uniform_min": -0.25}, "Uniform distribution with range [-0.25, 0.1]. Random seed: 3"),
        ({"weights_dist": "normal"}, "Normal distribution with mean=0 and sigma=0.1. Random seed: 3"),
    ],
)
def test_lines_at_the_start(changes, line):
    assert line in start_lines(replace(TRAINING, **changes))


@pytest.mark.parametrize("options", [TRAINING, Options(ff_input_file=("a",))])
def test_a_file_that_will_be_overwritten_is_named(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = options.save_network if options.train else options.ff_output_file
    assert not [line for line in start_lines(options) if "overwritten" in line]
    (tmp_path / name).touch()
    lines = start_lines(options)
    place = next(k for k, line in enumerate(lines) if f"will be written to '{name}'" in line)
    assert lines[place + 1] == f"WARNING: The output file '{name}' already exists. It will be overwritten!"


def test_without_a_set_nothing_is_said_of_it():
    lines = start_lines(replace(TRAINING, val_file=(), test_file=()))
    assert not [line for line in lines if "error will be calculated" in line]
    assert (
        "Training will be stopped by the user only: there is neither a validation set nor max_epochs."
        in lines
    )


def test_several_files_and_parts_of_them():
    assert m.loading_set("training set", ["a b.nc", "c.nc"]) == "Loading training set 'a b.nc' 'c.nc' ..."
    assert m.set_lines(m.SetSummary(0.1, 1, 2, 2, 2))[0] == "Loaded fraction:  10%"
    assert (
        m.layer_lines([m.LayerSummary("lstm", 4, 0.5, 9)])[1] == "(0) lstm [size: 4, bias: 0.5, weights: 9]"
    )
    assert "Max training epochs:       inf" in m.optimizer_lines(Options())
    assert "Learning rate:             1e-05" in m.optimizer_lines(Options())


def test_the_notice_on_the_old_name_of_stochastic():
    asked = replace(TRAINING, hybrid_online_batch=True)
    assert "is taken for stochastic" in (hybrid_notice(asked) or "")
    assert "has no effect" in (hybrid_notice(replace(asked, strict_currennt=True)) or "")
    assert hybrid_notice(replace(asked, stochastic=True)) is None
    assert hybrid_notice(replace(asked, train=False)) is None
    assert hybrid_notice(TRAINING) is None


def test_a_failure():
    assert m.failed("no data") == "FAILED: no data"
