"""experiments: from a TOML file to a table.

    >>> from lstmcore.experiments import load_experiment, run_experiment
    >>> run = run_experiment(load_experiment("quickstart"))  # doctest: +SKIP

``config`` → ``datasets`` → ``training`` (folds, auto-encoders, networks, each a job of ``jobs``) →
``scoring`` (ensembles, baselines, metrics) → ``prediction`` and ``report``; ``run`` goes through these in
order, ``studies`` through many experiments, and ``cli`` is what a person meets.
"""

import lazy_loader

# The names are those of the stub beside this file, each imported when it is asked for.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
