"""Solvers by factors and by products: the same solutions, whatever the columns and the groups."""

import numpy as np
import pytest

from lstmcore.experiments.scoring.regression import PENALTIES
from lstmcore.experiments.scoring.solvers import FactorSolver, ProductSolver


def rows_of(count, features, targets=2, seed=0):
    """Rows (1, features, targets), whose features aren't centred."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, features)) + rng.standard_normal(features)
    y = 5 + x @ rng.standard_normal((features, targets)) + rng.standard_normal((count, targets))
    return np.column_stack([np.ones(count), x, y])


@pytest.mark.parametrize("features", [2, 3, 70])
@pytest.mark.parametrize("targets", [1, 3])
def test_both_solve_the_penalised_equations(features, targets):
    rows = rows_of(90, features, targets)
    x, y = rows[:, 1 : 1 + features], rows[:, 1 + features :]
    deviations = x - x.mean(0)
    for solver in (FactorSolver, ProductSolver):
        groups = [solver.kept(None, [part]) for part in np.split(rows, [40])]
        fits = solver(groups, targets).solve(90 * PENALTIES)
        for penalty, (weights, level) in zip(90 * PENALTIES, fits, strict=True):
            left = deviations.T @ deviations + penalty * np.eye(features)
            expected = np.linalg.solve(left, deviations.T @ (y - y.mean(0)))
            np.testing.assert_allclose(weights, expected, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(level, y.mean(0) - x.mean(0) @ expected, rtol=1e-9)


@pytest.mark.parametrize("solver", [FactorSolver, ProductSolver])
def test_squared_errors_of_a_group_that_came_in_parts(solver):
    rows = rows_of(60, 5)
    kept = solver.kept(solver.kept(None, [rows[:10], rows[10:30]]), [rows[30:]])
    weights, level = np.arange(10.0).reshape(5, 2) / 10, np.array([3.0, -2.0])
    fits = [(weights, level), (-weights, level / 2), (weights * 0, level)]
    expected = [((rows[:, 6:] - rows[:, 1:6] @ w - b) ** 2).sum(0) for w, b in fits]
    np.testing.assert_allclose(solver.squared_errors(kept, fits), expected, rtol=1e-12)


def test_dependent_and_constant_columns():
    """As those of memory are beside the frame in songs of one: the product has no inverse."""
    rows = rows_of(50, 4)
    twice = np.column_stack([rows[:, :5], rows[:, 1:5] + 1e-9, np.zeros(50), rows[:, 5:]])
    by_factors, by_products = (
        solver([solver.kept(None, [twice])], 2).solve(50 * PENALTIES)
        for solver in (FactorSolver, ProductSolver)
    )
    for (expected, _), (found, _) in zip(by_factors, by_products, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
