"""Sections for data of any layout: which file and column is what."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from lstmcore.experiments.config.section import Section

SPREAD = "_spread"
OF_CURVES = ("file", "time", "end", "label", "novelty")
"""Columns of predicted curves that are no target's."""
_TAKEN = (*OF_CURVES, "song_id", "system", "validation", "team_test", "official_test")


def _words(key: str, value: Any) -> list[str]:
    """Take one word for a list of one; said in one sentence, where a union would have one for each member."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(v, str) and v for v in values):
        raise ValueError(f"{key} is {value!r}; expected text in quotes, or a list of such")
    return values


class Columns(Section):
    """Which columns tables have, of whatever source.

    ``song`` and ``time`` may be several names, of which each table has one.  ``columns``: the column of a
    target that is called otherwise.  ``value``: the column of targets that have files of their own.
    ``rater``: a column that names who rated; the mean of all is the annotation.  ``metadata``: a file with
    a row per song, or columns of the annotations.
    """

    section: ClassVar[str] = "data"

    song: list[str] = Field(default=["song"])
    time: list[str] = Field(default=["time"])
    time_unit: Literal["s", "ms"] = "s"
    targets: list[str] = Field(default=["arousal", "valence"], min_length=1)
    columns: dict[str, str] = Field(default={})
    value: str = Field(default="value", min_length=1)
    rater: str | None = Field(default=None, min_length=1)
    metadata: str | list[str] | None = None

    @property
    def column_of(self) -> dict[str, str]:
        """Column of each target, in their order."""
        return {target: self.columns.get(target, target) for target in self.targets}

    @model_validator(mode="before")
    @classmethod
    def _one_or_several(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        found = dict(values)
        for key in {"song", "time", "file", "features", "metadata", "annotations"} & found.keys():
            value = found[key]
            if key == "annotations" and isinstance(value, dict):
                found[key] = {target: _words(f"{key}.{target}", files) for target, files in value.items()}
            elif value is not None and not (key == "metadata" and isinstance(value, str)):
                found[key] = _words(key, value)
        return found

    @model_validator(mode="after")
    def _targets_can_be_told_apart(self) -> Columns:
        for n, target in enumerate(self.targets):
            if not target.isprintable() or target != target.strip() or not target:
                raise ValueError(f"targets has {target!r}; expected names of one line")
            if target in self.targets[:n]:
                raise ValueError(f"targets has {target!r} twice; expected each once")
            if target in _TAKEN or target.endswith(SPREAD):
                raise ValueError(
                    f"targets has {target!r}, which results have columns of; expected another name"
                )
        for name in self.columns:
            if name not in self.targets:
                raise ValueError(f"columns has {name!r}; expected some of targets: {', '.join(self.targets)}")
        used = list(self.column_of.values())
        for n, column in enumerate(used):
            if column in used[:n]:
                raise ValueError(f"columns: two targets have the column {column!r}; expected one each")
        return self


def check_files(
    annotations: list[str] | dict[str, list[str]] | None, targets: list[str], metadata: str | list[str] | None
) -> None:
    """Raise ValueError unless files by target are those of all targets, and metadata are elsewhere."""
    if not isinstance(annotations, dict):
        return
    if isinstance(metadata, list):
        raise ValueError(f"metadata is {metadata}, and annotations are files by target; expected a file")
    for name in [*annotations, *targets]:
        if name not in targets or name not in annotations:
            what = f"no {name}" if name in targets else f"{name!r}, which is no target"
            raise ValueError(f"annotations has {what}; expected files of {', '.join(targets)}")


class TableData(Columns):
    """Features, and annotations, in tables with one row per song and time stamp.

    ``features``: names and patterns of columns; ``*`` is all that are nothing else.  ``annotations``: files
    of their own, or of each target; None: the targets stand beside the features.
    """

    section: ClassVar[str] = "data.table"

    file: list[str]
    annotations: list[str] | dict[str, list[str]] | None = None
    features: list[str] = Field(default=["*"])

    @model_validator(mode="after")
    def _files_of_all_targets(self) -> TableData:
        check_files(self.annotations, self.targets, self.metadata)
        return self


class AudioData(Columns):
    """A folder of audio, and tables of annotations.

    ``raters``: ``files``, if each table is of one rater.
    """

    section: ClassVar[str] = "data.audio"

    folder: str = "."
    annotations: list[str] | dict[str, list[str]]
    raters: Literal["files"] | None = None

    @model_validator(mode="after")
    def _files_of_all_targets(self) -> AudioData:
        check_files(self.annotations, self.targets, self.metadata)
        if self.raters is not None and (self.rater is not None or isinstance(self.annotations, dict)):
            other = "rater" if self.rater is not None else "annotations by target"
            raise ValueError(f"raters is 'files' beside {other}; expected either")
        return self
