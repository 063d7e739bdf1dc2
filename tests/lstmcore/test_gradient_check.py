"""Back-propagation against central differences, and proof that the check notices what is missing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lstmcore import (
    BLSTM,
    LSTM,
    OBJECTIVES,
    DecorrelatedSquaredErrors,
    EngineError,
    Linear,
    Logistic,
    SequenceSet,
    Softmax,
    Tanh,
    activations,
    cell,
    gradient_check,
    gradients,
    objective_terms,
)
from lstmcore.backends.cpu import feedforward, gates, gemm, lstm, lstm_layers
from lstmcore.layers import LAYERS
from lstmcore.network import Network
from tests.lstmcore.cuda_here import large, on_gpu
from tests.lstmcore.mutants import PRODUCTS, functions, mutants
from tests.lstmcore.networks import random_mixture, random_network, random_sequences

layer = st.tuples(st.integers(1, 6), st.sampled_from([1.0, 0.5, -0.3, 2.0]))


@settings(max_examples=60, deadline=None)
@given(
    inputs=st.integers(1, 5),
    hidden=st.lists(layer, max_size=3),
    outputs=st.integers(1, 3),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_parameter_of_the_production_kernels(inputs, hidden, outputs, lengths, seed):
    network = random_network(inputs, hidden, outputs, seed)
    check = gradient_check(network, random_sequences(lengths, inputs, outputs, seed), backend="cpu")
    assert check.largest < 1e-6, check.worst


kind = st.sampled_from(list(LAYERS.values()))
any_layer = st.builds(
    lambda k, half, bias: k(2 * half, bias), kind, st.integers(1, 3), st.sampled_from([1.0, 0.5])
)


@large
@pytest.mark.parametrize("backend", ["cpu", "reference", on_gpu("cuda")])
@settings(max_examples=40, deadline=None)
@given(
    inputs=st.integers(1, 4),
    hidden=st.lists(any_layer, min_size=1, max_size=3),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_parameter_of_every_kind_of_layer(backend, inputs, hidden, lengths, seed):
    if backend == "reference":
        hidden, lengths = hidden[:2], [min(n, 3) for n in lengths[:2]]  # it is slow
    network = random_mixture(inputs, [*hidden, Linear(2, 1.3)], seed)
    check = gradient_check(network, random_sequences(lengths, inputs, 2, seed), backend=backend)
    assert check.largest < 1e-6, check.worst


DERIVED = {n: o for n, o in OBJECTIVES.items() if o.signal_is_derivative}
DERIVED["sse_decorrelated"] = DecorrelatedSquaredErrors(3.0)


def _targets(objective: str, frames: int, outputs: int, rng: np.random.Generator) -> np.ndarray:
    match objective:
        case "ce":
            return rng.dirichlet(np.ones(outputs), frames)
        case "wf":
            return rng.standard_normal((frames, 2 * outputs))
        case "sse_decorrelated":
            targets, weights = rng.standard_normal((frames, outputs)), rng.uniform(0, 2, (frames, outputs))
            return np.stack([targets, weights], axis=2).reshape(frames, -1)
        case "binary_classification":
            return rng.choice([-1, 0, 0.3, 1], (frames, 1))
        case "multiclass_classification":
            return rng.integers(-1, outputs, (frames, 1)).astype(float)
    return rng.standard_normal((frames, outputs))


def _network_and_sequences(name: str, seed: int) -> tuple[Network, SequenceSet]:
    """A network with the output layer that an objective wants, and its data."""
    rng, outputs = np.random.default_rng(seed), 1 if name == "binary_classification" else 3
    linear = dict.fromkeys(("sse", "wf", "ccc", "ccc_pooled", "sse_decorrelated"), Linear)
    output = {**linear, "binary_classification": Logistic}.get(name, Softmax)
    network = random_mixture(3, [BLSTM(4), LSTM(3, 0.5), output(outputs)], seed)
    x, y = zip(
        *((rng.standard_normal((n, 3)), _targets(name, n, outputs, rng)) for n in (4, 2, 5)), strict=True
    )
    return network, SequenceSet.from_lists(x, y, dtype="float64")


@pytest.mark.parametrize("name", DERIVED)
@pytest.mark.parametrize("seed", range(5))
def test_every_objective_whose_signal_is_the_derivative(name, seed):
    check = gradient_check(*_network_and_sequences(name, seed), objective=DERIVED[name])
    assert check.largest < 1e-6, check.worst


@pytest.mark.parametrize("name", [n for n, o in OBJECTIVES.items() if not o.signal_is_derivative])
def test_the_other_objectives_fail_the_check_as_their_documentation_says(name):
    rng, sizes = np.random.default_rng(1), (4, 2, 5)
    network = random_mixture(3, [LSTM(3), Linear(3)], 1)
    width = OBJECTIVES[name].target_size(3)
    sequences = SequenceSet.from_lists(
        [rng.standard_normal((n, 3)) for n in sizes],
        [rng.standard_normal((n, width)) for n in sizes],
        dtype="float64",
    )
    assert gradient_check(network, sequences, objective=OBJECTIVES[name]).largest > 1e-3


def test_frames_without_weight_are_heard_and_have_no_error():
    network, rng = random_network(3, [(4, 1.0), (2, 1.0)], 2, 1), np.random.default_rng(1)
    inputs = [rng.standard_normal((n, 3)) for n in (7, 4)]
    targets = [rng.standard_normal((n, 2)) for n in (7, 4)]
    weights = [np.repeat(np.arange(n) >= 2, 2).reshape(-1, 2) for n in (7, 4)]  # 0 for the first two
    weighted = [np.stack([t, w], axis=2).reshape(len(t), 4) for t, w in zip(targets, weights, strict=True)]
    sequences = SequenceSet.from_lists(inputs, weighted, dtype=np.float64)
    check = gradient_check(network, sequences, objective=OBJECTIVES["weightedsse"])
    assert check.largest < 1e-6, check.worst


def test_every_parameter_of_the_reference():
    network = random_network(3, [(4, 1.0), (2, 0.5)], 2, seed=3)
    check = gradient_check(network, random_sequences([3, 5, 1], 3, 2), backend="reference")
    assert check.largest < 1e-6, check.worst


def test_every_piece_is_reported():
    check = gradient_check(random_network(2, [(2, 1.0)], 1), random_sequences([2], 2, 1))
    assert list(check.errors) == ["0.W", "0.b", "0.R", "0.p", "1.W", "1.b"]


def test_needs_float64():
    network = random_network(2, [(2, 1.0)], 1, dtype="float32")
    with pytest.raises(EngineError, match="float64"):
        gradient_check(network, random_sequences([2], 2, 1, dtype="float32"))


# --- what the check must notice: the backward pass with one term taken out ---------------

KERNELS = (
    "add_peephole_gradients",
    "steps_backward",
    "column_sums",
    "tanh_backward",
    "logistic_backward",
    "softmax_backward",
)
PASSES = ("affine_backward", "layer_backward")
ROWS = ("split_gates", "split_peepholes", "_at", "_is_single", "_are_even", "_portion_before")
MODULES = (gates, lstm, feedforward, gemm)
SLOPES = ("tanh_slope", "logistic_slope", "softmax_slope")
CELL = ("cell_backward", "peephole_gradients")
NETWORKS = {
    "lstm": [LSTM(3, 0.7), LSTM(2, 1.0), Linear(2, 1.3)],
    "feedforward": [Tanh(3), Logistic(3), Softmax(3), LSTM(2), Linear(2)],
    "alone": [LSTM(8), LSTM(9, 0.7), Linear(2)],
}
LENGTHS = {"alone": [5]}  # a single sequence multiplies with matrices that aren't packed


def _kernel_functions(names: tuple[str, ...]) -> list[ast.FunctionDef]:
    return [function for module in MODULES for function in functions(module, names)]


def _cell_mutants() -> Iterator[tuple[str, str, ast.AST]]:
    for function in functions(cell, CELL):
        for what, mutant in mutants(function):
            yield function.name, what, mutant


def _slope_mutants() -> Iterator[tuple[str, str, ast.AST]]:
    for function in functions(activations, SLOPES):
        for what, mutant in mutants(function):
            yield function.name, what, mutant


def _kernel_mutants() -> Iterator[tuple[str, str, ast.AST]]:
    for function in _kernel_functions((*KERNELS, *PASSES)):
        for what, mutant in mutants(function):
            arithmetic = "softmax" in function.name and "->  pass" not in what
            if arithmetic or what.endswith("pass"):  # elsewhere it is that of indices
                yield function.name, what, mutant


MUTANTS = [*_cell_mutants(), *_slope_mutants(), *_kernel_mutants()]


def _interpreted(name: str = "", mutant: ast.AST | None = None, **instead: Any) -> dict[str, Any]:
    """The production kernels: forward compiled, backward run by Python, with one function replaced."""
    space: dict[str, Any] = {n: getattr(activations, n) for n in ("tanh", "logistic", "one", "limit")}
    space |= {"Gates": cell.Gates, "Peepholes": cell.Peepholes}
    space |= {n: getattr(gemm, n) for n in (*PRODUCTS, "pack")} | {"kernel_packed": gemm.packed}
    space |= {
        n: getattr(lstm, n) for n in ("VECTOR_BYTES", "_PORTION", "States", "Scratch", "Steps")
    } | instead
    sources = [
        *functions(cell, CELL),
        *functions(activations, SLOPES),
        *_kernel_functions((*ROWS, "gates_backward", *KERNELS, *PASSES)),
    ]
    for source in sources:
        tree = mutant if source.name == name else source
        exec(compile(ast.Module([tree], []), source.name, "exec"), space)  # type: ignore[list-item]
    return {n: space[n] for n in (*KERNELS, *PASSES)}


_known: dict[str, np.ndarray] = {}


def _once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute the differences once where errors are the same, and only their signal is another."""

    def differences(*arguments: Any) -> np.ndarray:
        if name not in _known:
            _known[name] = _differences(*arguments)
        return _known[name]

    monkeypatch.setattr(gradients, "_differences", differences)


_differences = gradients._differences


def _check_with(interpreted: dict[str, Any], network: str, monkeypatch: pytest.MonkeyPatch) -> float:
    _once(network, monkeypatch)
    for name in PASSES:
        monkeypatch.setattr(lstm_layers if name == "layer_backward" else feedforward, name, interpreted[name])
    for kind in ("tanh", "logistic", "softmax"):
        monkeypatch.setitem(feedforward._BACKWARD, kind, interpreted[f"{kind}_backward"])
    mixture = random_mixture(3, NETWORKS[network], seed=5)
    return gradient_check(mixture, random_sequences(LENGTHS.get(network, [4, 1, 3]), 3, 2, seed=5)).largest


@pytest.mark.parametrize("network", NETWORKS)
def test_the_interpreted_backward_pass_is_right(network, monkeypatch):
    assert _check_with(_interpreted(), network, monkeypatch) < 1e-6


@pytest.mark.parametrize(("name", "what", "mutant"), MUTANTS, ids=[f"{n}: {what}" for n, what, _ in MUTANTS])
@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
def test_the_check_fails_without_one_term(name, what, mutant, monkeypatch):
    feedforward = name.startswith(("tanh", "logistic", "softmax"))
    network = "feedforward" if feedforward else "alone" if "add_row_product" in what else "lstm"
    assert _check_with(_interpreted(name, mutant), network, monkeypatch) > 1e-4


@pytest.mark.parametrize(
    ("function", "call"), [*(("product_over_frames", k) for k in range(5)), *(("pack", k) for k in range(4))]
)
def test_the_check_fails_without_one_product(function, call, monkeypatch):
    """The backward pass multiplies five times over frames and packs four matrices to multiply with."""
    real, calls = getattr(gemm, function), []

    def without(*arguments):
        calls.append(function)
        real(*arguments)
        if len(calls) == call + 1:
            arguments[-1 if function == "product_over_frames" else 1][:] = 0

    assert _check_with(_interpreted(**{function: without}), "lstm", monkeypatch) > 1e-4
    assert len(calls) == (5 if function == "product_over_frames" else 4)


@pytest.mark.parametrize("direction", ["_forwards", "_backwards"])
def test_the_check_fails_without_the_error_of_one_direction(direction, monkeypatch):
    network = random_mixture(3, [Tanh(3), BLSTM(4), Linear(2)], seed=5)
    sequences = random_sequences([4, 1, 3], 3, 2, seed=5)
    assert gradient_check(network, sequences).largest < 1e-6
    real = lstm_layers.CpuBlstm.backward

    def without(self, *arguments):
        layer = getattr(self, direction)
        whole = layer.backward
        layer.backward = lambda *a: np.zeros_like(whole(*a))
        try:
            return real(self, *arguments)
        finally:
            layer.backward = whole

    monkeypatch.setattr(lstm_layers.CpuBlstm, "backward", without)
    assert gradient_check(network, sequences).largest > 1e-4


# --- and of the objectives: an error or its derivative with one term taken out -----------------

# The part of an objective that a function is taken a term of.  Both are made of some functions: the other
# part keeps them whole, for half a square of anything has that thing as its derivative.
TERMS = {
    "error": {
        "residual": "sse",
        "masked_residual": "wf",
        "cross_entropy": "ce",
        "log_loss": "multiclass_classification",
        "binary_probability": "binary_classification",
        "concordance_numerator": "ccc",
        "concordance_denominator": "ccc",
        "weighted_square": "sse_decorrelated",
        "comovement": "sse_decorrelated",
    },
    "signal": {
        "residual": "sse",
        "masked_residual": "wf",
        "masked_signal": "wf",
        "cross_entropy_signal": "ce",
        "log_loss_signal": "multiclass_classification",
        "binary_probability": "binary_classification",
        "binary_signal": "binary_classification",
        "concordance_signal": "ccc_pooled",
        "weighted_square_signal": "sse_decorrelated",
        "comovement": "sse_decorrelated",
        "comovement_signal": "sse_decorrelated",
    },
}
# A residual in CURRENNT's weighted error, whose signal isn't the derivative, and RMSE's; a choice of class.
UNTAKEN = {"weighted_residual", "rmse_signal", "is_class_one", "counts_as_one"}


def _term_mutants() -> Iterator[tuple[str, str, str, ast.AST]]:
    for part, names in TERMS.items():
        for function in functions(objective_terms, tuple(names)):
            for what, mutant in mutants(function):
                yield part, function.name, what, mutant


TERM_MUTANTS = list(_term_mutants())


@pytest.mark.parametrize(
    ("part", "name", "what", "mutant"),
    TERM_MUTANTS,
    ids=[f"{part}, {name}: {what}" for part, name, what, _ in TERM_MUTANTS],
)
@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
def test_the_check_fails_without_one_term_of_an_objective(part, name, what, mutant, monkeypatch):
    space = dict(vars(objective_terms))
    exec(compile(ast.Module([mutant], []), name, "exec"), space)
    objective = DERIVED[TERMS[part][name]]
    whole = getattr(objective, part)

    def without(*arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(objective_terms, name, space[name])
            return whole(*arguments)

    monkeypatch.setattr(objective, part, without)
    if part == "signal":
        _once(objective.name, monkeypatch)
    assert not gradient_check(*_network_and_sequences(objective.name, 1), objective=objective).largest < 1e-4


def test_every_term_of_an_objective_is_taken_out():
    names = {
        n
        for n, f in vars(objective_terms).items()
        if getattr(f, "__module__", "") == objective_terms.__name__
    }
    assert names == {*TERMS["error"], *TERMS["signal"], *UNTAKEN}
    assert {(part, name) for part, name, _, _ in TERM_MUTANTS} == {
        (part, name) for part, some in TERMS.items() for name in some
    }


def test_all_places_where_gradients_arise_are_broken():
    """Guards the test above against silently losing its mutants."""
    assert len(list(_cell_mutants())) >= 40
    assert {n for n, _, _ in _kernel_mutants()} == {*KERNELS, *PASSES}
    assert len(list(_kernel_mutants())) >= 15
    for product in PRODUCTS:
        assert any(product + "(" in what for _, what, _ in _kernel_mutants())
    assert len(list(_slope_mutants())) >= 8
