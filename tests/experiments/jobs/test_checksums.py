"""Files that are read again and were changed meanwhile: none is taken for what it was."""

import json
import logging
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, load_file, save_file

from lstmcore.experiments.datasets import deam_layout as layout
from lstmcore.experiments.datasets.procedural import ProceduralPlan, write_collection
from lstmcore.experiments.errors import InputError, Interrupted
from lstmcore.experiments.jobs.job import Result, load_result, save_result
from lstmcore.experiments.prediction.model import load_model
from lstmcore.features import FeatureKey, FeatureStore
from lstmcore.features.grid import grid_table
from lstmcore.features.sets import feature_names
from tests.experiments.run.test_run import Listener, contents, run

PLAN = ProceduralPlan(development=2, unlabelled=1, test=1, seconds=20, test_seconds=20, raters=3, seed=7)
RESULT = Result(
    {"weights": np.arange(5, dtype=np.float32), "validation": np.array([[0.25, -0.5]])},
    {"fold": 3, "history": [{"epoch": 1, "seconds": 0.125}]},
)


class Noting(Listener):
    def __init__(self):
        super().__init__()
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def flip_in(file: Path, tensor: str) -> None:
    """Flip a bit in the middle of a tensor."""
    content = file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    start, end = json.loads(content[8 : 8 + size])[tensor]["data_offsets"]
    flip(file, 8 + size + (start + end) // 2)


def without_digest(file: Path) -> None:
    """Write a file as versions did that knew no digests."""
    found = load_result(file)
    facts = {name: value for name, value in found.facts.items() if name != "model.json"}
    save_file(found.tensors, file, {"facts": json.dumps(facts)})


def test_no_flipped_bit_goes_unnoticed(tmp_path):
    file = tmp_path / "a.safetensors"
    save_result(file, RESULT)
    whole = file.read_bytes()
    for at in range(len(whole)):
        for bit in range(8):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            assert load_result(file) is None, (at, bit)
        file.write_bytes(whole[:at])
        assert load_result(file) is None, at


def test_what_is_intact_is_read_with_and_without_a_digest_by_us_and_others(tmp_path):
    file = tmp_path / "a.safetensors"
    save_result(file, RESULT)
    assert set(load_file(file)) == {*RESULT.tensors, "sha256"}
    for _ in range(2):
        found = load_result(file)
        assert found.facts == RESULT.facts
        assert {name: a.tolist() for name, a in found.tensors.items()} == {
            name: a.tolist() for name, a in RESULT.tensors.items()
        }
        without_digest(file)
        assert "sha256" not in load(file.read_bytes())


def test_a_job_whose_result_was_changed_is_computed_anew_with_a_line_that_says_so(tiny):
    run(tiny)
    before = contents(tiny / "out")
    jobs = tiny / "out" / "jobs"
    (network,) = jobs.glob("network-fold01-trial0*")
    (autoencoder,) = jobs.glob("autoencoder-trial1*")
    flip_in(network, "validation")
    flip_in(autoencoder, "weights")
    hears = Noting()
    run(tiny, progress=hears)
    assert contents(tiny / "out") == before
    assert hears.notes == [
        f"{autoencoder}: damaged; auto-encoder, trial 1 is computed anew",
        f"{network}: damaged; fold 1, trial 0 is computed anew",
    ]
    again = Noting()
    run(tiny, progress=again)
    assert (again.notes, again.epochs) == ([], 0)


def test_what_isnt_of_the_shape_of_an_auto_encoder_is_computed_anew(tiny):
    """Another one's file, whole, under the name of this one."""
    run(tiny)
    before = contents(tiny / "out")
    (autoencoder,) = (tiny / "out" / "jobs").glob("autoencoder-trial1*")
    found = load_result(autoencoder)
    for changed in (
        replace(found, tensors={"weights": found.tensors["weights"][:-1]}),
        replace(found, facts=found.facts | {"trial": 0}),
    ):
        save_result(autoencoder, changed)
        hears = Noting()
        run(tiny, progress=hears)
        assert hears.notes == [f"{autoencoder}: damaged; auto-encoder, trial 1 is computed anew"]
        assert contents(tiny / "out") == before


def test_a_folder_of_a_version_without_digests_goes_on_without_training(tiny):
    run(tiny)
    before = contents(tiny / "out")
    for file in (tiny / "out" / "jobs").iterdir():
        without_digest(file)
    hears = Noting()
    run(tiny, progress=hears)
    assert (hears.notes, hears.epochs) == ([], 0)
    assert contents(tiny / "out") == before


def test_what_is_reused_is_looked_at_too(tiny):
    run(tiny)
    jobs = tiny / "out" / "jobs"
    damaged = next(jobs.glob("network-fold00-trial1*"))
    flip_in(damaged, "weights")
    config = tiny / "tiny.toml"
    text = config.read_text()
    config.write_text(f"reuse = ['{jobs}']\n{text}")
    hears = Noting()
    run(tiny, "other", progress=hears)
    assert hears.notes == [f"{damaged}: damaged; fold 0, trial 1 is computed anew"]
    shutil.rmtree(jobs)
    shutil.copytree(tiny / "other" / "jobs", jobs)
    own = tiny / "other" / "jobs" / damaged.name
    flip_in(own, "weights")
    hears = Noting()
    run(tiny, "other", progress=hears)
    assert hears.notes == [f"{own}: damaged; fold 0, trial 1 is taken from another folder"]
    assert hears.epochs == 0
    assert load_result(own) is not None


def test_a_changed_checkpoint_is_not_gone_on_from(tiny):
    run(tiny, "whole")
    stop = threading.Event()

    class Stopping(Listener):
        def epoch(self, job, report):
            super().epoch(job, report)
            if self.epochs == 8:
                stop.set()

    with pytest.raises(Interrupted):
        run(tiny, progress=Stopping(), stop=stop)
    (checkpoint,) = (tiny / "out" / "jobs").glob("*.partial.safetensors")
    flip_in(checkpoint, "deltas")
    hears = Noting()
    run(tiny, progress=hears)
    (note,) = hears.notes
    assert note.startswith(f"{checkpoint}: ")
    assert note.endswith("fold 0, trial 0 is trained from the start")
    assert contents(tiny / "out") == contents(tiny / "whole")


@pytest.mark.parametrize("name", ["networks.safetensors", "model.json"])
def test_a_model_that_was_changed_is_refused(tiny, name):
    run(tiny)
    model = tiny / "out" / "model"
    description = json.loads((model / "model.json").read_text())
    if name == "model.json":
        changed = {**description, "smoothing_seconds": 7.5}
        (model / name).write_text(json.dumps(changed))
        message = r"model\.json: is not what was written together with networks\.safetensors"
    else:
        flip_in(model / name, "target_scale")
        message = r"networks\.safetensors: target_scale is not what was written"
    with pytest.raises(InputError, match=message):
        load_model(model)
    before = contents(tiny / "out")
    run(tiny)  # writes it anew
    assert load_model(model).description["smoothing_seconds"] == 0
    assert contents(tiny / "out")[f"model/{name}"] != before[f"model/{name}"]


def test_a_model_of_a_version_without_digests_may_be_set_otherwise(tiny):
    run(tiny)
    model = tiny / "out" / "model"
    description = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps(description, indent=4))
    load_model(model)
    without_digest(model / "networks.safetensors")
    (model / "model.json").write_text(json.dumps({**description, "smoothing_seconds": 7.5}))
    assert load_model(model).description["smoothing_seconds"] == 7.5


def test_damaged_features_are_told(tmp_path, caplog):
    store, key = FeatureStore(tmp_path), FeatureKey("d" * 64, "FS1", "v1")
    names = feature_names("FS1")
    file = store.save(key, grid_table(np.zeros((3, len(names)), np.float32), names))
    flip(file, 1000)
    with caplog.at_level(logging.WARNING, "features"):
        assert store.load(key) is None
        assert store.load(FeatureKey("e" * 64, "FS1", "v1")) is None  # never there: nothing to tell
    assert caplog.messages == [f"{file}: damaged; its features are computed anew"]


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    root = tmp_path_factory.mktemp("procedural") / "collection"
    write_collection(root, PLAN)
    return root


@pytest.mark.parametrize(
    "name",
    [
        layout.audio_file(1),
        layout.truth_file(1001),
        layout.rater_file("valence", 2),
        layout.averaged_file("arousal"),
        layout.METADATA,
    ],
    ids=str,
)
def test_a_procedural_song_that_was_changed_is_made_anew(collection, name):
    files = [path for path in collection.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    flip(collection / name, 60)
    told = []
    write_collection(collection, PLAN, on_damaged=told.append)
    assert told == [collection / name]
    assert {path: path.read_bytes() for path in files} == before
    write_collection(collection, PLAN, on_damaged=told.append)
    assert len(told) == 1


def test_a_procedural_collection_of_a_version_without_checksums_is_taken_as_it_is(collection, tmp_path):
    root = tmp_path / "old"
    shutil.copytree(collection, root)
    (root / layout.CHECKSUMS).unlink()
    flip(root / layout.audio_file(1), 60)
    before = (root / layout.audio_file(1)).read_bytes()
    told = []
    write_collection(root, PLAN, on_damaged=told.append)
    assert (told, (root / layout.audio_file(1)).read_bytes()) == ([], before)
