"""What all sections of a configuration have in common."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """Part of a configuration: an unknown key is an error, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false where a number is meant: Python, and so pydantic, takes them for 1 and 0."""
        kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
        if kinds & {int, float} and bool not in kinds and _has_truth(value):
            numbers = "numbers" if isinstance(value, list) else "a number"
            raise PydanticCustomError("truth_for_number", "Input should be {numbers}", {"numbers": numbers})
        return value


def _kinds(annotation: Any) -> set[Any]:
    """Return all types that an annotation names, at any depth."""
    return {annotation}.union(*map(_kinds, get_args(annotation)))


def _has_truth(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, list) and any(map(_has_truth, value)))
