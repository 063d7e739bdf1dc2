"""States, batches, backends, objectives, streams and standardisers: what they refuse."""

from dataclasses import replace

import numpy as np
import pytest

from lstmcore import (
    BLSTM,
    OBJECTIVES,
    SGD,
    SSE,
    Batch,
    EngineError,
    Linear,
    SequenceSet,
    Sets,
    Standardiser,
    StreamingNetwork,
    Trainer,
    Training,
    TrainingSettings,
    evaluate,
    get_backend,
    gradient_check,
    initial_network,
    pack,
    predict,
)
from tests.lstmcore.networks import random_network, random_sequences

NETWORK = random_network(3, [(5, 1.0)], 2, seed=3, dtype="float32")
SONGS = random_sequences([5, 2, 4], 3, 2, dtype="float32")
INPUTS = SONGS.split(SONGS.inputs)
SETTINGS = TrainingSettings(SGD(1e-3), max_epochs=2)


def new_trainer(**more):
    return Trainer(Training(NETWORK, Sets(SONGS), SETTINGS, seed=1), **more)


# --- the state of a training ---------------------------------------------------------------------


def fresh_state():
    trainer = new_trainer()
    trainer.run_epoch()
    return trainer.state


@pytest.mark.parametrize("name", ["weights", "velocity", "best_weights"])
@pytest.mark.parametrize(
    "wrong",
    [
        lambda a: a[:10].copy(),
        lambda a: np.append(a, a),
        lambda a: a.astype(float),
        lambda a: a.astype(">f4"),
        lambda a: a.tolist(),
        lambda a: a[None],
        lambda a: np.repeat(a, 2)[::2],
        lambda a: np.where(np.arange(len(a)) == 3, np.nan, a).astype("f4"),
        lambda a: None,
    ],
)
def test_a_state_with_other_vectors_is_refused(name, wrong):
    state = fresh_state()
    with pytest.raises(EngineError, match=f"state: {name}: "):
        new_trainer(state=replace(state, **{name: wrong(getattr(state, name))}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"epoch": -1},
        {"epoch": 1.0},
        {"best_epoch": 2},
        {"best_epoch": "1"},
        {"best_error": np.nan},
        {"best_error": None},
        {"without_better": -1},
        {"without_better": None},
    ],
)
def test_a_state_with_other_numbers_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(EngineError, match=f"state: {name} is "):
        new_trainer(state=replace(fresh_state(), **wrong))


def test_what_is_no_state():
    with pytest.raises(EngineError, match="state is a dict; expected a TrainingState"):
        new_trainer(state=vars(fresh_state()))


# --- batches and backends ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_sizes": np.array([3, 3, 2, 2, 2])},
        {"batch_sizes": np.array([2, 3, 2, 2, 2])},
        {"batch_sizes": np.array([3, 3, 2, 3, 0])},
        {"batch_sizes": np.array([3, 3, 2, 2, 1], np.int32)},
        {"batch_sizes": np.array([3, 3, 2, 2, 1.0])},
        {"batch_sizes": [3, 3, 2, 2, 1]},
        {"rows": np.arange(10)},
        {"inputs": SONGS.inputs.T.copy().T},
        {"inputs": SONGS.inputs[:10]},
        {"inputs": SONGS.inputs.astype(int)},
        {"targets": SONGS.targets[:10]},
        {"targets": None},
    ],
)
def test_batches_that_do_not_add_up(wrong):
    batch = pack(SONGS, np.arange(3))
    parts = {name: getattr(batch, name) for name in ("rows", "batch_sizes", "inputs", "targets")}
    assert Batch(**parts).frames == 11
    with pytest.raises(EngineError, match=f"{next(iter(wrong))}|frames"):
        Batch(**parts | wrong)


@pytest.mark.parametrize("chosen", [[], [3], [-4], [[0, 1]], 1, [0.5]])
def test_sequences_that_a_set_does_not_have(chosen):
    with pytest.raises(EngineError, match="of the set's 3 sequences"):
        pack(SONGS, np.array(chosen))


BACKEND_NAMES = ["cpu", "reference"]


@pytest.fixture(params=BACKEND_NAMES)
def passed(request):
    """A backend after a forward pass."""
    backend = get_backend(request.param)
    network = random_network(3, [(5, 1.0)], 2, seed=3)
    songs = random_sequences([5, 2, 4], 3, 2)
    workspace, batch = backend.workspace(network), pack(songs, np.arange(3))
    outputs = backend.forward(network, batch, workspace)
    signal = SSE.signal(outputs, batch.targets, batch.sequence)
    return backend, network, batch, workspace, signal


def test_a_workspace_serves_its_own_kind_of_network_only(passed):
    backend, network, batch, workspace, _ = passed
    other = random_network(3, [(6, 1.0)], 2)
    with pytest.raises(EngineError, match="the workspace was made for"):
        backend.forward(other, batch, workspace)
    with pytest.raises(EngineError, match="the workspace was made for"):
        predict(other, random_sequences([3], 3, 2), backend=backend, workspace=workspace)
    with pytest.raises(EngineError, match="workspace is a dict"):
        backend.forward(network, batch, {})
    with pytest.raises(EngineError, match="expected a Batch"):
        backend.forward(network, batch.inputs, workspace)
    with pytest.raises(EngineError, match="the batch has 4 inputs"):
        backend.forward(network, pack(random_sequences([3], 4, 2), np.array([0])), workspace)
    with pytest.raises(EngineError, match="in float32"):
        backend.forward(network, pack(SONGS, np.arange(3)), workspace)


def test_a_backward_pass_follows_the_forward_pass_of_its_batch(passed):
    backend, network, batch, workspace, signal = passed
    gradient = np.zeros_like(network.weights)
    again = pack(random_sequences([5, 2, 4], 3, 2), np.arange(3))
    for where, space in ((again, workspace), (batch, backend.workspace(network))):
        with pytest.raises(EngineError, match="expected `forward` first"):
            backend.backward(network, where, space, signal, gradient)
    read_only = gradient.copy()
    read_only.flags.writeable = False
    for wrong, message in (
        (gradient[:10], "gradient"),
        (gradient.astype("f4"), "gradient.*in float32"),
        (np.zeros(2 * len(gradient))[::2], "apart in memory"),
        (read_only, "gradient can't be written to"),
    ):
        with pytest.raises(EngineError, match=message):
            backend.backward(network, batch, workspace, signal, wrong)
    with pytest.raises(EngineError, match=r"signal has shape \(11, 1\); expected \(11, 2\)"):
        backend.backward(network, batch, workspace, signal[:, :1], gradient)
    for limit in (0.0, np.nan, "1"):
        with pytest.raises(EngineError, match="delta_limit is"):
            backend.backward(network, batch, workspace, signal, gradient, limit)


@pytest.mark.parametrize("name", BACKEND_NAMES)
def test_an_update_of_vectors_that_do_not_fit(name):
    backend, vector = get_backend(name), np.zeros(20)
    read_only = vector.copy()
    read_only.flags.writeable = False
    for wrong in (
        (vector, vector[:10], vector),
        (vector, vector, vector[:10]),
        (vector, vector.astype("f4"), vector),
        (vector.reshape(4, 5), vector, vector),
        (vector, np.zeros(40)[::2], vector),
        (read_only, vector, vector),
        (vector, read_only, vector),
    ):
        with pytest.raises(EngineError, match=r"weights|velocity|gradient"):
            backend.update(*wrong, SGD())
    with pytest.raises(EngineError, match=r"sgd is 0\.1"):
        backend.update(vector, vector.copy(), vector, 0.1)


# --- objectives, the gradient check, streams, standardisation ------------------------------------


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_compare_what_has_the_same_shape(name):
    objective = OBJECTIVES[name]
    outputs, rows = np.full((4, 2), 0.5), np.zeros(4, np.int64)
    right = np.zeros((4, objective.target_size(2)))
    wider = np.zeros((4, right.shape[1] + 1))
    assert np.isfinite(objective.error(outputs, right, rows))
    for targets in (right[:1], right[:3], wider, right.ravel(), np.zeros((4, 0))):
        for call in (
            lambda t: objective.error(outputs, t, rows),
            lambda t: objective.signal(outputs, t, rows),
            lambda t: objective.wrong(outputs, t),
        ):
            with pytest.raises(EngineError, match="targets have shape"):
                call(targets)
    with pytest.raises(EngineError, match="outputs have shape"):
        objective.error(outputs.ravel(), right, rows)
    with pytest.raises(EngineError, match="sequence has shape"):
        objective.error(outputs, right, rows[:3])


@pytest.mark.parametrize("name", ["ccc", "ccc_pooled"])
def test_sequences_of_a_concordance_are_numbered_without_a_gap(name):
    outputs = np.arange(8.0).reshape(4, 2)
    if name == "ccc":
        with pytest.raises(EngineError, match="no frame of sequence 1"):
            OBJECTIVES[name].error(outputs, outputs, np.array([0, 0, 2, 2]))
    with pytest.raises(EngineError, match="sequence numbers from -1"):
        OBJECTIVES[name].error(outputs, outputs, np.array([0, 0, -1, 2]))


@pytest.mark.parametrize("found", [-2.0, 3.0, 0.5])
def test_classes_that_a_network_does_not_have(found):
    network = random_network(3, [(4, 1.0)], 3, dtype="float32")
    targets = np.ones((11, 1), np.float32)
    targets[7] = found
    songs = SequenceSet(SONGS.inputs, targets, SONGS.lengths)
    with pytest.raises(
        EngineError, match=f"frame 7 has the class {found:g}; expected a whole number from 0 to 2"
    ):
        evaluate(network, songs, objective=OBJECTIVES["multiclass_classification"])


def test_a_class_beyond_the_outputs_has_no_error():
    objective, rows = OBJECTIVES["multiclass_classification"], np.zeros(2, np.int64)
    with pytest.raises(EngineError, match="class 2; expected numbers below 2"):
        objective.error(np.full((2, 2), 0.5), np.array([[0.0], [2.0]]), rows)


def test_gradient_checks_that_can_not_be_made():
    network, songs = random_network(3, [(2, 1.0)], 2), random_sequences([3], 3, 2)
    with pytest.raises(EngineError, match=r"2 targets.*the network needs 3 inputs and 4 targets"):
        gradient_check(network, songs, objective=OBJECTIVES["wf"])
    for step in (0.0, -1e-3, np.nan, "small"):
        with pytest.raises(EngineError, match="step is"):
            gradient_check(network, songs, step=step)


def test_streams_that_can_not_be_made():
    for streams in (2.0, 0, True, "2"):
        with pytest.raises(EngineError, match="streams is"):
            StreamingNetwork(NETWORK, streams)
    one = StreamingNetwork(NETWORK)
    frame, out = INPUTS[0][0], np.empty(2, np.float32)
    read_only = out.copy()
    read_only.flags.writeable = False
    for wrong in (out.astype(int), out.astype("f2"), out.tolist(), read_only):
        with pytest.raises(EngineError, match="out "):
            one.step(frame, wrong)
    for wrong in (frame * 1j, ["a", "b", "c"], [[1], [2, 3], 4], None):
        with pytest.raises(EngineError, match="frame"):
            one.step(wrong)
    with pytest.raises(EngineError, match="state"):
        one.state = one.state * 1j
    np.testing.assert_array_equal(one.step(frame), predict(NETWORK, INPUTS[0])[0])


@pytest.mark.parametrize(
    ("mean", "scale", "message"),
    [
        (np.zeros(2), np.ones(3), "2 means and 3 scales"),
        (np.zeros(2), np.array([1.0, 0.0]), "column 1 has the scale 0.0"),
        (np.zeros(2), np.array([1.0, np.nan]), "scale: 1 of 2 values are not finite"),
        (np.zeros((2, 1)), np.ones(2), r"mean has shape \(2, 1\)"),
        (0.0, 1.0, r"mean has shape \(\)"),
    ],
)
def test_standardisers_that_make_no_sense(mean, scale, message):
    with pytest.raises(EngineError, match=message):
        Standardiser(mean, scale)


def test_standardisers_take_rows_of_their_own_width():
    standardiser = Standardiser.fit(SONGS.inputs)
    for rows in (np.ones((4, 1)), np.ones((4, 4)), np.ones(3), 1.0, np.ones((4, 3)) * 1j, [["a", "b", "c"]]):
        for door in (standardiser.apply, standardiser.invert):
            with pytest.raises(EngineError, match="rows"):
                door(rows)
    with pytest.raises(EngineError, match="not finite"):
        Standardiser.fit([[1e300], [-1e300]])


# --- layers and steps ----------------------------------------------------------------------------


def test_a_layer_of_both_directions_has_an_even_number_of_units():
    with pytest.raises(EngineError, match="blstm layer: size is 5; expected an even number"):
        BLSTM(5)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, np.nan])
def test_momentum_is_below_one(momentum):
    with pytest.raises(EngineError, match="momentum"):
        SGD(1e-3, momentum)


@pytest.mark.parametrize(
    "given", [{"low": 1.0, "high": 0.0}, {"low": np.nan}, {"high": np.inf}, {"forget_bias": np.nan}]
)
def test_initial_weights_lie_between_finite_numbers(given):
    with pytest.raises(EngineError, match=r"expected (a )?finite number|low|high"):
        initial_network(3, [Linear(2)], 1, **given)
