"""Random numbers, initial weights and the order of sequences, against CURRENNT 0.2."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lstmcore.experiments.currennt.numerics.initial import initial_weights, normal_weights
from lstmcore.experiments.currennt.numerics.introsort import _Introsort, sorted_order
from lstmcore.experiments.currennt.numerics.mersenne import LARGEST, MersenneTwister, system_seed
from lstmcore.experiments.currennt.numerics.order import SequenceOrder, truncated_lengths

FILES = Path(__file__).parent.parent.parent / "golden" / "currennt" / "files"
SORTED = json.loads((FILES / "sort_orders.json").read_text())["cases"]
DRAWN = json.loads((FILES / "random_init.json").read_text())
TRAIN7 = [9, 4, 7, 12, 3, 6, 10]
# The orders of five epochs with seed 1 with which the golden trainings `shuffle_*` agree to 1e-15.
SHUFFLED = {
    (1, True, False): ["3425016", "1064352", "0453612", "0652134", "3104562"],
    (3, True, False): ["3425016", "1064352", "0453612", "0652134", "3104562"],
    (2, False, True): ["5241306", "6415230", "0642315", "3154206", "5463120"],
    (3, True, True): ["5013426", "1543260", "5106423", "2453016", "2341506"],
}


def flat(layer):
    return [value for piece in ("input", "bias", "internal") for value in layer[piece]]


def test_the_stream_is_that_of_the_published_generator():
    """The ten-thousandth integer for seed 5489 is in the C++ standard ([rand.predef])."""
    assert MersenneTwister(5489).draw(10000)[-1] == 4123659995


def test_integers_come_in_one_order_however_they_are_drawn():
    whole, parts = MersenneTwister(7).draw(3000), MersenneTwister(7)
    drawn = [parts.draw(1), parts.draw(0), [parts._next() for _ in range(700)], parts.draw(900)]
    drawn += [[parts._next()], parts.draw(1398)]
    assert np.concatenate(drawn).tolist() == whole.tolist()


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 2**31, 2**31 + 1, LARGEST])
def test_buckets_hold_every_number_below_the_limit(limit):
    generator = MersenneTwister(3)
    found = [generator.below(limit) for _ in range(500)]
    assert 0 <= min(found) <= max(found) < limit
    assert limit > 7 or set(found) == set(range(limit))


def test_nothing_is_drawn_where_there_is_no_choice():
    generator = MersenneTwister(3)
    generator.below(1)
    assert generator.draw(1) == MersenneTwister(3).draw(1)


def test_the_systems_seed_is_a_seed():
    assert all(1 <= system_seed() <= LARGEST for _ in range(100))


@pytest.mark.parametrize(
    ("case", "seed", "layers"),
    [
        ("uniform_seed1", 1, ["lstm_1", "lstm_2", "output"]),
        ("uniform_seed12345", 12345, ["lstm_1", "lstm_2", "output"]),
        ("partial_firstlayer_given_seed1", 1, ["lstm_2", "output"]),
    ],
)
def test_uniform_weights_are_the_originals(case, seed, layers):
    generator = MersenneTwister(seed)
    for layer in layers:
        expected = np.array(flat(DRAWN[case]["weights"][layer]), np.float32)
        np.testing.assert_array_equal(initial_weights(len(expected), generator), expected, strict=True)


def test_a_weight_at_the_limit_is_drawn_again():
    """Between 1 and the next float32 there is one value only; half of the numbers round upwards."""
    high = float(np.nextafter(np.float32(1), np.float32(2)))
    generator = MersenneTwister(1)
    assert set(initial_weights(100, generator, 1.0, high).tolist()) == {1.0}
    first = MersenneTwister(1).draw(300)
    assert generator.draw(1)[0] in first[110:]


def test_an_empty_range_of_weights_is_refused():
    with pytest.raises(ValueError, match="no float32"):
        initial_weights(1, MersenneTwister(1), 0.1, 0.1)


def test_in_double_precision_the_weights_are_exact_fractions_of_the_range():
    """(u / 2³²) · (max − min) + min, the program's own steps in double."""
    drawn = MersenneTwister(3).draw(1000).tolist()
    wanted = [u / 2.0**32 * (0.1 - -0.1) + -0.1 for u in drawn]
    found = initial_weights(1000, MersenneTwister(3), dtype=np.dtype("float64"))
    assert found.tolist() == wanted
    single = initial_weights(1000, MersenneTwister(3))
    np.testing.assert_allclose(found, single, atol=2e-8, rtol=0)
    assert np.abs(found - single).max() > 1e-9
    between = initial_weights(9, MersenneTwister(3), 1.0, 1.0 + 1e-12, np.dtype("float64"))
    assert len(set(between.tolist())) > 1


def test_normal_weights_in_double_precision():
    single = normal_weights(100, MersenneTwister(1), 0.5, 0.2)
    double = normal_weights(100, MersenneTwister(1), 0.5, 0.2, np.dtype("float64"))
    np.testing.assert_array_equal(double.astype(np.float32), single)
    assert (double != single).any()


def test_normal_weights_have_the_originals_distribution():
    weights = normal_weights(200_001, MersenneTwister(1), 0.5, 0.2)
    assert weights.dtype == np.float32
    assert (weights.shape, weights.mean()) == ((200_001,), pytest.approx(0.5, abs=0.002))
    scaled = np.sort((weights - 0.5) / 0.2)
    quantiles = scaled[(np.array([0.0228, 0.1587, 0.5, 0.8413, 0.9772]) * 200_001).astype(int)]
    np.testing.assert_allclose(quantiles, [-2, -1, 0, 1, 2], atol=0.03)
    again = normal_weights(200_001, MersenneTwister(1), 0.5, 0.2)
    np.testing.assert_array_equal(weights, again)


@pytest.mark.parametrize("case", SORTED, ids=lambda c: f"{len(c['lengths'])}-{len(set(c['lengths']))}")
def test_sorted_as_the_original_sorts(case):
    assert sorted_order(case["lengths"]).tolist() == case["order"]


@settings(deadline=None)
@given(st.lists(st.integers(1, 12), max_size=200))
def test_any_lengths_are_sorted(lengths):
    order = sorted_order(lengths)
    assert sorted(order.tolist()) == list(range(len(lengths)))
    assert np.array(lengths, int)[order].tolist() == sorted(lengths)


def hard_for_the_median_of_three(size, ties):
    """D. R. Musser's sequence on which the median of three is the worst pivot, made to have ties."""
    half = size // 2
    first = [k if k % 2 else half + k - 1 for k in range(1, half + 1)]
    return [value // ties for value in first + [2 * k for k in range(1, half + 1)]]


def test_heapsort_takes_over_and_leaves_ties_as_the_library_does(monkeypatch):
    """The hash is that of the order that std::sort of GNU C++ gives."""
    calls, heapsort = [], _Introsort._heapsort
    monkeypatch.setattr(_Introsort, "_heapsort", lambda *a: (calls.append(a), heapsort(*a)))
    order = sorted_order(hard_for_the_median_of_three(1000, 3))
    assert len(calls) == 4
    assert hashlib.sha256(order.astype("<i8").tobytes()).hexdigest().startswith("abfd5fdac5a0b741")


def test_many_sequences_are_sorted_in_good_time():
    started = time.process_time()
    sorted_order(np.random.default_rng(1).integers(1, 500, 100_000))
    assert time.process_time() - started < 4


@pytest.mark.parametrize(("parallel", "sequences", "fractions"), SHUFFLED)
def test_shuffled_as_the_original_shuffles(parallel, sequences, fractions):
    order = SequenceOrder(TRAIN7, parallel, 1, sequences, fractions)
    found = ["".join(map(str, order.for_epoch(n))) for n in range(1, 6)]
    assert found == SHUFFLED[parallel, sequences, fractions]


def test_without_shuffling_every_epoch_is_sorted():
    order = SequenceOrder(TRAIN7, 3, 1)
    assert order.for_epoch(1).tolist() == order.for_epoch(9).tolist() == [4, 1, 5, 2, 0, 6, 3]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(1, 7), st.booleans(), st.booleans())
def test_an_epoch_has_one_order_however_it_is_reached(lengths, parallel, sequences, fractions):
    made = (lengths, parallel, 5, sequences, fractions)
    straight, jumping = SequenceOrder(*made), SequenceOrder(*made)
    orders = [straight.for_epoch(n).tolist() for n in range(1, 6)]
    for n in (5, 2, 2, 4, 1, 3):
        found = jumping.for_epoch(n)
        assert found.dtype == np.int64
        assert found.tolist() == orders[n - 1]
        assert sorted(found.tolist()) == list(range(len(lengths)))
        found[:] = -1  # the caller's own copy


@pytest.mark.parametrize(
    ("length", "limit", "pieces"),
    [(9, 0, [9]), (15, 10, [15]), (16, 10, [10, 6]), (25, 10, [10, 15]), (26, 10, [10, 10, 6]), (1, 1, [1])],
)
def test_pieces_of_a_sequence(length, limit, pieces):
    assert truncated_lengths(length, limit) == pieces


@given(st.integers(1, 500), st.integers(1, 50))
def test_pieces_add_up_and_none_is_short(length, limit):
    pieces = truncated_lengths(length, limit)
    assert sum(pieces) == length
    assert set(pieces[:-1]) <= {limit}
    assert len(pieces) == 1 or limit < 2 * pieces[-1] <= 3 * limit
