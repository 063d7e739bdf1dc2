"""Whether a network, a set and an objective fit each other: asked once, where they are given."""

from __future__ import annotations

from typing import Any

from lstmcore.checks import kind, shown
from lstmcore.comparison import Comparison
from lstmcore.errors import EngineError
from lstmcore.network import Network
from lstmcore.objective import Objective
from lstmcore.sequences import SequenceSet


def check_fit(
    network: Network, sequences: SequenceSet, name: str, objective: Objective | None = None
) -> None:
    """Check that a set has the network's inputs and precision and, for an objective, its targets.

    Parameters
    ----------
    network, sequences
        The network and the set.
    name
        Of the set, for the error.
    objective
        What is computed of outputs and targets; None if the targets are not looked at.

    Raises
    ------
    EngineError
        If one is something else, or they don't fit.
    """
    kind("network", network, Network)
    kind(f"{name} set", sequences, SequenceSet, "; SequenceSet.from_lists makes one")
    a = network.architecture
    found = [f"{sequences.input_size} inputs"]
    expected = [f"{a.input_size} inputs"]
    if objective is not None:
        found.append(f"{sequences.targets.shape[1]} targets")
        expected.append(f"{_target_size(objective, a.output_size)} targets")
    if found != expected or sequences.inputs.dtype != network.dtype:
        raise EngineError(
            f"{name} set has {' and '.join(found)} in {sequences.inputs.dtype}; "
            f"the network needs {' and '.join(expected)} in {network.dtype}"
        )
    if isinstance(objective, Comparison):
        objective.check_targets(sequences.targets, a.output_size)


def _target_size(objective: Any, outputs: int) -> int:
    if not hasattr(objective, "target_size"):
        raise EngineError(f"objective is {shown(objective)}; expected one of lstmcore.OBJECTIVES, say")
    size: int = objective.target_size(outputs)
    return size
