"""A step of gradient descent with momentum: worked out by hand, and with each term taken out."""

import ast

import pytest

from lstmcore import update
from tests.lstmcore.mutants import functions, mutants

ARGUMENTS = (1.5, 2.0, 3.0, 0.5, 0.25)  # weight, velocity, gradient, learning rate, momentum
EXPECTED = (0.5, -1.0)  # v = 0.25 · 2 − 0.5 · 3, w = 1.5 + v
(STEP,) = functions(update, ("momentum_step",))


def test_a_step_by_hand():
    assert update.momentum_step(*ARGUMENTS) == EXPECTED


@pytest.mark.parametrize(
    ("what", "mutant"), [*mutants(STEP)], ids=lambda one: one if isinstance(one, str) else ""
)
def test_no_term_can_go(what, mutant):
    space: dict = {}
    exec(compile(ast.Module([mutant], []), what, "exec"), space)
    assert space["momentum_step"](*ARGUMENTS) != EXPECTED
