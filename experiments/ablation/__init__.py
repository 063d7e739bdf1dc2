"""Ablations: the experiment with one thing changed each time, compared over the same folds and songs."""

from experiments.ablation.ablated import Ablated, ablation_config
from experiments.ablation.run import run_ablations

__all__ = ["Ablated", "ablation_config", "run_ablations"]
