"""What is said about options that can't be used, and that nothing else ever happens."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from lstmcore.experiments.currennt.options.parsing import OptionError, Options, from_autosave, parse
from lstmcore.experiments.currennt.options.table import TABLE

FORWARD = ["--ff_input_file", "x.nc"]


def options_file(tmp_path, text):
    path = tmp_path / "o.cfg"
    path.write_text(text)
    return str(path)


WRONG_VALUES = [
    (name, text, expected)
    for names, texts, expected in [
        ("stochastic cuda float64", ["", "2", "maybe", " 1"], "true, false, 1, 0, yes, no, on or off"),
        ("parallel_sequences validate_every test_every", ["0", "-1", "1.5", "", "1_0", "٣"], "from 1 to"),
        ("random_seed truncate_seq", ["-2147483649", "4294967296", "x", "9" * 5000], "from 0 to 4294967295"),
        ("input_left_context output_time_lag", ["-1", "2147483648"], "from 0 to 2147483647"),
        ("max_epochs", ["0", "Inf", "4294967296"], '"inf", a whole number from 1'),
        ("max_epochs_no_best", ["0", "-1", "inf"], "from 1 to"),
        ("train_fraction val_fraction", ["0", "1.01", "-1", "nan"], "above 0, at most 1"),
        ("learning_rate input_noise_sigma", ["-1e-5", "nan", "inf", "1e999", "", "0x1"], "a number from 0"),
        ("momentum", ["1", "-0.1", "0,9"], "from 0 to below 1"),
        ("feature_period", ["0", "-1"], "above 0"),
        ("weights_normal_mean", ["1e31", "nan"], "from -1e30 to 1e30"),
        ("ff_output_format", ["CSV", "", "xml"], "single_csv, csv or htk"),
        ("weights_dist", ["gauss"], "uniform or normal"),
        ("ff_output_kind", ["40000"], "from 0 to 32767"),
        ("optimizer", ["rprop"], "Unknown optimizer type: optimizer is 'rprop'; expected steepest_descent"),
        (
            "train_file val_file",
            [",", "a;", ",,b"],
            "names of files with , or ; between them, not at the ends",
        ),
        ("network save_network", [""], "the name of a file"),
    ]
    for name in names.split()
    for text in texts
]


@pytest.mark.parametrize(("name", "text", "expected"), WRONG_VALUES)
def test_wrong_values_are_told_what_is_expected(name, text, expected):
    with pytest.raises(OptionError) as caught:
        parse([*FORWARD, f"--{name}={text}"])
    message = str(caught.value)
    assert f"{name} is {text!r}"[:1000] in message  # of thousands of digits the middle is left out
    assert "; expected" in message
    assert expected in message
    assert message.startswith("command line: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lerning_rate", "1"], "unknown option 'lerning_rate'; did you mean 'learning_rate'?"),
        (["--zzz=1"], "unknown option 'zzz'"),
        (["--"], "unknown option ''"),
        (["-h"], "unknown option '-h'; options begin with --"),
        (["--train_f", "x"], "option 'train_f' is ambiguous: train_file, train_fraction"),
        (["--Train", "1"], "unknown option 'Train'; did you mean 'train'?"),
        (["--network"], "network has no value; expected --network VALUE"),
        (["--network", "--train", "1"], "network has no value"),
        (["--help=1"], "help is '1'; expected no value"),
        (["--mom", "0", "--momentum", "0.1"], "momentum is given a second time: '0', then '0.1'"),
        (["a.cfg", "b.cfg"], "options_file is given a second time: 'a.cfg', then 'b.cfg'"),
        ([], r"ff_input_file is missing; a forward pass \(train is false\) needs it"),
        (["--train", "1"], "train_file is missing; training needs it"),
        ([*FORWARD, "--weights_uniform_min", "0.1"], "weights_uniform_min is 0.1, .*_max is 0.1"),
        ([*FORWARD, "no such file"], "no such file: no such file; expected a file of options"),
        ([*FORWARD, "."], "can't be read"),
        ([*FORWARD, "a\0b"], "can't be read"),
    ],
)
def test_mistakes_on_the_command_line(arguments, message):
    with pytest.raises(OptionError, match=message.replace("?", r"\?")):
        parse(arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nmomentun = 1", "line 2: unknown option 'momentun'; did you mean 'momentum'?"),
        ("mom = 0.5", "line 1: unknown option 'mom'; did you mean 'momentum'?"),
        ("# x\n\n[training]\n", "line 3: '[training]'; expected name = value"),
        ("momentum 0.9", "line 1: 'momentum 0.9'; expected name = value"),
        ("momentum = 0.9x", "line 1: momentum is '0.9x'; expected a number from 0 to below 1"),
        ("cuda =", "line 1: cuda is ''; expected true, false"),
        ("cuda = 0\ncuda = 1", "line 2: cuda is given a second time: '0', then '1'"),
        ("help = true", "line 1: help can be given on the command line only"),
        ("options_file = x", "line 1: options_file can be given on the command line only"),
    ],
)
def test_mistakes_in_a_file_are_told_with_the_line(tmp_path, text, message):
    path = options_file(tmp_path, text)
    with pytest.raises(OptionError) as caught:
        parse([*FORWARD, path])
    assert str(caught.value).startswith(f"{path}, {message}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentun": "0.9"}, "x.autosave: unknown option 'momentun'; did you mean 'momentum'?"),
        ({"train": "1", "momentum": "2"}, "x.autosave: momentum is '2'; expected a number from 0 to below 1"),
        ({"train": "1"}, "x.autosave: train_file is missing; training needs it"),
    ],
)
def test_mistakes_in_an_autosave(options, message):
    with pytest.raises(OptionError) as caught:
        from_autosave(options, "x.autosave")
    assert str(caught.value) == message


WORDS = st.one_of(
    st.sampled_from([f"--{name}" for name in TABLE]),
    st.sampled_from(["true", "0", "1", "0.5", "-1", "x.nc", "inf", "a,b", "--", "-", ""]),
    st.builds("--{}={}".format, st.sampled_from(list(TABLE)), st.text(max_size=5)),
    st.builds(lambda name, n: f"--{name[:n]}", st.sampled_from(list(TABLE)), st.integers(1, 9)),
    st.text(max_size=6),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WORDS, max_size=8))
def test_any_arguments_give_options_or_say_what_is_wrong(arguments):
    with suppress(OptionError):
        assert isinstance(parse(arguments), Options)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=st.lists(st.one_of(WORDS, st.sampled_from([" = ", "\n", "#", "momentum"]))).map("".join))
def test_any_file_gives_options_or_says_what_is_wrong(tmp_path, text):
    path = tmp_path / "o.cfg"
    path.write_text(text, errors="surrogatepass")
    with suppress(OptionError):
        assert isinstance(parse([*FORWARD, str(path)]), Options)
