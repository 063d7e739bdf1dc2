"""The data sets of the experiment: DEAM in its official layout, and procedural music in the same."""

from lstmcore.experiments.datasets.loading import load_dataset
from lstmcore.experiments.datasets.song import TARGETS, Dataset, Song

__all__ = ["TARGETS", "Dataset", "Song", "load_dataset"]
