"""Jobs and songs on the workers of a Dask cluster.

``worker`` is what runs there; ``connection`` reaches a cluster or starts one; ``dask_jobs`` and
``dask_songs`` have jobs and songs done there.  Dask is imported when they are used.
"""
