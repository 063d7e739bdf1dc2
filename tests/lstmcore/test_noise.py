"""The noise on the inputs: its random numbers, its distribution, and what it depends on."""

import numpy as np
import pytest
from scipy.stats import kstest

from lstmcore import SequenceSet, pack
from lstmcore.noise import InputNoise, gaussian_pair, threefry

SEED = np.random.SeedSequence(7)


def _noise(frames, columns, dtype=np.float32, epoch=1, sigma=1.0):
    values = np.zeros((frames, columns), dtype)
    InputNoise(SEED, epoch, sigma).add_to(values, np.arange(frames))
    return values


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_the_random_bits_are_those_of_the_published_vectors(key, counter, expected):
    """Known answers of Threefry-2x32 with 20 rounds, published with Random123."""
    assert threefry(*(np.uint32(k) for k in (*key, *counter))) == expected


def test_two_numbers_are_the_box_muller_transform_of_their_bits():
    bits = np.random.default_rng(1).integers(0, 2**32, (20000, 2), np.uint32)
    bits[:4] = [[0, 0], [2**32 - 1, 2**32 - 1], [0, 2**31], [1, 2**30]]
    found = np.array([gaussian_pair(b0, b1) for b0, b1 in bits])
    u = np.minimum((bits[:, 0] >> 1) * 2.0**-31 + 2.0**-32, 1)
    angle = 2 * np.pi * bits[:, 1].view(np.int32) * 2.0**-32
    radius = np.sqrt(-2 * np.log(u))
    expected = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    # Where u is nearly 1 its own rounding, 6e-8, is all that the radius is made of.
    assert np.abs(found - expected)[radius > 0.05].max() < 3e-6
    assert np.abs(found - expected).max() < 4e-4
    assert np.abs(found).max() < 6.7


def test_it_is_standard_normal_times_sigma():
    noise = _noise(4000, 100, sigma=0.3).astype(float)
    assert noise.std() == pytest.approx(0.3, rel=0.005)
    assert kstest(noise.ravel() / 0.3, "norm").pvalue > 0.001


def test_columns_frames_and_epochs_are_uncorrelated():
    first, second = _noise(4000, 60).astype(float), _noise(4000, 60, epoch=2).astype(float)
    between = np.corrcoef(first.T) - np.eye(60)
    assert np.abs(between).max() < 5 / np.sqrt(4000)
    assert abs((first[1:] * first[:-1]).mean()) < 5 / np.sqrt(first.size)
    assert abs((first * second).mean()) < 5 / np.sqrt(first.size)


@pytest.mark.parametrize("columns", [1, 2, 5, 31, 64, 65, 97, 130, 260])
def test_each_column_has_the_numbers_of_its_counter(columns):
    noise, half = InputNoise(SEED, 3, 1.0), (columns + 1) // 2
    found = np.zeros((2, columns), np.float32)
    noise.add_to(found, np.array([7, 4]))
    pairs = [
        [gaussian_pair(*threefry(*noise.key, np.uint32(row), np.uint32(j))) for j in range(half)]
        for row in (7, 4)
    ]
    expected = np.array(pairs, np.float32).swapaxes(1, 2).reshape(2, -1)[:, :columns]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("columns", [1, 2, 3, 31, 32, 33, 130])
def test_both_precisions_have_the_same_noise(columns):
    narrow, wide = _noise(9, columns), _noise(9, columns, np.float64)
    np.testing.assert_array_equal(narrow, wide.astype(np.float32))
    assert len(np.unique(narrow)) == narrow.size


def test_a_frame_has_the_same_noise_in_whichever_batch_it_is():
    values = np.zeros((12, 5), np.float32)
    songs = SequenceSet(values, np.zeros((12, 1), np.float32), np.array([3, 5, 4]))
    noise = InputNoise(SEED, 4, 0.5)
    together = pack(songs, np.array([2, 0, 1]), noise)
    alone = pack(songs, np.array([1]), noise)
    np.testing.assert_array_equal(together.inputs[np.isin(together.rows, alone.rows)], alone.inputs)
    assert not values.any()
