"""Batches that leave their frames in the set until they are needed."""

from dataclasses import replace

import numpy as np
import pytest

from lstmcore import InputNoise, SequenceSet, pack
from lstmcore.batches import choose
from tests.lstmcore.networks import random_sequences

CHOSEN = np.array([3, 0, 2])
NOISE = InputNoise(1, 1, 0.5)


def _set(**changes) -> SequenceSet:
    return replace(random_sequences([5, 9, 7, 3], 4, 2), **changes)


@pytest.mark.parametrize("noise", [None, NOISE])
@pytest.mark.parametrize("changes", [{}, {"context": (1, 2)}, {"noisy": np.arange(24) % 3 == 0}])
def test_frames_are_the_same_whenever_they_are_put_together(changes, noise):
    songs = _set(**changes)
    packed, chosen = pack(songs, CHOSEN, noise), choose(songs, CHOSEN, noise)
    assert packed.is_put_together
    assert chosen.is_put_together == ("context" in changes)
    assert chosen.input_kind == packed.input_kind == (packed.inputs.shape[1], songs.inputs.dtype)
    for batch in (packed, chosen):
        written = np.full_like(packed.inputs, np.nan)
        for first, last in ((6, 15), (0, 6)):
            batch.write_inputs(written, first, last)
        np.testing.assert_array_equal(written, packed.inputs)
        rows, part = batch.part(1, 3)
        inputs = np.full_like(packed.inputs[rows], np.nan)
        part.write_inputs(inputs, 0, len(rows))
        np.testing.assert_array_equal(inputs, packed.inputs[rows])
        np.testing.assert_array_equal(part.targets, packed.targets[rows])
        np.testing.assert_array_equal(part.rows, packed.rows[rows])
        assert part.batch_sizes.tolist() == [2, 2, 2, 1, 1]
    np.testing.assert_array_equal(chosen.inputs, packed.inputs)
    np.testing.assert_array_equal(chosen.targets, packed.targets)
    assert chosen.is_put_together


def test_a_packed_batch_does_not_change_with_the_set():
    songs = _set()
    packed, before = pack(songs, CHOSEN), pack(songs, CHOSEN)
    songs.inputs[:], songs.targets[:] = 7, 8
    np.testing.assert_array_equal(packed.inputs, before.inputs)
    np.testing.assert_array_equal(packed.targets, before.targets)
    assert not (packed.inputs == 7).any()
