"""The models that come with the package, found by name from any folder, and what their cards say."""

from __future__ import annotations

import errno
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from lstmcore.experiments.errors import InputError, did_you_mean
from lstmcore.experiments.files import read_plain
from lstmcore.experiments.prediction.description import Description, model_folder, read_description
from lstmcore.features.errors import printable

CARD = "README.md"

_MOST_OF_CARD = 1_000_000  # bytes
_FOLDER_EXPECTED = "the folder of a finished run or of a model"


@dataclass(frozen=True)
class FoundModel:
    """A model's folder, and what messages call it: its name if it comes with lstmcore, else its path."""

    name: str
    folder: Path

    def describe(self) -> Description:
        """Read its ``model.json``; an InputError says what is wrong with it."""
        return read_description(self.folder / "model.json")


def shipped_folder() -> Path:
    """Folder that the models of the package lie in."""
    return Path(str(resources.files("lstmcore.experiments") / "models"))


def shipped_models() -> list[str]:
    """Return the names of the shipped models; the first is taken where none is named."""
    root = shipped_folder()
    return sorted(path.name for path in root.iterdir() if is_model(path)) if root.is_dir() else []


def is_model(path: Path) -> bool:
    """Whether a path is the folder of a model, or of a run that has left one."""
    return (model_folder(path) / "model.json").is_file()


def find_model(given: Path | None) -> FoundModel:
    """Return the model that is meant.

    Parameters
    ----------
    given
        Folder of a run or model, or the name of a shipped one, which counts where there is no model of that
        name; None: the shipped one.

    Returns
    -------
    FoundModel
        Its ``model.json`` hasn't been looked into.

    Raises
    ------
    InputError
        If there is no such model.
    """
    names = shipped_models()
    if given is None:
        if not names:
            raise InputError(f"no model comes with this lstmcore; expected --model RUN, {_FOLDER_EXPECTED}")
        return FoundModel(names[0], shipped_folder() / names[0])
    if given.parent == Path() and given.name in names and not is_model(given):
        return FoundModel(given.name, shipped_folder() / given.name)
    if is_model(given):
        return FoundModel(printable(given), model_folder(given))
    found = "no such model"
    if given.exists():
        found = "has no model.json" if given.is_dir() else "is no folder"
    named = f", or the name of one that comes with lstmcore: {', '.join(names)}" if names else ""
    hint = did_you_mean(given.name, names)
    raise InputError(f"{printable(given)}: {found}; expected {_FOLDER_EXPECTED}{named}{hint}")


def card_in(folder: Path) -> str | None:
    """Return the card of a model's folder, which exports take along; None if none can be read."""
    try:
        return _read_card(folder)
    except (OSError, UnicodeDecodeError):
        return None


def _read_card(folder: Path) -> str:
    """Read the card; a link out of the folder would make any text of this machine a part of the model."""
    file = folder / CARD
    if not file.resolve().is_relative_to(folder.resolve()):
        raise OSError(errno.EINVAL, "a link out of the model's folder", str(file))
    return read_plain(file, _MOST_OF_CARD).decode()


def print_models() -> None:
    """Print the shipped models, and how to have one predict."""
    from lstmcore.experiments.terminal.sheet import Sheet, new_console

    names = shipped_models()
    if not names:
        print("no model comes with this lstmcore; to predict by your own: lstmcore predict SONG --model RUN")
        return
    rows = []
    for name in names:
        about = find_model(Path(name)).describe()
        card = about.card
        of_card = [card.summary, card.data, card.licence] if card else [about.experiment, "", ""]
        rows.append((False, [name, *of_card]))
    headings = ["name", "what it is", "learnt from", "licence of the data"]
    Sheet("models that come with lstmcore", headings, rows, labels=4).print(new_console())
    print("to predict by one: lstmcore predict SONG --model NAME; for its card: lstmcore models NAME")


def print_card(given: Path) -> None:
    """Print the card of a model: as a page on a terminal, else as the Markdown that it is.

    Raises
    ------
    InputError
        If there is no such model, or it has no card.
    """
    from rich.markdown import Markdown

    from lstmcore.experiments.terminal.sheet import new_console

    found = find_model(given)
    file = found.folder / CARD
    try:
        text = _read_card(found.folder)
    except (OSError, UnicodeDecodeError) as error:
        found.describe()  # what is no model at all is told first
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{printable(file)}: no readable card of a model: {why}") from None
    if sys.stdout.isatty():
        new_console().print(Markdown(text))
    else:
        print(text, end="")
