"""The experiment's configuration: what a TOML file may say, and what is wrong with it.

An unknown key is an error that names the key, the file and the nearest right key.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from experiments.errors import InputError, did_you_mean


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ProceduralData(_Section):
    """Size of the procedural collection; seconds are the annotated length of a song."""

    development: int = Field(default=44, ge=1)
    unlabelled: int = Field(default=22, ge=0)
    test: int = Field(default=6, ge=0)
    seconds: float = Field(default=30.0, ge=20.0)
    test_seconds: float = Field(default=45.0, ge=20.0)
    raters: int = Field(default=10, ge=2)
    seed: int = Field(default=2015, ge=0)


class TargetFiles(_Section):
    """Files, relative to ``data.root``, that replace the development songs' annotations."""

    arousal: str
    valence: str


class Data(_Section):
    """Which songs, features and targets."""

    source: Literal["procedural", "deam"]
    root: str | None = None
    features: Literal["FS1", "FS2", "song_means"] = "FS1"
    targets: TargetFiles | None = None
    development_songs: str | None = None
    unlabelled: Literal["others", "none"] = "others"
    official_test_above: int | None = 2000
    procedural: ProceduralData = ProceduralData()

    @model_validator(mode="after")
    def _needs_root(self) -> Data:
        if self.source == "deam" and self.root is None:
            raise ValueError(
                "root is missing: the folder of the DEAM data; give it with --set data.root=FOLDER"
            )
        return self


class Folds(_Section):
    """A song's fold is its index modulo ``count``; fold ``team_test`` is kept out."""

    count: int = Field(default=11, ge=3)
    team_test: int = Field(default=10, ge=0)

    @model_validator(mode="after")
    def _in_range(self) -> Folds:
        if self.team_test >= self.count:
            raise ValueError(f"team_test is {self.team_test}; expected a fold from 0 to {self.count - 1}")
        return self


class NetworkConfig(_Section):
    """Hidden LSTM layers, from the input on; the output layer is linear."""

    hidden: list[Annotated[int, Field(ge=1, le=100_000)]] = Field(default=[200, 150, 25], min_length=1)
    bias: float = 1.0


class Training(_Section):
    """Gradient descent and early stopping."""

    learning_rate: float = Field(default=5e-6, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    input_noise: float = Field(default=0.3, ge=0)
    parallel_sequences: int = Field(default=1, ge=1)
    stochastic: bool = True
    shuffle: bool = True
    max_epochs: int = Field(default=1000, ge=1)
    patience: int = Field(default=20, ge=1)


class Pretraining(Training):
    """The de-noising auto-encoder on the unlabelled songs."""

    enabled: bool = True


class Ensemble(_Section):
    """How many networks a fold, and which of them are averaged."""

    trials: int = Field(default=5, ge=1)
    criteria: list[Literal["rmse", "ccc"]] = Field(default=["rmse", "ccc"], min_length=1)
    choice: Literal["best_k", "greedy"] = "best_k"
    networks: int | None = Field(default=None, ge=1)
    scope: Literal["pooled", "per_song"] = "pooled"


class Engine(_Section):
    """What computes the networks."""

    backend: Literal["cpu", "reference"] = "cpu"
    precision: Literal["float32", "float64"] | None = None

    @model_validator(mode="after")
    def _reference_is_double(self) -> Engine:
        if self.backend == "reference" and self.precision == "float32":
            raise ValueError("precision is float32; the reference backend computes in float64")
        return self

    @property
    def dtype(self) -> str:
        """The precision, or the backend's own where none is given."""
        return self.precision or ("float64" if self.backend == "reference" else "float32")


class Experiment(_Section):
    """A whole experiment."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(default=2015, ge=0)
    data: Data
    folds: Folds = Folds()
    network: NetworkConfig = NetworkConfig()
    training: Training = Training()
    pretraining: Pretraining = Pretraining()
    ensemble: Ensemble = Ensemble()
    engine: Engine = Engine()

    def to_toml(self) -> str:
        """Write the experiment with every default filled in."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    @property
    def fingerprint(self) -> str:
        """Eight characters that change with any setting."""
        text = json.dumps(self.model_dump(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def load_experiment(path: Path, overrides: list[str], backend: str | None = None) -> Experiment:
    """Read an experiment.

    Parameters
    ----------
    path
        The TOML file.
    overrides
        ``KEY=VALUE`` each, with dots between sections; values as in TOML, or bare text.
    backend
        Replaces ``engine.backend`` if given.

    Returns
    -------
    Experiment
        Validated, with defaults; ``data.root`` is made absolute (a path in the file is
        relative to the file, one given by an override to the working directory).

    Raises
    ------
    InputError
        If the file can't be read or a key or value is wrong.
    """
    values = _read_toml(path)
    _make_root_absolute(values, path.parent)
    for override in overrides:
        one = _parse_override(override)
        _make_root_absolute(one, Path.cwd())
        _merge(values, one)
    if backend is not None:
        _merge(values, {"engine": {"backend": backend}})
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error)}") from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected an experiment in TOML") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read as text: {error}") from None
    if not text.strip():
        raise InputError(f"{path}: the file is empty; expected an experiment in TOML")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None


def _parse_override(override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key.strip() or not all(key.strip().split(".")):
        raise InputError(f"--set {override}: expected KEY=VALUE, such as training.learning_rate=1e-5")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    return dict(value)


def _merge(values: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value


def _make_root_absolute(values: dict[str, Any], base: Path) -> None:
    data = values.get("data")
    if isinstance(data, dict) and isinstance(data.get("root"), str):
        data["root"] = str((base / Path(data["root"]).expanduser()).resolve())


def _explain(error: ValidationError) -> str:
    """All that is wrong, a line each: key, what was found, what is expected."""
    lines = []
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            lines.append(
                f"unknown key {key!r}{did_you_mean(key.rsplit('.', 1)[-1], _keys_at(item['loc'][:-1]))}"
            )
        elif item["type"] == "missing":
            lines.append(f"key {key!r} is missing")
        elif item["type"] == "value_error":
            lines.append(f"{key + '.' if key else ''}{item['ctx']['error']}")
        else:
            expected = item["msg"].removeprefix("Input should be ")
            lines.append(f"{key} is {item['input']!r}; expected {expected}")
    return "\n  ".join(lines)


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    """Names of the keys that a section may have."""
    model: Any = Experiment
    for part in location:
        field = model.model_fields.get(part)
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())] if field else []
        model = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
        if model is None:
            return []
    return list(model.model_fields)
