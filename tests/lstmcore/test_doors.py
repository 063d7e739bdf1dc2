"""Every public door says what is wrong with what it is given; nothing wrong gets as far as a kernel."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

from lstmcore import (
    BLSTM,
    LSTM,
    SGD,
    Architecture,
    EngineError,
    Linear,
    Network,
    SequenceSet,
    Sets,
    StreamingNetwork,
    Trainer,
    Training,
    TrainingSettings,
    as_autoencoder_set,
    evaluate,
    get_backend,
    gradient_check,
    initial_network,
    pack,
    predict,
    start_from_autoencoder,
    stream,
    train,
)
from tests.lstmcore.networks import random_network, random_sequences

NETWORK = random_network(3, [(5, 1.0)], 2, seed=3, dtype="float32")
SONGS = random_sequences([5, 2, 4], 3, 2, dtype="float32")
INPUTS = SONGS.split(SONGS.inputs)
SETTINGS = TrainingSettings(SGD(1e-3), max_epochs=2)


def new_training(network=NETWORK, training=SONGS, settings=SETTINGS, seed=1, validation=None, **more):
    return Training(network, Sets(training, validation), settings, seed, **more)


def new_trainer(*args, **more):
    return Trainer(new_training(*args, **more))


def changed(sequences=SONGS, **parts):
    return {"inputs": sequences.inputs, "targets": sequences.targets, "lengths": sequences.lengths} | parts


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"lengths": [5, 2, 5]}, "lengths add up to 12 frames; there are 11"),
        ({"lengths": [5, 2, 2**62, 2**62, 2**62, 2**62]}, f"lengths add up to {2**64 + 7} frames"),
        ({"lengths": [12, -1]}, "sequence 1 has -1 frames"),
        ({"lengths": [11, 0]}, "sequence 1 has 0 frames"),
        ({"lengths": []}, "at least one sequence"),
        ({"lengths": [5.0, 6.0]}, "in float64; expected a whole number"),
        ({"lengths": [[11]]}, r"shape \(1, 1\)"),
        ({"targets": SONGS.targets[:10]}, "11 frames of inputs and 10 of targets"),
        ({"targets": SONGS.targets.astype(float)}, "inputs are float32 and targets float64"),
        ({"inputs": SONGS.inputs.astype(int)}, "inputs are int64; expected float32 or float64"),
        ({"inputs": SONGS.inputs.astype(">f4"), "targets": SONGS.targets}, "inputs are >f4"),
        ({"inputs": SONGS.inputs[:, 0]}, r"inputs: an array of shape \(11,\).*2 dimensions"),
        ({"inputs": SONGS.inputs.tolist()}, "inputs: a list"),
        ({"targets": None}, "targets: None"),
        ({"context": (-1, 0)}, "context is -1"),
        ({"context": 3}, "context is 3"),
        ({"targets": np.full((11, 2), np.inf, "f4")}, "targets of sequence 0, frame 0, column 0: inf"),
    ],
)
def test_arrays_that_make_no_set(parts, message):
    with pytest.raises(EngineError, match=message):
        SequenceSet(**changed(**parts))


def test_a_value_that_is_not_finite_is_named_by_its_place_in_its_sequence():
    inputs = SONGS.inputs.copy()
    inputs[8, 1] = np.nan
    with pytest.raises(EngineError, match="inputs of sequence 2, frame 1, column 1: nan"):
        SequenceSet(**changed(inputs=inputs))


def test_rows_that_lie_apart_in_memory_are_brought_together():
    apart = SequenceSet(np.asfortranarray(SONGS.inputs), SONGS.targets[::-1], np.array([5, 2, 4], np.int32))
    assert apart.inputs.flags.c_contiguous
    assert apart.targets.flags.c_contiguous
    assert apart.lengths.dtype == np.int64
    np.testing.assert_array_equal(predict(NETWORK, apart), predict(NETWORK, SONGS))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((2, 3)) * 1j, "values of type complex128"),
        ([["a", "b"]], "values of type <U1"),
        ([[1, 2], [3]], "different lengths"),
        ([[None, 1.0]], "values of type object"),
        (np.ma.masked_array(np.ones((2, 3)), [[0, 0, 0], [0, 1, 0]]), "frame 1, column 1: nan"),
        (np.full((2, 3), 1e300), "frame 0, column 0: inf; expected a finite float32"),
    ],
)
def test_values_that_are_no_numbers_of_the_precision(values, message):
    with pytest.raises(EngineError, match=message):
        SequenceSet.from_lists([values])


@pytest.mark.parametrize("sequences", [None, 5, "song", iter([np.ones((2, 3))])])
def test_lists_that_are_none(sequences):
    with pytest.raises(EngineError, match="expected a list with a matrix for each sequence"):
        SequenceSet.from_lists(sequences)


def test_sets_in_no_precision_of_ours():
    for dtype in ("float16", "int32", "float99"):
        with pytest.raises(EngineError, match=f"dtype is '{dtype}'; expected float32 or float64"):
            SequenceSet.from_lists(INPUTS, dtype=dtype)


# --- what is predicted ---------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [10, 520])
def test_a_set_of_another_width_is_not_predicted(columns):
    network = random_network(260, [(4, 1.0)], 2, dtype="float32")
    songs = random_sequences([30, 20], columns, 2, dtype="float32")
    for door in (predict, evaluate):
        with pytest.raises(EngineError, match=f"set has {columns} inputs.*the network needs 260 inputs"):
            door(network, songs)
    cpu = get_backend("cpu")
    workspace = cpu.workspace(network)
    with pytest.raises(EngineError, match=f"the batch has {columns} inputs"):
        cpu.forward(network, pack(songs, np.array([0])), workspace)


def test_a_set_in_another_precision_is_not_predicted():
    for door in (predict, evaluate, gradient_check):
        with pytest.raises(EngineError, match=r"in float64; the network needs .* in float32"):
            door(NETWORK, random_sequences([4], 3, 2))


def test_matrices_and_lists_are_predicted_without_targets():
    expected = predict(NETWORK, SONGS)
    np.testing.assert_array_equal(predict(NETWORK, SequenceSet.from_lists(INPUTS)), expected)
    found = predict(NETWORK, INPUTS)
    assert [len(one) for one in found] == [5, 2, 4]
    np.testing.assert_array_equal(np.concatenate(found), expected)
    np.testing.assert_array_equal(predict(NETWORK, INPUTS[1]), expected[5:7])
    np.testing.assert_array_equal(predict(NETWORK, [INPUTS[1].tolist()])[0], expected[5:7])
    np.testing.assert_array_equal(predict(NETWORK, INPUTS[1].astype(float)), expected[5:7])


def test_a_set_without_targets_has_no_error_and_teaches_nothing():
    songs = SequenceSet.from_lists(INPUTS)
    assert songs.targets.shape == (11, 0)
    with pytest.raises(EngineError, match="3 inputs and 0 targets"):
        evaluate(NETWORK, songs)
    with pytest.raises(EngineError, match="training set has 3 inputs and 0 targets"):
        new_trainer(training=songs)
    assert as_autoencoder_set(songs).targets.shape == (11, 3)


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        (np.ones(3), "1 dimensions"),
        (np.ones((2, 4, 3)), "3 dimensions"),
        ([np.ones(3)], "1 dimensions"),
        ([], "0 input"),
        (np.ones((0, 3)), "0 frames"),
        (np.ones((4, 2)), "the set has 2 inputs"),
        (None, "type object"),
        ("songs", "type <U5"),
    ],
)
def test_what_can_not_be_predicted(sequences, message):
    with pytest.raises(EngineError, match=message):
        predict(NETWORK, sequences)


@pytest.mark.parametrize("number", [0, -1, 1.5, "2", None, True])
def test_numbers_of_sequences_side_by_side(number):
    for door in (predict, evaluate):
        with pytest.raises(EngineError, match="parallel_sequences is"):
            door(NETWORK, SONGS, parallel_sequences=number)


def test_doors_want_sets_where_there_must_be_targets():
    for call in (lambda: evaluate(NETWORK, INPUTS), lambda: new_trainer(training=INPUTS[0])):
        with pytest.raises(EngineError, match=r"expected a SequenceSet; SequenceSet.from_lists makes one"):
            call()
    with pytest.raises(EngineError, match="training set is None"):
        new_trainer(training=None)
    with pytest.raises(EngineError, match="expected a SequenceSet"):
        as_autoencoder_set(INPUTS)


def test_doors_want_a_network():
    for call in (
        lambda: predict(NETWORK.weights, SONGS),
        lambda: evaluate(None, SONGS),
        lambda: gradient_check("net", SONGS),
        lambda: new_trainer(network=NETWORK.architecture),
        lambda: StreamingNetwork(NETWORK.architecture),
        lambda: start_from_autoencoder(NETWORK, None),
        lambda: get_backend("cpu").workspace(NETWORK.weights),
    ):
        with pytest.raises(EngineError, match="expected a Network"):
            call()


def test_backends_and_objectives_that_are_none():
    with pytest.raises(EngineError, match="backend is 5; expected one of cpu, cuda, reference"):
        predict(NETWORK, SONGS, backend=5)
    with pytest.raises(EngineError, match="objective is 'ccc'"):
        evaluate(NETWORK, SONGS, objective="ccc")
    with pytest.raises(EngineError, match="backend is None"):
        get_backend(None)


# --- wrong sets, at random -----------------------------------------------------------------------

DOORS = {
    "predict": predict,
    "evaluate": evaluate,
    "gradient_check": gradient_check,
    "Trainer": lambda network, songs: new_trainer(network, songs).run_epoch(),
    "validation": lambda network, songs: new_trainer(network, songs, validation=songs).run_epoch(),
    "train": lambda network, songs: train([new_training(network, songs)]),
}


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=40, deadline=None)
@given(
    units=st.integers(1, 9),
    wanted=st.tuples(st.integers(1, 40), st.integers(1, 4), st.sampled_from(["float32", "float64"])),
    given=st.tuples(st.integers(1, 40), st.integers(0, 4), st.sampled_from(["float32", "float64"])),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_a_set_that_does_not_fit_never_gives_a_number(door, units, wanted, given, lengths):
    assume(wanted != given)
    if door == "predict":
        assume(wanted[::2] != given[::2])  # the targets don't matter
    network = random_network(wanted[0], [(units, 1.0)], wanted[1], dtype=wanted[2])
    with pytest.raises(EngineError, match="the network needs"):
        DOORS[door](network, random_sequences(lengths, given[0], given[1], dtype=given[2]))


any_array = st.builds(
    lambda shape, dtype, order: np.ones(shape, dtype, order),
    st.lists(st.integers(0, 5), max_size=3).map(tuple),
    st.sampled_from(["f4", "f8", ">f4", "f2", "i8", "c16", "U1", "O"]),
    st.sampled_from("CF"),
)


@settings(max_examples=300, deadline=None)
@given(inputs=any_array, targets=any_array, lengths=st.lists(st.integers(-2, 6), max_size=4))
def test_arrays_make_a_set_that_adds_up_or_an_error(inputs, targets, lengths):
    try:
        found = SequenceSet(inputs, targets, np.array(lengths, np.int64))
    except EngineError:
        return
    assert sum(lengths) == len(inputs) == len(targets) > 0
    assert min(lengths) > 0
    assert found.inputs.dtype == found.targets.dtype
    assert found.inputs.flags.c_contiguous
    network = random_network(max(found.input_size, 1), [(3, 1.0)], 2, dtype=found.inputs.dtype.name)
    if found.input_size:
        assert predict(network, found).shape == (len(inputs), 2)


# --- networks, layers, settings, seeds -----------------------------------------------------------


@pytest.mark.parametrize("size", [200.0, "200", True, None, 0, -3])
def test_layers_of_sizes_that_are_none(size):
    for kind in (LSTM, BLSTM, Linear):
        with pytest.raises(EngineError, match=f"{kind.kind} layer: size is"):
            kind(size)


def test_sizes_of_numpy_are_whole_numbers():
    assert type(LSTM(np.int64(4)).size) is int
    assert LSTM(np.int64(4)) == LSTM(4)
    assert Architecture(np.int32(3), [LSTM(4)]) == Architecture(3, (LSTM(4),))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bias": "1"}, "bias is '1'"),
        ({"bias": np.nan}, "bias is nan"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
    ],
)
def test_layers_of_settings_that_are_none(arguments, message):
    with pytest.raises(EngineError, match=f"lstm layer: {message}"):
        LSTM(3, **arguments)


def test_what_is_no_layer():
    with pytest.raises(EngineError, match=r"layer 1 is 200; expected a layer, such as LSTM\(200\)"):
        initial_network(260, [200, 150, 2], 1)
    with pytest.raises(EngineError, match=r"layer 2 is <class .*Linear'>"):
        Architecture(3, (LSTM(2), Linear))
    for layers in (200, LSTM(3), "lstm"):
        with pytest.raises(EngineError, match=r"expected a list, such as \[LSTM\(200\), Linear\(2\)\]"):
            initial_network(3, layers, 1)
    with pytest.raises(EngineError, match="layers: Linear"):
        Architecture(3, Linear(2))
    with pytest.raises(EngineError, match=r"input size is 3\.0"):
        Architecture(3.0, (Linear(2),))


def test_weights_that_are_no_vector_of_a_precision():
    a = Architecture(1, (Linear(1),))
    for weights in (np.zeros((2, 1)), [0.0, 0.0], np.zeros(4)[::2], np.zeros(2, ">f8"), np.zeros(2, "f2")):
        with pytest.raises(EngineError, match="weights"):
            Network(a, weights)
    with pytest.raises(EngineError, match="expected a Architecture"):
        Network((Linear(1),), np.zeros(2))
    with pytest.raises(AttributeError):
        Network(a, np.zeros(2)).weights = np.zeros(3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"parallel_sequences": 2.0},
        {"patience": 20.0},
        {"max_epochs": 50.0},
        {"validate_every": "2"},
        {"test_every": True},
        {"stochastic": 1},
        {"shuffle": None},
        {"input_noise": True},
        {"weight_noise": "0.1"},
        {"delta_limit": np.nan},
        {"delta_limit": None},
        {"sgd": 1e-5},
    ],
)
def test_settings_that_are_none(wrong):
    (name,) = wrong
    with pytest.raises(EngineError, match=f"{name} is "):
        TrainingSettings(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": "1e-5"},
        {"learning_rate": np.inf},
        {"learning_rate": -1},
        {"momentum": None},
        {"momentum": 1.0},
        {"momentum": -0.1},
        {"momentum": np.nan},
    ],
)
def test_optimisers_that_are_none(wrong):
    with pytest.raises(EngineError, match=f"{next(iter(wrong))} is "):
        SGD(**wrong)


def test_a_whole_number_is_a_seed():
    root = np.random.SeedSequence(7)
    assert stream(7, "order", 2).random() == stream(root, "order", 2).random()
    a, b = (train([new_training(seed=seed)])[0].weights for seed in (7, root))
    np.testing.assert_array_equal(a, b)
    c, d = (initial_network(3, [LSTM(2)], source).weights for source in (7, np.random.default_rng(7)))
    np.testing.assert_array_equal(c, d)


@pytest.mark.parametrize("seed", [-1, 1.0, "1", None, True, np.random.default_rng(1)])
def test_what_is_no_seed(seed):
    with pytest.raises(EngineError, match="seed is"):
        new_trainer(seed=seed)


@pytest.mark.parametrize(("low", "high"), [(0.1, -0.1), (-np.inf, 0.1), (-0.1, np.nan), ("0", 1)])
def test_weights_from_ranges_that_are_none(low, high):
    with pytest.raises(EngineError, match=r"weights from|low is"):
        initial_network(3, [LSTM(2)], 1, low=low, high=high)


def test_other_mistakes_in_training():
    with pytest.raises(EngineError, match="generator is None"):
        initial_network(3, [LSTM(2)], None)
    with pytest.raises(EngineError, match="unknown purpose 'nois'"):
        stream(1, "nois")
    with pytest.raises(EngineError, match="settings is 5"):
        new_trainer(settings=5)
    training, trainer = new_training(), new_trainer()
    with pytest.raises(EngineError, match="training 2 of 2 is None"):
        train([training, None])
    with pytest.raises(EngineError, match="trainings is a Training; expected a list of Training"):
        train(training)
    with pytest.raises(EngineError, match="1 trainings and 2 states"):
        train([training], states=[None, None])
    with pytest.raises(EngineError, match="training is a Network; expected a Training"):
        Trainer(NETWORK)
    with pytest.raises(EngineError, match=r"sets is a SequenceSet; expected a Sets; Sets\(training, valid"):
        Training(NETWORK, SONGS, SETTINGS, 1)
    with pytest.raises(AttributeError):
        trainer.state = replace(trainer.state, epoch=3)


@pytest.mark.parametrize(
    "order", [[0, 1], [0, 1, 1], [0, 1, 3], [2, 1, -1], [0.0, 1.0, 2.0], [[0, 1, 2]], []]
)
def test_an_order_names_each_sequence_once(order):
    with pytest.raises(EngineError, match=r"epoch 1: the order is .*all 3 sequences, each once"):
        new_trainer(order=lambda epoch: order).run_epoch()
