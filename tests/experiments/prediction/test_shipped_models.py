"""Models that come with lstmcore: found by name, taken where none is named, listed with their cards."""

from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.prediction import load_model, shipped
from lstmcore.experiments.prediction.shipped import find_model, shipped_folder, shipped_models
from tests.experiments.prediction.test_model_files import write_tiny_model

GOLDEN = Path(__file__).parents[2] / "golden" / "features"
MOST_BYTES = 1_500_000
CARD = {"summary": "two tiny networks", "data": "random numbers", "licence": "none"}


def invoke(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The current folder, with a song; two models come with lstmcore, of which `alpha` has a card."""
    root = tmp_path / "models"
    for name in ("beta", "alpha"):
        write_tiny_model(root / name, card=CARD, cautions=[f"{name} knows nothing"])
    (root / "alpha" / "README.md").write_text("# Alpha\n\nIt **knows** nothing.\n")
    (root / "README.md").write_text("no model")
    (root / "empty").mkdir()
    monkeypatch.setattr(shipped, "shipped_folder", lambda: root)
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    samples, rate = soundfile.read(GOLDEN / "mix12.flac", dtype="int16")
    soundfile.write("a.wav", samples[: 2 * rate], rate)
    return here


@pytest.fixture
def bare(place, monkeypatch):
    """The same where no model comes with lstmcore."""
    monkeypatch.setattr(shipped, "shipped_folder", lambda: place / "nowhere")
    return place


@pytest.mark.usefixtures("place")
def test_a_model_is_found_by_its_name_and_the_first_by_none():
    assert shipped_models() == ["alpha", "beta"]
    assert [find_model(given).name for given in (None, Path("beta"))] == ["alpha", "beta"]
    assert find_model(None).folder == shipped.shipped_folder() / "alpha"


def test_a_model_here_of_that_name_comes_first_and_another_folder_does_not(place):
    (place / "beta").mkdir()
    assert find_model(Path("beta")).folder == shipped.shipped_folder() / "beta"
    write_tiny_model(place / "beta" / "model")
    assert find_model(Path("beta")).folder == Path("beta/model")
    assert find_model(Path("./beta/model")).folder == Path("beta/model")


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("given", ["alpa", "other/alpha"])
def test_what_is_neither_is_refused_with_the_names(given):
    with pytest.raises(InputError, match=f"{given}: no such model; .* lstmcore: alpha, beta; did you mean"):
        find_model(Path(given))


@pytest.mark.parametrize(("given", "found"), [("other", "has no model.json"), ("a.wav", "is no folder")])
def test_what_holds_no_model_is_refused_with_what_is_expected(place, given, found):
    (place / "other").mkdir(exist_ok=True)
    with pytest.raises(InputError, match=f"{given}: {found}; expected the folder of a finished run"):
        find_model(Path(given))


@pytest.mark.usefixtures("bare")
def test_where_no_model_ships_that_is_said():
    result = invoke("predict", "a.wav")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "error: no model comes with this lstmcore; expected --model RUN" in result.stderr
    assert "no model comes with this lstmcore" in invoke("models").stdout
    with pytest.raises(InputError, match=r"x: no such model; expected the folder of a .* or of a model$"):
        find_model(Path("x"))


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("model", [[], ["--model", "alpha"]])
def test_songs_are_predicted_without_a_model_of_ones_own(model):
    result = invoke("predict", "a.wav", "--quiet", *model)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("a.wav,") == 2
    assert result.stderr.count("warning: alpha: alpha knows nothing") == 1


@pytest.mark.usefixtures("place")
def test_a_picture_is_drawn_by_a_models_name():
    result = invoke("plot", "a.wav", "--model", "beta", "--quiet")
    assert result.exit_code == 0, result.output
    assert "warning: beta: beta knows nothing" in result.stderr
    assert Path("a.png").is_file()


@pytest.mark.parametrize(
    ("songs", "expected"),
    [
        ([], "lstmcore predict SONG --model run"),
        (["a.wav"], "lstmcore predict a.wav --model run"),
        (["a.wav", "b.wav"], "lstmcore predict a.wav … --model run"),
    ],
)
def test_the_old_order_of_words_is_refused_with_the_right_one(place, songs, expected):
    write_tiny_model(place / "run" / "model")
    for run in ("run", "run/model"):
        result = invoke("predict", run, *songs, "--quiet")
        assert result.exit_code == 2
        right = expected.replace("--model run", f"--model {run}")
        assert result.stderr == f"error: {run}: is a model and no song; expected: {right}\n"


@pytest.mark.usefixtures("place")
def test_they_are_listed_and_their_cards_are_printed():
    listed = invoke("models").stdout
    assert all(word in listed for word in ("alpha", "beta", *CARD.values()))
    assert invoke("models", "alpha").stdout == "# Alpha\n\nIt **knows** nothing.\n"
    result = invoke("models", "beta")
    assert result.exit_code == 2
    assert "README.md: no readable card of a model: No such file" in result.stderr
    assert "no such model" in invoke("models", "alpa").stderr


def test_what_ships_can_be_loaded_and_is_small():
    """Each has weights, a card and a line for the list; all together are a small part of the wheel."""
    files = [path for path in shipped_folder().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    for name in shipped_models():
        folder = shipped_folder() / name
        assert {path.name for path in folder.iterdir()} == {"README.md", "model.json", "networks.safetensors"}
        about = load_model(folder).about
        assert about.card is not None
        assert about.cautions
