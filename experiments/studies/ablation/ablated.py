"""What ablations are made of and what comes out: shared by those who run, write and draw them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tomli_w

from lstmcore.experiments.config import Experiment
from lstmcore.experiments.config.variations import Ablation
from lstmcore.experiments.run.folder import variations_folder
from lstmcore.experiments.studies.ablation.compare import Comparison


@dataclass(frozen=True)
class Ablated:
    """Finished ablations.

    Parameters
    ----------
    folder
        Where everything is.
    experiment
        As it is, on ``data.features`` alone.
    ablations
        What was changed, in order.
    rows
        Comparisons: those of the ablations, one network instead of all trials, and regressions in place of
        networks.
    sizes
        Comparisons by number of networks per fold, from 1 to one less than there are trials.
    diverged
        Names of ablations whose training diverged, and which network did.
    notes
        What a person should know about the data.
    """

    folder: Path
    experiment: Experiment
    ablations: list[Ablation]
    rows: list[Comparison]
    sizes: dict[int, list[Comparison]]
    diverged: dict[str, str]
    notes: list[str]

    def names(self) -> list[str]:
        """Names of what was compared, in order."""
        return list(dict.fromkeys([*(a.name for a in self.ablations), *(row.ablation for row in self.rows)]))


def ablation_config(experiment: Experiment) -> str:
    """Write an experiment with its ablations, all defaults filled in."""
    sections = [a.model_dump(exclude_defaults=True) for a in experiment.ablation]
    return experiment.to_toml() + ("\n" + tomli_w.dumps({"ablation": sections}) if sections else "")


def ablation_folder(experiment: Experiment) -> Path:
    """Return the folder of ablations that were given none: another configuration, another folder."""
    return variations_folder(experiment, "ablate", ablation_config(experiment))
