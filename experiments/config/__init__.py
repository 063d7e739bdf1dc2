"""What a TOML file may say: the sections, how they are read, and what is wrong with them."""

from lstmcore.experiments.config.sections import (
    DEAM_SCALE,
    Data,
    Ensemble,
    Experiment,
    Folds,
    Pretraining,
    ProceduralData,
    Quality,
    Training,
    load_experiment,
    value_of,
    with_values,
)

__all__ = [
    "DEAM_SCALE",
    "Data",
    "Ensemble",
    "Experiment",
    "Folds",
    "Pretraining",
    "ProceduralData",
    "Quality",
    "Training",
    "load_experiment",
    "value_of",
    "with_values",
]
