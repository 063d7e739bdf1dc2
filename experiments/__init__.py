"""experiments: from a TOML file to a table.

``config`` → ``datasets`` → ``folds`` → ``pretraining`` jobs → ``trial`` jobs → ``ensemble``
→ ``score`` → ``results`` and ``report``; ``runner`` goes through these in order and
``cli`` is what a person meets.
"""
