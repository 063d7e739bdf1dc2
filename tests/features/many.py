"""All results of `extract_many` at once."""

from typing import Any

from lstmcore.features import Extraction, extract_many


def extract_all(*arguments: Any, **options: Any) -> list[Extraction]:
    with extract_many(*arguments, **options) as results:
        return list(results)
