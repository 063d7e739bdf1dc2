"""Files that are read again, with a bit flipped in some hundred places: none is taken for what it was.

Each kind of the table in docs/reliability.md.  What is left is damage that changes nothing of what a file
says: it may be read, then as what was written.
"""

import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lstmcore import (
    LSTM,
    EngineError,
    Linear,
    Network,
    SequenceSet,
    Sets,
    Trainer,
    Training,
    TrainingSettings,
    initial_network,
)
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.checkpoint import Checkpoint
from lstmcore.experiments.jobs.job import Computation, Job, JobFolder, Result
from lstmcore.experiments.prediction.curves import CurveStore
from lstmcore.experiments.prediction.model import load_model
from lstmcore.experiments.prediction.songs import PredictedSong
from lstmcore.experiments.report import outlines
from lstmcore.experiments.run import folder as run_folder
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.features import FeatureKey, FeatureStore
from lstmcore.features.grid import grid_table
from lstmcore.features.sets import feature_names
from lstmcore.kernel_cache import KernelFiles
from tests.experiments.exchange.small_models import write_small

PLACES = 300
PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"


class Noting(Quiet):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Parameters
    ----------
    file
        What is damaged.
    read
        Returns what it says, as something that can be compared; None if it counts as absent.
    told
        What is said of damage; "" if the error of who asks is all, "." if who asks says it.
    """

    file: Path
    read: Callable[[], Any]
    told: str


def _as_lists(result: Result | None) -> Any:
    if result is None:
        return None
    tensors = {name: result.tensors[name].tolist() for name in ("weights", "validation")}
    return tensors, result.facts


def job(place: Path) -> Kind:
    folder, one = JobFolder(place), Job("fold 0, trial 0", "network-fold00-trial0-ab", lambda: None, None)  # type: ignore[arg-type, return-value]
    tensors = {"weights": np.arange(7, dtype=np.float32), "validation": np.array([[0.25, -0.5]])}
    folder.save(one, Result(tensors, {"fold": 0, "history": [{"epoch": 1}]}))
    return Kind(folder.file(one), lambda: _as_lists(folder.load(one)), ".")


def own_system(place: Path) -> Kind:
    folder, one = JobFolder(place), Computation("SVR, fold 0", "system-ab", lambda: Result({}, {}))
    tensors = {"weights": np.zeros(1), "validation": np.array([0.25, -0.5])}
    folder.save(one, Result(tensors, {"system": "SVR"}))
    return Kind(folder.file(one), lambda: _as_lists(folder.load(one)), ".")


def checkpoint(place: Path) -> Kind:
    songs = SequenceSet.from_lists([np.ones((3, 2))], [np.zeros((3, 1))])
    network = initial_network(2, [LSTM(2), Linear(1)], 1)
    training = Training(network, Sets(songs, songs), TrainingSettings(max_epochs=2), seed=1)
    trainer, file = Trainer(training), place / "a.partial.safetensors"
    kept = Checkpoint(file, training)
    kept.on_epoch(trainer.run_epoch(), trainer)
    kept.save()

    def read() -> Any:
        found = Checkpoint(file, training)
        if found.state is None:
            assert found.damage is not None
            return None
        return found.state.weights.tolist(), found.state.velocity.tolist(), found.reports

    return Kind(file, read, ".")


def model(place: Path, name: str) -> Kind:
    write_small(place)

    def read() -> Any:
        found = load_model(place)
        return found.description, {n: a.tolist() for n, a in found.tensors.items()}

    return Kind(place / name, read, "")


def features(place: Path) -> Kind:
    store, key, names = FeatureStore(place), FeatureKey("d" * 64, "FS1", "v1"), feature_names("FS1")
    file = store.save(key, grid_table(np.arange(3 * len(names), dtype=np.float32).reshape(3, -1), names))

    def read() -> Any:
        table = store.load(key)
        return None if table is None else table.to_numpy().tolist()

    return Kind(file, read, "damaged; its features are computed anew")


def curves(place: Path) -> Kind:
    store = CurveStore.__new__(CurveStore)
    store.folder = place
    table = pd.DataFrame({"time": [0.0, 0.5], "arousal": [0.25, 0.5]})
    store.save("d" * 64, PredictedSong(table, 1.0, 0.5, ("too loud",)))

    def read() -> Any:
        found = store.load("d" * 64)
        return None if found is None else (found.table.to_numpy().tolist(), found.distance, found.warnings)

    return Kind(place / f"{'d' * 64}.safetensors", read, "damaged; its curves are predicted anew")


def outline(place: Path) -> Kind:
    songs = {"a": ["a.wav 1 2", 8.0, "AAEC"]}
    file = place / outlines.FILE
    file.write_text(json.dumps({"digest": outlines._digest(songs), "songs": songs}))

    def read() -> Any:
        hears = Noting()
        found = outlines._read(file, hears)
        if not found:
            assert hears.notes == [f"{file}: damaged; the outlines of the sound are made anew"]
        return found or None

    return Kind(file, read, ".")


def environment(place: Path) -> Kind:
    file = place / run_folder.ABOUT
    run_folder._write(file, {"python": "3.11.7", "packages": {"numpy": "2.4.6"}, "config_sha256": "ab" * 32})

    def read() -> Any:
        found = run_folder._held(file)
        return {name: found[name] for name in ("python", "packages", "config_sha256")} if found else None

    return Kind(file, read, ".")


def kernel(place: Path) -> Kind:
    files = KernelFiles(place, "module.f-12.py311", "a" * 64)
    files.save(("f4",), {"code": list(range(40))})
    return Kind(files.path(("f4",)), lambda: files.load(("f4",)), "damaged; compiled anew")


def network(place: Path) -> Kind:
    file = place / "network.npz"
    initial_network(2, [LSTM(2), Linear(1)], 1).save(file)

    def read() -> Any:
        found = Network.load(file)
        return found.weights.tolist(), found.architecture

    return Kind(file, read, "")


KINDS: dict[str, Callable[[Path], Kind]] = {
    "jobs/*.safetensors": job,
    "jobs/system-*.safetensors": own_system,
    "jobs/*.partial.safetensors": checkpoint,
    "model/model.json": lambda place: model(place, "model.json"),
    "model/networks.safetensors": lambda place: model(place, "networks.safetensors"),
    "environment.json": environment,
    "outlines.json": outline,
    "features/*.npz": features,
    "curves/*.safetensors": curves,
    "*.nbc": kernel,
    "Network.save": network,
}


@pytest.mark.parametrize("name", KINDS)
def test_a_flipped_bit_is_noticed_or_changes_nothing(name, tmp_path, caplog):
    kind, draw = KINDS[name](tmp_path), random.Random(name)
    whole, before = kind.file.read_bytes(), kind.read()
    assert before is not None
    caplog.set_level(logging.WARNING)

    def noticed(content: bytes) -> bool:
        """Whether damage is told, by the error of who asks or in the log, and not taken for content."""
        kind.file.write_bytes(content)
        caplog.clear()
        try:
            found = kind.read()
        except (InputError, EngineError) as error:
            return kind.told == "" and str(tmp_path) in str(error)
        if found is None:
            return kind.told == "." or caplog.messages == [f"{kind.file}: {kind.told}"]
        assert found == before
        return False

    places = draw.sample(range(8 * len(whole)), min(PLACES, 8 * len(whole)))
    flipped = [whole[: k // 8] + bytes([whole[k // 8] ^ 1 << k % 8]) + whole[k // 8 + 1 :] for k in places]
    assert sum(map(noticed, flipped)) > 0.8 * len(places)  # of a zip, some bytes say nothing
    for cut in draw.sample(range(len(whole) - 1), 20):  # a line's end at the end says nothing
        assert noticed(whole[:cut])


def test_the_page_has_each_kind():
    page = PAGE.read_text(encoding="utf-8")
    for name in KINDS:
        assert f"| `{name}` |" in page, name
