"""From a file, and what the command line puts in place of its values, to an experiment."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lstmcore.experiments.config.explanations import explain
from lstmcore.experiments.config.sections import Experiment
from lstmcore.experiments.config.shipped import find_experiment
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import from_toml


def load_experiment(
    file: str | Path, overrides: Sequence[str] = (), backend: str | None = None
) -> Experiment:
    """Read an experiment.

    Parameters
    ----------
    file
        The TOML file, or the name of an experiment that comes with the package, such as ``quickstart``.
    overrides
        ``KEY=VALUE`` each, with dots between sections; values as in TOML, or bare text.
    backend
        Replaces ``engine.backend`` if given.

    Returns
    -------
    Experiment
        Validated, with defaults; ``data.root``, and that of each ``data.also``, is made absolute (a path in
        the file is relative to the file, one given by an override to the working directory).

    Raises
    ------
    InputError
        If there is no such file, it can't be read, or a key or value is wrong.
    """
    path = find_experiment(Path(file))
    values = _read_toml(path)
    _make_paths_absolute(values, path.parent)
    for override in overrides:
        one = _parse_override(override)
        _make_paths_absolute(one, Path.cwd())
        _merge(values, one)
    if backend is not None:
        _merge(values, {"engine": {"backend": backend}})
    try:
        experiment = Experiment.model_validate(values)
        # Of the experiment alone: what is searched or ablated may be a network that can't, and is told then.
        experiment.pretraining.check(experiment.network.cell, experiment.network.bidirectional)
    except ValidationError as error:
        raise InputError(f"{path}: {explain(error, Experiment)}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return experiment


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
        return from_toml(text)
    except ValueError as error:  # a number of thousands of digits is a plain ValueError
        raise InputError(f"{path}: not valid TOML: {error}") from None


def _parse_override(override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key.strip() or not all(key.strip().split(".")):
        raise InputError(f"--set {override}: expected KEY=VALUE, such as training.learning_rate=1e-5")
    try:
        value = from_toml(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
        if text.strip()[:1] in ("[", "{"):
            advice = f"a list with spaces is quoted: --set '{key.strip()}=[16, 8]'"
            raise InputError(f"--set {override}: not a value as in TOML; {advice}") from None
    except ValueError as error:
        raise InputError(f"--set {key.strip()}: can't be read: {error}") from None
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    return dict(value)


def _merge(values: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value


def _make_paths_absolute(values: dict[str, Any], base: Path) -> None:
    if isinstance(reuse := values.get("reuse"), list) and all(isinstance(one, str) for one in reuse):
        values["reuse"] = [_absolute("reuse", base, one) for one in reuse]
    data = values.get("data")
    if isinstance(data, dict):
        _make_root_absolute("data", data, base)
        _make_root_absolute("data", data, base, "unlabelled_folder")
        _make_roots_absolute("data.also", data.get("also"), base)
    ablations = values.get("ablation")
    for n, one in enumerate(ablations if isinstance(ablations, list) else []):
        changes = one.get("set") if isinstance(one, dict) else None
        if isinstance(changes, dict):
            _make_roots_absolute(f"ablation.{n}.set.data.also", changes.get("data.also"), base)


def _make_roots_absolute(key: str, sections: Any, base: Path) -> None:
    for n, one in enumerate(sections if isinstance(sections, list) else []):
        if isinstance(one, dict):
            _make_root_absolute(f"{key}.{n}", one, base)


def _make_root_absolute(key: str, section: dict[str, Any], base: Path, name: str = "root") -> None:
    if isinstance(section.get(name), str):
        section[name] = _absolute(f"{key}.{name}", base, section[name])


def _absolute(key: str, base: Path, path: str) -> str:
    try:
        return str((base / Path(path).expanduser()).resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, ~nobody, a zero byte
        raise InputError(f"{key} is {path!r}, which is no path here: {error}") from None
