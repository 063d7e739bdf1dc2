"""What a TOML file may say: the sections, how they are read, and what is wrong with them.

``sections`` are what there is (``data`` the largest), and ``variations`` what may be said of other
experiments like it; ``loading`` reads a file, ``keys`` changes single values, ``explanations`` puts mistakes
into words, and ``shipped`` finds the experiments that come along.
"""

from lstmcore.experiments.config.data import (
    DEAM_SCALE,
    DEAM_TARGETS,
    WINDOW_SECONDS,
    Data,
    ProceduralData,
    Quality,
)
from lstmcore.experiments.config.execution import Cluster, Execution, execution_of
from lstmcore.experiments.config.features import MEANS, TABLE, OwnSet, in_words, is_meant
from lstmcore.experiments.config.front import Front, FrontLayer, front_layers, front_size
from lstmcore.experiments.config.keys import value_of, with_values
from lstmcore.experiments.config.loading import load_experiment
from lstmcore.experiments.config.own_data import AudioData, Columns, TableData
from lstmcore.experiments.config.pretraining import Pretraining
from lstmcore.experiments.config.sections import Engine, Ensemble, Experiment, Folds, Training
from lstmcore.experiments.config.systems import OwnSystem

__all__ = [
    "DEAM_SCALE",
    "DEAM_TARGETS",
    "MEANS",
    "TABLE",
    "WINDOW_SECONDS",
    "AudioData",
    "Cluster",
    "Columns",
    "Data",
    "Engine",
    "Ensemble",
    "Execution",
    "Experiment",
    "Folds",
    "Front",
    "FrontLayer",
    "OwnSet",
    "OwnSystem",
    "Pretraining",
    "ProceduralData",
    "Quality",
    "TableData",
    "Training",
    "execution_of",
    "front_layers",
    "front_size",
    "in_words",
    "is_meant",
    "load_experiment",
    "value_of",
    "with_values",
]
