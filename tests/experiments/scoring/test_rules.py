"""Rules of scoring that no result of a whole run shows: what a change of one line would break unnoticed."""

from __future__ import annotations

import numpy as np

from lstmcore.experiments.config.systems import OwnSystem
from lstmcore.experiments.datasets.annotations import Raters
from lstmcore.experiments.scoring import own_systems, raters


class Outer:
    """Holds a model."""

    class Inner:
        """A model."""


def test_a_model_may_be_a_class_within_a_class() -> None:
    system = OwnSystem(name="mine", estimator=f"{__name__}:Outer.Inner")
    assert own_systems._maker(system) is Outer.Inner


def test_raters_of_songs_with_one_time_stamp_have_no_hop() -> None:
    """And no warning of a mean of nothing."""
    said = raters._answers_of({"a": Raters([0], np.array([[0.5], [0.1], [0.3]]))}, named=False)
    assert len(said) == 3


def test_what_is_known_of_raters_says_how_it_was_resampled() -> None:
    found = raters.Agreeing([], [], []).as_json()
    assert (found["resamples"], found["level"]) == (raters.RESAMPLES, raters.LEVEL)
