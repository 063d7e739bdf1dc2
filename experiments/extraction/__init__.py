"""``lstmcore features``: tables of features of any number of songs.

``inputs`` finds the songs and what each is called → ``command`` has them computed, side by
side → ``tables`` writes one table per song or one for all, as CSV or Parquet.
"""

from lstmcore.experiments.extraction.command import Summary, extract_songs, feature_set, feature_settings
from lstmcore.experiments.extraction.inputs import find_songs
from lstmcore.experiments.extraction.tables import Format, Tables, is_one_table, open_tables

__all__ = [
    "Format",
    "Summary",
    "Tables",
    "extract_songs",
    "feature_set",
    "feature_settings",
    "find_songs",
    "is_one_table",
    "open_tables",
]
