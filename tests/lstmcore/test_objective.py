"""Errors and signals of classes, worked out by hand."""

import math

import numpy as np

from lstmcore import OBJECTIVES

SEQUENCE = np.zeros(4, np.int64)


def test_a_frame_of_class_minus_one_has_no_error_and_is_wrong():
    objective = OBJECTIVES["multiclass_classification"]
    outputs = np.array([[0.5, 0.25, 0.25], [0.2, 0.7, 0.1], [0.9, 0.05, 0.05], [0.1, 0.1, 0.8]])
    targets = np.array([[0.0], [-1], [2], [-1]])
    assert math.isclose(objective.error(outputs, targets, SEQUENCE), -math.log(0.5) - math.log(0.05))
    signal = objective.signal(outputs, targets, SEQUENCE)
    np.testing.assert_allclose(signal, [[-2, 0, 0], [0, 0, 0], [0, 0, -20], [0, 0, 0]])
    assert objective.wrong(outputs, targets) == 3


def test_two_classes_of_numbers():
    objective = OBJECTIVES["binary_classification"]
    outputs, targets = np.array([[0.8], [0.8], [0.8], [0.25]]), np.array([[-1], [0], [0.3], [0.9]])
    error = -math.log(0.2) - math.log(0.2) - math.log(0.8) - math.log(0.25)
    assert math.isclose(objective.error(outputs, targets, SEQUENCE), error)
    np.testing.assert_allclose(objective.signal(outputs, targets, SEQUENCE), [[5], [5], [-1.25], [-4]])
    # CURRENNT 0.2 draws the line at 0 for the error and at 0.5 for the count.
    assert objective.wrong(outputs, targets) == 4
