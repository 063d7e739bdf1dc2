"""A search: settings chosen by cross-validation, one after the other or all at once."""

from experiments.search.run import run_search
from experiments.search.searched import Searched, search_config

__all__ = ["Searched", "run_search", "search_config"]
