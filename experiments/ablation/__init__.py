"""Ablations: the experiment with one thing changed each time, compared over the same folds and songs."""

from experiments.ablation.run import Ablated, ablation_config, run_ablations

__all__ = ["Ablated", "ablation_config", "run_ablations"]
