"""The models of a page: those that are there, and those that runs will leave when they end."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lstmcore.experiments.prediction.command import facts_of
from lstmcore.experiments.prediction.outputs.facts import Facts
from lstmcore.experiments.prediction.shipped import find_model, is_model
from lstmcore.experiments.prediction.songs import open_predictor


@dataclass(frozen=True)
class ServedModel:
    """A model that can predict.

    Parameters
    ----------
    folder
        Where it lies.
    facts
        What is to be known of its predictions.
    """

    folder: Path
    facts: Facts


class Models:
    """Models, in the order in which they were given.

    Parameters
    ----------
    given
        Folders of models and runs, or names of models that come along; none: the shipped one.
    unfinished
        Those of them that are runs without a model as yet.

    Raises
    ------
    InputError
        If one can't predict songs.
    """

    def __init__(self, given: Sequence[Path], unfinished: Sequence[Path] = ()) -> None:
        self._given: list[Path | None] = list(given) if given else [None]
        self._awaited = set(unfinished)
        self._found: dict[Path | None, ServedModel] = {}
        self._lock = threading.Lock()
        self.now()

    def now(self) -> list[ServedModel]:
        """Return the models that are there by now."""
        with self._lock:
            for one in self._given:
                if one in self._found or (one is not None and one in self._awaited and not is_model(one)):
                    continue
                folder = find_model(one).folder.absolute()
                self._found[one] = ServedModel(folder, facts_of(open_predictor(one)))
            return [self._found[one] for one in self._given if one in self._found]
