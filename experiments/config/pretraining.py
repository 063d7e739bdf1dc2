"""How weights are learnt: by descent, and before that without labels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lstmcore.experiments.config.section import Section
from lstmcore.experiments.errors import InputError

Strategy = Literal["none", "first_layer", "layerwise", "next_frames", "sequence_autoencoder"]
"""What networks learn before they see a label."""

MOST_FRAMES = 1000  # predicted from one
LONGEST_PIECE = 3600.0  # seconds


class Descent(Section):
    """Gradient descent and early stopping."""

    learning_rate: float = Field(default=5e-6, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    input_noise: float = Field(default=0.3, ge=0)
    parallel_sequences: int = Field(default=1, ge=1)
    stochastic: bool = True
    shuffle: bool = True
    max_epochs: int = Field(default=1000, ge=1)
    patience: int = Field(default=20, ge=1)


class Pretraining(Descent):
    """What networks learn from the unlabelled songs before they see a label: weights to begin with.

    ``strategy``: ``first_layer``, the paper's: the first layer as a de-noising auto-encoder of frames;
    ``layerwise``: all hidden layers so, each on the codes of the one below; ``next_frames``: all layers
    together predict the next ``next_frames`` frames of the song; ``sequence_autoencoder``: all layers
    together read a piece of ``piece_seconds`` and then write it backwards; or ``none``.
    ``enabled = false`` is the same as ``none``, whatever the strategy is.

    Its objective is the sum of squared errors, whatever that of the networks is: it gives back
    features, of which many are constant for a while, where a CCC says nothing.
    """

    enabled: bool = True
    strategy: Strategy = "first_layer"
    next_frames: int = Field(default=4, ge=1, le=MOST_FRAMES)
    piece_seconds: float = Field(default=10.0, gt=0, le=LONGEST_PIECE)

    @property
    def chosen(self) -> Strategy:
        """The strategy, or ``none`` if pre-training is off."""
        return self.strategy if self.enabled else "none"

    def check(self, cell: str, bidirectional: bool) -> None:
        """Raise InputError if networks of this kind can't be pre-trained so."""
        if self.chosen == "sequence_autoencoder" and cell == "feedforward":
            raise InputError(
                "pretraining.strategy is 'sequence_autoencoder' and network.cell 'feedforward', which "
                "remembers nothing to write down; expected another strategy, or cell = 'lstm'"
            )
        if self.chosen in ("next_frames", "sequence_autoencoder") and bidirectional:
            raise InputError(
                f"pretraining.strategy is {self.chosen!r} and network.bidirectional true: layers that run "
                "backwards see what they are to tell; expected 'first_layer', 'layerwise' or 'none'"
            )
