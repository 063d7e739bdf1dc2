"""The data sets of the experiment: DEAM in its official layout, and procedural music in the same."""

from lstmcore.experiments.datasets.loading import load_dataset
from lstmcore.experiments.datasets.song import Dataset, Song, SongId, song_order

__all__ = ["Dataset", "Song", "SongId", "load_dataset", "song_order"]
