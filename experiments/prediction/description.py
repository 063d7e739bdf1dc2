"""What a model's ``model.json`` may say: read and checked before anything of it is used."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from lstmcore import BLOCK_LAYERS, LAYERS, PRECISIONS, Architecture, Convolution, EngineError, Layer
from lstmcore.experiments.config.own_data import OF_CURVES, SPREAD
from lstmcore.experiments.config.section import Section
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import read_plain
from lstmcore.experiments.jobs.job import Tensors
from lstmcore.features.errors import one_line
from lstmcore.features.sets import feature_names, is_feature_set

FORMAT = 1
LONGEST_SECONDS = 3600.0  # of smoothing and lead-in: longer than any song that is rated
_MOST_FRAMES = 100_000  # of a lead-in or delay
BEFORE = ("lead_in_seconds", "annotation_delay_seconds")
"""For how long a song's first frame is repeated before the song."""
QUANTILES = "quantiles"
SCALERS = ("input_mean", "input_scale", "target_mean", "target_scale")
STACKED = ("weights", *SCALERS)
NOVELTY = tuple(f"novelty_{part}" for part in ("centre", "scale", "axes", "variances", "distances"))

_MOST_BYTES = 100_000_000  # of the file
_MOST_LAYERS = 1000
_MOST_ROWS = 2000  # of what there is once for each input
_BEYOND_ARRAYS = 64 << 20  # bytes of the arrays' file beside these, such as its head

_Count = Annotated[int, Field(ge=1, le=100_000)]
Seconds = Annotated[float, Field(ge=0, le=LONGEST_SECONDS)]


def _one_line(name: str) -> str:
    if one_line(name) != name:
        raise PydanticCustomError("name", "Input should be one line of text without controls")
    return name


_Name = Annotated[str, AfterValidator(_one_line)]


class _Part(Section):
    """Part of the file; a number in quotes is no number."""

    model_config = ConfigDict(strict=True)


class LayerDescription(_Part):
    """One layer, from the input on.

    Those that see a step as a block have a ``shape`` and a ``window``, which their size follows from.
    """

    kind: str
    size: int = Field(ge=1, le=10_000_000)
    bias: float = 1.0
    learning_rate: float | None = None
    shape: list[_Count] | None = None
    window: list[_Count] | None = None
    stride: list[_Count] | None = None
    filters: _Count | None = None
    activation: str | None = None

    @model_validator(mode="after")
    def _can_be_made(self) -> LayerDescription:
        if self.kind not in LAYERS | BLOCK_LAYERS:
            known = ", ".join(LAYERS | BLOCK_LAYERS)
            raise ValueError(f"kind is {self.kind!r}; expected one of {known}")
        try:
            size = self.layer().size
        except EngineError as error:
            raise ValueError(str(error)) from None
        except TypeError:
            raise ValueError(f"a {self.kind} layer is described by other keys than these") from None
        if size != self.size:
            raise ValueError(f"size is {self.size}; expected {size}, which follows from shape and window")
        return self

    def layer(self) -> Layer:
        """Return it as the engine has it."""
        if self.kind in LAYERS:
            return LAYERS[self.kind](self.size, self.bias, self.learning_rate)
        told = self.model_dump(exclude={"kind", "size"}, exclude_none=True)
        kind = BLOCK_LAYERS[self.kind]
        return kind(**{name: value for name, value in told.items() if name != "bias" or kind is Convolution})


class Place(_Part):
    """Where a network comes from: its fold and trial, and its target if it has one of its own; or a file."""

    fold: int | None = None
    trial: int | None = None
    target: _Name | None = None
    file: _Name | None = None


class TrainedOn(_Part):
    """The songs that the networks learnt from; ``synthetic``: made by a program, with simulated raters."""

    source: str
    synthetic: bool
    songs: int = Field(ge=0)
    unlabelled_songs: int = Field(ge=0)


class Card(_Part):
    """What a list of models says of one, a line each: what it is, its data, and the licence of these."""

    summary: str
    data: str
    licence: str


class Description(_Part):
    """Content of ``model.json``; keys that aren't needed to predict may be missing.

    ``version`` is lstmcore's that wrote it; ``window_seconds``, of features ``song_means``, the length of the
    windows that means are taken over; ``prediction_window_seconds``, of the windows that a longer song is
    predicted in, lead-in included; ``cautions`` are told before each prediction, and ``card``
    in the list of models; ``checksums`` are SHA-256 digests of the arrays.
    """

    format: Literal[1]
    experiment: _Name = ""
    version: str | None = None
    layers: list[LayerDescription] = Field(min_length=1, max_length=_MOST_LAYERS)
    layer_names: list[_Name] | None = None
    objective: str | None = None
    gate_order: Literal["z i f o"] = "z i f o"
    feature_set: str
    feature_names: list[str] = Field(min_length=1)
    targets: list[_Name] | None = Field(default=None, min_length=1)
    target_range: list[float] | None = Field(default=None, min_length=2, max_length=2)
    hop_seconds: float | None = Field(default=None, ge=0.001, le=LONGEST_SECONDS)
    smoothing_seconds: Seconds = 0.0
    lead_in_seconds: Seconds = 0.0
    window_seconds: Annotated[float, Field(gt=0, le=LONGEST_SECONDS)] | None = None
    annotation_delay_seconds: Seconds = 0.0
    prediction_window_seconds: Annotated[float, Field(gt=0, le=LONGEST_SECONDS)] | None = None
    trained_on: TrainedOn | None = None
    networks: list[Place] = Field(min_length=1)
    systems: dict[_Name, Annotated[list[int], Field(min_length=1)]] = Field(min_length=1)
    notes: list[str] = Field(default=[])
    cautions: list[str] = Field(default=[])
    card: Card | None = None
    checksums: dict[str, str] | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_the_first_version(cls, values: Any) -> Any:
        """Write out the layers of a model of the first days: LSTMs of sizes in ``hidden``, then a linear."""
        if not isinstance(values, dict) or "hidden" not in values or "layers" in values:
            return values
        found = {key: value for key, value in values.items() if key not in ("hidden", "bias")}
        hidden, targets, bias = values["hidden"], values.get("targets"), values.get("bias", 1.0)
        sizes = hidden if isinstance(hidden, list) else [hidden]
        layers = [{"kind": "lstm", "size": size, "bias": bias} for size in sizes]
        outputs = len(targets) if isinstance(targets, list) else 0
        return found | {"layers": [*layers, {"kind": "linear", "size": outputs, "bias": bias}]}

    @model_validator(mode="after")
    def _features_are_those_of_the_set(self) -> Description:
        known = feature_names(self.feature_set) if is_feature_set(self.feature_set) else None
        own = {*self.feature_names}
        if known is not None and self.feature_names != [name for name in known if name in own]:
            raise ValueError(
                f"feature_names aren't of the {len(known)} of {self.feature_set}, in their order"
            )
        return self

    @model_validator(mode="after")
    def _times_fit_together(self) -> Description:
        for key in ("smoothing_seconds", "prediction_window_seconds", *BEFORE):
            if getattr(self, key) and self.hop_seconds is None:
                raise ValueError(f"{key} is {getattr(self, key)} and there is no hop_seconds")
        for key in BEFORE:
            if self.hop_seconds is not None and getattr(self, key) / self.hop_seconds > _MOST_FRAMES:
                raise ValueError(
                    f"{key} is {getattr(self, key)} and hop_seconds {self.hop_seconds}; "
                    f"expected at most {_MOST_FRAMES} frames"
                )
        window = self.prediction_window_seconds
        if window is not None and window - self.lead_in_seconds < (self.hop_seconds or 0) / 2:
            raise ValueError(
                f"prediction_window_seconds is {window} and lead_in_seconds {self.lead_in_seconds}; "
                "expected a window longer than the lead-in"
            )
        if self.target_range is not None and not self.target_range[0] < self.target_range[1]:
            raise ValueError(f"target_range is {self.target_range}; expected two numbers that rise")
        return self

    @model_validator(mode="after")
    def _systems_are_made_of_networks(self) -> Description:
        for name, numbers in self.systems.items():
            wrong = [k for k in numbers if not 0 <= k < len(self.networks)]
            if wrong:
                raise ValueError(
                    f"systems.{name} has network {wrong[0]}; expected 0 to {len(self.networks) - 1}"
                )
        return self

    @model_validator(mode="after")
    def _targets_are_told(self) -> Description:
        found = [network.target for network in self.networks]
        single = [target for target in dict.fromkeys(found) if target is not None]
        if self.targets is None and not single:
            return self
        outputs, targets = self.layers[-1].size, self.targets or single
        if not single and outputs != len(targets):
            raise ValueError(f"layers end in {outputs} outputs and there are {len(targets)} targets")
        if single and (None in found or outputs != 1 or not set(single) <= set(targets)):
            raise ValueError(
                "networks.target: expected none, or for each network of one output "
                f"one of {', '.join(targets)}"
            )
        for name, numbers in self.systems.items() if single else ():
            share = len(numbers) // len(targets)
            if [found[k] for k in numbers] != [target for target in targets for _ in range(share)]:
                raise ValueError(
                    f"systems.{name}: expected as many networks of {', then as many of '.join(targets)}"
                )
        return self

    @model_validator(mode="after")
    def _targets_have_columns_of_their_own(self) -> Description:
        names = self.target_names
        for n, name in enumerate(names):
            if name in names[:n]:
                raise ValueError(f"targets has {name!r} twice; expected each once")
            if name in OF_CURVES or name.endswith(SPREAD):
                raise ValueError(
                    f"targets has {name!r}, which curves have a column of; expected another name"
                )
        return self

    @property
    def target_names(self) -> list[str]:
        """Names of what the networks predict; numbered where nobody told them."""
        if self.targets is not None:
            return self.targets
        single = [network.target for network in self.networks if network.target is not None]
        return list(dict.fromkeys(single)) or [f"output_{k + 1}" for k in range(self.layers[-1].size)]

    @property
    def networks_a_member(self) -> int:
        """How many networks make one member of a system: one, or one for each target."""
        of_each = {network.target for network in self.networks}
        return len(self.targets or of_each) if None not in of_each else 1

    @property
    def architecture(self) -> Architecture:
        """Layers of the networks."""
        return Architecture(len(self.feature_names), tuple(layer.layer() for layer in self.layers))

    @property
    def most_bytes(self) -> int:
        """How large a file of the arrays can be: as in double precision, and what else there is."""
        whole = self.architecture
        each = whole.parameter_count + 2 * (whole.input_size + whole.output_size)
        others = whole.input_size * (whole.input_size + _MOST_ROWS)  # axes of novelty, and quantiles
        return 8 * (len(self.networks) * each + others) + _BEYOND_ARRAYS

    def warnings(self) -> list[str]:
        """Return what a person should know before believing a prediction."""
        if self.trained_on is None or not self.trained_on.synthetic:
            return self.cautions
        return [
            "this model learnt from synthetic music (a program's songs and raters): "
            "what it says of real songs means nothing",
            *self.cautions,
        ]


def model_folder(run: Path) -> Path:
    """Folder of the model of a run, which may be named itself."""
    return run / "model" if (run / "model").is_dir() else run


def read_description(path: Path) -> Description:
    """Read ``model.json``.

    Raises
    ------
    InputError
        If it is missing or can't be read, or if a key is unknown, missing or wrong; it is named.
    """
    try:
        return Description.model_validate_json(read_plain(path, _MOST_BYTES))
    except OSError as error:
        raise InputError(f"{path}: no readable model: {error.strerror or error}") from None
    except ValidationError as error:
        raise InputError(f"{path}: {explained(error)}") from None


def explained(error: ValidationError) -> str:
    """Return what is wrong first: key, what was found, what is expected."""
    item: Any = error.errors(include_url=False)[0]
    key = ".".join(one_line(str(part)) for part in item["loc"])
    if item["type"] == "json_invalid":
        return f"no readable model: not valid JSON: {item['ctx']['error']}"
    if item["type"] == "extra_forbidden":
        return f"unknown key {key!r}: damaged, or of a newer version"
    if item["type"] == "missing":
        return f"key {key!r} is missing"
    if item["type"] == "value_error":
        return f"{key + '.' if key else ''}{item['ctx']['error']}"
    told = item["msg"].removeprefix("Input should be ")
    return f"{key or 'the whole'} is {reprlib.repr(item['input'])}; expected {told}"


def check_tensors(path: Path, description: Description, tensors: Tensors) -> None:
    """Check the arrays of a model against its description.

    Parameters
    ----------
    path
        The arrays' file.
    description
        Of the same model.
    tensors
        Arrays by name.

    Raises
    ------
    InputError
        If an array is missing or unknown, or has another shape, precision or values than it must.
    """
    missing = sorted({*STACKED} - {*tensors})
    if any(name.startswith("novelty_") for name in tensors):
        missing += sorted({*NOVELTY} - {*tensors})
    unknown = sorted({*tensors} - {*STACKED, QUANTILES, *NOVELTY})
    if missing or unknown:
        what = f"no {', '.join(missing)}" if missing else f"unknown array {unknown[0]!r}"
        raise InputError(f"{path}: {what}: damaged, or of another version")
    architecture, networks = description.architecture, len(description.networks)
    inputs = architecture.input_size
    sizes = {
        "weights": architecture.parameter_count,
        "input": inputs,
        "target": architecture.output_size,
    }
    for name, array in tensors.items():
        if array.dtype.name not in PRECISIONS:
            raise InputError(f"{path}: {name} is {array.dtype.name}; expected float32 or float64")
        rows = array.shape[0] if array.ndim else 0
        wanted: tuple[int, ...] = (rows, inputs)
        if name in STACKED:
            wanted = (networks, sizes[name.partition("_")[0]])
        elif name == "novelty_variances":  # of each axis, and of the rest
            wanted = (sum(tensors["novelty_axes"].shape[:1]) + 1,)
        elif name in NOVELTY and name != "novelty_axes":
            wanted = (rows,) if name == "novelty_distances" else (inputs,)
        if array.shape != wanted or not len(array):
            raise InputError(f"{path}: {name} has shape {array.shape}; expected {wanted}")
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds numbers that aren't finite")
        if name.endswith(("_scale", "_variances")) and not (array > 0).all():
            raise InputError(f"{path}: {name} holds numbers that aren't above 0")
