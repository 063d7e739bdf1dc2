"""The picture of gates has a panel for each array of each layer and direction, with the values in it."""

import numpy as np
import pytest

from lstmcore import BLSTM, LSTM, Linear, gates, initial_network
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.report.gate_plot import plot_gates

X = np.random.default_rng(1).standard_normal((20, 3))
FOUND = gates(initial_network(3, [LSTM(5), BLSTM(4), Linear(1)], 1, low=-1, high=1), X)


def images(figure):
    return [axes.images[0] for axes in figure.axes if axes.images and axes.get_title(loc="left")]


def test_each_array_of_each_layer_and_direction_has_a_panel():
    figure = plot_gates(FOUND, 15 + np.arange(20) / 2, sort=False)
    drawn = images(figure)
    assert len(drawn) == 3 * 4
    for k, one in enumerate(FOUND):
        for image, name in zip(drawn[4 * k :], ("i", "f", "o", "c"), strict=False):
            np.testing.assert_array_equal(image.get_array(), one.arrays[name].T)
    assert drawn[0].get_extent() == [14.75, 24.75, 5.5, 0.5]
    labels = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert labels == ["layer 1\nunit", "layer 2\nunit", "layer 2, backwards\nunit"]


def test_units_that_remember_longest_come_first():
    [image] = images(plot_gates(FOUND[:1], arrays=["f"]))
    means = np.asarray(image.get_array()).mean(1)
    assert list(means) == sorted(means, reverse=True)
    assert sorted(means) == pytest.approx(sorted(FOUND[0].f.mean(0)))


def test_one_frame_has_a_picture():
    assert images(plot_gates(gates(initial_network(3, [LSTM(5), Linear(1)], 1), X[:1])))


def test_what_cannot_be_drawn_is_told():
    with pytest.raises(InputError, match="expected what lstmcore"):
        plot_gates([])
    with pytest.raises(InputError, match=r"arrays is \['g'\]; expected some of z, i, f, o, c, h"):
        plot_gates(FOUND, arrays=["g"])
    with pytest.raises(InputError, match=r"times has shape \(3,\); expected \(20,\)"):
        plot_gates(FOUND, [1, 2, 3])
