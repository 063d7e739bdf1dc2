"""Strategies of pre-training: what each leaves for the networks, resuming, and songs without labels."""

import json
import re
import threading
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from lstmcore import LSTM, Architecture, EpochReport, Layer, Network, Trainer, Training, predict, train
from lstmcore.experiments.cli import run_app
from lstmcore.experiments.config import Experiment, load_experiment
from lstmcore.experiments.datasets import Dataset, Song, load_dataset
from lstmcore.experiments.errors import InputError, Interrupted
from lstmcore.experiments.jobs.job import Result, load_result
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.studies.ablation.variants import default_ablations
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.experiments.training.folds import split_of
from lstmcore.experiments.training.pretraining import (
    autoencoder_jobs,
    check_pretraining,
    pretrain,
    with_left_over,
)
from lstmcore.experiments.training.trial import TrialData, network_jobs
from tests.experiments.config.test_options import contents, curves, run

FURTHER = ("layerwise", "next_frames", "sequence_autoencoder")
FILES = {"next_frames": "next-frames", "sequence_autoencoder": "sequence-autoencoder"}
PIECES = "pretraining.piece_seconds=2"


def jobs(folder: Path, kind: str = "") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "jobs").glob(f"{kind}*")}


def data_of(folder: Path, *overrides: str) -> tuple[Experiment, Dataset]:
    experiment = load_experiment(folder / "tiny.toml", list(overrides))
    return experiment, load_dataset(experiment.data, workers=1, progress=Quiet(), stop=threading.Event())


@dataclass
class Learnt:
    """What pre-training was given and has left."""

    data: TrialData
    trainings: dict[str, Training] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)

    def named(self, begins: str) -> str:
        (name,) = [name for name in self.results if name.startswith(begins)]
        return name


def learnt_by(folder: Path, *overrides: str) -> Learnt:
    """Pre-train without a run."""
    experiment, dataset = data_of(folder, *overrides)
    learnt = Learnt(TrialData(experiment, dataset, split_of(dataset, experiment), []))

    def run_jobs(stage, jobs):
        for job in jobs:
            reports: list[EpochReport] = []
            training = learnt.trainings[job.name] = job.training()
            note = partial(_note, reports)
            backend = experiment.engine.backend
            (network,) = train([training], backend=backend, on_epoch=note)
            learnt.results[job.name] = job.conclude(network, reports)
        return [learnt.results[job.name] for job in jobs]

    learnt.data.starts.extend(pretrain(experiment, dataset, run_jobs))
    return learnt


def _note(reports: list[EpochReport], place: int, report: EpochReport, trainer: Trainer) -> None:
    reports.append(report)


# --- names --------------------------------------------------------------------------------


def test_jobs_of_the_first_layer_have_the_names_they_had_before_there_were_strategies(tiny):
    experiment, dataset = data_of(tiny)
    assert [job.name for job in autoencoder_jobs(experiment, dataset.unlabelled)] == [
        "autoencoder-trial0-29d2f65b6ac189e4",
        "autoencoder-trial1-563cca96db668d2a",
    ]
    assert not autoencoder_jobs(load_experiment(tiny / "tiny.toml", ["pretraining.enabled=false"]), [])


def test_none_is_the_same_as_not_enabled_whatever_the_strategy_is(tiny):
    off = run(tiny, "off", "pretraining.enabled=false")
    for k, options in enumerate((["strategy=none"], ["enabled=false", "strategy=layerwise"])):
        other = run(tiny, f"other{k}", *(f"pretraining.{option}" for option in options))
        assert jobs(other).keys() == jobs(off).keys()
        assert contents(other) == contents(off)


def test_a_key_of_another_strategy_makes_no_job_anew(tiny):
    keys = ("pretraining.next_frames=2", PIECES)
    for strategy in ("first_layer", *FURTHER):
        one = run(tiny, f"{strategy}-1", f"pretraining.strategy={strategy}", PIECES)
        two = run(tiny, f"{strategy}-2", f"pretraining.strategy={strategy}", *keys)
        same = jobs(one).keys() == jobs(two).keys()
        assert same == (strategy != "next_frames"), strategy


# --- what is learnt -----------------------------------------------------------------------


@pytest.mark.parametrize("strategy", FURTHER)
@pytest.mark.parametrize("options", [(), ("network.targets=single",)])
def test_networks_begin_with_what_was_learnt_and_go_on_learning(tiny, strategy, options):
    out = run(tiny, "out", f"pretraining.strategy={strategy}", PIECES, *options)
    first = run(tiny, "first", *options)
    assert len(jobs(out, FILES.get(strategy, "autoencoder-layer2"))) == 2
    assert not jobs(out, "network").keys() & jobs(first, "network").keys()
    assert contents(out)["predictions.csv"] != contents(first)["predictions.csv"]
    data = learnt_by(tiny, f"pretraining.strategy={strategy}", PIECES, *options).data
    assert len(data.starts[0].layers) == 2
    for job in network_jobs(data)[:2]:
        network, trial = job.training().network, int(job.name.split("trial")[1][0])
        for own, learnt in zip(network.parameters, data.starts[trial].layers, strict=False):
            assert own.keys() == learnt.keys()
            for name, values in learnt.items():
                np.testing.assert_array_equal(own[name], values)
    # What a run has learnt has the same name.
    assert {f"{start.name}.safetensors" for start in data.starts} <= jobs(out).keys()


def test_the_first_layer_of_layerwise_is_that_of_the_first_layer_alone(tiny):
    first, both = run(tiny, "first"), run(tiny, "both", "pretraining.strategy=layerwise")
    names = jobs(first, "autoencoder-trial").keys()
    assert names == jobs(both, "autoencoder-trial").keys()
    for name in names:
        one, other = (load_result(folder / "jobs" / name) for folder in (first, both))
        np.testing.assert_array_equal(one.tensors["weights"], other.tensors["weights"])
    history = pd.read_csv(both / "history.csv")
    assert {"auto-encoder, trial 0", "auto-encoder of layer 2, trial 1"} <= set(history["job"])


def test_the_second_layer_learns_on_the_clean_codes_of_the_first_and_takes_their_scale_over(tiny):
    found = learnt_by(tiny, "pretraining.strategy=layerwise", "pretraining.max_epochs=20")
    first, second = found.data.starts[1].layers
    name = found.named("autoencoder-layer2-trial1")
    codes, scale = found.trainings[name].sets.training, found.results[name].tensors["scale"][0]
    assert codes.targets is codes.inputs
    assert np.var(codes.inputs, axis=0).mean() == pytest.approx(1, rel=1e-4)
    # The codes are what the first layer makes of the clean frames.
    frames = found.trainings[found.named("autoencoder-trial1")].sets.training
    outputs = predict(network_of(5, LSTM(3), first), frames)
    np.testing.assert_allclose(outputs, codes.inputs * scale, atol=1e-6)
    # The second layer makes of them what its auto-encoder's makes of the scaled ones.
    autoencoder = Network(found.trainings[name].network.architecture, found.results[name].tensors["weights"])
    expected = predict(network_of(3, LSTM(2), autoencoder.parameters[0]), codes)
    coded = predict(network_of(3, LSTM(2), second), replace(codes, inputs=outputs, targets=outputs))
    np.testing.assert_allclose(coded, expected, atol=1e-5)
    assert np.ptp(expected) > 0.01


def network_of(inputs: int, layer: Layer, parameters: dict[str, np.ndarray]) -> Network:
    weights = np.concatenate([values.ravel() for values in parameters.values()])
    return Network(Architecture(inputs, (layer,)), weights)


@pytest.mark.parametrize("strategy", FURTHER)
def test_two_workers_and_a_stop_give_the_same_bytes(tiny, strategy):
    options = (f"pretraining.strategy={strategy}", PIECES)
    whole = run(tiny, "whole", *options)
    two = run(tiny, "two", *options, workers=2)
    stop = threading.Event()
    last = {"layerwise": "auto-encoder of layer 2", "next_frames": "next frames"}
    title = f"{last.get(strategy, 'sequence auto-encoder')}, trial 0"

    class Stopping(Quiet):
        def epoch(self, job, report):
            if job == title and report.epoch == 2:
                stop.set()

    with pytest.raises(Interrupted):
        run(tiny, "parts", *options, progress=Stopping(), stop=stop)
    assert not jobs(tiny / "parts", "network")
    assert [name for name in jobs(tiny / "parts") if name.endswith(".partial.safetensors")]
    parts = run(tiny, "parts", *options)
    assert contents(whole) == contents(two) == contents(parts)
    assert jobs(whole).keys() == jobs(parts).keys()
    for name in jobs(whole):
        assert without_times(whole / "jobs" / name) == without_times(parts / "jobs" / name)


def without_times(file: Path) -> tuple[dict[str, bytes], list[dict]]:
    """Tensors and reports of a job, but for how long its epochs took."""
    result = load_result(file)
    history = [{**report, "seconds": 0} for report in result.facts["history"]]
    return {name: array.tobytes() for name, array in result.tensors.items()}, history


@pytest.mark.parametrize("strategy", FURTHER)
def test_the_reference_backend_learns_the_same(tiny, strategy):
    options = (f"pretraining.strategy={strategy}", PIECES, "engine.precision=float64")
    cpu, reference = (learnt_by(tiny, *options, f"engine.backend={b}") for b in ("cpu", "reference"))
    for ours, theirs in zip(cpu.data.starts[0].layers, reference.data.starts[0].layers, strict=True):
        for name, values in ours.items():
            np.testing.assert_allclose(values, theirs[name], rtol=1e-9)
    assert cpu.data.starts[0].name != reference.data.starts[0].name


def test_bidirectional_and_feed_forward_layers_learn_layer_by_layer(tiny):
    both = ("network.bidirectional=true", "network.hidden=[4, 2]")
    for options in (both, ("network.cell=feedforward",)):
        layers = learnt_by(tiny, "pretraining.strategy=layerwise", *options).data.starts[0].layers
        assert [set(layer) for layer in layers] == [set("WbRp")] * 2 or options != both
        assert len(layers) == 2
    single = ("pretraining.strategy=next_frames", "network.cell=feedforward", "network.targets=single")
    assert len(learnt_by(tiny, *single).data.starts[0].layers) == 2


# --- mistakes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["strategy=deep"], "pretraining.strategy is 'deep'; expected 'none', 'first_layer', 'layerwise'"),
        (["strategy=sequence_autoencoder", "network.cell=feedforward"], "remembers nothing to write down"),
        (
            ["strategy=next_frames", "network.bidirectional=true", "network.hidden=[4, 2]"],
            "'next_frames' and network.bidirectional true: layers that run backwards see",
        ),
        (
            ["strategy=sequence_autoencoder", "network.bidirectional=true", "network.hidden=[4]"],
            "backwards see",
        ),
        (["next_frames=0"], "pretraining.next_frames is 0"),
        (
            ["strategy=next_frames", "next_frames=999"],
            r"next_frames is 999, and the longest song to learn from has (\d+) frames; expected at most \d+$",
        ),
        (
            ["strategy=sequence_autoencoder", "piece_seconds=0.5"],
            "piece_seconds is 0.5, which holds no two frames; expected at least 1",
        ),
        (["data.labelled_songs=2"], "labelled_songs is 2; expected a number from 3, .*, to 7, all"),
        (["data.labelled_songs=8"], "labelled_songs is 8; expected a number from 3, .*, to 7, all"),
        (["data.unlabelled_folder=data"], "unlabelled_folder is there, and features is 'song_means'"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(tiny, options, message):
    line = [tiny / "tiny.toml", "--out", tiny / "out", "--quiet"]
    for option in options:
        line += ["--set", option if "." in option.partition("=")[0] else f"pretraining.{option}"]
    result = CliRunner().invoke(run_app, [str(word) for word in line])
    assert result.exit_code == 2, result.output
    assert re.search(message, " ".join(result.output.split())), result.output
    assert not list((tiny / "out").glob("jobs/*"))


def test_a_network_without_memory_writes_no_song_down_in_experiments_of_python_s_either():
    """Files are refused when they are read; here nothing was."""
    experiment = Experiment(
        name="x",
        data={"source": "procedural"},
        network={"cell": "feedforward"},
        pretraining={"strategy": "sequence_autoencoder"},
    )
    with pytest.raises(InputError, match="remembers nothing to write down"):
        check_pretraining(experiment, Dataset([], [], [], ["a", "b"], "FS2", [], hop_seconds=0.5))


def test_songs_of_one_frame_can_be_neither_predicted_nor_cut():
    songs = [Song(k, np.zeros(1), np.ones((1, 2))) for k in range(12)]
    dataset = Dataset([], songs, [], ["a", "b"], "FS2", [], hop_seconds=None)
    for strategy, message in (
        ("next_frames", "has 1 frame; expected"),
        ("sequence_autoencoder", "no song has"),
    ):
        experiment = Experiment(
            name="x", data={"source": "procedural"}, pretraining={"strategy": strategy, "next_frames": 1}
        )
        with pytest.raises(InputError, match=message):
            check_pretraining(experiment, dataset)


def test_what_is_ablated_knows_the_strategy():
    def sets(**pretraining):
        experiment = Experiment(name="x", data={"source": "procedural"}, pretraining=pretraining)
        song = Song(1, np.arange(2) / 2, np.ones((2, 1)))
        found = default_ablations(experiment, Dataset([], [song], [], [], "", []))
        return {a.name: a.set for a in found if any(key.startswith("pretraining") for key in a.set)}

    assert list(sets()) == ["no auto-encoder", "auto-encoder without noise"]
    assert sets(strategy="layerwise")["first layer pre-trained alone"] == {
        "pretraining.strategy": "first_layer"
    }
    assert sets(enabled=False) == {"auto-encoder": {"pretraining.enabled": True}}
    assert sets(strategy="none")["auto-encoder"]["pretraining.strategy"] == "first_layer"


# --- few labels, and songs without any ----------------------------------------------------


def test_labelled_songs_are_spread_over_the_folds_and_fewer_are_some_of_more():
    songs = [Song(k, np.arange(2) / 2, np.ones((2, 1)), np.ones((2, 2))) for k in range(40)]
    dataset = Dataset(songs, [], [], ["a"], "FS2", [])

    def cut(count, seed=1, **folds):
        data = {"source": "procedural", "labelled_songs": count}
        return split_of(dataset, Experiment(name="x", seed=seed, data=data, folds={"count": 5, **folds}))

    before: frozenset = frozenset()
    for count in (4, 9, 20, 32):
        found = cut(count, team_test=4)
        assert len(found.labelled) == len(found.others(None)) == count
        assert before <= found.labelled
        known = [sum(song.song_id in found.labelled for song in fold) for fold in found.folds]
        assert known[4] == 0  # the team's
        assert max(known[:4]) - min(known[:4]) <= 1
        assert len(found.validation(0)) == 8  # all are scored
        assert {s.song_id for s in found.training(0)} <= found.labelled
        assert {s.song_id for s in found.left_over} | found.labelled == {k for k in range(40) if k % 5 != 4}
        before = found.labelled
    assert (
        cut(9, team_test=4).labelled == cut(9, team_test=4).labelled != cut(9, seed=2, team_test=4).labelled
    )
    rotating = cut(10, team_test="none", stopping="rotating")
    for trial in range(4):
        known = {s.song_id for s in [*rotating.training(0, trial), *rotating.watched(0, trial)]}
        assert known == {s.song_id for s in rotating.others(0)} <= rotating.labelled
        assert rotating.watched(0, trial)


def test_songs_left_over_are_scored_and_teach_without_their_annotations(tiny):
    options = ("data.labelled_songs=4", "folds.stopping=next")
    before = run(tiny, "before", *options)
    facts = json.loads((before / "ensemble.json").read_text())
    left_over = sorted({1, 2, 3, 5, 6, 7, 9} - set(facts["labelled"]))
    assert len(left_over) == 3
    assert facts["unlabelled_songs"] == 3 + 3
    assert any("know the annotations of 4 of 7 songs" in note for note in facts["notes"])
    assert (
        json.loads((before / "model" / "model.json").read_text())["trained_on"]["songs"] == 6
    )  # the team's, too
    for path in (tiny / "data" / "annotations").rglob("*.csv"):
        rows = [row.split(",") for row in path.read_text().splitlines()]
        for row in rows[1:]:
            if row[0] in map(str, left_over):
                row[1:] = ["0.9" if cell else "" for cell in row[1:]]
        path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    after = run(tiny, "after", *options)
    for system in ("lstm_all", "ridge", "linear_regression", "global_mean"):
        a, b = (curves(folder, system) for folder in (before, after))
        assert set(left_over) <= set(a["song_id"])
        pd.testing.assert_frame_equal(a, b)
    assert jobs(before, "autoencoder").keys() == jobs(after, "autoencoder").keys()
    with_all = run(tiny, "all", "data.unlabelled=all")
    assert (
        jobs(with_all, "autoencoder").keys()
        == jobs(run(tiny, "few", "data.unlabelled=all", *options), "autoencoder").keys()
    )


def test_nothing_is_left_over_where_songs_without_annotations_arent_wanted(tiny):
    experiment, dataset = data_of(tiny, "data.labelled_songs=4", "data.unlabelled=none")
    assert not with_left_over(experiment, dataset, split_of(dataset, experiment)).unlabelled


def test_recordings_of_a_folder_are_learnt_from(fs1_run, tmp_path):
    other = tmp_path / "other"
    (other / "deep").mkdir(parents=True)
    noise = np.random.default_rng(0)
    for k, name in enumerate(("a.wav", "deep/b.flac")):
        soundfile.write(other / name, 0.1 * noise.standard_normal(22050 * (3 + k)), 22050)
    (other / "broken.wav").write_bytes(b"no sound")
    options = ("data.features=FS1", f"data.unlabelled_folder={other}")
    experiment, dataset = data_of(fs1_run.parent, *options)
    assert [song.song_id for song in dataset.unlabelled] == ["other/a.wav", "other/deep/b.flac"]
    assert dataset.unlabelled[0].features.shape[1] == 260
    assert np.diff(dataset.unlabelled[1].times) == pytest.approx(0.5)
    assert any("broken.wav" in note and "left out" in note for note in dataset.notes)
    run_experiment(experiment, Session(tmp_path / "out", 1))
    assert len(jobs(tmp_path / "out", "autoencoder")) == 2
    (other / "a.wav").unlink()
    (other / "deep" / "b.flac").unlink()
    with pytest.raises(InputError, match=r"none of 1 recordings can be read; .*broken\.wav"):
        data_of(fs1_run.parent, *options)
    (other / "broken.wav").unlink()
    with pytest.raises(InputError, match="no audio in it"):
        data_of(fs1_run.parent, *options)
    with pytest.raises(InputError, match=r"data\.unlabelled_folder: .*/none: no such folder"):
        data_of(fs1_run.parent, options[0], f"data.unlabelled_folder={tmp_path / 'none'}")


@pytest.mark.parametrize("strategy", FURTHER)
def test_all_layers_begin_with_the_forget_bias(tiny, strategy):
    options = (f"pretraining.strategy={strategy}", PIECES, "pretraining.max_epochs=1")
    plain, remembering = (
        learnt_by(tiny, *options, *more).data.starts[0] for more in ((), ("network.forget_bias=3",))
    )
    assert plain.name != remembering.name
    for layer, other in zip(plain.layers, remembering.layers, strict=True):
        np.testing.assert_allclose(other["b"][2] - layer["b"][2], 3, atol=0.2)
        np.testing.assert_allclose(other["b"][0], layer["b"][0], atol=0.2)
