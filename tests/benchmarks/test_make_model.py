"""From a recipe to a model that comes with lstmcore: what is kept of a run, in which digits, its card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import make_model
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.job import load_result
from lstmcore.experiments.prediction import export, load_model, shipped
from lstmcore.experiments.prediction.export import MOST_CHANGE, chosen, made_small
from lstmcore.experiments.prediction.model import Model, write_model
from tests.experiments.conftest import EXPERIMENT, write_tiny_deam
from tests.experiments.prediction.test_model_files import DESCRIPTION, SINGLE, arrays

RECIPE = """
experiment = "{root}/tiny.toml"
set = ["data.normal_scores=true"]
system = "lstm_ccc"
networks = 1
summary = "a tiny network"
data = "random numbers"
licence = "none"
cautions = ["It knows nothing of valence.", "Nor of arousal."]
across = "On *other* numbers: 0."
limits = "Music."
"""
ROWS = [np.random.default_rng(k).standard_normal((6, 3)) for k in range(5)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an experiment, a recipe for a model of it, and no model yet."""
    write_tiny_deam(tmp_path / "data")
    (tmp_path / "tiny.toml").write_text(EXPERIMENT)
    (tmp_path / "recipes").mkdir()
    template = make_model.RECIPES / "card.md.j2"
    (tmp_path / "recipes" / "card.md.j2").write_text(template.read_text())
    (tmp_path / "recipes" / "small.toml").write_text(RECIPE.format(root=tmp_path))
    monkeypatch.setattr(make_model, "RECIPES", tmp_path / "recipes")
    for module in (make_model, shipped):
        monkeypatch.setattr(module, "shipped_folder", lambda: tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_recipe_becomes_a_model_with_a_card(place, capsys):
    folder = make_model.make("small", ["ensemble.trials=3"], place / "run")
    assert capsys.readouterr().out.startswith(f"{folder}: ")
    whole, model = load_model(place / "run" / "model"), load_model(folder)
    assert model.about.systems == {"lstm_ccc": [0]}
    assert model.about.warnings() == ["It knows nothing of valence.", "Nor of arousal."]
    assert model.about.card is not None
    assert model.about.notes == []
    assert shipped.shipped_models() == ["small"]
    rows = np.random.default_rng(0).uniform(-1, 1, (9, 5))
    first = whole.members("lstm_ccc")[0]
    alone = Model(whole.about.model_copy(update={"systems": {"one": [first]}}), whole.tensors)
    np.testing.assert_allclose(model.predict(rows)[0], alone.predict(rows)[0], atol=5 * MOST_CHANGE)
    assert model.standing(rows).novelty is not None
    text = (folder / "README.md").read_text()
    for words in (
        "# small",
        "| `lstm_all` | ",
        "| `ridge` | ",
        "9 annotated songs, 3 without",
        "5 features of",
    ):
        assert words in text
    assert "* It knows nothing of valence.\n* Nor of arousal.\n" in text
    assert "On *other* numbers: 0.\n" in text
    assert text.endswith("## What it doesn't know\n\nMusic.\n")
    assert str(place) not in text + (folder / "model.json").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("limits = ", "limit = "), "small.toml: .*unknown key 'limit'; did you mean 'limits'"),
        (("networks = 1", "networks = 400"), "400 networks of lstm_ccc; expected 1 to "),
        (("lstm_ccc", "lstm_cc"), "no system 'lstm_cc'; expected one of lstm_rmse, lstm_ccc; did you mean"),
        (("cautions = [", "cautions = ]["), "small.toml: not valid TOML"),
    ],
)
def test_a_wrong_recipe_is_told(place, change, message):
    file = place / "recipes" / "small.toml"
    file.write_text(file.read_text().replace(*change))
    with pytest.raises(InputError, match=f"(?s){message}"):
        make_model.make("small", [], place / "run")
    assert not (place / "models").exists()


def test_models_that_are_too_large_together_are_refused(place, monkeypatch):
    monkeypatch.setattr(make_model, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match="expected at most 1,000: fewer networks"):
        make_model.make("small", [], place / "run")
    with pytest.raises(InputError, match=r"nothing\.toml: can't be read"):
        make_model.make("nothing", [])


def tiny_model(folder: Path, outputs: int = 2, **changes: np.ndarray) -> Model:
    about = DESCRIPTION | (SINGLE if outputs == 1 else {"systems": {"a": [0], "b": [1, 0]}})
    write_model(folder, about, arrays(outputs) | changes)
    return load_model(folder)


def test_networks_are_kept_evenly_and_of_each_target(tmp_path):
    model = tiny_model(tmp_path)
    assert chosen(model).about.systems == {"a": [0]}
    for system, networks, kept in (("b", None, [1, 0]), ("b", 1, [1]), ("a", 1, [0])):
        part = chosen(model, system, networks)
        weights = part.tensors["weights"][part.members(None)]
        np.testing.assert_array_equal(weights, model.tensors["weights"][kept])
    single = chosen(tiny_model(tmp_path / "single", 1), networks=1)
    assert [place.target for place in single.about.networks] == ["arousal", "valence"]


def test_as_few_digits_are_kept_as_change_nothing(tmp_path):
    model = tiny_model(tmp_path, quantiles=np.linspace(-3, 3, 1001)[:, None].repeat(3, 1))
    small = made_small(model, ROWS)
    assert small.stored["weights"].dtype == np.float16
    assert len(small.stored["quantiles"]) == 101
    assert 0 < small.change < MOST_CHANGE
    write_model(tmp_path / "small", small.model.description, small.stored)
    stored = load_result(tmp_path / "small" / "networks.safetensors")
    assert stored is not None
    assert stored.tensors["weights"].dtype == np.float16
    for rows in ROWS:
        again = load_model(tmp_path / "small").predict(rows)[0]
        np.testing.assert_array_equal(again, small.model.predict(rows)[0])
        np.testing.assert_allclose(again, model.predict(rows)[0], atol=MOST_CHANGE)


def test_more_digits_are_kept_where_they_are_needed(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    rough = np.sort(rng.standard_normal((1001, 3)) ** 3, axis=0)
    large = {"weights": arrays()["weights"] * 1e6, "target_scale": np.full((2, 2), 1e-7), "quantiles": rough}
    small = made_small(tiny_model(tmp_path, **large), ROWS)
    assert small.stored["weights"].dtype == np.float32  # half precision has no such numbers
    monkeypatch.setattr(export, "MOST_CHANGE", 1e-5)
    small = made_small(tiny_model(tmp_path, quantiles=rough), ROWS)
    assert (small.stored["weights"].dtype, len(small.stored["quantiles"])) == (np.float32, 1001)
    monkeypatch.setattr(export, "MOST_CHANGE", 1e-12)
    with pytest.raises(InputError, match=r"single precision changes a prediction by .*; expected 1e-12"):
        made_small(tiny_model(tmp_path, quantiles=rough), ROWS)
