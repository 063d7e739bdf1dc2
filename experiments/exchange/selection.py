"""What of a model is exported: one system or one network, and what other programs can't do for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore import Architecture
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.job import Tensors
from lstmcore.experiments.prediction.description import QUANTILES, SCALERS, STACKED, Description
from lstmcore.experiments.prediction.export import chosen
from lstmcore.experiments.prediction.model import Model, load_model
from lstmcore.experiments.prediction.shipped import card_in, find_model

Array = NDArray[Any]

_MOST_LISTED = 12


@dataclass(frozen=True)
class Member:
    """One network of what is exported.

    Parameters
    ----------
    pieces
        Of each layer, name of the parameter to its values, in single precision.
    scalers
        ``input_mean``, ``input_scale``, ``target_mean`` and ``target_scale``, in double precision.
    """

    pieces: list[dict[str, Array]]
    scalers: dict[str, Array]


@dataclass(frozen=True)
class Selection:
    """The part of a model that is exported.

    Parameters
    ----------
    name
        What messages call the model.
    folder
        Where it lies.
    model
        It, with one system.
    numbers
        Of its networks in the whole model, from 0, in the order of the system.
    """

    name: str
    folder: Path
    model: Model
    numbers: list[int]

    @property
    def about(self) -> Description:
        """What ``model.json`` says of the part."""
        return self.model.about

    @property
    def description(self) -> dict[str, Any]:
        """The same as JSON can hold it, without digests of the whole model's arrays."""
        return self.about.model_dump(exclude_none=True, exclude={"checksums"})

    @property
    def architecture(self) -> Architecture:
        """Layers of the networks."""
        return self.model.architecture

    @property
    def tensors(self) -> Tensors:
        """Arrays of the part; those of networks in the order of the system."""
        return self.model.tensors

    @property
    def system(self) -> str:
        """Name of the system."""
        return next(iter(self.about.systems))

    @property
    def quantiles(self) -> Array | None:
        """What features are ranked by; None if they aren't."""
        return self.tensors.get(QUANTILES)

    @property
    def members(self) -> list[Member]:
        """Networks in the order of the system; with single targets those of the first target come first."""
        found = []
        for number in self.model.members(None):
            weights = self.tensors["weights"][number].astype(np.float32)
            scalers = {name: self.tensors[name][number].astype(np.float64) for name in SCALERS}
            found.append(Member(self.architecture.views(weights), scalers))
        return found

    @property
    def frames(self) -> tuple[int, int]:
        """Frames of the lead-in and of the delay."""
        about, hop = self.about, self.about.hop_seconds
        if hop is None:
            return 0, 0
        return int(about.lead_in_seconds / hop + 1e-9), round(about.annotation_delay_seconds / hop)

    @property
    def smoothing_reach(self) -> int:
        """How many frames before and after a frame its prediction is averaged over."""
        about, hop = self.about, self.about.hop_seconds
        return 0 if hop is None else int(about.smoothing_seconds / (2 * hop) + 1e-9)

    @property
    def card(self) -> str | None:
        """The model's card, if it has one."""
        return card_in(self.folder)

    def layer_place(self, number: int) -> str:
        """Name a layer in a message."""
        layers = self.architecture.layers
        return f"{self.name}: layer {number + 1} of {len(layers)} ({layers[number].kind})"

    def peepholes(self) -> Iterator[tuple[int, float]]:
        """Layers that have peepholes other than 0, and the largest of each."""
        for number in range(len(self.architecture.layers)):
            found = [m.pieces[number]["p"] for m in self.members if "p" in m.pieces[number]]
            largest = max((float(np.abs(p).max()) for p in found), default=0.0)
            if largest > 0:
                yield number, largest

    def frame_by_frame_notes(self) -> list[str]:
        """Say what is left to whoever gives frames one after the other."""
        (before, late), found = self.frames, []
        if before:
            found.append(
                f"the networks learnt with a lead-in: give the song's first frame {before} times before the "
                "song, and drop what comes out"
            )
        if late:
            found.append(
                f"raters answer {late} frames late: what comes out for a frame is what they say {late} "
                "frames later"
            )
        if self.smoothing_reach:
            found.append(
                f"lstmcore predict averages over {self.about.smoothing_seconds:g} s, which needs frames to "
                "come: what comes out is not smoothed"
            )
        return found

    def rounding_notes(self) -> list[str]:
        """Say if weights lose digits, as other programs have LSTM layers in single precision only."""
        weights = self.tensors["weights"]
        if weights.dtype == np.float32 or (weights.astype(np.float32) == weights).all():
            return []
        return ["weights are in double precision and were rounded to single"]


def select(given: Path | None, system: str | None = None, network: int | None = None) -> Selection:
    """Take one system of a model, or one network.

    Parameters
    ----------
    given
        Folder of a run or model, or the name of one that comes with lstmcore.
    system
        Which ensemble; the first if None.
    network
        Number of the only network that is wanted, from 0; None: all of the system.

    Raises
    ------
    InputError
        If there is no such model, system or network.
    """
    found = find_model(given)
    model = load_model(found.folder)
    if network is not None:
        return Selection(found.name, found.folder, _only(found.name, model, system, network), [network])
    return Selection(found.name, found.folder, chosen(model, system), model.members(system))


def _only(name: str, model: Model, system: str | None, network: int) -> Model:
    if system is not None:
        raise InputError("--system and --network are both there; expected one of them")
    if model.about.networks_a_member > 1:
        raise InputError(
            f"{name}: its networks have one target each, so that one alone is no model; expected no --network"
        )
    count = len(model.about.networks)
    if not 0 <= network < count:
        raise InputError(f"{name}: no network {network}; expected 0 to {count - 1}, as in its model.json")
    values = model.description
    values["networks"] = [values["networks"][network]]
    values["systems"] = {"network": [0]}
    tensors = {key: array[[network]] if key in STACKED else array for key, array in model.tensors.items()}
    return Model(Description.model_validate(values), tensors)


def single(selection: Selection, what: str) -> Member:
    """Return the only network, for formats that hold one.

    Raises
    ------
    InputError
        If there are several; they are listed.
    """
    if len(selection.members) == 1:
        return selection.members[0]
    places = selection.about.networks
    own = [places[k] for k in selection.model.members(None)]
    listed = [
        f"{number}: {' '.join(f'{n} {v}' for n, v in place.model_dump(exclude_none=True).items())}"
        for number, place in zip(selection.numbers, own, strict=True)
    ]
    more = "; …" if len(listed) > _MOST_LISTED else ""
    raise InputError(
        f"{selection.name}: {len(own)} networks in {selection.system}, and {what} holds one; expected "
        f"--network and one of {'; '.join(listed[:_MOST_LISTED])}{more}; or all of them with --to onnx"
    )
