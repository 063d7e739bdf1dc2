"""Search methods: they propose a configuration and are given its score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from lstmcore.experiments.config import Experiment
from lstmcore.experiments.config.variations import Search, SearchStep
from lstmcore.experiments.errors import InputError
from lstmcore.installing import install_extra


@dataclass(frozen=True)
class Proposal:
    """A configuration to try.

    Parameters
    ----------
    step
        Number of the step, from 0, whose candidate it is; None where all steps are varied at once.
    values
        By key, all that differs from the experiment as it is.
    """

    step: int | None
    values: dict[str, Any]


class Method(Protocol):
    """Proposes configurations.  What it proposes depends on the scores it was given and on its seed alone."""

    def propose(self) -> Proposal | None:
        """Return the next configuration to try, or None at the end."""

    def tell(self, score: float | None) -> None:
        """Take the score of the last proposal, more being better; None if it diverged."""

    def best(self) -> dict[str, Any]:
        """Return the values chosen, by key."""


class Sequential:
    """A step after the other: the best of its values is chosen, with what was chosen before.

    So the paper optimised: units per layer, learning rate, noise.  Of equals the first is chosen.  What the
    steps before have found stays if no value of a step is as good.

    Parameters
    ----------
    steps
        What to choose, in order; each with values.
    """

    def __init__(self, steps: list[SearchStep]) -> None:
        self._steps = steps
        self._chosen: dict[str, Any] = {}
        self._score: float | None = None  # of what was chosen
        self._step = 0
        self._scores: list[float | None] = []

    def propose(self) -> Proposal | None:
        """Return the next value of the current step."""
        if self._step == len(self._steps):
            return None
        return Proposal(self._step, self._candidate(len(self._scores)))

    def tell(self, score: float | None) -> None:
        """Take a score; after the last value of a step, choose and go on."""
        self._scores.append(score)
        step = self._steps[self._step]
        assert step.values is not None  # the configuration has seen to it
        if len(self._scores) < len(step.values):
            return
        defined = {n: s for n, s in enumerate(self._scores) if s is not None}
        if not defined:
            raise InputError(
                f"search.steps.{self._step} ({step.name}): training diverged with every value; "
                "expected one that trains: lower the learning rate"
            )
        best = max(defined, key=lambda n: (defined[n], -n))
        if self._score is None or defined[best] >= self._score:
            self._chosen, self._score = self._candidate(best), defined[best]
        self._step, self._scores = self._step + 1, []

    def best(self) -> dict[str, Any]:
        """Return what the steps have chosen."""
        return self._chosen

    def _candidate(self, number: int) -> dict[str, Any]:
        step = self._steps[self._step]
        assert step.values is not None
        below = tuple(f"{key}." for key in step.keys)  # what was chosen there is part of the new value
        others = {k: v for k, v in self._chosen.items() if k not in step.keys and not k.startswith(below)}
        return others | dict.fromkeys(step.keys, step.values[number])


class Optuna:
    """All keys at once, by Optuna's tree-structured Parzen estimator.

    J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl, "Algorithms for hyper-parameter optimization",
    NIPS 2011, as `Optuna <https://optuna.org>`_ has it.

    Parameters
    ----------
    steps
        What to vary: values, of which one is taken, or a range.
    count
        How many configurations to propose.
    seed
        Of the proposals.

    Raises
    ------
    InputError
        If Optuna isn't installed.
    """

    def __init__(self, steps: list[SearchStep], count: int, seed: int) -> None:
        try:
            import optuna
        except ImportError:
            raise InputError(
                f"search.method is optuna, which is not installed; expected: {install_extra('search')}, "
                "or method = 'sequential'"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._steps, self._left = steps, count
        self._study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        self._failed = optuna.trial.TrialState.FAIL
        self._values: dict[str, Any] = {}
        self._best: tuple[float, dict[str, Any]] | None = None

    def propose(self) -> Proposal | None:
        """Return what the estimator expects most of."""
        if not self._left:
            return None
        self._left -= 1
        self._trial = self._study.ask()
        self._values = {}
        for step in self._steps:
            self._values |= dict.fromkeys(step.keys, self._suggest(step))
        return Proposal(None, self._values)

    def _suggest(self, step: SearchStep) -> Any:
        span = step.range
        if span is None:
            assert step.values is not None
            return step.values[self._trial.suggest_categorical(step.name, range(len(step.values)))]
        if isinstance(span.low, int) and isinstance(span.high, int):
            return self._trial.suggest_int(step.name, span.low, span.high, log=span.log)
        return self._trial.suggest_float(step.name, span.low, span.high, log=span.log)

    def tell(self, score: float | None) -> None:
        """Take a score; the first of equals stays the best."""
        if score is None:
            self._study.tell(self._trial, state=self._failed)
            return
        self._study.tell(self._trial, score)
        if self._best is None or score > self._best[0]:
            self._best = score, self._values

    def best(self) -> dict[str, Any]:
        """Return the configuration with the highest score."""
        if self._best is None:
            raise InputError(
                "search: training diverged with everything that was tried; expected values that train: "
                "lower the learning rate"
            )
        return self._best[1]


def method_of(search: Search, experiment: Experiment) -> Method:
    """Make the method that a configuration asks for."""
    if search.method == "sequential":
        return Sequential(search.steps)
    seed = experiment.seed % 2**32 if search.seed is None else search.seed
    return Optuna(search.steps, search.optuna_trials, seed)
