"""Makes a model that comes with lstmcore: trains it, keeps what predicting needs, and writes its card.

    python -m benchmarks.make_model NAME [--set data.root=FOLDER …] [--run FOLDER]

``benchmarks/models/NAME.toml`` says by which experiment, which of its networks are kept, and what its card
tells (`Recipe`).  The experiment is run, or what is left of it; the model goes to
``experiments/models/NAME``.  Its arrays are stored in as few digits as change no prediction of the data's
songs by a thousandth.  Nothing of the data is written.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from lstmcore.experiments.config import Experiment, load_experiment
from lstmcore.experiments.config.explanations import explain
from lstmcore.experiments.config.section import Section
from lstmcore.experiments.datasets import load_dataset
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import write_text
from lstmcore.experiments.prediction.export import chosen, made_small
from lstmcore.experiments.prediction.model import Model, load_model, write_model
from lstmcore.experiments.prediction.shipped import CARD, shipped_folder
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.terminal.environment import processors
from lstmcore.experiments.terminal.progress import Quiet, new_progress

RECIPES = Path(__file__).parent / "models"
MOST_BYTES = 1_500_000
"""Of all models that come with lstmcore."""
TRIED = 200  # songs, as many at most of those with and of those without annotations
METRICS = {("r", "pooled"): "pooled r", ("rmse", "per_song"): "RMSE by song", ("r", "per_song"): "r by song"}
SYSTEMS = ("lstm_all", "ridge", "global_mean")


class Recipe(Section):
    """How a model is made, and what is to be known of it.

    ``summary``, ``data`` and ``licence`` (of the data) are a line each; ``cautions`` are told before each
    prediction; ``across`` (scores on other data) and ``limits`` (what it doesn't know) are Markdown.
    """

    experiment: str
    set: list[str] = Field(default=[])
    system: str | None = None
    networks: int | None = Field(default=None, ge=1)
    summary: str
    data: str
    licence: str
    cautions: list[str] = Field(min_length=1)
    across: str = ""
    limits: str


def read_recipe(name: str) -> Recipe:
    """Read what ``benchmarks/models`` says of a model."""
    path = RECIPES / f"{name}.toml"
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    except ValidationError as error:
        raise InputError(f"{path}: {explain(error, Recipe)}") from None


def songs_to_try(experiment: Experiment) -> list[NDArray[np.float64]]:
    """Features, as they are computed, of songs of all that the data have."""
    raw = experiment.data.model_copy(update={"normal_scores": False})
    data = load_dataset(raw, workers=processors(), progress=Quiet(), stop=threading.Event())
    groups = [[*data.development, *data.official_test], data.unlabelled]
    return [song.features for group in groups for song in group[:: len(group) // TRIED + 1]]


def score_table(rows: list[dict[str, Any]]) -> str:
    """Set the cross-validated scores of the networks and what they are to be compared with as Markdown."""
    rows = [row for row in rows if row["set"] == "cross_validation"]
    found = {(row["system"], row["target"], row["metric"], row["scope"]): row for row in rows}
    lines = [
        f"In cross-validation of {max(row['songs'] for row in rows)} songs, each predicted by networks that "
        "didn't learn from it; the model averages networks of all folds:",
        "",
        f"| target | system | {' | '.join(METRICS.values())} |",
        f"| --- | --- |{' --- |' * len(METRICS)}",
    ]
    for target in dict.fromkeys(row["target"] for row in rows):
        for system in SYSTEMS:
            keys = [(system, target, *metric) for metric in METRICS]
            if all(key in found for key in keys):
                means = [f"{found[key]['mean']:.3f}" for key in keys]
                lines.append(f"| {target} | `{system}` | {' | '.join(means)} |")
    return "\n".join(lines)


def card(name: str, recipe: Recipe, model: Model, scores: list[dict[str, Any]]) -> str:
    """Write the card of a model."""
    template = Environment(undefined=StrictUndefined, autoescape=False).from_string(
        (RECIPES / "card.md.j2").read_text(encoding="utf-8")
    )
    members = len(next(iter(model.about.systems.values()))) // model.about.networks_a_member
    known = recipe.model_dump() | {"scores": score_table(scores), "about": model.about, "members": members}
    return template.render(name=name, **known) + "\n"


def make(name: str, overrides: list[str], run: Path | None = None) -> Path:
    """Make a model, and return its folder."""
    recipe = read_recipe(name)
    experiment = load_experiment(recipe.experiment, [*recipe.set, *overrides])
    finished = run_experiment(experiment, Session(run, progress=new_progress(quiet=False))).folder
    model = chosen(load_model(finished / "model"), recipe.system, recipe.networks)
    small = made_small(model, songs_to_try(experiment))
    told = {"summary": recipe.summary, "data": recipe.data, "licence": recipe.licence}
    description = small.model.description | {"notes": [], "cautions": recipe.cautions, "card": told}
    folder = shipped_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    write_model(folder, description, small.stored)
    scores = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    write_text(folder / CARD, card(name, recipe, load_model(folder), scores))
    print(f"{folder}: {size_of(folder):,} bytes, weights in {small.stored['weights'].dtype};")
    print(f"the digits that are left out change predictions by {small.change:.2g} at most")
    if (size := size_of(shipped_folder())) > MOST_BYTES:
        most = f"expected at most {MOST_BYTES:,}: fewer networks"
        raise InputError(f"all models together have {size:,} bytes; {most}")
    return folder


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make a model that comes with lstmcore.")
    parser.add_argument("name", help="of a recipe in benchmarks/models")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--run", type=Path, help="folder of the run; by default one in runs/")
    arguments = parser.parse_args()
    try:
        make(arguments.name, arguments.set, arguments.run)
    except InputError as error:
        sys.exit(f"error: {error}")
