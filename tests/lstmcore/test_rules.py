"""Rules of the engine that no result of a whole run shows: a change of one line would break them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lstmcore import SequenceSet
from lstmcore.batches import pack
from lstmcore.objective import MulticlassClassification


def test_frames_of_the_past_alone_are_heard_too() -> None:
    inputs = np.arange(6.0).reshape(3, 2)
    songs = replace(SequenceSet.from_lists([inputs], [np.zeros((3, 1))]), context=(1, 0))
    assert pack(songs, np.array([0])).inputs.tolist() == [[0, 1, 0, 1], [0, 1, 2, 3], [2, 3, 4, 5]]


def test_a_sequence_without_any_class_has_no_error() -> None:
    objective = MulticlassClassification()
    assert objective._error(np.full((2, 3), 1 / 3), np.full((2, 1), -1.0), slice(0, 2)) == 0
