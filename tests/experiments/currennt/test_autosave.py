"""Autosaves: the original's read, written ones exact, and what is said about bad ones."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from lstmcore.experiments.currennt.formats.autosave import Beyond, read_autosave, write_autosave
from lstmcore.experiments.errors import InputError
from tests.experiments.currennt.fuzzing import bytes_like, read_in_bounds
from tests.experiments.currennt.golden_files import AUTOSAVE
from tests.experiments.currennt.network_files import TOKENS, same as same_network

ORIGINAL = json.loads(AUTOSAVE.read_text())


def rewritten(tmp_path, autosave):
    write_autosave(tmp_path / "x.autosave", autosave)
    return read_autosave(tmp_path / "x.autosave")


def same(a, b) -> bool:
    compound = ("network", "options", "best_weights", "weight_deltas", "beyond")
    plain = [name for name in vars(a) if name not in compound]
    lists = [(getattr(a, name), getattr(b, name)) for name in ("best_weights", "weight_deltas")]
    beyond = [dict(vars(x.beyond)) if x.beyond else {"last_weights": None} for x in (a, b)]
    lists.append(tuple(found.pop("last_weights") or [] for found in beyond))
    return (
        same_network(a.network, b.network)
        and a.options == b.options
        and repr(beyond[0]) == repr(beyond[1])
        and all(repr(getattr(a, name)) == repr(getattr(b, name)) for name in plain)
        and all(x.tobytes() == y.tobytes() for p, q in lists for x, y in zip(p, q, strict=True))
    )


def test_the_originals_autosave_is_read():
    found = read_autosave(AUTOSAVE)
    assert (found.finished, found.epoch, found.epochs_since_lowest_error) == (True, 10, 8)
    assert (found.lowest_validation_error, found.training_error) == (1.17047, 1.36196)
    assert (found.validation_error, found.test_error, found.test_class_error) == (4.19698, 4.19698, 1)
    assert len(found.options) == 42
    assert (found.options["train_file"], found.options["momentum"]) == ("../data/train7.nc", "0.899999976")
    assert len(found.info_rows) == 10
    assert found.info_rows[-1].split("|")[0].strip() == "10"
    assert (
        [len(w) for w in found.best_weights] == [0, 255, 172, 10, 0] == [len(w) for w in found.weight_deltas]
    )
    assert found.best_weights[1][0] == -0.320832
    assert found.weight_deltas[3][0] == 0.000766519
    assert found.beyond is None


def test_what_the_original_wrote_is_written_byte_for_byte(tmp_path):
    rewritten(tmp_path, read_autosave(AUTOSAVE))
    # The original leaves nothing between two separators for each option that it loses.
    expected = AUTOSAVE.read_text().replace(";;;;;;", ";;;")
    assert (tmp_path / "x.autosave").read_text() == expected


def test_round_trips_are_exact(tmp_path):
    original = read_autosave(AUTOSAVE)
    draw = np.random.default_rng(1)
    weights = [draw.normal(size=len(w)) for w in original.best_weights]
    changed = replace(
        original,
        best_weights=weights,
        weight_deltas=[w * 1e-30 for w in weights],
        lowest_validation_error=0.1 + 0.2,
        options={"a": "1", "b": "x.nc;y.nc;", "c": "", "d": "e=f"},
        beyond=Beyond(3, 0.3 - 0.1, [w / 3 for w in weights]),
    )
    again = rewritten(tmp_path, changed)
    assert same(again, changed)
    assert (again.beyond.best_epoch, again.beyond.best_error) == (3, 0.3 - 0.1)
    for x, y in zip(again.beyond.last_weights, changed.beyond.last_weights, strict=True):
        np.testing.assert_array_equal(x, y)
    none = rewritten(tmp_path, replace(original, beyond=Beyond(0, math.inf)))
    assert (none.beyond.best_error, none.beyond.last_weights) == (math.inf, None)
    single = replace(original, best_weights=[w.astype(np.float32) for w in weights])
    for x, y in zip(rewritten(tmp_path, single).best_weights, single.best_weights, strict=True):
        np.testing.assert_array_equal(x.astype(np.float32), y)
    assert list(json.loads((tmp_path / "x.autosave").read_text())) == list(ORIGINAL)


def test_errors_that_json_does_not_have_survive(tmp_path):
    first = replace(
        read_autosave(AUTOSAVE),
        lowest_validation_error=math.inf,
        training_error=math.nan,
        test_error=math.inf,
    )
    again = rewritten(tmp_path, first)
    assert again.lowest_validation_error == again.test_error == math.inf
    assert math.isnan(again.training_error)
    written = json.loads((tmp_path / "x.autosave").read_text())
    assert written["optimizer_lowest_validation_error"] == float(np.finfo(np.float32).max)
    text = AUTOSAVE.read_text().replace('error": 1.17047', 'error": 3.40282e+38')
    (tmp_path / "x.autosave").write_text(text)
    assert read_autosave(tmp_path / "x.autosave").lowest_validation_error == math.inf


def test_there_may_be_no_best_weights_yet(tmp_path):
    none = replace(read_autosave(AUTOSAVE), best_weights=[np.empty(0)] * 5)
    assert [len(w) for w in rewritten(tmp_path, none).best_weights] == [0] * 5


def test_a_training_that_diverged_is_written_but_not_continued(tmp_path):
    original = read_autosave(AUTOSAVE)
    original.weight_deltas[1][7] = math.nan
    write_autosave(tmp_path / "x.autosave", original)
    with pytest.raises(InputError, match=r"layer 'lstm_1', number 7 .*found null.*the training had diverged"):
        read_autosave(tmp_path / "x.autosave")


def beyond(**changes) -> dict:
    return {"lstmcore": {"best_epoch": 3, "best_error_sum": 1.5} | changes}


BEST = "optimizer_best_weights"
DEFECTS = {
    "finished": ({"optimizer_finished": 1}, "'optimizer_finished': found 1; expected true or false"),
    "no epoch": ({"optimizer_cur_epoch": ...}, "no key 'optimizer_cur_epoch': not an autosave"),
    "epoch": ({"optimizer_cur_epoch": -1}, "'optimizer_cur_epoch': found -1; expected 0 or more"),
    "half an epoch": ({"optimizer_cur_epoch": 1.5}, "found 1.5; expected a whole number"),
    "error": ({"optimizer_cur_test_error": "1"}, "'optimizer_cur_test_error': found '1'; expected a number"),
    "configuration": ({"configuration": 1}, "'configuration': found 1; expected text"),
    "option": ({"configuration": "a=1;;;b;;;"}, "'configuration': found 'b'; expected name=value"),
    "no name": ({"configuration": "=1;;;"}, "found '=1'; expected name=value"),
    "semicolon": ({"info_rows": "1 | 2;;;;"}, "'info_rows': found ';'; expected rows between"),
    "twice": ({"configuration": "a=1;;;a=1;;;"}, "option 'a' appears twice"),
    "rows": ({"info_rows": []}, r"'info_rows': found a list \[…\]; expected text"),
    "best": ({BEST: 1}, f"'{BEST}': found 1; expected a list of lists"),
    "few": ({BEST: [[]]}, f"'{BEST}': found 1 lists; expected one for each of 5 layers"),
    "lengths": ({BEST: [[], [1], [], [], []]}, f"'{BEST}', layer 'lstm_1': found 1 numbers; expected 255"),
    "no list": ({BEST: [1] * 5}, "layer 'input': found 1; expected a list of 0 numbers"),
    "extra": ({"lstmcore": 1}, "'lstmcore': found 1; expected an object"),
    "many epochs": ({"optimizer_cur_epoch": 11}, "'optimizer_cur_epoch': found 11; 'info_rows' has 10 rows"),
    "best epoch": (beyond(best_epoch="x"), "'lstmcore': 'best_epoch': found 'x'; expected a whole number"),
    "late": (beyond(best_epoch=11), "'lstmcore': 'best_epoch': found 11; the last epoch is 10"),
    "no best": ({"lstmcore": {}}, "'lstmcore': no key 'best_epoch'"),
    "best error": (beyond(best_error_sum=[]), r"'best_error_sum': found a list \[…\]; expected a number"),
    "no error": (beyond(best_error_sum=None), "'best_error_sum': found null; expected a number"),
    "last": (beyond(last_weights=[[]]), "'last_weights': found 1 lists; expected one for each of 5 layers"),
    "weights": ({"weights": {}}, "no weights of layer 'lstm_1'; an autosave has all"),
}


@pytest.mark.parametrize("case", DEFECTS)
def test_defects_are_named(case, tmp_path):
    changes, message = DEFECTS[case]
    content = {key: value for key, value in (ORIGINAL | changes).items() if value is not ...}
    (tmp_path / "x.autosave").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        read_autosave(tmp_path / "x.autosave")
    assert str(tmp_path / "x.autosave") in str(caught.value)


@pytest.mark.parametrize("options", [{"a": "1;;;2"}, {"a=b": "1"}, {"": "1"}, {"a;": "1"}])
def test_options_that_can_not_be_read_back_are_not_written(options, tmp_path):
    with pytest.raises(InputError, match="can't be written; expected a name without"):
        write_autosave(tmp_path / "x.autosave", replace(read_autosave(AUTOSAVE), options=options))


def test_weights_that_do_not_fit_are_not_written(tmp_path):
    wrong = replace(read_autosave(AUTOSAVE), weight_deltas=[np.zeros(3)])
    with pytest.raises(InputError, match="'steepest_descent_optimizer_weight_deltas': weights of the shapes"):
        write_autosave(tmp_path / "x.autosave", wrong)


MORE = [*TOKENS, b";;;", b"=", b'"optimizer_cur_epoch": ']


@given(
    content=bytes_like([AUTOSAVE.read_bytes()], MORE, 3000, [b"", b'{"configuration": "', b'{"layers": []'])
)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_are_an_autosave_or_an_input_error(content, tmp_path):
    path = tmp_path / "x.autosave"
    path.write_bytes(content)
    found = read_in_bounds(read_autosave, path)
    if found is None:
        return
    assert same(rewritten(tmp_path, found), found)
