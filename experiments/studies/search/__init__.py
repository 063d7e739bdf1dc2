"""A search: settings chosen by cross-validation, one after the other or all at once."""

from lstmcore.experiments.studies.search.run import run_search
from lstmcore.experiments.studies.search.searched import Searched, search_folder

__all__ = ["Searched", "run_search", "search_folder"]
