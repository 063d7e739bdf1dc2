"""Ablations: the experiment with one thing changed each time, compared over the same folds and songs."""

from lstmcore.experiments.studies.ablation.ablated import Ablated, ablation_folder
from lstmcore.experiments.studies.ablation.run import run_ablations

__all__ = ["Ablated", "ablation_folder", "run_ablations"]
