"""Models and jobs as earlier versions wrote them: they say what they said then.

Each folder of ``old_models`` is a model that the code of that day trained, with what it predicted then of
the song below.  Before the format changes, one joins them, of a run on five features (`conftest.EXPERIMENT`):

    python -m tests.experiments.prediction.test_old_models runs/tiny-1a2b3c4d/model 2026-12-24-what-changes
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from lstmcore.experiments.prediction.model import load_model
from tests.experiments.run.test_run import Listener, run

FOLDER = Path(__file__).parents[2] / "old_models"
MODELS = sorted(file.parent for file in FOLDER.glob("*/model.json"))
# Twelve frames of five features.
SONG = np.sin(0.7 * np.arange(12)[:, None] + 1.3 * np.arange(5))


def test_none_is_taken_away():
    assert len(MODELS) >= 7


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_model_of_an_earlier_version_predicts_what_it_did(model):
    found = load_model(model)
    predicted = json.loads((model / "predicted.json").read_text(encoding="utf-8"))
    assert list(predicted) == list(found.description["systems"])
    for system, then in predicted.items():
        mean, spread = found.predict(SONG, system)
        # Single precision, and perhaps other vectors than on the machine of that day.
        np.testing.assert_allclose(mean, then["mean"], rtol=0, atol=1e-6)
        np.testing.assert_allclose(spread, then["spread"], rtol=0, atol=1e-6)
        assert np.ptp(mean, 0).max() > 1e-5


def test_jobs_of_an_earlier_version_are_found(tiny):
    """Once jobs are to be trained anew, by a version that says so, new ones replace these."""
    jobs = tiny / "earlier" / "jobs"
    shutil.copytree(FOLDER / "jobs", jobs)
    config = tiny / "tiny.toml"
    config.write_text(f"reuse = ['{jobs}']\n{config.read_text()}")
    listener = Listener()
    run(tiny, progress=listener)
    assert listener.epochs == 0
    assert {file.name for file in (tiny / "out" / "jobs").iterdir()} == {file.name for file in jobs.iterdir()}


def keep(model: Path, name: str) -> None:
    """Have a model of this version join those of earlier ones."""
    target = FOLDER / name
    target.mkdir()
    for file in ("model.json", "networks.safetensors"):
        shutil.copy(model / file, target)
    found, predicted = load_model(model), {}
    for system in found.description["systems"]:
        mean, spread = found.predict(SONG, system)
        predicted[system] = {"mean": mean.tolist(), "spread": spread.tolist()}
    (target / "predicted.json").write_text(json.dumps(predicted, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    keep(Path(sys.argv[1]), sys.argv[2])
