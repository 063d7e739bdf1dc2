"""Layers that see a step as a block: as the reference, right by finite differences, refused in words."""

import ast
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lstmcore import (
    BLSTM,
    LSTM,
    SGD,
    SSE,
    Architecture,
    Convolution,
    EngineError,
    Linear,
    MaxPool,
    MeanPool,
    Network,
    Sets,
    StreamingNetwork,
    Tanh,
    Trainer,
    Training,
    TrainingSettings,
    get_backend,
    gradient_check,
    initial_network,
    pack,
    predict,
)
from lstmcore.backends.cpu import blocks
from lstmcore.backends.cpu.gemm import packed
from lstmcore.layers import BLOCK_LAYERS
from tests.lstmcore.mutants import functions, mutants
from tests.lstmcore.networks import random_mixture, random_sequences

STEP = 1e-4  # of differences: small enough for no kink of a maximum to lie within


def random_block(shape, rng):
    """Any layer that fits a block."""
    kind = rng.choice(list(BLOCK_LAYERS))
    window = [int(rng.integers(1, min(most, 3) + 1)) for most in shape]
    if kind != "convolution":
        return BLOCK_LAYERS[kind](shape=shape, window=tuple(window))
    return Convolution(
        float(rng.choice([1.0, 0.5])),
        shape=shape,
        window=tuple(window[:2]),
        filters=int(rng.integers(1, 5)),
        stride=tuple(map(int, rng.integers(1, 3, 2))),
        activation=str(rng.choice(["relu", "tanh"])),
    )


def random_front(seed):
    """Some layers, of which the first or the second is a convolution."""
    rng = np.random.default_rng(seed)
    shape = tuple(map(int, rng.integers(1, [9, 7, 4])))
    first = random_block(shape, rng)
    layers = [first]
    window = tuple(int(rng.integers(1, min(most, 2) + 1)) for most in first.output_shape[:2])
    layers.append(Convolution(shape=first.output_shape, window=window, filters=3, activation="tanh"))
    layers.append(random_block(layers[-1].output_shape, rng))
    return math.prod(shape), layers


def outputs_and_gradient(name, network, sequences):
    backend = get_backend(name)
    workspace, batch = backend.workspace(network), pack(sequences, np.arange(len(sequences)))
    for _ in range(2):  # what was left in the memory doesn't count
        outputs = backend.forward(network, batch, workspace).copy()
        gradient = np.full_like(network.weights, np.nan)
        signal = SSE.signal(outputs, batch.targets, batch.sequence)
        backend.backward(network, batch, workspace, signal, gradient)
    return outputs, gradient


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    above=st.booleans(),
)
def test_outputs_and_gradient_are_the_references(dtype, tolerance, seed, lengths, above):
    inputs, front = random_front(seed)
    layers = [*front, *([LSTM(3)] if above else []), Linear(2, 1.3)]
    # Rounded to single precision, so that both find the same largest values and the same sides of zero.
    network = random_mixture(inputs, layers, seed, "float32")
    sequences = random_sequences(lengths, inputs, 2, seed, "float32")

    def computed(name, dtype):
        converted = type(sequences)(
            sequences.inputs.astype(dtype), sequences.targets.astype(dtype), sequences.lengths
        )
        return outputs_and_gradient(
            name, Network(network.architecture, network.weights.astype(dtype)), converted
        )

    for ours, theirs in zip(computed("cpu", dtype), computed("reference", "float64"), strict=True):
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * max(np.abs(theirs).max(), 1e-3))


def test_a_block_larger_than_what_is_multiplied_at_once():
    """Windows of several frames are multiplied at once, or more windows than that are in one frame."""
    for shape in ((40, 30, 1), (4, 3, 2)):
        conv = Convolution(shape=shape, window=(3, 2), filters=5, activation="tanh")
        network = random_mixture(
            math.prod(shape), [conv, MeanPool(shape=conv.output_shape, window=(2, 2)), Linear(2)]
        )
        sequences = random_sequences([50, 40, 1], math.prod(shape), 2)
        expected = outputs_and_gradient("reference", network, sequences)
        for ours, theirs in zip(outputs_and_gradient("cpu", network, sequences), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * np.abs(theirs).max())


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("seed", range(12))
def test_every_parameter_of_any_front(backend, seed):
    inputs, front = random_front(seed)
    network = random_mixture(inputs, [*front, LSTM(3), BLSTM(2), Linear(2)], seed)
    check = gradient_check(network, random_sequences([3, 1, 2], inputs, 2, seed), backend=backend, step=STEP)
    assert check.largest < 1e-6, check.worst


FIRST = Convolution(0.7, shape=(9, 6, 2), window=(3, 2), filters=4, stride=(2, 1))
POOL = MaxPool(shape=FIRST.output_shape, window=(2, 1))
SECOND = Convolution(shape=POOL.output_shape, window=(2, 3), filters=4, activation="tanh")
GROUPS = MaxPool(shape=SECOND.output_shape, window=(1, 1, 2))
MEANS = MeanPool(shape=GROUPS.output_shape, window=(1, 3))
STACK = [FIRST, POOL, SECOND, GROUPS, MEANS, LSTM(3), Linear(2)]


def checked(seed=1):
    network = random_mixture(9 * 6 * 2, STACK, seed)
    return gradient_check(network, random_sequences([3, 1, 2], 108, 2, seed), step=STEP)


def test_every_parameter_of_a_stack_by_its_name():
    check = checked()
    assert list(check.errors)[:4] == ["0.W", "0.b", "2.W", "2.b"]  # pools have none
    assert check.largest < 1e-6, check.worst


KERNELS = ("_fold", "convolution_backward", "max_pool_backward", "mean_pool_backward")
MUTANTS = [
    (function.name, what, mutant)
    for function in functions(blocks, KERNELS)
    for what, mutant in mutants(function)
    if what.endswith("pass") or what.startswith("share *")  # elsewhere the arithmetic is that of indices
]


def interpreted(name="", mutant=None):
    """The backward kernels run by Python, with one replaced."""
    space = {**vars(blocks), "kernel_packed": packed}
    for source in functions(blocks, KERNELS):
        tree = mutant if source.name == name else source
        exec(compile(ast.Module([tree], []), source.name, "exec"), space)  # type: ignore[list-item]
    return {n: space[n] for n in KERNELS[1:]}


def with_kernels(kernels, monkeypatch):
    for name, kernel in kernels.items():
        monkeypatch.setattr(blocks, name, kernel)
    return checked().largest


def test_the_interpreted_backward_pass_is_right(monkeypatch):
    assert with_kernels(interpreted(), monkeypatch) < 1e-6


@pytest.mark.parametrize(("name", "what", "mutant"), MUTANTS, ids=[f"{n}: {what}" for n, what, _ in MUTANTS])
def test_the_check_fails_without_one_term(name, what, mutant, monkeypatch):
    assert with_kernels(interpreted(name, mutant), monkeypatch) > 1e-4


def test_all_kernels_are_broken_somewhere():
    assert {name for name, _, _ in MUTANTS} == {*KERNELS}
    assert len(MUTANTS) >= 8


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_check_fails_without_the_slope(activation, monkeypatch):
    monkeypatch.setitem(blocks._BACKWARD, activation, lambda e, y: None)
    assert checked().largest > 1e-4


def test_the_error_of_equal_values_goes_to_the_first():
    pool = MaxPool(shape=(4, 1, 1), window=(2, 1))
    network = initial_network(4, [Tanh(4), pool, Linear(1)], 1, dtype="float64")
    network.weights[:] = 0  # all values are equal
    network.parameters[2]["W"][:] = 1
    sequences = random_sequences([1], 4, 1)
    for backend in ("cpu", "reference"):
        gradient = network.architecture.views(outputs_and_gradient(backend, network, sequences)[1])[0]["b"]
        assert [value != 0 for value in gradient] == [True, False, True, False]


def test_a_frame_does_not_depend_on_its_neighbours():
    network = random_mixture(108, STACK, dtype="float32")
    sequences = random_sequences([5, 2, 9, 1], 108, 2, dtype="float32")
    alone = predict(network, sequences, parallel_sequences=1)
    np.testing.assert_array_equal(predict(network, sequences, parallel_sequences=4), alone)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_stays_nan(dtype):
    """A training that has run off is noticed."""
    for front in ([FIRST, POOL], [MaxPool(shape=(9, 6, 2), window=(9, 6, 2))]):
        network = initial_network(108, [*front, Linear(1)], 1, dtype=dtype)
        batch = pack(random_sequences([2], 108, 1, dtype=dtype), np.arange(1))
        batch.inputs[0, 50] = np.nan
        found = get_backend("cpu").forward(network, batch, get_backend("cpu").workspace(network))
        assert np.isnan(found[0])
        assert np.isfinite(found[1])


def test_training_learns_what_only_a_moved_window_hears():
    """Whether a short pattern is somewhere in the block, at a place that differs from frame to frame."""
    rng = np.random.default_rng(1)
    pattern = np.array([1.0, -1.0, 1.0, -1.0])
    inputs, targets = [], []
    for _ in range(12):
        x, y = 0.1 * rng.standard_normal((20, 32)), rng.integers(0, 2, (20, 1)).astype(float)
        for frame in np.flatnonzero(y):
            place = rng.integers(0, 28)
            x[frame, place : place + 4] += pattern
        inputs.append(x)
        targets.append(y)
    front = Convolution(shape=(32, 1, 1), window=(4, 1), filters=3)
    layers = [front, MaxPool(shape=front.output_shape, window=(29, 1)), Linear(1)]
    sets = [
        type(random_sequences([1], 1, 1)).from_lists(x, y)
        for x, y in ((inputs[:8], targets[:8]), (inputs[8:], targets[8:]))
    ]
    network = initial_network(32, layers, 3, low=-0.5, high=0.5)
    settings = TrainingSettings(SGD(1e-3, momentum=0.9), max_epochs=60)
    trainer = Trainer(Training(network, Sets(*sets), settings, seed=1))
    while not trainer.finished:
        trainer.run_epoch()
    of_the_mean = 20 * 0.5 * 0.25  # error of a song for an answer of one half
    assert trainer.progress.best_error < of_the_mean / 20


def test_a_network_comes_back_from_its_file(tmp_path):
    network = random_mixture(108, STACK)
    network.save(tmp_path / "a.npz")
    again = Network.load(tmp_path / "a.npz")
    assert again.architecture == network.architecture
    np.testing.assert_array_equal(again.weights, network.weights)
    assert repr(network).startswith("<Network 108 → Convolution(80) → MaxPool(40)")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Convolution(shape=(4, 4), window=(2, 2), filters=1),
            "shape is a tuple; expected 3 whole numbers",
        ),
        (
            lambda: Convolution(shape=(4, 4, 1), window=(5, 2), filters=1),
            "its window has 5 times, and its block 4",
        ),
        (lambda: Convolution(shape=(4, 4, 1), window=(2, 2), filters=0), "filters is 0; expected at least 1"),
        (lambda: Convolution(shape=(4, 4, 1), window=(2, 2), filters=1, stride=(0, 1)), "stride is 0"),
        (
            lambda: Convolution(shape=(4, 4, 1), window=(2, 2), filters=1, activation="relo"),
            "activation is 'relo'; expected 'relu' or 'tanh'",
        ),
        (lambda: MaxPool(shape=(4, 4, 1), window=(2, 2, 2)), "its window has 2 channels, and its block 1"),
        (lambda: MeanPool(shape=(4, 4, 1), window=3), "window is 3; expected 3 whole numbers"),
        (
            lambda: Architecture(260, (MaxPool(shape=(4, 4, 1), window=(2, 2)), Linear(1))),
            "max_pool layer: its block of 4 × 4 × 1 has 16 values, and what is below gives 260",
        ),
        (lambda: Architecture(16, (MaxPool(shape=(4, 4, 1), window=(2, 2)),)), "no layer has parameters"),
        (
            lambda: StreamingNetwork(initial_network(108, STACK, 1)),
            "layer 1 of 7 is a convolution layer, which `predict` computes",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_words(make, said):
    with pytest.raises(EngineError) as caught:
        make()
    assert said in str(caught.value)


def test_the_gpu_says_that_it_has_no_such_layer():
    layout = pytest.importorskip("lstmcore.backends.cuda.layout")
    extent = layout.Extent(1, 1, 1)
    with pytest.raises(EngineError, match="the cuda backend has no convolution layer"):
        layout.make_layout(Architecture(108, tuple(STACK)), layout.DataShape(108, 0), extent, 1, 10_000)
